//! Ten thousand strings that look like secrets, through every door of the real server: as values of secret variables (and
//! through them into overrides, names, outputs and diagnostics), as tokens that are not ours, and as names of what does not
//! exist. Afterwards everything that speaks is read: none of them, and no half of one, may be in it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{APPROVER, EDITOR, World, on, ready_reason};

/// As the issue asks: so many are values, tokens and names.
const VALUES: usize = 1_000;
const TOKENS: usize = 4_500;
const NAMES: usize = 4_500;
/// Secrets of one design: each is a component, and a design has at most 200.
const OF_A_DESIGN: usize = 100;
/// Designs whose pictures are read, too.
const PICTURES: usize = 2;
/// What is looked for: so many hexadecimal digits in a row out of the heart of a secret. A half of one is as good as found.
const PIECE: usize = 12;
/// And so many characters in a row of its base64, which is how a vault takes it.
const ENCODED: usize = 16;

/// The heart of a secret: hexadecimal digits that stand in no other text.
fn heart(number: usize) -> String {
    galley::api::names::sha256_hex(format!("leak {number}"))[..24].to_owned()
}

/// Passwords, tokens, keys, URLs, JSON, templates, words: what people put into secret variables.
fn secret(number: usize) -> String {
    let heart = heart(number);
    match number % 8 {
        0 => format!("Aa1#{heart}_"),
        1 => format!("ghp_{heart}Ab"),
        2 => format!("-----BEGIN PRIVATE KEY-----\n{heart}\n-----END PRIVATE KEY-----"),
        3 => format!("https://user:{heart}@db.example.com/x?a=1&b=<2>"),
        4 => format!("{{\"key\": \"{heart}\"}}"),
        5 => format!("${{{heart}}}\"\\%{{x}}"),
        6 => format!("パスワード{heart}"),
        _ => format!("eyJhbGciOi.{heart}.sig"),
    }
}

/// The same for a path, a header or a name: letters and digits.
fn plain(number: usize) -> String {
    format!("{}{}", ["ghp-", "token-", "s-", "eyj"][number % 4], heart(number))
}

/// Finds pieces of secrets in texts.
struct Searcher {
    pieces: HashMap<Vec<u8>, usize>,
    /// which first eight bytes a piece may have: most places of a text are none
    begins: Vec<bool>,
    read: BTreeMap<String, usize>,
    found: Vec<String>,
}

/// Where the first eight bytes of a piece stand in [`Searcher::begins`].
fn begin(bytes: &[u8]) -> usize {
    let word = bytes.iter().take(8).fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44) as usize
}

impl Searcher {
    fn new() -> Searcher {
        let mut pieces = HashMap::new();
        for number in 0..VALUES + TOKENS + NAMES {
            for piece in heart(number).as_bytes().windows(PIECE) {
                pieces.insert(piece.to_vec(), number);
            }
        }
        for number in 0..VALUES {
            // what is the same in many of them (the beginning of a key, say) is no piece of a secret
            let whole = STANDARD.encode(secret(number));
            let begins = STANDARD.encode(secret(number).split(&heart(number)).next().unwrap_or_default()).len();
            for piece in whole.as_bytes()[begins.min(whole.len())..].windows(ENCODED).take(12) {
                pieces.insert(piece.to_vec(), number);
            }
        }
        let mut begins = vec![false; 1 << 20];
        pieces.keys().for_each(|piece| begins[begin(piece)] = true);
        Searcher { pieces, begins, read: BTreeMap::new(), found: vec![] }
    }
    /// Looks through what `door` said.
    fn look(&mut self, door: &str, bytes: &[u8]) {
        *self.read.entry(door.to_owned()).or_default() += bytes.len();
        for at in 0..bytes.len().saturating_sub(8) {
            if !self.begins[begin(&bytes[at..])] {
                continue;
            }
            let piece = |length: usize| bytes.get(at..at + length).and_then(|piece| self.pieces.get(piece));
            if let Some(number) = piece(PIECE).or_else(|| piece(ENCODED)) {
                let around = String::from_utf8_lossy(&bytes[at.saturating_sub(80)..bytes.len().min(at + 80)]).into_owned();
                self.found.push(format!("secret {number} in {door}: …{around}…"));
                if self.found.len() > 20 {
                    return;
                }
            }
        }
    }
}

