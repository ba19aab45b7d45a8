//! The `kaipan` program. Everything it can do is in `cli/`.

/// Gives pages back after a storm: ten thousand handshakes leave glibc's heap full of holes (docs/decisions/0007).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    kaipan::cli::run()
}
