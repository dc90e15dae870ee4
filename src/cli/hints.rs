//! What `status` closes with: where the design stands in one line, and what a person types next. Pure.

use super::screen::{Screen, Tone, clean};
use super::status::Verdict;
use super::text::{Text, fill};
use crate::api::Reason;
use crate::api::headline::headline;

/// The last lines of a frame: a mark, the reason in words, and the next command where there is one.
pub fn closing(name: &str, reason: Option<Reason>, verdict: &Verdict, screen: Screen) -> String {
    let (tone, mark) = match verdict {
        Verdict::Done(_) => (Tone::Good, "✓"),
        Verdict::Waits(_) => (Tone::Warn, "⏸"),
        Verdict::Failed(_) => (Tone::Bad, "✗"),
        // what it waits for says more than that it waits
        Verdict::InProgress(_) => return verdict.line(screen),
    };
    let Some(reason) = reason else { return verdict.line(screen) };
    let line = screen.paint(tone, &format!("{mark} {}", headline(reason, screen.lang.into())));
    match next(reason).map(|command| fill(command, &[("name", &clean(name))])) {
        Some(command) => format!("{line}\n  {}: {command}", screen.lang.text(Text::NextStep)),
        None => line,
    }
}

/// What is typed next. `{name}` is the design.
fn next(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::Draft => Some("galley apply --session {name} --desired-state planned"),
        Reason::PlanReady => Some("galley plan {name}; galley apply --session {name} --desired-state applied"),
        Reason::AwaitingApproval => Some("galley plan {name}; galley approve {name}"),
        Reason::JobFailed | Reason::RetryScheduled | Reason::Internal => Some("galley logs {name}"),
        Reason::InFlightUnconfirmed | Reason::ResourcesVanished => Some("galley adopt {name}"),
        Reason::OwnerUnknown => Some("galley force-unlock {name}"),
        Reason::StateUnavailable => Some("galley state restore {name} --serial N"),
        Reason::SecretMissing => Some("galley secret set {name} VARIABLE"),
        Reason::ApprovalRefused => Some("galley get approvals -o yaml"),
        Reason::Destroyed => Some("galley delete {name}"),
        Reason::PlanExpired => {
            Some("kubectl patch design {name} --type merge -p '{\"spec\":{\"request\":{\"id\":\"again-1\",\"action\":\"Plan\"}}}'")
        }
        Reason::TenancyUnavailable => {
            Some("kubectl patch design {name} --type merge -p '{\"spec\":{\"request\":{\"id\":\"again-1\",\"action\":\"Retry\"}}}'")
        }
        Reason::Suspended => Some("kubectl patch design {name} --type merge -p '{\"spec\":{\"suspend\":false}}'"),
        Reason::Synced
        | Reason::JobRunning
        | Reason::SessionBusy
        | Reason::InvalidDesign
        | Reason::InvalidDocument
        | Reason::OutcomeUnknown
        | Reason::StorageUnavailable
        | Reason::Cancelled => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::Lang;
    use super::*;

    #[test]
    fn the_last_line_says_it_in_words_and_what_to_type() {
        let (en, ja) = (Screen::plain(Lang::En), Screen::plain(Lang::Ja));
        let waits = Verdict::Waits("AwaitingApproval: plan 1 waits".into());
        assert_eq!(
            closing("s-1", Some(Reason::AwaitingApproval), &waits, en),
            "⏸ Waiting for a decision\n  Next: galley plan s-1; galley approve s-1"
        );
        assert_eq!(
            closing("s-1", Some(Reason::Synced), &Verdict::Done("Synced: what is wanted is what is there".into()), ja),
            "✓ 設計どおりに構築されています"
        );
        assert_eq!(closing("s-1", Some(Reason::JobRunning), &Verdict::InProgress("apply job".into()), en), "… apply job");
        assert_eq!(closing("s-1", None, &Verdict::Failed("Strange: message".into()), en), "✗ Strange: message");
    }

    #[test]
    fn braces_of_a_command_stay() {
        let text = closing("s-1", Some(Reason::Suspended), &Verdict::Waits(String::new()), Screen::plain(Lang::En));
        assert!(text.ends_with("kubectl patch design s-1 --type merge -p '{\"spec\":{\"suspend\":false}}'"), "{text}");
    }
}
