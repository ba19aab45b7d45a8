//! Database work never runs on a buyers' loop: it is spawned on the backend runtime and awaited from the loop.

use tokio::runtime::Handle;

use super::problem::{Code, Problem};

/// A handle to the backend runtime. Cheap to clone.
#[derive(Clone)]
pub struct Backend(Handle);

impl Backend {
    pub fn new(runtime: Handle) -> Self {
        Self(runtime)
    }

    /// Runs `work` on the backend runtime. If the caller is dropped (its client left), the work still runs to its end:
    /// half a transaction helps nobody.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        self.0.spawn(work).await.map_err(|error| {
            if error.is_panic() { Problem::internal("database work panicked") } else { Code::Draining.into() }
        })
    }

    /// Starts `work` and does not wait for it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.spawn(work));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_on_the_backend_and_its_panic_is_an_internal_problem() {
        let backend_runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("backend-under-test")
            .build()
            .unwrap();
        let backend = Backend::new(backend_runtime.handle().clone());
        let door = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let name =
            door.block_on(backend.run(async { std::thread::current().name().map(str::to_owned) })).unwrap();
        assert_eq!(name.as_deref(), Some("backend-under-test"));
        let problem = door.block_on(backend.run(async { panic!("boom") })).unwrap_err();
        assert_eq!(problem.code, Code::Internal);
    }
}
