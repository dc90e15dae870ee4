//! The orders of one run as values: which fault at which point, and what a key is called in a point. Pure.

use std::io;

use super::VARIABLE;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    Galley,
    Terraform,
    Everything,
    Power,
    NoSpace,
    Delay(std::time::Duration),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    pub point: String,
    pub nth: usize,
    pub action: Action,
}

impl Fault {
    pub fn covers(&self, point: &str) -> bool {
        self.point.strip_suffix('*').map_or(self.point == point, |start| point.starts_with(start))
    }
}

pub(super) fn parse(text: &str) -> io::Result<Vec<Fault>> {
    text.split(',')
        .map(|one| parse_one(one.trim()).ok_or_else(|| io::Error::other(format!("{VARIABLE}: {one:?} is not point:nth:action"))))
        .collect()
}

fn parse_one(text: &str) -> Option<Fault> {
    let (rest, action) = text.rsplit_once(':')?;
    let (point, nth) = rest.rsplit_once(':')?;
    let action = match action {
        "galley" => Action::Galley,
        "terraform" => Action::Terraform,
        "everything" => Action::Everything,
        "power" => Action::Power,
        "enospc" => Action::NoSpace,
        delay => Action::Delay(std::time::Duration::from_millis(delay.strip_prefix("delay-")?.parse().ok()?)),
    };
    let nth = nth.parse().ok().filter(|nth| *nth > 0)?;
    (!point.is_empty()).then(|| Fault { point: point.to_owned(), nth, action })
}

/// What a key holds, without names and uids: `registry/designs/default/x.json` → `designs`,
/// `designs/<uid>/state/7.tfstate` → `state`, `designs/<uid>/jobs/<job>/plan.bin` → `plan_bin`.
pub(super) fn kind_of(key: &str) -> String {
    let parts: Vec<&str> = key.split('/').collect();
    let kind = match parts.as_slice() {
        ["registry", kind, ..] => kind,
        ["designs", _, "jobs", _, file] => file,
        ["designs", _, "state", ..] => "state",
        ["designs", _, kind, ..] => kind,
        [.., file] => file,
        [] => "",
    };
    let plain = kind.trim_end_matches(".json");
    // the record of a provider is named by a hash
    if plain.len() == 16 && plain.bytes().all(|byte| byte.is_ascii_hexdigit()) { "provider".to_owned() } else { plain.replace('.', "_") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_as_it_is_written_and_nothing_else_does() {
        let plan = parse("store.designs.*:3:terraform, gate.claim.before:1:delay-20").unwrap();
        assert!(plan[0].covers("store.designs.put.temp") && !plan[0].covers("store.sessions.put.temp"));
        assert_eq!((plan[0].nth, &plan[0].action), (3, &Action::Terraform));
        assert_eq!(plan[1].action, Action::Delay(std::time::Duration::from_millis(20)));
        let rows = [("no action", "a:1"), ("counted from 1", "a:0:galley"), ("no such action", "a:1:smile"), ("no point", ":1:galley")];
        for (reason, text) in rows {
            assert!(parse(text).is_err(), "{reason}");
        }
    }

    #[test]
    fn a_point_names_what_is_written_and_not_whose_it_is() {
        let rows = [
            ("registry/designs/default/s-1.json", "designs"),
            ("designs/uid/state/7.tfstate", "state"),
            ("designs/uid/jobs/s-1-plan-0a/plan.bin", "plan_bin"),
            ("designs/uid/jobs/s-1-plan-0a/plan.json", "plan"),
            ("designs/uid/secrets.json", "secrets"),
            ("epoch", "epoch"),
            ("owner.json", "owner"),
            ("00e2a4f19bb3c7d5.json", "provider"),
        ];
        for (key, kind) in rows {
            assert_eq!(kind_of(key), kind, "{key}");
        }
    }
}
