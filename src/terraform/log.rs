//! The log of a job for people: JSON lines {time, level, message, address}, without secrets, bounded: the beginning and
//! the end are kept, the middle is counted.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::Serialize;

use crate::plan::mask::Redactor;

/// One line.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    time: &'a str,
    level: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
}

/// A log that grows up to a limit.
pub(super) struct JobLog {
    redactor: Redactor,
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<Vec<u8>>,
    tail_bytes: usize,
    left_out: usize,
    is_changed: bool,
}

impl JobLog {
    /// At most about `limit` bytes.
    pub fn new(limit: usize, redactor: Redactor) -> Self {
        JobLog { redactor, half: limit / 2, head: Vec::new(), tail: VecDeque::new(), tail_bytes: 0, left_out: 0, is_changed: false }
    }

    /// Adds a line; known secrets are taken out of it.
    pub fn push(&mut self, time: &str, level: &str, message: &str, address: Option<&str>) {
        let message = self.redactor.text(message);
        let Ok(mut line) = serde_json::to_vec(&Entry { time, level, message: &message, address }) else { return };
        line.push(b'\n');
        self.is_changed = true;
        if self.tail.is_empty() && self.head.len() + line.len() <= self.half {
            self.head.extend_from_slice(&line);
            return;
        }
        self.tail_bytes += line.len();
        self.tail.push_back(line);
        while self.tail_bytes > self.half && self.tail.len() > 1 {
            if let Some(old) = self.tail.pop_front() {
                self.tail_bytes -= old.len();
                self.left_out += 1;
            }
        }
    }

    /// The whole log, if it changed since it was last taken.
    pub fn take_changed(&mut self) -> Option<Bytes> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let mut bytes = self.head.clone();
        if self.left_out > 0 {
            let message = format!("{} lines are left out here", self.left_out);
            let note = serde_json::to_vec(&Entry { time: "", level: "info", message: &message, address: None }).unwrap_or_default();
            bytes.extend_from_slice(&note);
            bytes.push(b'\n');
        }
        self.tail.iter().for_each(|line| bytes.extend_from_slice(line));
        Some(bytes.into())
    }

    /// So that a failed write is tried again.
    pub fn mark_changed(&mut self) {
        self.is_changed = true;
    }

    /// Takes known secrets out of any text.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_its_beginning_and_its_end() {
        let mut log = JobLog::new(2000, Redactor::default());
        (0..1000).for_each(|number| log.push("t", "info", &format!("line {number}"), None));
        let text = String::from_utf8(log.take_changed().unwrap().to_vec()).unwrap();
        assert!(text.len() < 2200, "{}", text.len());
        assert!(text.contains("\"line 0\"") && text.contains("\"line 999\"") && text.contains("lines are left out here"));
        assert!(log.take_changed().is_none(), "nothing new");
    }

    #[test]
    fn secrets_are_taken_out_in_every_spelling() {
        let mut log = JobLog::new(10_000, Redactor::new(["S3cr&t\"x"]));
        log.push("t", "info", r#"plain S3cr&t"x quoted S3cr&t\"x html S3cr\u0026t\"x"#, Some("a.b"));
        let text = String::from_utf8(log.take_changed().unwrap().to_vec()).unwrap();
        assert!(!text.contains("S3cr"), "{text}");
        assert_eq!(text.matches("(sensitive)").count(), 3);
    }
}
