//! The `ecom` binary: arguments in, exit code out. Everything else lives in the library.

fn main() -> std::process::ExitCode {
    ecom::cli::main(std::env::args_os())
}
