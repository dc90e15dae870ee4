//! Services and rules in force: what ships with this build under what lies beside it in the blobs (`services/`, `rules/`).
//!
//! Read when the server opens and again every ten minutes. What does not load changes nothing: the log and every judgement
//! say file and line, and what was in force stays.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::blobs::Blobs;
use crate::catalog::overlay::{self, Files, Live};
use crate::catalog::{self, Catalog};
use crate::render::schema::Schema;
use crate::render::schema_check::check_catalog;
use crate::services::Judge;
use crate::validator::rules::{self, Rules};
use crate::validator::validate;

/// Services and rules in force.
pub struct Library {
    catalog: Arc<Live<Catalog>>,
    rules: Arc<Live<Rules>>,
    /// the overlays as they were read last
    seen: Mutex<(Files, Files)>,
}

/// What a pair of overlays makes.
struct Built {
    catalog: Option<Catalog>,
    rules: Option<Rules>,
    problems: Vec<String>,
}

impl Library {
    /// What ships with this build.
    ///
    /// # Errors
    /// When the embedded services do not load: a build that its own tests would have refused.
    pub fn shipped() -> Result<Library, catalog::Error> {
        Ok(Library {
            catalog: Arc::new(Live::new(Catalog::embedded()?)),
            rules: Arc::new(Live::new(Rules::shipped())),
            seen: Mutex::default(),
        })
    }

    /// The service types.
    pub fn catalog(&self) -> Arc<Live<Catalog>> {
        self.catalog.clone()
    }

    /// The rules.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.get()
    }

    /// The rules, as somebody who outlives a replacement wants them.
    pub fn live_rules(&self) -> Arc<Live<Rules>> {
        self.rules.clone()
    }

    /// Changes whenever a design may be judged or rendered differently.
    pub fn revision(&self) -> u64 {
        self.catalog.revision() + self.rules.revision()
    }

    /// The judge of the services, with whatever is in force when it is asked.
    pub fn judge(self: &Arc<Self>) -> Judge {
        let library = self.clone();
        Arc::new(move |spec, catalog, defaults| validate(spec, catalog, &library.rules(), defaults))
    }

    /// Reads the overlays; what changed and loads is in force afterwards.
    pub async fn refresh(&self, blobs: &dyn Blobs) {
        let read = async {
            Ok::<_, overlay::Error>((overlay::read(blobs, overlay::SERVICES).await?, overlay::read(blobs, overlay::RULES).await?))
        };
        let files = match read.await {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an overlay cannot be read: what is in force stays");
                return;
            }
        };
        if *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == files {
            return;
        }
        let (current, building) = (self.catalog.get(), files.clone());
        // Compiling every rule takes a hundred milliseconds: not on a thread that answers people.
        let built = match tokio::task::spawn_blocking(move || build(&building, &current)).await {
            Ok(built) => built,
            Err(error) => Built { catalog: None, rules: None, problems: vec![format!("an overlay could not be loaded: {error}")] },
        };
        let Built { catalog, rules, problems } = built;
        for problem in &problems {
            tracing::error!(problem, "an overlay is refused: what was in force stays in force");
        }
        if let Some(catalog) = catalog {
            self.catalog.set(catalog);
        }
        self.rules.set(rules.unwrap_or_else(|| (*self.rules()).clone()).with_problems(problems));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = files;
    }

    /// Keeps reading until `shutdown`. Reads the shipped rules first, so that no person's first save does.
    pub async fn keep(&self, blobs: &dyn Blobs, shutdown: CancellationToken) {
        let rules = self.rules();
        let _ = tokio::task::spawn_blocking(move || rules.len()).await;
        loop {
            // cancel safe: a sleep that is not waited for is of no interest
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(overlay::TTL) => self.refresh(blobs).await,
            }
        }
    }
}

