//! The `kaipan` program. Everything it can do is in `cli/`.

fn main() -> std::process::ExitCode {
    kaipan::cli::run()
}
