//! `get_job_log`: the log of a job, bounded, page by page without losing a line.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Services;
use super::documents::is_name;
use super::error::{Error, Problem};
use super::session::bad_cursor;
use super::text::{Text, say};
use super::{documents::name_of, status};
use crate::api::condition::clip;
use crate::api::{Design, Session, TerraformJob};
use crate::blobs::{BlobKey, JobBlob};

/// Bytes of log a page carries: about 1,500 tokens, so that the whole stays under 2,000.
const PAGE_BYTES: usize = 6_000;
/// Lines from the end when nothing is said.
const DEFAULT_TAIL: usize = 40;

/// Arguments of get_job_log.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct GetJobLog {
    /// Session id.
    pub session_id: String,
    /// Job name; the active, the failed or the newest one when absent.
    #[schemars(length(max = 253))]
    pub job: Option<String>,
    /// So many lines from the end (default 40). Not with cursor.
    #[schemars(range(min = 1, max = 500))]
    pub tail_lines: Option<usize>,
    /// next_cursor to read on, "0" from the start.
    #[schemars(length(max = 24))]
    pub cursor: Option<String>,
}

/// A page of a log.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct LogPage {
    #[serde(skip)]
    pub(super) summary: String,
    /// session
    pub session_id: String,
    /// job
    pub job: String,
    /// true while the job may write more
    pub open: bool,
    /// "time level message", oldest first
    pub lines: Vec<String>,
    /// first byte of this page in the log
    pub from: usize,
    /// bytes the log has now
    pub total_bytes: usize,
    /// more is there already
    pub more: bool,
    /// the last line is a part of a long one that goes on in the next page
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// pass as cursor to read on
    pub next_cursor: String,
}

impl Services {
    /// The log of a job.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument` (no such job, foreign cursor), `storage_unavailable`.
    pub async fn get_job_log(&self, input: GetJobLog) -> Result<LogPage, Error> {
        let session = self.session(&input.session_id).await?;
        let language = session.spec.language;
        let design = self.design_opt(&session).await?;
        let job = self.wanted_job(&session, design.as_ref(), input.job.as_deref()).await?;
        let name = name_of(&job).to_owned();
        let key = BlobKey::job(&job.spec.design_uid, &name, JobBlob::Log);
        let bytes = self.parts().blobs.get(&key).await.map_err(|error| Error::blob(language, &error))?.unwrap_or_default();
        let from = match &input.cursor {
            Some(cursor) => start_of(cursor, &bytes).ok_or_else(|| bad_cursor(language))?,
            None => tail_start(&bytes, input.tail_lines.unwrap_or(DEFAULT_TAIL)),
        };
        let open = !job.phase().is_terminal();
        let (lines, end, partial) = page(&bytes, from, open);
        let summary = match bytes.is_empty() {
            true => say(language, Text::LogEmpty, &[("job", &name)]),
            false => {
                let values =
                    [("job", name.clone()), ("from", from.to_string()), ("to", end.to_string()), ("total", bytes.len().to_string())];
                let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
                let mut text = say(language, Text::LogShown, &values);
                // A host that shows only text still gets to see how it ended.
                for line in lines.iter().rev().take(5).rev() {
                    text.push('\n');
                    text.push_str(&clip(line, 300));
                }
                text
            }
        };
        let more = end < bytes.len() && (partial || bytes[end..].contains(&b'\n') || !open);
        let next_cursor = if partial { format!("{end}{WITHIN}") } else { end.to_string() };
        Ok(LogPage {
            summary,
            session_id: input.session_id,
            job: name,
            open,
            lines,
            from,
            total_bytes: bytes.len(),
            more,
            partial,
            next_cursor,
        })
    }

    async fn wanted_job(&self, session: &Session, design: Option<&Design>, asked: Option<&str>) -> Result<TerraformJob, Error> {
        let language = session.spec.language;
        let status = design.and_then(|design| design.status.as_ref());
        let name = match asked {
            Some(name) => Some(name.to_owned()),
            None => status::active_job_name(session, design)
                .or_else(|| status.and_then(|status| status.last_failure.as_ref()).map(|failure| failure.job.clone()))
                .or_else(|| status.and_then(|status| status.plan.as_ref()).map(|plan| plan.job.clone())),
        };
        let missing = || {
            let message = say(language, Text::NoJob, &[("session", name_of(session))]);
            let hint = Some(say(language, Text::HintJobs, &[]));
            let value = asked.map(|asked| Value::from(clip(asked, 80)));
            Error::argument(language, Problem { path: "job".into(), message, value, hint, ..Problem::default() })
        };
        let name = name.filter(|name| is_name(name)).ok_or_else(missing)?;
        self.job_opt(session, &name).await?.ok_or_else(missing)
    }
}

/// Ends a cursor that stands inside a long line.
const WITHIN: char = 'p';

/// Where a cursor stands. The writer of a long log leaves out more and more of its middle, so what was the start of a line
/// may lie inside one now: then reading goes on with the next line.
fn start_of(cursor: &str, bytes: &[u8]) -> Option<usize> {
    let (number, within) = cursor.strip_suffix(WITHIN).map_or((cursor, false), |number| (number, true));
    let from = number.parse::<usize>().ok().filter(|from| *from <= bytes.len())?;
    let at_start = from == 0 || from == bytes.len() || bytes.get(from - 1) == Some(&b'\n');
    if within || at_start {
        return Some(from);
    }
    let rest = bytes[from..].iter().position(|b| *b == b'\n');
    Some(rest.map_or(bytes.len(), |end| from + end + 1))
}

