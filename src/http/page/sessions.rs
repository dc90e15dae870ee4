//! Who is signed in on the page: random session ids kept in memory, never a token.
//!
//! Takes a judged role; gives an id for the cookie and a CSRF token for the forms. Ids are stored as digests, so a look-up
//! compares nothing secret. Everything is forgotten at a restart, after an idle hour and after eight hours at the latest.
//! Knows nothing of HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::api::approval::Role;
use crate::clock::Clock;

/// Unused for so long, a session ends: a browser left open on a customer's desk should not stay an approver.
const IDLE: SignedDuration = SignedDuration::from_hours(1);
/// However busy, a session ends: a working day.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_hours(8);
/// Most sessions at once; beyond it the one longest unused goes. A person has a handful.
const MOST: usize = 256;
/// Wrong tokens a minute, over all visitors, before everybody waits: a token has far too many values to be guessed at
/// this rate, and a person who pastes the wrong one never gets here.
const WRONG_PER_MINUTE: usize = 20;

/// What a signed-in visitor is.
#[derive(Clone)]
pub(super) struct PageSession {
    /// editor reads; approver decides
    pub(super) role: Role,
    /// goes into every form
    pub(super) csrf: String,
}

struct Stored {
    session: PageSession,
    opened: Timestamp,
    used: Timestamp,
}

#[derive(Default)]
struct Inner {
    sessions: HashMap<[u8; 32], Stored>,
    wrong: Vec<Timestamp>,
}

/// Every session of the page.
pub(super) struct PageSessions {
    inner: Mutex<Inner>,
    clock: Arc<dyn Clock>,
    /// binds the login form's token to the cookie that came with the form
    key: [u8; 32],
}

impl PageSessions {
    /// None yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        PageSessions { inner: Mutex::default(), clock, key: rand::random() }
    }

    /// Opens a session and gives its id, which is stored nowhere.
    pub(super) fn open(&self, role: Role) -> String {
        let (id, now) = (random(), self.clock.now().0);
        let session = PageSession { role, csrf: random() };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sessions.retain(|_, stored| alive(stored, now));
        if inner.sessions.len() >= MOST
            && let Some(oldest) = inner.sessions.iter().min_by_key(|(_, stored)| stored.used).map(|(key, _)| *key)
        {
            inner.sessions.remove(&oldest);
        }
        inner.sessions.insert(digest(&id), Stored { session, opened: now, used: now });
        id
    }

    /// The session with this id, unless it ended. A visit keeps it from idling out; a page that looks by itself
    /// (`visit` false) does not, or an open tab would stay signed in all day.
    pub(super) fn find(&self, id: &str, visit: bool) -> Option<PageSession> {
        let (key, now) = (digest(id), self.clock.now().0);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = inner.sessions.get_mut(&key)?;
        if !alive(stored, now) {
            inner.sessions.remove(&key);
            return None;
        }
        if visit {
            stored.used = now;
        }
        Some(stored.session.clone())
    }

    /// Ends a session.
    pub(super) fn close(&self, id: &str) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).sessions.remove(&digest(id));
    }

    /// A cookie value for somebody who is not signed in yet, and the form token that belongs to it.
    pub(super) fn login_pair(&self) -> (String, String) {
        let cookie = random();
        let token = self.login_token(&cookie);
        (cookie, token)
    }

    /// Does this form token belong to this cookie? Keeps another site from signing a person in as somebody else.
    pub(super) fn login_pair_fits(&self, cookie: &str, token: &str) -> bool {
        same(&self.login_token(cookie), token)
    }

    fn login_token(&self, cookie: &str) -> String {
        // Nested, so that a longer cookie never continues the digest of a shorter one.
        hex(&Sha256::new()
            .chain_update(self.key)
            .chain_update(Sha256::new().chain_update(self.key).chain_update(cookie).finalize())
            .finalize())
    }

    /// May another token be tried now?
    pub(super) fn may_try(&self) -> bool {
        let now = self.clock.now().0;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.wrong.retain(|at| now.duration_since(*at) < SignedDuration::from_secs(60));
        inner.wrong.len() < WRONG_PER_MINUTE
    }

    /// A wrong token was tried.
    pub(super) fn was_wrong(&self) {
        let now = self.clock.now().0;
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).wrong.push(now);
    }
}

