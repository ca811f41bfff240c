//! The program: the command line goes to the library, the exit code to the system.

#[global_allocator]
static ALLOCATOR: redwheel::Allocator = redwheel::Allocator;

fn main() {
    std::process::exit(redwheel::run(std::env::args_os()));
}
