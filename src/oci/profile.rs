//! `~/.oci/config`: an INI file with profiles. Pure reading; which file and which profile is said by whoever asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Error;

/// The profile that others inherit from.
pub const DEFAULT_PROFILE: &str = "DEFAULT";

/// What a profile says. Prints no key material: it holds none, only where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// OCID of the tenancy
    pub tenancy: String,
    /// OCID of the user; absent where a session token stands for the user
    pub user: Option<String>,
    /// `aa:bb:…` of the API key
    pub fingerprint: Option<String>,
    /// region by name or key, if it names one
    pub region: Option<String>,
    /// the private key
    pub key_file: PathBuf,
    /// token of `oci session authenticate`
    pub security_token_file: Option<PathBuf>,
    /// the key has a passphrase, which stays in the file
    pub has_passphrase: bool,
}

/// Reads one profile of a file. `home` is what `~` stands for, `path` is named in errors.
///
/// As Oracle's Python SDK and CLI read it, a profile inherits what it does not say from `[DEFAULT]`; names are matched in any
/// case.
pub fn read(text: &str, profile: &str, home: Option<&Path>, path: &Path) -> Result<Profile, Error> {
    let refuse = |detail: String| Error::Credentials { what: format!("{} profile [{profile}]", path.display()), detail };
    let sections = sections(text);
    let own = sections.get(profile);
    if own.is_none() && profile != DEFAULT_PROFILE {
        let known: Vec<&str> = sections.keys().map(String::as_str).collect();
        return Err(refuse(format!("there is no such profile; there is {}", known.join(", "))));
    }
    let find = |key: &str| {
        let inherited = sections.get(DEFAULT_PROFILE);
        [own, inherited].into_iter().flatten().find_map(|section| section.get(key).map(String::as_str).filter(|value| !value.is_empty()))
    };
    let need =
        |key: &str, example: &str| find(key).map(str::to_owned).ok_or_else(|| refuse(format!("{key} is missing, such as {example}")));
    let place = |text: &str| match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    };
    let tenancy = ocid(need("tenancy", "ocid1.tenancy.oc1..aaaa")?, "tenancy").map_err(&refuse)?;
    let key_file = place(&need("key_file", "~/.oci/oci_api_key.pem")?);
    let (region, has_passphrase) = (find("region").map(str::to_owned), find("pass_phrase").is_some());
    if let Some(token) = find("security_token_file") {
        let security_token_file = Some(place(token));
        return Ok(Profile { tenancy, user: None, fingerprint: None, region, key_file, security_token_file, has_passphrase });
    }
    let user = ocid(need("user", "ocid1.user.oc1..aaaa")?, "user").map_err(&refuse)?;
    let fingerprint = need("fingerprint", "12:34:56:78:9a:bc:de:f0:12:34:56:78:9a:bc:de:f0")?;
    if !is_fingerprint(&fingerprint) {
        return Err(refuse(format!("fingerprint is {fingerprint:?}: sixteen pairs of hexadecimal digits with colons between them")));
    }
    let (user, fingerprint) = (Some(user), Some(fingerprint));
    Ok(Profile { tenancy, user, fingerprint, region, key_file, security_token_file: None, has_passphrase })
}

fn sections(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.trim().clone_into(&mut section);
            found.entry(section.clone()).or_default();
        } else if let Some((key, value)) = line.split_once('=') {
            found.entry(section.clone()).or_default().insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

/// An OCID looks like one: three or more parts after the first, separated by `.` or `:`.
fn ocid(text: String, key: &str) -> Result<String, String> {
    let shape = text.split(['.', ':']).count() >= 5 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    if shape { Ok(text) } else { Err(format!("{key} is {text:?}: an OCID such as ocid1.{key}.oc1..aaaa")) }
}

fn is_fingerprint(text: &str) -> bool {
    let pairs: Vec<&str> = text.split(':').collect();
    pairs.len() == 16 && pairs.iter().all(|pair| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# made by oci setup config\n[DEFAULT]\nuser=ocid1.user.oc1..aaaa\nfingerprint = 12:34:56:78:9a:bc:de:f0:12:34:56:78:9a:bc:de:f0\n\
        Tenancy=ocid1.tenancy.oc1..bbbb\nregion=ap-osaka-1\nkey_file=~/.oci/key.pem\n\n[work]\nregion = kix\nkey_file = /keys/work.pem\n\
        [session]\nsecurity_token_file=~/.oci/sessions/token\nkey_file=~/.oci/sessions/key.pem\n[empty user]\nuser=\n";

    fn profile(name: &str) -> Result<Profile, Error> {
        read(FILE, name, Some(Path::new("/home/a")), Path::new("/home/a/.oci/config"))
    }

    #[test]
    fn a_profile_says_who_signs_and_inherits_the_rest() {
        let default = profile("DEFAULT").unwrap();
        assert_eq!((default.user.as_deref(), default.region.as_deref()), (Some("ocid1.user.oc1..aaaa"), Some("ap-osaka-1")));
        assert_eq!(default.key_file, Path::new("/home/a/.oci/key.pem"), "~ is the home of whoever runs the server");
        let work = profile("work").unwrap();
        assert_eq!((work.region.as_deref(), work.tenancy.as_str()), (Some("kix"), "ocid1.tenancy.oc1..bbbb"));
        assert_eq!(work.key_file, Path::new("/keys/work.pem"));
        let session = profile("session").unwrap();
        assert_eq!((session.user, session.security_token_file), (None, Some("/home/a/.oci/sessions/token".into())));
        assert_eq!(profile("empty user").unwrap().user.as_deref(), Some("ocid1.user.oc1..aaaa"), "an empty value says nothing");
    }

    #[test]
    fn a_profile_that_cannot_sign_says_which_line_is_to_blame() {
        let with = |old: &str, new: &str| read(&FILE.replace(old, new), "DEFAULT", None, Path::new("config")).unwrap_err().to_string();
        let rows = [
            ("no such profile", profile("other").unwrap_err().to_string(), "there is DEFAULT, empty user, session, work"),
            ("no key", with("key_file=~/.oci/key.pem\n", "\n"), "key_file is missing"),
            ("no tenancy", with("Tenancy=ocid1.tenancy.oc1..bbbb", ""), "tenancy is missing"),
            ("a name for an OCID", with("ocid1.tenancy.oc1..bbbb", "acme"), "tenancy is \"acme\""),
            ("half a fingerprint", with("12:34:56:78:9a:bc:de:f0:12", "12"), "sixteen pairs"),
        ];
        for (reason, said, part) in rows {
            assert!(said.contains(part), "{reason}: {said}");
        }
        let locked = read(&FILE.replace("region=ap-osaka-1", "pass_phrase=hunter2"), "DEFAULT", None, Path::new("config")).unwrap();
        assert!(locked.has_passphrase && !format!("{locked:?}").contains("hunter2"), "the passphrase itself stays where it is");
    }
}
