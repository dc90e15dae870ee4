//! `galley`: reads the arguments and the environment, builds the application, hands both to the command line.

use std::process::ExitCode;
use std::sync::Arc;

use galley::app::{App, bound_memory};
use galley::config::Environment;

fn main() -> ExitCode {
    bound_memory();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("galley: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let environment = Environment::read();
    let app = Arc::new(App::new(environment.clone()));
    runtime.block_on(galley::cli::run(std::env::args_os().collect(), environment, app))
}
