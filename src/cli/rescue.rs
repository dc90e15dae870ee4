//! `galley adopt`, `galley state restore`, `galley force-unlock`: a person's way out, with the approver credential.
//!
//! Each is an edit of `spec.rescue` of the design; what became of it is read from `status.rescue`. Nothing is done here.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::args::{AdoptArgs, ForceUnlockArgs, StateCommand};
use super::client::{As, Server};
use super::failure::{Exit, Failure};
use super::screen::{Screen, clean, say};
use super::text::Text;
use crate::api::design::{InFlight, Rescue, RescueAction};
use crate::api::{Design, NAMESPACE};

/// How long a rescue may take: one turn of the loop, or the end of a short job.
const PATIENCE: Duration = Duration::from_secs(30);

/// `galley adopt`
pub async fn adopt(server: &Server, args: AdoptArgs, screen: Screen) -> Result<Exit, Failure> {
    let AdoptArgs { name, resources, search, yes } = args;
    if resources.is_empty() && !search {
        return show(server, &name, screen).await;
    }
    let resources = pairs(&resources, screen)?;
    let what =
        if search { "adopt --search".to_owned() } else { format!("adopt {}", resources.keys().cloned().collect::<Vec<_>>().join(" ")) };
    ask(server, &name, Rescue { id: new_id(), action: RescueAction::Adopt, serial: None, resources }, &what, yes, screen).await
}

/// `galley state restore`
pub async fn state(server: &Server, command: StateCommand, screen: Screen) -> Result<Exit, Failure> {
    let StateCommand::Restore { name, serial, yes } = command;
    let rescue = Rescue { id: new_id(), action: RescueAction::RestoreState, serial: Some(serial), resources: BTreeMap::new() };
    ask(server, &name, rescue, &format!("state restore --serial {serial}"), yes, screen).await
}

/// `galley force-unlock`
pub async fn force_unlock(server: &Server, args: ForceUnlockArgs, screen: Screen) -> Result<Exit, Failure> {
    let ForceUnlockArgs { name, yes } = args;
    let rescue = Rescue { id: new_id(), action: RescueAction::ForceUnlock, serial: None, resources: BTreeMap::new() };
    ask(server, &name, rescue, "force-unlock", yes, screen).await
}

fn new_id() -> String {
    format!("rescue-{}", ulid::Ulid::generate().to_string().to_lowercase())
}

fn pairs(texts: &[String], screen: Screen) -> Result<BTreeMap<String, String>, Failure> {
    // an address such as a.b["k=v"] holds an equals sign, an OCID never does
    let pair = |text: &String| match text.rsplit_once('=') {
        Some((address, id)) if !address.is_empty() && !id.is_empty() => Ok((address.to_owned(), id.to_owned())),
        Some(_) | None => Err(Failure::new(Exit::Usage, screen.lang.fill(Text::NotAddress, &[("text", text)]))),
    };
    texts.iter().map(pair).collect()
}

/// What an interrupted apply may have left, with addresses.
async fn show(server: &Server, name: &str, screen: Screen) -> Result<Exit, Failure> {
    let designs: Api<Design> = Api::namespaced(server.kube(As::Editor)?, NAMESPACE);
    let design = designs.get(name).await.map_err(|error| server.kube_failure(&error))?;
    let in_flight = design.status.and_then(|status| status.outcome).map(|outcome| outcome.in_flight).unwrap_or_default();
    say!("{}", render(name, &in_flight, screen));
    Ok(if in_flight.is_empty() { Exit::Done } else { Exit::Waits })
}

fn render(name: &str, in_flight: &[InFlight], screen: Screen) -> String {
    if in_flight.is_empty() {
        return screen.lang.fill(Text::NothingInFlight, &[("name", &name)]);
    }
    let line = |entry: &InFlight| {
        let found = match (&entry.found_id, entry.looked_up) {
            (Some(id), _) => screen.lang.fill(Text::InFlightFound, &[("id", &clean(id))]),
            (None, true) => screen.lang.text(Text::InFlightMissing).to_owned(),
            (None, false) => screen.lang.text(Text::InFlightUnseen).to_owned(),
        };
        format!("{}  {found}", clean(&entry.address))
    };
    in_flight.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Asks the person, edits the spec, and waits for what became of it.
async fn ask(server: &Server, name: &str, rescue: Rescue, what: &str, yes: bool, screen: Screen) -> Result<Exit, Failure> {
    let designs: Api<Design> = Api::namespaced(server.kube(As::Approver)?, NAMESPACE);
    designs.get(name).await.map_err(|error| server.kube_failure(&error))?;
    if !yes && !confirmed(name, what, screen)? {
        return Err(Failure::new(Exit::Waits, screen.lang.text(Text::NotRescued)));
    }
    let id = rescue.id.clone();
    // Cleared first: a merge patch would mix the addresses of an earlier rescue into this one.
    let bodies = [json!({ "spec": { "rescue": null } }), json!({ "spec": { "rescue": rescue } })];
    for body in bodies {
        designs.patch(name, &PatchParams::default(), &Patch::Merge(&body)).await.map_err(|error| server.kube_failure(&error))?;
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let design = designs.get(name).await.map_err(|error| server.kube_failure(&error))?;
        if let Some(record) = design.status.and_then(|status| status.rescue).filter(|record| record.id == id) {
            return if record.done {
                say!("{}", clean(&record.message));
                Ok(Exit::Done)
            } else {
                Err(Failure::new(Exit::Failed, clean(&record.message)))
            };
        }
        if Instant::now() >= deadline {
            say!("{}", screen.lang.fill(Text::RescueSlow, &[("name", &name)]));
            return Ok(Exit::InProgress);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn confirmed(name: &str, what: &str, screen: Screen) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, screen.lang.text(Text::NeedYesRescue)));
    }
    eprint!("{}", screen.lang.fill(Text::AskRescue, &[("what", &what), ("name", &name)]));
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes" | "はい"))
}

#[cfg(test)]
mod tests {
    use super::super::text::Lang;
    use super::*;
    use crate::api::design::ChangeAction;

    const SCREEN: Screen = Screen { lang: Lang::En, colour: false, live: false };

    #[test]
    fn an_address_and_an_id_are_told_apart() {
        let read = |text: &str| pairs(&[text.to_owned()], SCREEN);
        for (reason, text, address) in [
            ("plain", "oci_core_vcn.a=ocid1.vcn.oc1..x", "oci_core_vcn.a"),
            ("an index with an equals sign", "oci_core_vcn.a[\"k=v\"]=ocid1.vcn.oc1..x", "oci_core_vcn.a[\"k=v\"]"),
        ] {
            assert_eq!(read(text).unwrap().keys().next().unwrap(), address, "{reason}");
        }
        for wrong in ["oci_core_vcn.a", "=ocid1", "oci_core_vcn.a=", ""] {
            assert_eq!(read(wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }

    #[test]
    fn what_is_unaccounted_for_is_shown_with_its_address_and_what_to_do() {
        let entry = |found: Option<&str>, looked_up| InFlight {
            address: "oci_core_vcn.a".into(),
            action: ChangeAction::Create,
            found_id: found.map(str::to_owned),
            looked_up,
        };
        assert_eq!(render("s-1", &[entry(Some("ocid1.x"), true)], SCREEN), "oci_core_vcn.a  found: ocid1.x; the next plan imports it");
        assert!(render("s-1", &[entry(None, true)], SCREEN).contains("approve the next plan"));
        assert!(render("s-1", &[], SCREEN).contains("--search"));
    }
}
