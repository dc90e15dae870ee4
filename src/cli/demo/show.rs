//! What the demo looks like: headings with elapsed seconds, ✓ lines, tables, a bar while a job runs. Plain lines without
//! a terminal.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::words::Line;
use crate::api::terraformjob::Progress;
use crate::cli::expect::View;
use crate::cli::screen::{Screen, Tone, bar, clean};
use crate::cli::text::fill;

/// One line on stdout. A reader that went away is no reason to leave a server behind: the demo goes on to its end.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// The output of one demo.
pub struct Show {
    /// how to print
    pub screen: Screen,
    started: Instant,
    steps: usize,
    step: usize,
    title: &'static str,
    bar: Option<ProgressBar>,
    last: Option<Progress>,
    /// what a file expects and nothing here can check
    pub unchecked: Vec<String>,
}

impl Show {
    /// Begins to count the seconds.
    pub fn new(screen: Screen, steps: usize) -> Self {
        Show { screen, started: Instant::now(), steps, step: 0, title: "", bar: None, last: None, unchecked: Vec::new() }
    }
    /// Seconds since the start, one digit.
    pub fn seconds(&self) -> String {
        format!("{:.1}", self.started.elapsed().as_secs_f64())
    }
    /// Number and title of the step that is shown.
    pub fn current(&self) -> (usize, &'static str) {
        (self.step, self.title)
    }
    /// A text of the demo.
    pub fn words(&self, line: Line, values: &[(&str, &dyn std::fmt::Display)]) -> String {
        fill(line.of(self.screen.lang), values)
    }
    /// What a view is called.
    pub fn view(&self, view: View) -> &'static str {
        let word = match view {
            View::Rendered => Line::ViewRendered,
            View::Cloud => Line::ViewCloud,
        };
        word.of(self.screen.lang)
    }
    /// The first line.
    pub fn title(&self, terraform: &str) {
        line(&self.screen.paint(Tone::Strong, &self.words(Line::Title, &[("terraform", &terraform)])));
    }
    /// A heading.
    pub fn step(&mut self, title: Line) {
        self.quiet();
        self.step += 1;
        self.title = title.of(self.screen.lang);
        let clock = self.screen.paint(Tone::Faint, &format!("{:>5} s", self.seconds()));
        let head = format!("━━ {}/{}  {}", self.step, self.steps, self.title);
        line(&format!("\n{}  {clock}", self.screen.paint(Tone::Strong, &head)));
    }
    /// Something that was checked and is so.
    pub fn check(&self, line: Line, values: &[(&str, &dyn std::fmt::Display)]) {
        self.print(&format!("  {} {}", self.screen.paint(Tone::Good, "✓"), clean(&self.words(line, values))));
    }
    /// Something that happens.
    pub fn note(&self, text: &str) {
        self.print(&format!("  {text}"));
    }
    /// Several lines, indented.
    pub fn block(&self, text: &str) {
        text.lines().for_each(|line| self.print(&format!("    {line}")));
    }
    /// How far a job is: a bar on a terminal, else a line when it moved.
    pub fn progress(&mut self, progress: &Progress) {
        // a job that has not counted anything yet has nothing to say
        if self.last.as_ref() == Some(progress) || progress.step.is_empty() && progress.total == 0 {
            return;
        }
        let current = progress.current.iter().map(|address| clean(address)).collect::<Vec<_>>().join(", ");
        let values: [(&str, &dyn std::fmt::Display); 4] =
            [("step", &progress.step), ("done", &progress.done), ("total", &progress.total), ("current", &current)];
        let text = self.words(Line::Progress, &values).trim_end().to_owned();
        if self.screen.live {
            let bar_line = self.bar.get_or_insert_with(|| {
                let line = ProgressBar::new_spinner();
                line.set_style(ProgressStyle::with_template("  {spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
                // ten frames a second: smooth, and next to no work
                line.enable_steady_tick(Duration::from_millis(100));
                line
            });
            bar_line.set_message(format!("{} {text}", bar(progress.done, progress.total, 20)));
        } else {
            line(&format!("  ▸ {text}"));
        }
        self.last = Some(progress.clone());
    }
    /// Takes the bar away.
    pub fn quiet(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.last = None;
    }
    fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => line(text),
        }
    }
}
