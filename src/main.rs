//! The binary: argv and config file in, a running server out.

use redwheel::algo::rng::Rng;
use redwheel::config::Config;
use redwheel::net::Listener;
use redwheel::reactor::Reactor;
use redwheel::server::Server;
use redwheel::sys::memory::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    memory::count_on_this_thread();
    let mut seed = [0u8; 8];
    getrandom::fill(&mut seed).expect("the system has randomness");
    let mut config = Config::new();
    let args: Vec<String> = std::env::args().collect();
    if args.iter().any(|a| a == "--version") {
        println!("{}", redwheel::cli::version_line());
        return;
    }
    if let Some(at) = args.iter().position(|a| a == "--port") {
        config.port = args[at + 1].parse().expect("a port");
    }
    let port = config.port;
    let server = Server::new(config, Rng::new(u64::from_le_bytes(seed)));
    let mut reactor = Reactor::new(server, None).expect("poll");
    reactor
        .listen(Listener::tcp("127.0.0.1", port, 511).expect("bind"))
        .expect("listen");
    std::process::exit(reactor.run().expect("loop"));
}
