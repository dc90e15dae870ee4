//! OCI over REST against vectors of Oracle's own and against a fake that checks every signature.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests say what they expect")]

mod fake;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fake::{COMPARTMENT, Fake, hit, test_key_pem, write_profile};
use galley::clock::SystemClock;
use galley::oci::region::Region;
use galley::oci::signer::{Request, SigningKey};
use galley::oci::{Client, Credentials, Error, Options, search};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../fixtures/oci-signing-vectors.json")).unwrap()
}

/// (host, path and query) of a URL, as it stands.
fn halves(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").unwrap().1;
    rest.split_at(rest.find('/').unwrap())
}

#[test]
fn requests_are_signed_as_oracles_own_vectors_say() {
    let all = vectors();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let own = text(&all, "own_test_key_pem");
    let (mut compared, mut verified) = (0, 0);
    for vector in all["vectors"].as_array().unwrap() {
        let name = text(vector, "name");
        let (url, method, date, body, kind) =
            (text(vector, "url"), text(vector, "method"), text(vector, "date"), text(vector, "body"), text(vector, "content_type"));
        let (host, target) = halves(&url);
        let signs_body = text(vector, "signed_headers").contains("x-content-sha256");
        let kind = if kind.is_empty() { "application/json" } else { &kind };
        let request = Request { method: &method, host, target, date: &date, body: signs_body.then_some((kind, body.as_bytes())) };
        assert_eq!(request.signing_string(), text(vector, "signing_string"), "{name}");
        assert_eq!(request.signed_headers(), text(vector, "signed_headers"), "{name}");
        let signature = text(vector, "signature_b64");
        if text(vector, "key") == "own_test_key_pem" {
            let key = SigningKey::from_pem(text(vector, "key_id"), own.as_bytes(), "own").unwrap();
            let authorization = key.authorization(&request).unwrap();
            assert!(authorization.contains(&format!("signature=\"{signature}\"")), "{name}: {authorization}");
            assert!(authorization.contains(&format!("keyId=\"{}\"", text(vector, "key_id"))), "{name}");
            compared += 1;
        } else {
            // Oracle's published key has 1,024 bits, which no library signs with any more: its signature is checked instead
            let (modulus, exponent) = public_numbers(&text(&all, "oracle_test_key_pem"));
            let signature = STANDARD.decode(&signature).unwrap();
            RsaPublicKeyComponents { n: &modulus, e: &exponent }
                .verify(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, request.signing_string().as_bytes(), &signature)
                .unwrap_or_else(|_| panic!("{name}: Oracle's signature does not hold for what we would sign"));
            verified += 1;
        }
    }
    assert_eq!((compared, verified), (6, 2), "every vector was looked at");
}

/// Modulus and exponent of a PKCS#1 private key: SEQUENCE { version, n, e, … }.
fn public_numbers(pem: &str) -> (Vec<u8>, Vec<u8>) {
    let body: String = pem.lines().filter(|line| !line.contains("-----")).collect();
    let der = STANDARD.decode(body).unwrap();
    let (_, rest) = element(&der);
    let (_, rest) = element(element_content(&der, rest));
    let (modulus, rest) = element(rest);
    let (exponent, _) = element(rest);
    let strip = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
    (strip(modulus), strip(exponent))
}

/// (content, what follows) of the first DER element.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, header) = match der[1] {
        short @ 0..=127 => (usize::from(short), 2),
        long => {
            let count = usize::from(long & 0x7f);
            (der[2..2 + count].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), 2 + count)
        }
    };
    (&der[header..header + length], &der[header + length..])
}

/// What is inside the outermost element.
fn element_content<'a>(der: &'a [u8], rest: &[u8]) -> &'a [u8] {
    let (content, after) = element(der);
    assert_eq!(after, rest);
    content
}

