//! `galley demo`: the whole path with a real server, a real MCP client and real Terraform, on a simulated cloud.
//!
//! `stage` is what it holds (server process, cloud, Terraform), `agent` the MCP host it plays, `facts` the names of
//! fields, `story` the first act (a design's whole life), `expected` the second (a design file and its `expect` block),
//! `show` the looks. Every step is checked against the cloud and Terraform, never against
//! Galley's own word; the first untrue one ends the demo with one line and exit code 1.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::args::DemoArgs;
use crate::cli::client::{Server, chain};
use crate::cli::failure::{Exit, Failure};
use crate::cli::screen::{Screen, Tone};
use crate::config::{ClientSettings, ServerFile, Settings, SettingsArgs};

pub mod agent;
mod expected;
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

/// The platform of the second act: 19 components, 17 connections, and what is expected of them.
pub const PLATFORM: &str = include_str!("../../../demo/iot-platform-19.json");

/// One design and what is shown with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// plan, approve, apply, drift, repair, replace, destroy
    Life(Value),
    /// the `expect` block of a design file, held against Terraform, the cloud and the findings
    Expected(Value),
}

impl Act {
    /// How many headings it has.
    fn steps(&self) -> usize {
        match self {
            Act::Life(_) => story::STEPS,
            Act::Expected(file) => expected::steps(file),
        }
    }
}

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
    let acts = acts(args.design.as_deref(), screen)?;
    perform(&acts, args.keep, flags, settings, backstage, screen).await
}

/// What is played: both designs, or the given file alone.
fn acts(design: Option<&Path>, screen: Screen) -> Result<Vec<Act>, Failure> {
    let wrong = |file: &str, problem: &dyn std::fmt::Display| {
        Failure::new(Exit::Usage, screen.lang.fill(crate::cli::text::Text::CannotRead, &[("file", &file), ("problem", problem)]))
    };
    let read = |name: &str, text: &str| serde_json::from_str::<Value>(text).map_err(|error| wrong(name, &error));
    let Some(path) = design else {
        return Ok(vec![Act::Life(read("compute-adb-verify.json", ARCHITECTURE)?), Act::Expected(read("iot-platform-19.json", PLATFORM)?)]);
    };
    let name = path.display().to_string();
    let mut file = read(&name, &crate::cli::apply::read(path, screen)?)?;
    if !file["components"].is_array() {
        return Err(wrong(&name, &"it has no list `components`"));
    }
    match crate::cli::expect::Expectation::of(&file) {
        Ok(Some(_)) => {}
        // What holds of every design is checked all the same.
        Ok(None) => file["expect"] = serde_json::json!({}),
        Err(problem) => return Err(wrong(&name, &problem)),
    }
    Ok(vec![Act::Expected(file)])
}

async fn perform(
    acts: &[Act],
    keep: bool,
    flags: &SettingsArgs,
    settings: &Settings,
    backstage: Arc<dyn Backstage>,
    screen: Screen,
) -> Result<Exit, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error.to_string());
    // a demo never plays in the person's own data directory unless it is told to
    let (temporary, data_dir) = match &flags.data_dir {
        Some(given) => (None, std::path::absolute(given).map_err(|error| failed(&error))?),
        None => {
            let made = tempfile::Builder::new().prefix("galley-demo-").tempdir().map_err(|error| failed(&error))?;
            let path = made.path().to_owned();
            (Some(made), path)
        }
    };
    let version = backstage.terraform_version().await.map_err(|error| failed(&format!("{error:#}")))?;

    let mut show = Show::new(screen, 1 + acts.iter().map(Act::steps).sum::<usize>());
    show.title(&version);
    let outcome = play(&mut show, settings, &backstage, &data_dir, acts).await;
    show.quiet();
    // a failed demo is the person's to look at
    let kept = keep || outcome.is_err() || temporary.is_none();
    match temporary {
        Some(made) if kept => drop(made.keep()),
        Some(_) | None => {}
    }
    match outcome {
        Ok(()) => {
            show::line(&format!("\n{}", screen.paint(Tone::Good, &show.words(Line::Finished, &[("seconds", &show.seconds())]))));
            if kept {
                show::line(&show.words(Line::Kept, &[("dir", &data_dir.display())]));
            }
            if !show.unchecked.is_empty() {
                let line = show.words(Line::Unchecked, &[("members", &show.unchecked.join(", "))]);
                show::line(&screen.paint(Tone::Warn, &line));
                return Ok(Exit::Waits);
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
async fn play(show: &mut Show, settings: &Settings, backstage: &Arc<dyn Backstage>, data_dir: &Path, acts: &[Act]) -> Result<(), String> {
    show.step(Line::StepServer);
    let mut playing = start(show, settings, backstage, data_dir).await?;
    // the story is dropped at Ctrl-C: it holds no process and writes nothing
    let told = tokio::select! {
        told = story::tell(show, &playing.server, playing.process.pid(), backstage.as_ref(), &playing.data_dir, acts) => told,
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