/// Every secret of the design in an output; some of them in names and tags, too.
fn override_file() -> String {
    let mut text = String::new();
    for number in 0..OF_A_DESIGN {
        text.push_str(&format!("output \"o{number}\" {{\n  value = \"got ${{var.s{number}_content}}\"\n  sensitive = true\n}}\n"));
    }
    text.push_str(
        "resource \"oci_core_vcn\" \"hidden\" {\n  compartment_id = var.compartment_ocid\n  cidr_blocks = [\"10.99.0.0/16\"]\n  display_name = var.s0_content\n  freeform_tags = {\n",
    );
    for number in 1..40 {
        text.push_str(&format!("    k{number} = var.s{number}_content\n"));
    }
    text.push_str("  }\n}\n");
    text
}

/// A design whose override carries every one of its secrets everywhere; applied after a failure that repeats them.
async fn build(world: &World, first: usize) -> String {
    let named = |number: usize| format!("s{number}_content");
    let variables: Vec<Value> = (0..OF_A_DESIGN).map(|number| json!({"name": named(number), "source": "supplied"})).collect();
    let mut components = vec![
        json!({"id": "net", "serviceType": "vcn", "displayName": "Net", "config": {"cidr_block": "10.20.0.0/16"}}),
        json!({"id": "safe", "serviceType": "vault", "displayName": "Safe", "config": {}}),
        json!({"id": "lock", "serviceType": "key", "displayName": "Lock", "config": {}}),
    ];
    let mut connections = vec![json!({"sourceId": "lock", "targetId": "safe", "connectionType": "stored_in"})];
    for number in 0..OF_A_DESIGN {
        components
            .push(json!({"id": format!("s{number}"), "serviceType": "secret", "displayName": format!("secret {number}"), "config": {}}));
        connections.push(json!({"sourceId": format!("s{number}"), "targetId": "lock", "connectionType": "encrypted_with"}));
    }
    let spec = json!({
        "target": "sandbox", "components": components, "connections": connections,
        "files": {"leak.tf": override_file()}, "secretVariables": variables,
    });
    let name = world.create(spec).await;
    let client = reqwest::Client::new();
    for number in 0..OF_A_DESIGN {
        let url = format!("{}/admin/secrets/{name}/{}", world.base(), named(number));
        let put = client.put(url).bearer_auth(APPROVER).header("content-type", "application/octet-stream");
        let answer = put.body(secret(first + number)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "a secret is taken: {}", answer.text().await.unwrap_or_default());
    }
    world.edit(&name, json!({"desiredState": "Applied"})).await;
    world.until_plan(&name).await;
    // OCI repeats what it was sent: every value of the design in one refusal
    let mut repeated: Vec<String> = (first..first + OF_A_DESIGN).map(secret).collect();
    repeated.extend((first..first + OF_A_DESIGN).map(|number| STANDARD.encode(secret(number))));
    let error = galley::sandbox::OciError::new(400, "InvalidParameter", format!("these are wrong: {}", repeated.join(", ")));
    let mut fault = galley::sandbox::Fault::error(on("create"), "oci_core_vcn", error);
    fault.times = Some(1);
    world.cloud(&name).await.fail(fault).expect("a refusal");
    world.approve(&name, APPROVER).await;
    world.until(&name, "the refusal", |design| matches!(ready_reason(design).as_str(), "JobFailed" | "RetryScheduled")).await;
    world.edit(&name, json!({"request": {"id": "again", "action": "Retry"}})).await;
    world.until_plan(&name).await;
    world.approve(&name, APPROVER).await;
    world.until_reason(&name, "Synced").await;
    name
}

