//! Who signs: the resource principal of the container (2.2), else a profile of `~/.oci/config`. One answer for our own
//! requests and for terraform's provider, so that both are the same person.
//!
//! Takes the server's environment, handed in by whoever read it. Looks at the files anew for every request: keys and tokens
//! are rotated while we run, and a person may write the file after the server started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Error;
use super::profile::{self, DEFAULT_PROFILE, Profile};
use super::region::Region;
use super::signer::SigningKey;

/// Variables of a resource principal begin so.
const PRINCIPAL: &str = "OCI_RESOURCE_PRINCIPAL_";
/// The one version that container instances and functions have.
const PRINCIPAL_VERSION: &str = "2.2";
/// What terraform's provider may see besides: proxies and certificates. `CLIENT_HOST_OVERRIDES` is the provider's own word
/// for other endpoints; it comes from whoever runs the server, never from a document.
const PASSED_ON: [&str; 6] = ["HOME", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "CLIENT_HOST_OVERRIDES"];

/// Where a secret lies: a file that is read when it is needed, or the text itself.
#[derive(Clone, PartialEq, Eq)]
pub enum Material {
    /// a file
    File(PathBuf),
    /// the content
    Inline(String),
}

impl std::fmt::Debug for Material {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Material::File(path) => write!(formatter, "{}", path.display()),
            Material::Inline(_) => formatter.write_str("(inline)"),
        }
    }
}

impl Material {
    fn of(text: &str) -> Self {
        if text.starts_with('/') { Material::File(PathBuf::from(text)) } else { Material::Inline(text.to_owned()) }
    }
    fn read(&self) -> Result<Vec<u8>, Error> {
        match self {
            Material::File(path) => read_file(path),
            Material::Inline(text) => Ok(text.clone().into_bytes()),
        }
    }
}

/// Who signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// an API key of a profile
    ApiKey(Profile),
    /// a session token of a profile (`oci session authenticate`)
    SessionToken(Profile),
    /// the container or function itself
    ResourcePrincipal {
        /// the token
        token: Material,
        /// the key it was given for
        key: Material,
        /// where it runs
        region: Option<String>,
    },
}

/// Finds who signs.
#[derive(Debug, Clone)]
pub struct Credentials {
    environment: BTreeMap<String, String>,
}

