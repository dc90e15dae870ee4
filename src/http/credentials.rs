//! Who a token belongs to, and which routes it opens.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::{Code, Refusal};
use super::gate::Presented;
use crate::api::approval::{Channel, Identity, Role};
use crate::config::{CHANNEL_HEADER, Tokens};

/// Digests of the tokens. Digests have one length, so a comparison tells nothing, not even how long a token is.
pub struct Credentials {
    editor: [u8; 32],
    approver: [u8; 32],
}

impl Credentials {
    /// Keeps what is needed to recognise the tokens.
    pub fn new(tokens: &Tokens) -> Self {
        Credentials { editor: digest(tokens.editor.expose()), approver: digest(tokens.approver.expose()) }
    }
    /// Role of a token. Both comparisons are always made, each in constant time.
    pub fn role(&self, token: &str) -> Option<Role> {
        let found = digest(token);
        let editor: bool = self.editor.ct_eq(&found).into();
        let approver: bool = self.approver.ct_eq(&found).into();
        match (approver, editor) {
            (true, _) => Some(Role::Approver),
            (false, true) => Some(Role::Editor),
            (false, false) => None,
        }
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn role_of(credentials: &Credentials, request: &Request) -> Result<Role, Refusal> {
    let token = request.extensions().get::<Presented>().and_then(|presented| presented.token.as_ref());
    match token.map(|token| credentials.role(token.expose())) {
        Some(Some(role)) => Ok(role),
        Some(None) => {
            Err(Refusal::new(Code::Unauthorized, "the token is not known here", "copy editor.token from the data directory of this server"))
        }
        None => Err(Refusal::new(Code::Unauthorized, "a token is needed", "send `Authorization: Bearer <token>` (on /mcp also `?token=`)")),
    }
}

/// `/mcp`: the editor. The approver token has no place in the configuration of a host, so it is refused by name.
pub(super) async fn require_editor(State(credentials): State<Arc<Credentials>>, mut request: Request, next: Next) -> Response {
    match role_of(&credentials, &request) {
        Ok(Role::Editor) => {
            request.extensions_mut().insert(Identity::editor(Channel::Mcp));
            next.run(request).await
        }
        Ok(Role::Approver | Role::System) => Refusal::new(
            Code::Forbidden,
            "the approver token does not open /mcp",
            "give the host the editor token; approve with `galley approve`, so that no model ever holds the approver token",
        )
        .into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Administration: a person alone.
pub(super) async fn require_approver(State(credentials): State<Arc<Credentials>>, mut request: Request, next: Next) -> Response {
    match role_of(&credentials, &request) {
        Ok(Role::Approver) => {
            let identity = Identity::approver(channel(&request));
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Ok(Role::Editor | Role::System) => Refusal::new(
            Code::Forbidden,
            "the approver token is needed",
            "use approver.token from the data directory or GALLEY_APPROVER_TOKEN",
        )
        .into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Either token.
pub(super) async fn require_any(State(credentials): State<Arc<Credentials>>, request: Request, next: Next) -> Response {
    admit(role_of(&credentials, &request), request, next).await
}

/// `/k8s`: either token, in the path alone; the identity goes to admission, which stamps it.
pub(super) async fn identify(State(credentials): State<Arc<Credentials>>, request: Request, next: Next) -> Response {
    let role = role_of(&credentials, &request).map_err(|_| {
        Refusal::new(
            Code::Unauthorized,
            "no token that is known here stands in the path",
            "`galley kubeconfig` writes the address with it, /k8s/<token>; kubectl drops a Bearer on plain http, so none is read here",
        )
    });
    admit(role, request, next).await
}

async fn admit(role: Result<Role, Refusal>, mut request: Request, next: Next) -> Response {
    let channel = channel(&request);
    let identity = match role {
        Ok(Role::Approver) => Identity::approver(channel),
        Ok(Role::Editor | Role::System) => Identity::editor(channel),
        Err(refusal) => return refusal.for_path(request.uri().path()).into_response(),
    };
    request.extensions_mut().insert(identity);
    next.run(request).await
}

fn channel(request: &Request) -> Channel {
    match request.headers().get(CHANNEL_HEADER) {
        Some(value) if value == "cli" => Channel::Cli,
        Some(_) | None => Channel::Kubernetes,
    }
}
