//! The `ecom` binary: arguments in, exit code out. Everything else lives in the library.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ecom::cli::main(std::env::args_os())
}
