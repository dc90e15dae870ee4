//! `galley export`: a design as text, diagram or archive, from the server to stdout or into a file.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use http::Method;

use super::args::{ExportArgs, What};
use super::client::{As, Server, chain};
use super::failure::{Exit, Failure};
use super::screen::{Screen, say};
use super::text::Text;

/// Where an export goes: None is stdout. An archive never goes to a terminal.
fn place(name: &str, what: What, output: Option<&Path>, terminal: bool) -> Option<PathBuf> {
    match output {
        Some(path) if path == Path::new("-") => None,
        Some(path) => Some(path.to_owned()),
        None if what.packed() && terminal => Some(PathBuf::from(format!("{name}-{}", what.file()))),
        None => None,
    }
}

/// `galley export`
pub async fn run(server: &Server, args: ExportArgs, screen: Screen) -> Result<Exit, Failure> {
    let ExportArgs { name, what, output } = args;
    let terminal = std::io::stdout().is_terminal();
    if what.packed() && terminal && output.as_deref() == Some(Path::new("-")) {
        return Err(Failure::new(Exit::Usage, screen.lang.fill(Text::NeedFile, &[("what", &what.file())])));
    }
    // the name becomes a part of an address: what is no name never leaves
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Failure::new(Exit::NotFound, screen.lang.fill(Text::NotFound, &[("kind", &"design"), ("name", &name)])));
    }
    let answer = server.http(As::Editor, Method::GET, &format!("/exports/{name}/{}", what.file()), None).await;
    // the service speaks to models; a person is told in the words of this command
    let answer = answer.map_err(|failure| match failure.exit {
        Exit::NotFound => Failure::new(Exit::NotFound, screen.lang.fill(Text::NotFound, &[("kind", &"design"), ("name", &name)])),
        _ => failure,
    })?;
    let bytes = answer.bytes().await.map_err(|error| Failure::new(Exit::Unreachable, chain(&error.without_url())))?;
    let Some(path) = place(&name, what, output.as_deref(), terminal) else {
        let mut out = std::io::stdout().lock();
        // a reader that went away has what it wanted
        let _ = out.write_all(&bytes).and_then(|()| out.flush());
        return Ok(Exit::Done);
    };
    let shown = path.display();
    std::fs::write(&path, &bytes)
        .map_err(|error| Failure::new(Exit::Failed, screen.lang.fill(Text::CannotWrite, &[("file", &shown), ("problem", &error)])))?;
    say!("{}", screen.lang.fill(Text::Exported, &[("file", &shown), ("bytes", &bytes.len())]));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_to_stdout_and_an_archive_never_to_a_terminal() {
        for (why, what, output, terminal, expected) in [
            ("text is read where it is asked for", What::Summary, None, true, None),
            ("text in a pipe", What::Svg, None, false, None),
            ("an archive on a terminal gets a file", What::Terraform, None, true, Some("s-1-terraform.zip")),
            ("an archive in a pipe", What::All, None, false, None),
            ("a file that was named", What::Summary, Some("a.md"), true, Some("a.md")),
            ("stdout by name", What::Terraform, Some("-"), false, None),
        ] {
            assert_eq!(place("s-1", what, output.map(Path::new), terminal), expected.map(PathBuf::from), "{why}");
        }
    }
}
