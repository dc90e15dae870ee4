//! Questions to the person that are open: asked when a host can show them, answered once.
//!
//! What a host gets (`requestState`) is a random handle and nothing else: what it stands for stays here, so there is nothing
//! to forge, to read or to replay. A handle is taken by the first answer, whatever it says, and dies after [`LIFE`] or with
//! the server; then the model asks again. In `human` mode nothing of this is enough: the services refuse before anybody is
//! asked.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// How long a question is open: a person reads a plan, has a coffee and answers.
const LIFE: Duration = Duration::from_secs(900);
/// Most open questions; the oldest gives way. One person answers one at a time.
const LIMIT: usize = 256;

/// Characters of a handle: a SHA-256 in hexadecimal.
pub(super) const HANDLE: usize = 64;

/// A handle that nobody guesses, in hexadecimal.
pub(super) fn handle() -> String {
    // Two ULIDs carry 160 random bits; the hash hides their clock.
    let seed = format!("{}{}", ulid::Ulid::generate(), ulid::Ulid::generate());
    Sha256::digest(seed).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Open questions.
#[derive(Default)]
pub(super) struct Questions(Mutex<HashMap<String, Open>>);

struct Open {
    binding: String,
    since: Instant,
}

impl Questions {
    /// Opens a question about `binding`; gives the handle.
    pub(super) fn open(&self, binding: &str) -> String {
        let handle = handle();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, question| question.since.elapsed() < LIFE);
        if open.len() >= LIMIT
            && let Some(oldest) = open.iter().min_by_key(|(_, question)| question.since).map(|(handle, _)| handle.clone())
        {
            open.remove(&oldest);
        }
        open.insert(handle.clone(), Open { binding: binding.to_owned(), since: Instant::now() });
        handle
    }

    /// Takes the handle: true when it was open for exactly this.
    pub(super) fn take(&self, handle: &str, binding: &str) -> bool {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(handle);
        taken.is_some_and(|question| question.binding == binding && question.since.elapsed() < LIFE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_once_and_for_what_it_was_asked() {
        let questions = Questions::default();
        let (a, b) = (questions.open("plan-a"), questions.open("plan-b"));
        assert_ne!(a, b);
        assert!(!questions.take("x", "plan-a"), "a handle nobody gave");
        assert!(!questions.take(&b, "plan-a"), "a handle of another plan");
        assert!(!questions.take(&b, "plan-b"), "that answer spent it");
        assert!(questions.take(&a, "plan-a"));
        assert!(!questions.take(&a, "plan-a"), "once");
        let first = questions.open("first");
        (0..LIMIT).for_each(|n| drop(questions.open(&n.to_string())));
        assert!(!questions.take(&first, "first"), "the oldest gave way");
    }
}