/// Loads services and rules under their overlays. Rules are checked against the services they will be used with.
fn build((services, rules): &(Files, Files), current: &Catalog) -> Built {
    let mut problems = Vec::new();
    let catalog = match Catalog::from_files(overlay::layered(catalog::EMBEDDED, services)) {
        Ok(catalog) => Some(catalog),
        Err(error) => {
            problems.push(format!("{}: {error}", overlay::SERVICES));
            None
        }
    };
    let catalog = catalog.filter(|catalog| {
        let faults = check_catalog(catalog, Schema::builtin());
        problems.extend(faults.first().map(|fault| format!("{}: {}", overlay::SERVICES, fault)));
        faults.is_empty()
    });
    let start = Instant::now();
    let loaded = match rules.is_empty() {
        true => Ok(Rules::shipped()),
        false => Rules::load(overlay::layered(rules::EMBEDDED, rules), catalog.as_ref().unwrap_or(current), Some(&|| start.elapsed())),
    };
    let rules = loaded.map_err(|error| problems.push(format!("{}: {error}", overlay::RULES))).ok();
    Built { catalog, rules, problems }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::session::Language;
    use crate::blobs::{BlobKey, MemoryBlobs};
    use crate::render::tests::spec;
    use crate::validator::Defaults;

    const RULE: &str = "theme: { ja: 社内, en: Ours }
rules:
  - id: ours.small
    severity: warning
    appliesTo: { types: [compute] }
    require: config.ocpus <= 2.0
    at: config.ocpus
    values: { ocpus: config.ocpus }
    message: { ja: '{ocpus} は大きすぎます', en: '{ocpus} are too many' }
    recommendation: { ja: 減らしてください, en: take fewer }
    why: our own budget
    good: { compute: { ocpus: 1 } }
    bad: { compute: { ocpus: 4 } }
";

    async fn put(blobs: &MemoryBlobs, key: &str, text: &str) {
        blobs.put(&BlobKey::listed(key.to_owned()), text.as_bytes().to_vec().into()).await.unwrap();
    }

    fn found(library: &Arc<Library>) -> Vec<(String, String)> {
        let design = spec(&serde_json::json!({ "components": [{ "id": "vm", "service_type": "compute", "config": { "ocpus": 4 } }] }));
        let defaults = Defaults { region: "ap-osaka-1".into(), compartment_id: "ocid1.compartment.oc1..a".into(), language: Language::En };
        let verdict = library.judge()(&design, &library.catalog().get(), &defaults);
        verdict.findings.into_iter().map(|finding| (finding.rule, finding.message)).collect()
    }

    #[tokio::test]
    async fn an_overlay_comes_into_force_and_a_malformed_one_leaves_the_old_in_force_and_says_file_and_line() {
        let (library, blobs) = (Arc::new(Library::shipped().unwrap()), MemoryBlobs::new());
        library.refresh(&blobs).await;
        let before = library.revision();
        assert!(found(&library).iter().all(|(rule, _)| rule != "ours.small"));
        put(&blobs, "rules/ours.yaml", RULE).await;
        library.refresh(&blobs).await;
        assert!(found(&library).contains(&("ours.small".to_owned(), "4 are too many".to_owned())));
        assert_ne!(library.revision(), before, "designs are judged again");

        for (old, new, said) in [
            ("config.ocpus <= 2.0", "config.ocpu <= 2.0", "check rule file ours.yaml, line 6: rule ours.small wants config key `ocpu`"),
            ("types: [compute]", "types: [mainframe]", "line 5: rule ours.small names service type `mainframe`"),
            ("severity: warning", "severty: warning", "ours.yaml"),
        ] {
            put(&blobs, "rules/ours.yaml", &RULE.replace(old, new)).await;
            library.refresh(&blobs).await;
            let found = found(&library);
            assert!(found.contains(&("ours.small".to_owned(), "4 are too many".to_owned())), "the old one stays: {found:?}");
            assert!(found.iter().any(|(rule, message)| rule == "rules.overlay" && message.contains(said)), "{said}: {found:?}");
        }
        blobs.delete(&BlobKey::listed("rules/ours.yaml".to_owned())).await.unwrap();
        library.refresh(&blobs).await;
        assert!(found(&library).iter().all(|(rule, _)| rule != "ours.small" && rule != "rules.overlay"));
    }

    #[tokio::test]
    async fn a_service_overlay_adds_a_type_and_a_faulty_one_changes_nothing() {
        let (library, blobs) = (Arc::new(Library::shipped().unwrap()), MemoryBlobs::new());
        let shipped = catalog::EMBEDDED.iter().find(|(name, _)| *name == "objectstorage.yaml").unwrap().1;
        let shelf = shipped.replace("type: objectstorage", "type: shelf");
        put(&blobs, "services/shelf.yaml", &shelf).await;
        library.refresh(&blobs).await;
        assert!(library.catalog().get().service("shelf").is_some());
        put(&blobs, "services/shelf.yaml", &shelf.replace("tier: storage", "teir: storage")).await;
        library.refresh(&blobs).await;
        assert!(library.catalog().get().service("shelf").is_some());
        assert!(found(&library).iter().any(|(rule, message)| rule == "rules.overlay" && message.contains("shelf.yaml")));
    }
}
