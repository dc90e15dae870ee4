//! Approval policy `human`, further ways (see `human`): standing in for the person, before MCP's questions, on the page and in
//! documents; and getting at the credential that a person has.

use serde_json::{Value, json};

use crate::human::{Editor, JSON, JSON_PATCH, MERGE, approval, guarded, unchanged};
use crate::world::{APPROVER, EDITOR, World, ready_reason};

const FORM: &str = "application/x-www-form-urlencoded";

/// approve_plan as revision 2026-07-28 sends it, with whatever else `params` says.
fn modern(params: Value) -> (Vec<(&'static str, String)>, Value) {
    let mut params = params;
    params["name"] = json!("approve_plan");
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "impostor", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } },
    });
    let headers = vec![
        ("authorization", format!("Bearer {EDITOR}")),
        ("accept", "application/json, text/event-stream".to_owned()),
        ("mcp-protocol-version", "2026-07-28".to_owned()),
        ("mcp-method", "tools/call".to_owned()),
        ("mcp-name", "approve_plan".to_owned()),
    ];
    (headers, json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
}

impl Editor<'_> {
    /// POST to /mcp: the structured result, the text when there is none.
    async fn mcp(&self, headers: &[(&str, String)], body: &Value) -> Value {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = self.send("POST", "/mcp", JSON, &headers, body).await;
        // An answer in a session is an event stream of one message, or of the question and nothing more.
        let message = match &answer.body {
            Value::String(text) => {
                text.lines().filter_map(|line| line.strip_prefix("data: ")).find_map(|data| serde_json::from_str(data).ok())
            }
            body => Some(body.clone()),
        };
        message.unwrap_or_else(|| answer.body.clone())
    }
}

#[tokio::test]
async fn a_host_that_answers_for_the_person_is_no_person() {
    let world = World::start().await;
    let name = guarded(&world).await;
    let editor = Editor::new(&world);
    let sha = approval(&world, &name).await["spec"]["planSha256"].clone();
    let arguments = json!({ "session_id": name, "plan_sha256": sha });
    let yes = json!({ "approve": { "action": "accept", "content": { "approve": true } } });
    // (reason, what the call brings with it): nobody is asked and nothing is stored
    for (reason, mut params) in [
        ("a call that could be asked about", json!({})),
        ("an answer to a question that nobody asked", json!({ "inputResponses": yes, "requestState": "0".repeat(64) })),
        ("an answer without a question", json!({ "inputResponses": yes })),
        ("a state without an answer", json!({ "requestState": "approver" })),
    ] {
        params["arguments"] = arguments.clone();
        let (headers, body) = modern(params);
        let said = editor.mcp(&headers, &body).await;
        let error = &said["result"]["structuredContent"];
        assert_eq!((&said["result"]["isError"], &error["code"]), (&json!(true), &json!("approval_refused")), "{reason}: {said}");
        assert_eq!(error["details"]["reason"], json!("ApproverRequired"), "{reason}: {said}");
    }
    // an older host with a session that says it can ask, and would answer yes by itself
    let plain = vec![("authorization", format!("Bearer {EDITOR}")), ("accept", "application/json, text/event-stream".to_owned())];
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25",
        "capabilities": { "elicitation": {} }, "clientInfo": { "name": "impostor", "version": "1" } } });
    let answer = editor.http.post(format!("{}/mcp", world.base())).bearer_auth(EDITOR).header("accept", plain[1].1.clone()).json(&hello);
    let session = answer.send().await.expect("an answer").headers()["mcp-session-id"].to_str().expect("ASCII").to_owned();
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "approve_plan", "arguments": arguments } });
    let ids = [
        ("a session", session.clone()),
        ("a session that calls itself another one's", session.replace(".form", ".mute")),
        ("an id that nobody gave", format!("{}{}", "0".repeat(64), session.split_at(64).1)),
    ];
    for (reason, id) in ids {
        let headers = [plain.clone(), vec![("mcp-session-id", id)]].concat();
        let said = editor.mcp(&headers, &call).await;
        assert_eq!(said["result"]["structuredContent"]["details"]["reason"], json!("ApproverRequired"), "{reason}: {said}");
    }
    let kept = editor.read("approvals").await["items"].as_array().map_or(0, Vec::len);
    assert_eq!(kept, 0, "no approval was stored");
    unchanged(&world, &name, 0, 0).await;
}