/// One for nine thousand requests: making a client takes longer than an answer.
static CLIENT: LazyLock<reqwest::Client> =
    LazyLock::new(|| reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client"));

/// One request; gives the whole answer as bytes, headers too.
async fn ask(world: &World, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Vec<u8> {
    let mut request = CLIENT.request(method, format!("{}{path}", world.base()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = request.send().await.expect("an answer");
    let mut said = format!("{} {:?}\n", answer.status(), answer.headers()).into_bytes();
    said.extend_from_slice(&answer.bytes().await.unwrap_or_default());
    said
}

fn call(tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

async fn mcp(world: &World, token: &str, body: Value) -> Vec<u8> {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("accept", "application/json, text/event-stream")];
    ask(world, Method::POST, "/mcp", &headers, Some(body)).await
}

/// Tokens that are not ours, at every door that takes one. The answer may not repeat them either.
async fn wrong_tokens(world: &World, searcher: &mut Searcher) {
    for number in VALUES..VALUES + TOKENS {
        let token = plain(number);
        let bearer = format!("Bearer {token}");
        let cookie = format!("galley_session={token}; galley_login={token}");
        let said = match number % 8 {
            0 => mcp(world, &token, call("list_sessions", json!({}))).await,
            1 => ask(world, Method::POST, &format!("/mcp?token={token}"), &[], Some(call("list_sessions", json!({})))).await,
            2 => ask(world, Method::GET, &format!("/k8s/{token}/apis/galley.dev/v1alpha1/namespaces/default/sessions"), &[], None).await,
            3 => ask(world, Method::GET, "/admin/sandbox/x/list", &[("authorization", &bearer)], None).await,
            4 => ask(world, Method::GET, "/", &[("cookie", &cookie)], None).await,
            5 => {
                let form = [("content-type", "application/x-www-form-urlencoded"), ("cookie", cookie.as_str())];
                let url = format!("{}/login", world.base());
                let mut request = CLIENT.post(url).body(format!("csrf={token}&token={token}&next=/"));
                for (name, value) in form {
                    request = request.header(name, value);
                }
                let answer = request.send().await.expect("an answer");
                answer.bytes().await.unwrap_or_default().to_vec()
            }
            6 => ask(world, Method::GET, &format!("/exports/x/summary.md?token={token}"), &[], None).await,
            _ => ask(world, Method::GET, "/logs/x/y", &[("authorization", &bearer), ("traceparent", &token)], None).await,
        };
        searcher.look("answers to wrong tokens", &said);
    }
}

/// Names of what does not exist, from somebody who may ask. The answer may repeat what was asked; nothing else may.
async fn wrong_names(world: &World) {
    let bearer = format!("Bearer {EDITOR}");
    let auth = [("authorization", bearer.as_str())];
    let kubernetes = |rest: &str| format!("/k8s/{EDITOR}/apis/galley.dev/v1alpha1/namespaces/default/{rest}");
    for number in VALUES + TOKENS..VALUES + TOKENS + NAMES {
        let name = plain(number);
        match number % 8 {
            0 => mcp(world, EDITOR, call("get_session", json!({"session_id": name}))).await,
            1 => mcp(world, EDITOR, call(&name, json!({}))).await,
            2 => ask(world, Method::GET, &kubernetes(&format!("designs/{name}")), &[], None).await,
            3 => ask(world, Method::GET, &kubernetes(&format!("sessions?labelSelector=a%3D{name}")), &[], None).await,
            4 => ask(world, Method::GET, &format!("/exports/{name}/summary.md"), &auth, None).await,
            5 => ask(world, Method::GET, &format!("/logs/{name}/{name}"), &auth, None).await,
            6 => mcp(world, EDITOR, json!({"jsonrpc": "2.0", "id": name, "method": name, "params": {}})).await,
            _ => ask(world, Method::GET, &format!("/{name}?{name}={name}"), &[("user-agent", &name), ("x-request-id", &name)], None).await,
        };
    }
}

/// What MCP says of a design, tool by tool and resource by resource.
async fn read_mcp(world: &World, name: &str, jobs: &[String], pictures: bool, searcher: &mut Searcher) {
    let session = json!({"session_id": name});
    let with = |more: Value| {
        let mut arguments = session.clone();
        arguments.as_object_mut().expect("object").extend(more.as_object().cloned().unwrap_or_default());
        arguments
    };
    let mut calls = vec![
        call("get_session", session.clone()),
        call("get_status", session.clone()),
        call("get_plan", with(json!({"detail": "changes"}))),
        call("get_plan", with(json!({"detail": "resource", "address": "oci_core_vcn.hidden"}))),
        call("validate_architecture", session.clone()),
        call("list_sessions", json!({})),
    ];
    calls.extend(jobs.iter().map(|job| call("get_job_log", with(json!({"job": job})))));
    let wanted = |what: &&str| pictures || !matches!(*what, "svg" | "all" | "diagram.svg");
    let formats = ["summary", "mermaid", "terraform", "svg", "all"].into_iter().filter(wanted);
    calls.extend(formats.map(|format| call("export", with(json!({"what": format})))));
    calls.push(json!({"jsonrpc": "2.0", "id": 1, "method": "resources/list", "params": {}}));
    calls.extend(["summary.md", "diagram.mmd", "diagram.svg"].into_iter().filter(wanted).map(
        |file| json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": format!("galley://designs/{name}/{file}")}}),
    ));
    for body in calls {
        let said = mcp(world, EDITOR, body).await;
        searcher.look("MCP", &said);
    }
}

/// What kubectl sees: every kind as JSON and as a table, events by both names, a watch.
async fn read_kubernetes(world: &World, searcher: &mut Searcher) {
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    for token in [EDITOR, APPROVER] {
        for kind in ["sessions", "designs", "terraformjobs", "approvals"] {
            let path = format!("/k8s/{token}/apis/galley.dev/v1alpha1/namespaces/default/{kind}");
            searcher.look("Kubernetes API", &ask(world, Method::GET, &path, &[], None).await);
            searcher.look("Kubernetes tables", &ask(world, Method::GET, &path, &[("accept", table)], None).await);
        }
        for path in ["apis/events.k8s.io/v1/namespaces/default/events", "api/v1/namespaces/default/events"] {
            searcher.look("Events", &ask(world, Method::GET, &format!("/k8s/{token}/{path}"), &[], None).await);
        }
    }
    let watch = format!("/k8s/{EDITOR}/apis/galley.dev/v1alpha1/namespaces/default/designs?watch=1&timeoutSeconds=1");
    searcher.look("Kubernetes watch", &ask(world, Method::GET, &watch, &[], None).await);
}

/// Signs in on the page and gives the cookie of the session.
async fn sign_in(world: &World) -> String {
    let cookies = |answer: &reqwest::Response| -> Vec<String> {
        let all = answer.headers().get_all("set-cookie").iter();
        all.filter_map(|line| Some(line.to_str().ok()?.split(';').next()?.to_owned())).collect()
    };
    let form = CLIENT.get(format!("{}/", world.base())).send().await.expect("a form");
    let cookie = cookies(&form).join("; ");
    let text = form.text().await.expect("text");
    let csrf = text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a form").to_owned();
    let body: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("csrf", csrf.as_str()), ("token", APPROVER), ("next", "/")])
        .finish();
    let post = CLIENT.post(format!("{}/login", world.base())).header("cookie", cookie);
    let answer = post.header("content-type", "application/x-www-form-urlencoded").body(body).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 303, "signed in");
    cookies(&answer).into_iter().find(|cookie| !cookie.ends_with('=')).expect("a session")
}

async fn read_page(world: &World, cookie: &str, name: &str, jobs: &[String], pictures: bool, searcher: &mut Searcher) {
    let mut paths = vec!["/".to_owned(), format!("/designs/{name}")];
    if pictures {
        paths.push(format!("/designs/{name}/diagram.svg"));
    }
    paths.push(format!("/designs/{name}/plan?address=oci_core_vcn.hidden"));
    paths.extend(jobs.iter().map(|job| format!("/designs/{name}/jobs/{job}")));
    for path in paths {
        for language in ["en", "ja"] {
            let mark = if path.contains('?') { '&' } else { '?' };
            let said = ask(world, Method::GET, &format!("{path}{mark}lang={language}"), &[("cookie", cookie)], None).await;
            assert!(!said.starts_with(b"303"), "{path} is read by somebody who is signed in");
            searcher.look("page", &said);
        }
    }
}

/// Exports are read whole: archives are unpacked.
async fn read_exports(world: &World, name: &str, pictures: bool, searcher: &mut Searcher) {
    let bearer = format!("Bearer {EDITOR}");
    let wanted = |file: &&str| pictures || !matches!(*file, "diagram.svg" | "design.tar.gz");
    for file in ["summary.md", "diagram.mmd", "diagram.svg", "terraform.zip", "design.tar.gz"].into_iter().filter(wanted) {
        let answer = CLIENT.get(format!("{}/exports/{name}/{file}", world.base())).header("authorization", &bearer);
        let bytes = answer.send().await.expect("an answer").bytes().await.expect("bytes");
        if file == "terraform.zip" {
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes.to_vec())).expect("a zip");
            for index in 0..archive.len() {
                let mut text = Vec::new();
                std::io::Read::read_to_end(&mut archive.by_index(index).expect("an entry"), &mut text).expect("text");
                searcher.look("exports", &text);
            }
        } else if file == "design.tar.gz" {
            let mut plain = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut plain).expect("gzip");
            searcher.look("exports", &plain);
        } else {
            searcher.look("exports", &bytes);
        }
    }
}