impl Credentials {
    /// From the environment of the server; only what speaks of OCI is kept.
    pub fn new(environment: &BTreeMap<String, String>) -> Self {
        let ours = |name: &str| name.starts_with("OCI_") || PASSED_ON.contains(&name);
        let kept = environment.iter().filter(|(name, _)| ours(name)).map(|(name, value)| (name.clone(), value.clone()));
        Credentials { environment: kept.collect() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whoever signs now. Reads the profile file.
    pub fn source(&self) -> Result<Source, Error> {
        if let Some(version) = self.get("OCI_RESOURCE_PRINCIPAL_VERSION") {
            return self.principal(version);
        }
        let (path, profile) = (self.config_file()?, self.profile());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NoCredentials {
                    tried: format!(
                        "OCI_RESOURCE_PRINCIPAL_VERSION is not set and there is no {}; write one with `oci setup config`",
                        path.display()
                    ),
                });
            }
            Err(error) => return Err(Error::Credentials { what: path.display().to_string(), detail: error.to_string() }),
        };
        let found = profile::read(&text, profile, self.get("HOME").map(Path::new), &path)?;
        Ok(if found.security_token_file.is_some() { Source::SessionToken(found) } else { Source::ApiKey(found) })
    }

    fn principal(&self, version: &str) -> Result<Source, Error> {
        let refuse = |what: &str, detail: &str| Error::Credentials { what: what.to_owned(), detail: detail.to_owned() };
        if version != PRINCIPAL_VERSION {
            return Err(refuse(
                "OCI_RESOURCE_PRINCIPAL_VERSION",
                &format!("{version} is not known; container instances have {PRINCIPAL_VERSION}"),
            ));
        }
        if self.get("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE").is_some() {
            return Err(refuse("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE", "keys with a passphrase are not taken"));
        }
        let need = |name: &str| self.get(name).map(Material::of).ok_or_else(|| refuse(name, "is not set; resource principal 2.2 needs it"));
        Ok(Source::ResourcePrincipal {
            token: need("OCI_RESOURCE_PRINCIPAL_RPST")?,
            key: need("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM")?,
            region: self.get("OCI_RESOURCE_PRINCIPAL_REGION").map(str::to_owned),
        })
    }

    /// `OCI_CONFIG_FILE` (SDKs), `OCI_CLI_CONFIG_FILE` (CLI), else the usual place.
    fn config_file(&self) -> Result<PathBuf, Error> {
        if let Some(path) = self.get("OCI_CONFIG_FILE").or_else(|| self.get("OCI_CLI_CONFIG_FILE")) {
            return Ok(PathBuf::from(path));
        }
        let home = self.get("HOME").ok_or_else(|| Error::NoCredentials { tried: "neither OCI_CONFIG_FILE nor HOME is set".to_owned() })?;
        Ok(Path::new(home).join(".oci").join("config"))
    }

    fn profile(&self) -> &str {
        self.get("OCI_CONFIG_FILE_PROFILE").or_else(|| self.get("OCI_CLI_PROFILE")).unwrap_or(DEFAULT_PROFILE)
    }

    /// What terraform's provider is told (provider 8.28.0, internal/provider/provider.go: `OCI_` and the attribute's name in
    /// capitals). Without credentials it gets none, and says so itself.
    pub fn for_terraform(&self) -> BTreeMap<String, String> {
        let passed = |name: &str| PASSED_ON.contains(&name) || name.starts_with(PRINCIPAL);
        let mut env: BTreeMap<String, String> =
            self.environment.iter().filter(|(name, _)| passed(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut set = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
        match self.source() {
            Ok(Source::ResourcePrincipal { .. }) => {
                set("OCI_AUTH", "ResourcePrincipal");
            }
            // said in full: the provider looks for other profiles in the usual file only
            Ok(Source::ApiKey(Profile {
                tenancy,
                user: Some(user),
                fingerprint: Some(fingerprint),
                key_file,
                has_passphrase: false,
                ..
            })) => {
                set("OCI_AUTH", "ApiKey");
                set("OCI_TENANCY_OCID", &tenancy);
                set("OCI_USER_OCID", &user);
                set("OCI_FINGERPRINT", &fingerprint);
                set("OCI_PRIVATE_KEY_PATH", &key_file.display().to_string());
            }
            Ok(Source::SessionToken(_)) => {
                set("OCI_AUTH", "SecurityToken");
                set("OCI_CONFIG_FILE_PROFILE", self.profile());
            }
            // the provider reads the file itself, passphrase and all, or finds nothing and says what is missing
            Ok(Source::ApiKey(_)) | Err(_) => {
                if let Some(path) = self.get("OCI_CONFIG_FILE").or_else(|| self.get("OCI_CLI_CONFIG_FILE")) {
                    set("OCI_CONFIG_FILE", path);
                }
                if self.profile() != DEFAULT_PROFILE {
                    set("OCI_CONFIG_FILE_PROFILE", self.profile());
                }
            }
        }
        env
    }
}

impl Source {
    /// Reads the key. For whoever has a token, key and token are read together: they are rotated together.
    pub fn key(&self) -> Result<SigningKey, Error> {
        match self {
            Source::ApiKey(profile) => {
                let part = |text: &Option<String>| text.clone().unwrap_or_default();
                let id = format!("{}/{}/{}", profile.tenancy, part(&profile.user), part(&profile.fingerprint));
                SigningKey::from_pem(id, &read_file(&profile.key_file)?, &profile.key_file.display().to_string())
            }
            Source::SessionToken(profile) => {
                let token = profile.security_token_file.clone().map(Material::File);
                with_token(&token.unwrap_or(Material::Inline(String::new())), &Material::File(profile.key_file.clone()))
            }
            Source::ResourcePrincipal { token, key, .. } => with_token(token, key),
        }
    }

    /// The region it names, for whoever names none.
    pub fn region(&self) -> Option<Region> {
        let name = match self {
            Source::ApiKey(profile) | Source::SessionToken(profile) => profile.region.as_deref(),
            Source::ResourcePrincipal { region, .. } => region.as_deref(),
        };
        name.map(Region::named)
    }
}

fn with_token(token: &Material, key: &Material) -> Result<SigningKey, Error> {
    let text = String::from_utf8_lossy(&token.read()?).trim().to_owned();
    if text.split('.').count() != 3 {
        return Err(Error::Credentials { what: format!("the token of {token:?}"), detail: "it is no JSON Web Token".to_owned() });
    }
    SigningKey::from_pem(format!("ST${text}"), &key.read()?, &format!("the key of {key:?}"))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::Credentials { what: path.display().to_string(), detail: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(rows: &[(&str, &str)]) -> Credentials {
        Credentials::new(&rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    const CONFIG: &str = "[DEFAULT]\nuser=ocid1.user.oc1..a\nfingerprint=12:34:56:78:9a:bc:de:f0:12:34:56:78:9a:bc:de:f0\n\
        tenancy=ocid1.tenancy.oc1..t\nregion=kix\nkey_file=~/.oci/key.pem\n[locked]\npass_phrase=x\n[session]\nsecurity_token_file=/tokens/t\n";

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".oci")).unwrap();
        std::fs::write(home.path().join(".oci/config"), CONFIG).unwrap();
        home
    }

    #[test]
    fn the_principal_of_the_container_comes_first_and_then_the_profile_of_the_person() {
        let home = home();
        let place = home.path().display().to_string();
        let person = environment(&[("HOME", &place)]);
        let Ok(Source::ApiKey(profile)) = person.source() else { panic!("a profile") };
        assert_eq!(profile.key_file, home.path().join(".oci/key.pem"));
        assert_eq!(person.source().unwrap().region().map(|region| region.id).as_deref(), Some("ap-osaka-1"));
        let session = environment(&[("HOME", &place), ("OCI_CLI_PROFILE", "session")]);
        assert!(matches!(session.source(), Ok(Source::SessionToken(_))));
        let container = environment(&[
            ("HOME", &place),
            ("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2"),
            ("OCI_RESOURCE_PRINCIPAL_RPST", "/var/oci/token"),
            ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", "/var/oci/key"),
        ]);
        assert!(matches!(container.source(), Ok(Source::ResourcePrincipal { token: Material::File(_), .. })));
        let rows = [
            ("nothing at all", environment(&[]), "neither OCI_CONFIG_FILE nor HOME is set"),
            ("no file", environment(&[("HOME", "/does/not/exist")]), "oci setup config"),
            ("an older principal", environment(&[("OCI_RESOURCE_PRINCIPAL_VERSION", "1.1")]), "1.1 is not known"),
            ("half a principal", environment(&[("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2")]), "OCI_RESOURCE_PRINCIPAL_RPST: is not set"),
        ];
        for (reason, credentials, part) in rows {
            let said = credentials.source().unwrap_err().to_string();
            assert!(said.contains(part), "{reason}: {said}");
        }
    }

    #[test]
    fn terraform_is_told_the_same_person_and_nothing_that_is_not_about_oci() {
        let home = home();
        let place = home.path().display().to_string();
        let strangers = [("AWS_SECRET_ACCESS_KEY", "x"), ("GALLEY_APPROVER_TOKEN", "x"), ("TF_LOG", "x"), ("LD_PRELOAD", "x")];
        let told = |rows: &[(&str, &str)]| environment(&[rows, &[("HOME", place.as_str())], &strangers].concat()).for_terraform();
        let person = told(&[]);
        let key = format!("{place}/.oci/key.pem");
        let rows = [
            ("OCI_AUTH", "ApiKey"),
            ("OCI_TENANCY_OCID", "ocid1.tenancy.oc1..t"),
            ("OCI_USER_OCID", "ocid1.user.oc1..a"),
            ("OCI_PRIVATE_KEY_PATH", &key),
            ("HOME", &place),
        ];
        for (name, value) in rows {
            assert_eq!(person.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(person.len(), 6, "and nothing else: {:?}", person.keys());
        let session = told(&[("OCI_CLI_PROFILE", "session")]);
        assert_eq!((session["OCI_AUTH"].as_str(), session["OCI_CONFIG_FILE_PROFILE"].as_str()), ("SecurityToken", "session"));
        let locked = told(&[("OCI_CONFIG_FILE_PROFILE", "locked")]);
        assert_eq!(locked["OCI_CONFIG_FILE_PROFILE"], "locked", "the provider reads the passphrase from the file itself");
        assert!(!locked.contains_key("OCI_PRIVATE_KEY_PATH"));
        let container = told(&[
            ("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2"),
            ("OCI_RESOURCE_PRINCIPAL_RPST", "/t"),
            ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", "/k"),
        ]);
        assert_eq!((container["OCI_AUTH"].as_str(), container["OCI_RESOURCE_PRINCIPAL_RPST"].as_str()), ("ResourcePrincipal", "/t"));
        assert!(!container.contains_key("OCI_USER_OCID"));
    }
}