#[tokio::test]
async fn the_page_decides_nothing_for_the_editor_token() {
    let world = World::start().await;
    let name = guarded(&world).await;
    let editor = Editor::new(&world);
    let sha = approval(&world, &name).await["spec"]["planSha256"].as_str().expect("sha").to_owned();
    let origin = world.base().to_owned();
    let port = origin.rsplit(':').next().expect("a port").to_owned();
    let hidden = |text: &str| -> String {
        let from = text.split("name=\"csrf\" value=\"").nth(1).expect("a form");
        from.split('"').next().expect("a value").to_owned()
    };
    let post = async |path: &str, cookie: &str, form: String| -> (u16, Vec<String>) {
        let request = editor.http.post(format!("{origin}{path}")).header("content-type", FORM).header("origin", &origin);
        let answer = request.header("cookie", cookie).body(form).send().await.expect("an answer");
        let cookies = answer.headers().get_all("set-cookie").iter().filter_map(|line| line.to_str().ok().map(str::to_owned)).collect();
        (answer.status().as_u16(), cookies)
    };
    // the editor signs in, which is allowed: the page may be read
    let form = editor.http.get(&origin).send().await.expect("the form");
    let before = form.headers()["set-cookie"].to_str().expect("a cookie").split(';').next().expect("a pair").to_owned();
    let csrf = hidden(&form.text().await.expect("text"));
    let no_redirect = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let signed = no_redirect
        .post(format!("{origin}/login"))
        .header("content-type", FORM)
        .header("origin", &origin)
        .header("cookie", &before)
        .body(format!("csrf={csrf}&token={EDITOR}&next=/"))
        .send()
        .await
        .expect("signed in");
    let cookies: Vec<&str> = signed.headers().get_all("set-cookie").iter().filter_map(|line| line.to_str().ok()).collect();
    let session = cookies.iter().find(|line| line.starts_with("galley_session")).expect("a session").split(';').next().expect("a pair");
    let page = editor.http.get(&origin).header("cookie", session).send().await.expect("the list").text().await.expect("text");
    let csrf = hidden(&page);
    let form = |csrf: &str| format!("csrf={csrf}&plan_sha256={sha}&confirm=1&reason=yes");
    for (reason, path, cookie, body) in [
        ("approve with our own form", "approve", session.to_owned(), form(&csrf)),
        ("approve and say who we are", "approve", session.to_owned(), format!("{}&role=approver&approver=approver", form(&csrf))),
        ("approve with both cookies, the first made up", "approve", format!("galley_session_{port}=approver; {session}"), form(&csrf)),
        ("refuse in the person's place", "refuse", session.to_owned(), form(&csrf)),
        ("ask for another plan", "replan", session.to_owned(), form(&csrf)),
        ("approve without signing in", "approve", String::new(), form(&csrf)),
        ("approve with a session that nobody opened", "approve", format!("galley_session_{port}={}", "0".repeat(64)), form(&csrf)),
        ("approve with the token as session", "approve", format!("galley_session_{port}={EDITOR}"), form(&csrf)),
    ] {
        let (status, _) = post(&format!("/designs/{name}/{path}"), &cookie, body).await;
        assert!(matches!(status, 401 | 403), "{reason}: {status}");
    }
    // a token in the URL of the page is nobody's, whoever's it is
    for token in [EDITOR, APPROVER] {
        let (status, _) = post(&format!("/designs/{name}/approve?token={token}"), "", form(&csrf)).await;
        assert!(matches!(status, 401 | 403), "a token in the URL: {status}");
    }
    let bearer = [("authorization", format!("Bearer {EDITOR}"))];
    let bearer: Vec<(&str, &str)> = bearer.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer =
        editor.send("POST", &format!("/designs/{name}/approve"), JSON, &bearer, &json!({ "plan_sha256": sha, "confirm": 1 })).await;
    assert!(matches!(answer.code, 401 | 403 | 415), "JSON with a Bearer token: {}", answer.code);
    unchanged(&world, &name, 0, 0).await;
    assert_eq!(ready_reason(&world.design(&name).await), "AwaitingApproval", "and the plan waits as before");
}

