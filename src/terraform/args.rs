//! Terraform's command lines and environment, as pure functions. Nothing here comes from a user's text but variable files
//! by path; nothing is inherited.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanMode {
    /// what the files want
    Normal,
    /// everything destroyed
    Destroy,
    /// only look at the cloud
    RefreshOnly,
}

/// `terraform init`: the local backend needs nothing; providers come from cache or mirror.
pub fn init() -> Vec<OsString> {
    words(&["init", "-input=false", "-no-color", "-json"])
}

/// `terraform plan` with a saved plan file and exit codes 0 (no change), 1 (error), 2 (changes).
pub fn plan(mode: PlanMode, out: &Path, var_file: Option<&Path>, parallelism: Option<u16>) -> Vec<OsString> {
    let mut args = words(&["plan", "-json", "-detailed-exitcode", "-input=false", "-lock-timeout=0s"]);
    match mode {
        PlanMode::Normal => {}
        PlanMode::Destroy => args.push("-destroy".into()),
        PlanMode::RefreshOnly => args.push("-refresh-only".into()),
    }
    args.extend(parallelism.map(|number| format!("-parallelism={number}").into()));
    args.extend(var_file.map(|path| joined("-var-file=", path)));
    args.push(joined("-out=", out));
    args
}

/// `terraform show -json` of a plan file.
pub fn show(plan: &Path) -> Vec<OsString> {
    let mut args = words(&["show", "-json"]);
    args.push(plan.into());
    args
}

/// `terraform apply` of a plan file; it asks nothing and takes no variables.
pub fn apply(plan: &Path, parallelism: Option<u16>) -> Vec<OsString> {
    let mut args = words(&["apply", "-json", "-input=false", "-auto-approve", "-lock-timeout=0s"]);
    args.extend(parallelism.map(|number| format!("-parallelism={number}").into()));
    args.push(plan.into());
    args
}

/// `terraform version -json`.
pub fn version() -> Vec<OsString> {
    words(&["version", "-json"])
}

/// What every process of a run carries in its environment, plugins included: a person's shell in the directory does not.
pub(super) const MARK: (&str, &str) = ("GALLEY_TERRAFORM", "1");

/// Where terraform's own files are.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// working directory; also HOME, so that nothing of the server's user is read
    pub workdir: &'a Path,
    /// an existing CLI configuration (a path that is missing prints a warning on every run)
    pub cli_config: &'a Path,
    /// an existing plugin cache
    pub plugin_cache: &'a Path,
    /// search path for `local-exec` and git, which rendered designs do not use
    pub path: &'a str,
}

/// The whole environment. What the provider needs comes on top, but cannot change what Galley sets, except HOME (an API
/// key configuration lies there).
pub fn environment(places: Places<'_>, provider: &BTreeMap<String, String>) -> BTreeMap<OsString, OsString> {
    let mut env: BTreeMap<OsString, OsString> = provider.iter().map(|(key, value)| (key.into(), value.into())).collect();
    env.entry("HOME".into()).or_insert_with(|| places.workdir.into());
    let fixed: [(&str, OsString); 9] = [
        ("TF_IN_AUTOMATION", "1".into()),
        ("TF_INPUT", "0".into()),
        ("CHECKPOINT_DISABLE", "1".into()),
        ("TF_CLI_CONFIG_FILE", places.cli_config.into()),
        ("TF_PLUGIN_CACHE_DIR", places.plugin_cache.into()),
        ("TF_DATA_DIR", places.workdir.join(".terraform").into()),
        ("PATH", places.path.into()),
        ("LC_ALL", "C.UTF-8".into()),
        (MARK.0, MARK.1.into()),
    ];
    env.extend(fixed.map(|(key, value)| (key.into(), value)));
    env
}

/// The provider's environment with the trace this run belongs to. Terraform reads TRACEPARENT (W3C trace context) when an
/// OTEL exporter is configured, and so does everything it starts; the parent span is named by the job.
pub(super) fn traced(mut env: BTreeMap<String, String>, input: &super::RunInput) -> BTreeMap<String, String> {
    if let Some(trace) = &input.trace {
        let span = &crate::plan::canonical::sha256_hex(input.job.as_bytes())[..16];
        env.insert("TRACEPARENT".to_owned(), format!("00-{trace}-{span}-01"));
    }
    env
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn joined(flag: &str, path: &Path) -> OsString {
    let mut text = OsString::from(flag);
    text.push(path);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(args: Vec<OsString>) -> String {
        args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn command_lines_are_exactly_these() {
        let plan_file = Path::new("j/plan.bin");
        let table = [
            (text(init()), "init -input=false -no-color -json", "no backend, no question"),
            (
                text(plan(PlanMode::Normal, plan_file, Some(Path::new("j/v.json")), None)),
                "plan -json -detailed-exitcode -input=false -lock-timeout=0s -var-file=j/v.json -out=j/plan.bin",
                "secrets travel in a file",
            ),
            (
                text(plan(PlanMode::Destroy, plan_file, None, Some(4))),
                "plan -json -detailed-exitcode -input=false -lock-timeout=0s -destroy -parallelism=4 -out=j/plan.bin",
                "a destroy is planned like anything else",
            ),
            (
                text(plan(PlanMode::RefreshOnly, plan_file, None, None)),
                "plan -json -detailed-exitcode -input=false -lock-timeout=0s -refresh-only -out=j/plan.bin",
                "looking writes nothing",
            ),
            (text(show(plan_file)), "show -json j/plan.bin", "the plan in full"),
            (
                text(apply(plan_file, None)),
                "apply -json -input=false -auto-approve -lock-timeout=0s j/plan.bin",
                "the approved plan and nothing else",
            ),
            (text(version()), "version -json", "cached by the caller"),
        ];
        for (found, expected, reason) in table {
            assert_eq!(found, expected, "{reason}");
        }
    }

    #[test]
    fn a_provider_may_add_to_the_environment_but_not_change_it() {
        let places = Places { workdir: Path::new("/w"), cli_config: Path::new("/c"), plugin_cache: Path::new("/p"), path: "/bin" };
        let provider = BTreeMap::from(
            [("TF_INPUT", "1"), ("HOME", "/home/me"), ("TF_REATTACH_PROVIDERS", "{}")].map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        let env = environment(places, &provider);
        assert_eq!(env[&OsString::from("TF_INPUT")], "0");
        assert_eq!(env[&OsString::from("HOME")], "/home/me");
        assert_eq!(env[&OsString::from("TF_REATTACH_PROVIDERS")], "{}");
        assert_eq!(environment(places, &BTreeMap::new())[&OsString::from("HOME")], "/w");
    }
}