#[test]
fn keys_that_cannot_sign_say_why_and_never_what_they_are() {
    let (pem, vectors) = (test_key_pem(), vectors());
    let read = |text: &str| SigningKey::from_pem("id".into(), text.as_bytes(), "/keys/a.pem");
    assert!(read(&format!("{pem}OCI_API_KEY\n")).is_ok(), "what the console appends is ignored");
    let rows = [
        ("a passphrase", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "passphrase"),
        ("an old passphrase", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n", "passphrase"),
        ("no key", "ssh-rsa AAAA", "no private key in PEM"),
        ("too short", vectors["oracle_test_key_pem"].as_str().unwrap(), "at least 2048 bits"),
    ];
    for (reason, text, part) in rows {
        let said = read(text).unwrap_err().to_string();
        assert!(said.contains(part) && said.contains("/keys/a.pem"), "{reason}: {said}");
    }
    let key = read(&pem).unwrap();
    assert_eq!(format!("{key:?}"), "SigningKey(…)");
}

/// A person with a profile, and the fake that knows them.
async fn person() -> (tempfile::TempDir, Fake, Client) {
    let home = tempfile::tempdir().unwrap();
    let fake = Fake::start(&write_profile(home.path())).await;
    let environment = BTreeMap::from([("HOME".to_owned(), home.path().display().to_string())]);
    let client = client(&fake, &environment);
    (home, fake, client)
}

fn client(fake: &Fake, environment: &BTreeMap<String, String>) -> Client {
    let endpoints = ["search", "objectstorage"].map(|service| (service.to_owned(), fake.url.clone()));
    let options = Options { endpoints: endpoints.into(), pause: Duration::from_millis(1), ..Options::default() };
    Client::new(Arc::new(Credentials::new(environment)), Arc::new(SystemClock), options).unwrap()
}

async fn found(client: &Client) -> Result<Vec<String>, Error> {
    let hits = search::tagged(client, &Region::named("ap-osaka-1"), COMPARTMENT, ("galley-design", "uid-1")).await?;
    Ok(hits.into_iter().map(|hit| hit.identifier).collect())
}

#[tokio::test]
async fn a_search_reads_every_page_and_keeps_what_is_ours_and_there() {
    let (_home, fake, client) = person().await;
    let mut elsewhere = hit("Vcn", "elsewhere", "uid-1", "oci_core_vcn.a");
    elsewhere["compartmentId"] = "ocid1.compartment.oc1..other".into();
    let mut gone = hit("Vcn", "gone", "uid-1", "oci_core_vcn.b");
    gone["lifecycleState"] = "Terminated".into();
    let bare = serde_json::json!({"resourceType": "Vcn", "identifier": "untagged", "compartmentId": COMPARTMENT});
    let first = vec![hit("Vcn", "one", "uid-1", "oci_core_vcn.one"), elsewhere, gone, bare];
    fake.with(|tenancy| tenancy.pages = vec![first, vec![], vec![hit("Bucket", "two", "uid-1", "oci_objectstorage_bucket.two")]]);
    assert_eq!(found(&client).await.unwrap(), ["one", "two"]);
    fake.with(|tenancy| {
        assert_eq!(tenancy.doubts, Vec::<String>::new(), "every page was signed as it was sent");
        let asked = &tenancy.queries[0];
        assert!(asked.contains("freeformTags.key = 'galley-design'") && asked.contains("freeformTags.value = 'uid-1'"), "{asked}");
        assert!(asked.contains(&format!("compartmentId = '{COMPARTMENT}'")), "{asked}");
        assert_eq!(tenancy.seen.len(), 3);
    });
}

#[tokio::test]
async fn what_goes_away_by_itself_is_asked_again_and_what_does_not_is_told() {
    let (_home, fake, client) = person().await;
    fake.with(|tenancy| tenancy.refusals = [(429, "TooManyRequests"), (503, ""), (409, "LockConflict"), (500, "InternalError")].into());
    assert!(found(&client).await.unwrap().is_empty());
    assert_eq!(fake.with(|tenancy| tenancy.seen.len()), 5);
    fake.with(|tenancy| tenancy.refusals = [(404, "NotAuthorizedOrNotFound")].into());
    let error = found(&client).await.unwrap_err();
    assert!(!error.is_temporary());
    let said = error.to_string();
    for part in ["POST /20180409/resources", "404-NotAuthorizedOrNotFound", "the fake refuses", "req/1"] {
        assert!(said.contains(part), "{said}");
    }
    fake.with(|tenancy| tenancy.refusals = std::iter::repeat_n((503, "Unavailable"), 20).collect());
    let before = fake.with(|tenancy| tenancy.seen.len());
    assert!(found(&client).await.unwrap_err().is_temporary(), "and somebody may ask again later");
    assert_eq!(fake.with(|tenancy| tenancy.seen.len()) - before, 8, "as often as Oracle's SDK asks");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_nobody_at_the_door_is_said() {
    let (home, fake, client) = person().await;
    fake.with(|tenancy| tenancy.refusals = [(307, "")].into());
    assert!(matches!(found(&client).await, Err(Error::Refused { status: 307, .. })), "a signature is for one host");
    let nobody = Fake { url: "http://127.0.0.1:1".to_owned(), tenancy: Arc::default() };
    let environment = BTreeMap::from([("HOME".to_owned(), home.path().display().to_string())]);
    let error = found(&self::client(&nobody, &environment)).await.unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("cannot reach"), "{error}");
}

#[tokio::test]
async fn a_token_that_is_replaced_on_disk_is_read_again_when_the_old_one_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let (token, key) = (home.path().join("token"), home.path().join("key"));
    std::fs::write(&token, "old.old.old\n").unwrap();
    std::fs::write(&key, test_key_pem()).unwrap();
    let environment: BTreeMap<String, String> = [
        ("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2".to_owned()),
        ("OCI_RESOURCE_PRINCIPAL_RPST", token.display().to_string()),
        ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", key.display().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let fake = Fake::start("ST$old.old.old").await;
    let client = client(&fake, &environment);
    assert!(found(&client).await.is_ok());
    fake.with(|tenancy| tenancy.keys.clear());
    fake.trust("ST$new.new.new", &test_key_pem());
    let error = found(&client).await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 401, .. }), "nobody is asked for ever: {error}");
    assert_eq!(fake.with(|tenancy| tenancy.doubts.len()), 2, "once more with what lies there now");
    std::fs::write(&token, "new.new.new").unwrap();
    assert!(found(&client).await.is_ok());
}

#[tokio::test]
async fn the_services_have_the_names_that_the_settings_know() {
    let words: Vec<&str> = galley::oci::client::Service::ALL.iter().map(|(_, word)| *word).collect();
    assert_eq!(words, galley::config::OCI_SERVICES);
}