fn alive(stored: &Stored, now: Timestamp) -> bool {
    now.duration_since(stored.used) < IDLE && now.duration_since(stored.opened) < LONGEST
}

/// 256 random bits as hex.
pub(super) fn random() -> String {
    hex(&rand::random::<[u8; 32]>())
}

/// Equal, in a time that depends on the lengths alone.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.as_bytes().ct_eq(b.as_bytes()).into()
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Time;

    struct Hand(Mutex<Timestamp>);
    impl Clock for Hand {
        fn now(&self) -> Time {
            k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(*self.0.lock().unwrap())
        }
    }
    impl Hand {
        fn forward(&self, minutes: i64) {
            let mut now = self.0.lock().unwrap();
            *now = now.checked_add(SignedDuration::from_mins(minutes)).unwrap();
        }
    }

    fn sessions() -> (Arc<Hand>, PageSessions) {
        let hand = Arc::new(Hand(Mutex::new("2026-01-01T00:00:00Z".parse().unwrap())));
        (hand.clone(), PageSessions::new(hand))
    }

    #[test]
    fn a_session_ends_when_it_idles_and_at_the_end_of_the_day() {
        let (hand, sessions) = sessions();
        let id = sessions.open(Role::Approver);
        for _ in 0..9 {
            hand.forward(50);
            assert!(sessions.find(&id, true).is_some(), "used within the hour");
        }
        hand.forward(50);
        assert!(sessions.find(&id, true).is_none(), "eight hours are over");
        let id = sessions.open(Role::Editor);
        hand.forward(61);
        assert!(sessions.find(&id, true).is_none(), "an hour unused");
        let id = sessions.open(Role::Editor);
        hand.forward(40);
        assert!(sessions.find(&id, false).is_some(), "the open page looks by itself");
        hand.forward(40);
        assert!(sessions.find(&id, false).is_none(), "which is no visit");
    }

    #[test]
    fn a_closed_session_and_a_made_up_id_open_nothing() {
        let (_, sessions) = sessions();
        let id = sessions.open(Role::Editor);
        assert!(sessions.find("00", true).is_none() && sessions.find("", true).is_none());
        sessions.close(&id);
        assert!(sessions.find(&id, true).is_none());
    }

    #[test]
    fn the_store_is_bounded_and_drops_the_one_longest_unused() {
        let (hand, sessions) = sessions();
        let first = sessions.open(Role::Editor);
        hand.forward(1);
        let second = sessions.open(Role::Editor);
        for _ in 0..MOST - 1 {
            sessions.open(Role::Editor);
        }
        assert!(sessions.find(&first, true).is_none());
        assert!(sessions.find(&second, true).is_some());
    }

    #[test]
    fn a_login_token_belongs_to_its_cookie_and_its_server() {
        let (_, sessions) = sessions();
        let (cookie, token) = sessions.login_pair();
        assert!(sessions.login_pair_fits(&cookie, &token));
        assert!(!sessions.login_pair_fits("another", &token));
        assert!(!sessions.login_pair_fits(&cookie, ""));
        assert!(!self::sessions().1.login_pair_fits(&cookie, &token), "another server has another key");
    }

    #[test]
    fn guessing_is_slowed_down_and_goes_on_a_minute_later() {
        let (hand, sessions) = sessions();
        (0..WRONG_PER_MINUTE).for_each(|_| sessions.was_wrong());
        assert!(!sessions.may_try());
        hand.forward(1);
        assert!(sessions.may_try());
    }
}