/// Where the last `lines` lines start, never more than a page from the end of what is complete.
fn tail_start(bytes: &[u8], lines: usize) -> usize {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut start = body.len();
    for _ in 0..lines {
        let before = body[..start].iter().rposition(|b| *b == b'\n');
        let candidate = before.map_or(0, |at| at + 1);
        // The newest lines matter most: a tail is cut at its front.
        if bytes.len() - candidate > PAGE_BYTES && start != body.len() {
            return start + 1;
        }
        match before {
            Some(at) => start = at,
            None => return 0,
        }
    }
    (start + 1).min(bytes.len())
}

/// Whole lines from `from`, up to a page; gives the byte after the last one. A line longer than a page is cut at a
/// character boundary and goes on in the next page. A last line without newline is shown only when the log is closed.
fn page(bytes: &[u8], from: usize, open: bool) -> (Vec<String>, usize, bool) {
    let mut lines = Vec::new();
    let mut at = from;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (line, step) = match rest.iter().position(|b| *b == b'\n') {
            Some(end) => (&rest[..end], end + 1),
            None if open && rest.len() < PAGE_BYTES => break,
            None => (rest, rest.len()),
        };
        if at + step - from > PAGE_BYTES {
            if !lines.is_empty() {
                break;
            }
            let mut cut = PAGE_BYTES.min(line.len());
            while cut > 1 && rest.get(cut).is_some_and(|b| b & 0b1100_0000 == 0b1000_0000) {
                cut -= 1;
            }
            lines.push(String::from_utf8_lossy(&rest[..cut]).into_owned());
            return (lines, at + cut, true);
        }
        lines.push(readable(line));
        at += step;
    }
    (lines, at, false)
}

/// A line as the runner writes it (`{time, level, message, address}`) as `time level message [address]`; any other line as
/// it is.
fn readable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let Ok(Value::Object(entry)) = serde_json::from_str::<Value>(&text) else { return text.into_owned() };
    let field = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(message) = field("message") else { return text.into_owned() };
    let mut said: Vec<String> = [field("time"), field("level"), Some(message)].into_iter().flatten().map(str::to_owned).collect();
    // Most messages begin with the address themselves.
    if let Some(address) = field("address").filter(|address| !message.contains(address)) {
        said.push(format!("[{address}]"));
    }
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> (String, usize) {
        let (mut at, mut text, mut pages) = (0, String::new(), 0);
        while at < bytes.len() {
            let (lines, end, partial) = page(bytes, at, false);
            assert!(end > at, "paging always moves on");
            for (index, line) in lines.iter().enumerate() {
                text.push_str(line);
                if !(partial && index + 1 == lines.len()) {
                    text.push('\n');
                }
            }
            at = end;
            pages += 1;
        }
        (text, pages)
    }

    #[test]
    fn paging_loses_nothing_whatever_the_lines_are_like() {
        let many: String = (0..2000).map(|n| format!("line {n}\n")).collect();
        let long = format!("a\n{}\nb\n", "日本語".repeat(3000));
        for text in [many, long, "one\n".to_owned(), "\n\n\n".to_owned()] {
            let (read, pages) = whole(text.as_bytes());
            assert_eq!(read, text);
            assert!(pages >= text.len() / PAGE_BYTES);
        }
    }

    #[test]
    fn a_tail_starts_at_a_line_and_ends_at_the_end() {
        let text = "a\nbb\nccc\n";
        let rows = [(1, "ccc"), (2, "bb"), (3, "a"), (9, "a")];
        for (lines, first) in rows {
            let from = tail_start(text.as_bytes(), lines);
            let (page, end, _) = page(text.as_bytes(), from, true);
            assert_eq!((page[0].as_str(), end), (first, text.len()), "{lines}");
        }
        let many: String = (0..5000).map(|n| format!("line {n}\n")).collect();
        let from = tail_start(many.as_bytes(), 500);
        let (lines, end, _) = page(many.as_bytes(), from, true);
        assert_eq!(end, many.len());
        assert_eq!(lines.last().map(String::as_str), Some("line 4999"));
        assert_eq!(tail_start(b"", 5), 0);
    }

    #[test]
    fn a_cursor_that_lies_inside_a_line_now_goes_on_with_the_next_line() {
        let text = b"first\nsecond\nthird\n";
        let rows =
            [("0", 0, "the start"), ("6", 6, "a line"), ("8", 13, "inside a line"), ("8p", 8, "inside a long line"), ("19", 19, "the end")];
        for (cursor, from, reason) in rows {
            assert_eq!(start_of(cursor, text), Some(from), "{reason}");
        }
        for foreign in ["20", "x", "-1", "8q", ""] {
            assert_eq!(start_of(foreign, text), None, "{foreign}");
        }
    }

    #[test]
    fn an_unfinished_line_of_a_running_job_waits_for_its_end() {
        assert_eq!(page(b"a\nhal", 0, true), (vec!["a".to_owned()], 2, false));
        assert_eq!(page(b"a\nhal", 0, false), (vec!["a".to_owned(), "hal".to_owned()], 5, false));
    }

    #[test]
    fn json_lines_are_readable_and_other_lines_stay() {
        assert_eq!(readable(br#"{"time":"t","level":"info","message":"m"}"#), "t info m");
        let line = br#"{"time":"t","level":"error","message":"m","address":"oci_core_vcn.v"}"#;
        assert_eq!(readable(line), "t error m [oci_core_vcn.v]");
        let line = br#"{"time":"t","level":"info","message":"oci_core_vcn.v: Creating...","address":"oci_core_vcn.v"}"#;
        assert_eq!(readable(line), "t info oci_core_vcn.v: Creating...");
        assert_eq!(readable(br#"{"time":"","level":"info","message":"7 lines are left out here"}"#), "info 7 lines are left out here");
        assert_eq!(readable(b"plain"), "plain");
    }
}
