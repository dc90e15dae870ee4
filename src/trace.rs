//! Which request is being served: an id that goes from the door through the document to the Terraform process.
//!
//! A door opens a [`scope`]; whoever writes a document inside it finds the id by [`current`] and leaves it under
//! [`ANNOTATION`]. Nothing decides by it. Names nobody; may be named by everybody.

use std::fmt;

/// Annotation of a document: trace id of the request that edited its spec last.
pub const ANNOTATION: &str = "galley.dev/trace";
/// Header of W3C trace context, read from clients that have a trace of their own.
pub const HEADER: &str = "traceparent";

tokio::task_local! {
    static CURRENT: TraceId;
}

/// 32 lower-case hexadecimal digits, not all zero (W3C trace context).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId(String);

impl TraceId {
    /// A new one.
    pub fn generate() -> Self {
        TraceId(uuid::Uuid::new_v4().simple().to_string())
    }
    /// The id, if the text is one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (digits && text.bytes().any(|byte| byte != b'0')).then(|| TraceId(text.to_owned()))
    }
    /// The id in a `traceparent` header: `00-<trace>-<span>-<flags>`.
    pub fn of_header(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version = parts.next()?;
        if version.len() != 2 || version == "ff" {
            return None;
        }
        TraceId::parse(parts.next()?)
    }
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Runs `work` as part of a trace.
pub async fn scope<F: Future>(id: TraceId, work: F) -> F::Output {
    CURRENT.scope(id, work).await
}

/// The trace of what is being done here, if a door opened one.
pub fn current() -> Option<TraceId> {
    CURRENT.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_id_is_read_from_a_header_and_seen_inside_its_scope_alone() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (reason, header, found) in [
            ("as the recommendation writes it", format!("00-{id}-00f067aa0ba902b7-01"), true),
            ("a later version may have more parts", format!("01-{id}-00f067aa0ba902b7-01-x"), true),
            ("the forbidden version", format!("ff-{id}-00f067aa0ba902b7-01"), false),
            ("all zero is no trace", format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            ("upper case is not allowed", format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()), false),
            ("text of a stranger", "00-\n-x".to_owned(), false),
        ] {
            assert_eq!(TraceId::of_header(&header).is_some(), found, "{reason}");
        }
        assert_eq!(current(), None);
        let seen = scope(TraceId::parse(id).unwrap(), async { current() }).await;
        assert_eq!(seen.unwrap().as_str(), id);
        assert!(TraceId::parse(TraceId::generate().as_str()).is_some());
    }
}
