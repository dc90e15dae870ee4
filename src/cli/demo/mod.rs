//! `galley demo`: the whole path with a real server, a real MCP client and real Terraform, on a simulated cloud.
//!
//! `stage` is what it holds (server process, cloud, Terraform), `agent` the MCP host it plays, `facts` the names of
//! fields, `story` the steps, `show` the looks. Every step is checked against the cloud and Terraform, never against
//! Galley's own word; the first untrue one ends the demo with one line and exit code 1.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cli::args::DemoArgs;
use crate::cli::client::{Server, chain};
use crate::cli::failure::{Exit, Failure};
use crate::cli::screen::{Screen, Tone};
use crate::config::{ClientSettings, ServerFile, Settings, SettingsArgs};

pub mod agent;
pub mod facts;
pub mod show;
pub mod stage;
mod story;
#[cfg(test)]
mod tests;
mod words;

pub use stage::{Backstage, CloudResource, Launch, ServerProcess};
pub use words::Line;

use show::Show;

/// The architecture of the demo: a VM and a Free Tier database in a VCN.
pub const ARCHITECTURE: &str = include_str!("../../../demo/compute-adb-verify.json");

/// Until the server says it is ready; it takes a tenth of a second when nothing else runs.
const START: Duration = Duration::from_secs(15);

/// A started server and where it keeps its things.
struct Playing {
    process: Box<dyn ServerProcess>,
    server: Server,
    data_dir: PathBuf,
}

/// Runs the command.
pub async fn run(
    args: DemoArgs,
    flags: &SettingsArgs,
    settings: &Settings,
    backstage: Arc<dyn Backstage>,
    screen: Screen,
) -> Result<Exit, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error.to_string());
    // a demo never plays in the person's own data directory unless it is told to
    let temporary = tempfile::Builder::new().prefix("galley-demo-").tempdir().map_err(|error| failed(&error))?;
    let data_dir = flags.data_dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let data_dir = std::path::absolute(&data_dir).map_err(|error| failed(&error))?;
    let version = backstage.terraform_version().await.map_err(|error| failed(&format!("{error:#}")))?;

    let mut show = Show::new(screen, story::STEPS);
    show.title(&version);
    let outcome = play(&mut show, settings, &backstage, &data_dir).await;
    show.quiet();
    let kept = args.keep || outcome.is_err() || flags.data_dir.is_some();
    if kept {
        // what is left is the person's to look at
        let _ = temporary.keep();
    }
    match outcome {
        Ok(()) => {
            println!("\n{}", screen.paint(Tone::Good, &show.words(Line::Finished, &[("seconds", &show.seconds())])));
            if kept {
                println!("{}", show.words(Line::Kept, &[("dir", &data_dir.display())]));
            }
            Ok(Exit::Done)
        }
        Err(what) => {
            let (number, title) = show.current();
            let line = show.words(Line::Untrue, &[("number", &number), ("title", &title), ("what", &what), ("dir", &data_dir.display())]);
            Err(Failure::new(Exit::Failed, line))
        }
    }
}

/// Starts the server, tells the story, stops the server on every path.
async fn play(show: &mut Show, settings: &Settings, backstage: &Arc<dyn Backstage>, data_dir: &Path) -> Result<(), String> {
    show.step(Line::StepServer);
    let mut playing = start(show, settings, backstage, data_dir).await?;
    // the story is dropped at Ctrl-C: it holds no process and writes nothing
    let told = tokio::select! {
        told = story::tell(show, &playing.server, playing.process.pid(), backstage.as_ref(), &playing.data_dir) => told,
        _ = tokio::signal::ctrl_c() => Err(crate::cli::text::Text::Interrupted.of(show.screen.lang).to_owned()),
    };
    let told = match (told, playing.process.ended()) {
        (Err(what), Some(problem)) => Err(format!("{what}; {}", show.words(Line::ServerEnded, &[("problem", &problem)]))),
        (told, _) => told,
    };
    let stopped = playing.process.stop().await.map_err(|error| format!("{error:#}"));
    told.and(stopped)?;
    show.check(Line::ServerStopped, &[]);
    Ok(())
}

async fn start(show: &Show, settings: &Settings, backstage: &Arc<dyn Backstage>, data_dir: &Path) -> Result<Playing, String> {
    crate::config::files::create_private_dir(data_dir).map_err(|error| chain(&error))?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    // port 0: the system chooses, and server.json tells; nothing can take the port in between
    let serve = ["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--data-dir"];
    let mut arguments: Vec<String> = serve.iter().map(|argument| (*argument).to_owned()).collect();
    arguments.push(data_dir.display().to_string());
    arguments.extend(["--terraform-bin".to_owned(), settings.terraform_bin.display().to_string()]);
    let launch = Launch { program, arguments, environment: Vec::new(), log: data_dir.join("server.log") };
    let mut process = backstage.start(launch).await.map_err(|error| format!("{error:#}"))?;
    let client = ClientSettings { data_dir: data_dir.to_owned(), url: None, token: None, approver_token: None };
    let ready = wait_until_ready(show, &mut process, client, data_dir).await;
    match ready {
        Ok(server) => Ok(Playing { process, server, data_dir: data_dir.to_owned() }),
        Err(what) => {
            let _ = process.stop().await;
            Err(what)
        }
    }
}

async fn wait_until_ready(
    show: &Show,
    process: &mut Box<dyn ServerProcess>,
    client: ClientSettings,
    data_dir: &Path,
) -> Result<Server, String> {
    let deadline = Instant::now() + START;
    loop {
        if let Some(problem) = process.ended() {
            return Err(show.words(Line::ServerEnded, &[("problem", &problem)]));
        }
        // a file of an earlier server in a given data directory has another pid
        let ours = ServerFile::read(data_dir).map_err(|error| chain(&error))?.is_some_and(|file| file.pid == process.pid());
        if ours {
            let server = Server::find(client.clone(), show.screen).map_err(|failure| failure.message)?;
            let answer = reqwest::get(format!("{}/readyz", server.base_url())).await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(server);
            }
        }
        if Instant::now() >= deadline {
            return Err(show.words(Line::TooLong, &[("what", &"/readyz"), ("seconds", &START.as_secs()), ("seen", &"-")]));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