fn read_command_line(world: &World, name: &str, searcher: &mut Searcher) {
    for arguments in [
        vec!["status", name],
        vec!["plan", name],
        vec!["plan", name, "-o", "json"],
        vec!["diff", name],
        vec!["logs", name],
        vec!["get", "designs", "-o", "yaml"],
        vec!["get", "jobs", "-o", "json"],
        vec!["export", name, "summary"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_galley"))
            .args(&arguments)
            .env("GALLEY_DATA_DIR", world.data_dir())
            .env("GALLEY_TOKEN", EDITOR)
            .env("GALLEY_APPROVER_TOKEN", APPROVER)
            .stdin(Stdio::null())
            .output()
            .expect("the command line");
        searcher.look("command line", &output.stdout);
        searcher.look("command line", &output.stderr);
    }
}

/// Documents and blobs on disk, but for what is kept secret on purpose: the secrets themselves, states and plan files.
fn read_files(directory: &Path, searcher: &mut Searcher) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            read_files(&path, searcher);
        } else if name != "secrets.json" && name != "plan.bin" && !name.ends_with(".tfstate") {
            searcher.look("documents and blobs on disk", &std::fs::read(&path).unwrap_or_default());
        }
    }
}

#[tokio::test]
async fn ten_thousand_secrets_come_out_of_no_door() {
    let world = World::start_with(&[("GALLEY_LOG", "debug")]).await;
    let mut searcher = Searcher::new();
    let cookie = sign_in(&world).await;
    let mut names = Vec::new();
    for first in (0..VALUES).step_by(OF_A_DESIGN) {
        names.push(build(&world, first).await);
    }
    wrong_tokens(&world, &mut searcher).await;
    wrong_names(&world).await;
    // the values did arrive: a search that finds nothing where there is nothing proves nothing
    let uid = world.uid(&names[0]).await;
    let state = std::fs::read_to_string(world.work_dir(&uid).join("terraform.tfstate")).expect("a state");
    let arrived = (0..OF_A_DESIGN).filter(|number| state.contains(&heart(*number))).count();
    assert_eq!(arrived, OF_A_DESIGN, "every value of the first design is in its state");
    let all = world.jobs().list(&Default::default()).await.expect("jobs").items;
    for (at, name) in names.iter().enumerate() {
        let uid = world.uid(name).await;
        // a picture with two hundred lines takes seconds in this build: those of the first designs are read
        let pictures = at < PICTURES;
        let jobs: Vec<String> = all.iter().filter(|job| job.spec.design_ref == *name).filter_map(|job| job.metadata.name.clone()).collect();
        assert!(jobs.len() >= 4, "two plans and two applies");
        read_mcp(&world, name, &jobs, pictures, &mut searcher).await;
        read_page(&world, &cookie, name, &jobs, pictures, &mut searcher).await;
        read_exports(&world, name, pictures, &mut searcher).await;
        read_command_line(&world, name, &mut searcher);
        let bearer = format!("Bearer {EDITOR}");
        for job in &jobs {
            let log = ask(&world, Method::GET, &format!("/logs/{uid}/{job}"), &[("authorization", &bearer)], None).await;
            assert!(log.starts_with(b"200"), "the log of {job}: {}", String::from_utf8_lossy(&log));
            searcher.look("job logs", &log);
        }
    }
    read_kubernetes(&world, &mut searcher).await;
    searcher.look("metrics", &ask(&world, Method::GET, "/metrics", &[], None).await);
    // events and the last lines of the log are written a moment later
    tokio::time::sleep(Duration::from_secs(2)).await;
    searcher.look("server log", world.server_log().as_bytes());
    for part in ["documents", "blobs"] {
        read_files(&world.data_dir().join(part), &mut searcher);
    }
    for (door, bytes) in &searcher.read {
        println!("{door:32} {bytes:>10} bytes");
        assert!(*bytes > 200, "{door} said nothing");
    }
    let said = String::from_utf8_lossy(&std::fs::read(world.dir.path().join("server.log")).unwrap_or_default()).into_owned();
    for token in [EDITOR, APPROVER] {
        assert!(!said.contains(token), "our own token is in the log");
    }
    println!("{} secrets searched for in {} doors: {} found", VALUES + TOKENS + NAMES, searcher.read.len(), searcher.found.len());
    assert!(searcher.found.is_empty(), "{}", searcher.found.join("\n"));
}