#[tokio::test]
async fn no_spelling_of_a_path_or_a_document_passes_the_rules() {
    let world = World::start().await;
    let name = guarded(&world).await;
    let editor = Editor::new(&world);
    let design = format!("designs/{name}");
    let stored = editor.k8s("POST", "approvals", JSON, &approval(&world, &name).await).await.body;
    let approved = stored["metadata"]["name"].as_str().expect("name").to_owned();
    editor.until_refused("the approval of the rows below", &approved).await;
    let forged = json!({ "status": { "role": "approver", "approver": "approver", "refused": null } });
    // (reason, method, path, kind, body): whatever the answer is, none of these writes
    for (reason, method, path, kind, body) in [
        ("a slash behind", "PATCH", format!("approvals/{approved}/status/"), MERGE, forged.clone()),
        ("two slashes", "PATCH", format!("approvals/{approved}//status"), MERGE, forged.clone()),
        ("an escaped letter", "PATCH", format!("approvals/{approved}/%73tatus"), MERGE, forged.clone()),
        ("an escaped slash", "PATCH", format!("approvals/{approved}%2Fstatus"), MERGE, forged.clone()),
        ("capitals", "PATCH", format!("approvals/{approved}/Status"), MERGE, forged.clone()),
        ("a subresource that is not there", "PUT", format!("approvals/{approved}/approval"), JSON, forged.clone()),
        ("a subresource by query", "PATCH", format!("approvals/{approved}?subresource=status"), MERGE, forged.clone()),
        (
            "server-side apply",
            "PATCH",
            format!("approvals/{approved}?fieldManager=galley&force=true"),
            "application/apply-patch+yaml",
            forged.clone(),
        ),
        (
            "server-side apply of a status",
            "PATCH",
            format!("approvals/{approved}/status?fieldManager=galley&force=true"),
            "application/apply-patch+yaml",
            forged.clone(),
        ),
        (
            "a strategic merge",
            "PATCH",
            format!("{design}/status"),
            "application/strategic-merge-patch+json",
            json!({ "status": { "plan": null } }),
        ),
        (
            "another version of the API",
            "PATCH",
            format!("../../../v1/namespaces/default/approvals/{approved}/status"),
            MERGE,
            forged.clone(),
        ),
    ] {
        let answer = editor.k8s(method, &path, kind, &body).await;
        let status = editor.read(&format!("approvals/{approved}")).await["status"].clone();
        assert_eq!((&status["role"], &status["refused"]["reason"]), (&json!("editor"), &json!("ApproverRequired")), "{reason}: {status}");
        let harmless = matches!(answer.code, 400 | 403 | 404 | 405 | 409 | 415 | 422) || answer.body["status"]["role"] == json!("editor");
        assert!(harmless, "{reason}: {} {}", answer.code, answer.text());
    }
    // methods in disguise
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let path = format!("approvals/{approved}/status");
        let answer = editor.k8s_with("POST", &path, JSON, &[(header, "PUT")], &forged).await;
        assert!(matches!(answer.code, 403..=405), "{header}: {} {}", answer.code, answer.text());
    }
    // the same word twice in one document, in JSON and in YAML; anchors; the last one that a parser takes counts and is refused
    let lower = "spec.policy.approval may not be lowered from \"human\" to";
    for (reason, kind, text) in [
        ("twice in JSON", MERGE, r#"{"spec":{"policy":{"approval":"human","approval":"auto"}}}"#.to_owned()),
        ("the policy twice", MERGE, r#"{"spec":{"policy":{"approval":"human"},"policy":{"approval":"auto"}}}"#.to_owned()),
    ] {
        let path = format!("{}/k8s/{EDITOR}/apis/galley.dev/v1alpha1/namespaces/default/{design}", world.base());
        let answer = editor.http.patch(path).header("content-type", kind).body(text).send().await.expect("an answer");
        let (code, text) = (answer.status().as_u16(), answer.text().await.expect("text"));
        assert!(code == 403 && text.contains(&lower.replace('"', "\\\"")) || code == 400, "{reason}: {code} {text}");
    }
    // a JSON patch that carries a looser word in from elsewhere in the document
    for (reason, patch) in [
        (
            "copied",
            json!([{ "op": "add", "path": "/spec/variables", "value": { "x": "auto" } }, { "op": "copy", "from": "/spec/variables/x", "path": "/spec/policy/approval" }]),
        ),
        (
            "moved",
            json!([{ "op": "add", "path": "/spec/variables", "value": { "x": "agent" } }, { "op": "move", "from": "/spec/variables/x", "path": "/spec/policy/approval" }]),
        ),
        (
            "the whole document anew",
            json!([{ "op": "test", "path": "/spec/policy/approval", "value": "human" }, { "op": "replace", "path": "/spec/policy", "value": { "approval": "auto" } }]),
        ),
    ] {
        editor.k8s("PATCH", &design, JSON_PATCH, &patch).await.refused(reason, 403, lower);
    }
    // what tells Galley what to believe of the cloud is a person's
    for action in ["RestoreState", "Adopt", "ForceUnlock"] {
        let rescue = json!({ "spec": { "rescue": { "id": "x", "action": action } } });
        editor.k8s("PATCH", &design, MERGE, &rescue).await.refused(action, 403, "spec.rescue may not be set by credential");
    }
    // what a person said no to: forgetting it does not turn the no into a yes
    let forget = json!({ "metadata": { "annotations": { "galley.dev/refusals": null, "galley.dev/superseded": "x", "galley.dev/approved": "approver" } } });
    assert_eq!(editor.k8s("PATCH", &design, MERGE, &forget).await.code, 200, "annotations are anybody's, and mean nothing to an approval");
    // a uid, a time of creation and field managers that a document brings are the server's to say
    let mut copy = approval(&world, &name).await;
    copy["metadata"] = json!({ "name": format!("{approved}-again"), "uid": stored["metadata"]["uid"], "resourceVersion": "", "creationTimestamp": "2001-01-01T00:00:00Z",
        "generation": 7, "managedFields": [{ "manager": "galley", "operation": "Update", "subresource": "status", "apiVersion": "galley.dev/v1alpha1", "fieldsType": "FieldsV1", "fieldsV1": { "f:status": { "f:role": {} } } }] });
    let made = editor.k8s("POST", "approvals", JSON, &copy).await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert_ne!(made.body["metadata"]["uid"], stored["metadata"]["uid"], "a uid is the server's");
    assert_ne!(made.body["metadata"]["creationTimestamp"], json!("2001-01-01T00:00:00Z"), "and so is the time");
    let status = editor.until_refused("a copy with marks of its own", made.body["metadata"]["name"].as_str().expect("name")).await;
    assert_eq!(status["refused"]["reason"], json!("ApproverRequired"), "{status}");
    unchanged(&world, &name, 0, 0).await;
}

#[tokio::test]
async fn the_credential_of_a_person_is_neither_read_nor_replaced_through_a_door() {
    let world = World::start().await;
    let name = guarded(&world).await;
    let uid = world.uid(&name).await;
    let editor = Editor::new(&world);
    // The server was given its tokens; a file of this content stands where it keeps one of its own.
    let kept = world.data_dir().join("approver.token");
    std::fs::write(&kept, APPROVER).expect("written");
    let bearer = format!("Bearer {EDITOR}");
    let auth: Vec<(&str, &str)> = vec![("authorization", &bearer)];
    let climb = ["../approver.token", "..%2Fapprover.token", "..%2F..%2Fapprover.token", "%2e%2e/approver.token", "....//approver.token"];
    let mut paths: Vec<String> = climb
        .iter()
        .flat_map(|to| [format!("/logs/{uid}/{to}"), format!("/exports/{name}/{to}"), format!("/exports/{to}/summary.md")])
        .collect();
    paths.extend(climb.iter().map(|to| format!("/designs/{name}/exports/{to}")));
    for path in &paths {
        // (the client normalises what it can; what arrives is what any client can send)
        let answer = editor.send("GET", path, JSON, &auth, &Value::Null).await;
        assert!(!answer.body.to_string().contains(APPROVER), "{path} gave the token away");
    }
    for to in climb {
        let answer = editor.send("PUT", &format!("/admin/secrets/{uid}/{to}"), "application/octet-stream", &auth, &json!("mine")).await;
        assert!(matches!(answer.code, 400 | 404 | 405 | 422), "a secret under {to}: {}", answer.code);
    }
    let answer = editor.send("PUT", "/admin/secrets/../approver.token", "application/octet-stream", &auth, &json!("mine")).await;
    assert_ne!(answer.code, 200);
    let mcp = world.mcp().await;
    let token = kept.display().to_string();
    for (reason, file) in [
        ("read by a function", format!("output \"x\" {{ value = file(\"{token}\") }}")),
        ("read by a template", format!("locals {{ x = templatefile(\"{token}\", {{}}) }}")),
        ("read by a data source", format!("data \"local_file\" \"x\" {{ filename = \"{token}\" }}")),
        ("hidden behind an escaped dollar", format!("output \"x\" {{ value = \"\\u0024${{file(\"{token}\")}}\" }}")),
        ("hidden in a string", format!("output \"x\" {{ value = \"${{file(\"{token}\")}}\" }}")),
    ] {
        let error = mcp.call("edit_files", json!({ "session_id": name, "set": { "x.tf": file } })).await.expect_err(reason);
        assert!(
            ["protected_path", "not_permitted", "invalid_argument", "invalid_design"].contains(&error["code"].as_str().unwrap_or_default()),
            "{reason}: {error}"
        );
    }
    assert_eq!(std::fs::read_to_string(&kept).expect("read"), APPROVER, "and it is as it was");
    unchanged(&world, &name, 0, 0).await;
}
