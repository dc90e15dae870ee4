//! The signature of a request: draft-cavage-http-signatures-08 with RSA-SHA256, as Oracle's SDKs make it (Go
//! common/http_signer.go, Python signer.py). Pure but for the key; the vectors of the tests are Oracle's own.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::Error;

/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `POST` …
    pub method: &'a str,
    /// without scheme; with the port where it is not the scheme's
    pub host: &'a str,
    /// path and query, byte for byte as they are sent
    pub target: &'a str,
    /// RFC 9110 date, as sent
    pub date: &'a str,
    /// what POST, PUT and PATCH carry: (content type, bytes). Object Storage's PutObject is signed without.
    pub body: Option<(&'a str, &'a [u8])>,
}

/// Header with the digest of the body.
pub const CONTENT_SHA256: &str = "x-content-sha256";

/// Digest of a body as its header says it.
pub fn content_sha256(body: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(body))
}

impl Request<'_> {
    /// Names of the signed headers, in the order in which they are signed.
    pub fn signed_headers(&self) -> &'static str {
        match self.body {
            None => "date (request-target) host",
            Some(_) => "date (request-target) host content-length content-type x-content-sha256",
        }
    }

    /// The text that is signed.
    pub fn signing_string(&self) -> String {
        let Request { method, host, target, date, body } = self;
        let mut text = format!("date: {date}\n(request-target): {} {target}\nhost: {host}", method.to_ascii_lowercase());
        if let Some((content_type, bytes)) = body {
            let (length, digest) = (bytes.len(), content_sha256(bytes));
            text.push_str(&format!("\ncontent-length: {length}\ncontent-type: {content_type}\n{CONTENT_SHA256}: {digest}"));
        }
        text
    }
}

/// A private key and the id it is known by. Prints neither.
pub struct SigningKey {
    id: String,
    pair: RsaKeyPair,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Reads a PEM key, PKCS#1 or PKCS#8; what follows it (`OCI_API_KEY`) is ignored. `what` names it in errors.
    pub fn from_pem(id: String, pem: &[u8], what: &str) -> Result<Self, Error> {
        let refuse = |detail: &str| Error::Credentials { what: what.to_owned(), detail: detail.to_owned() };
        let text = String::from_utf8_lossy(pem);
        if text.contains("ENCRYPTED") {
            return Err(refuse("the key has a passphrase; give a key without one, readable by the server alone (chmod 600)"));
        }
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| refuse("this is no private key in PEM"))?;
        let pair = match &der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(refuse("OCI signs with RSA keys; this one is another kind")),
        };
        let pair = pair.map_err(|error| refuse(&format!("the key is not an RSA key of at least 2048 bits ({error})")))?;
        Ok(SigningKey { id, pair })
    }

    /// `tenancy/user/fingerprint`, or `ST$` and a token.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public key (RFC 8017 RSAPublicKey), for whoever checks what was signed.
    pub fn public_key(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// The Authorization header of a request.
    pub fn authorization(&self, request: &Request<'_>) -> Result<String, Error> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), request.signing_string().as_bytes(), &mut signature).map_err(|_| {
            Error::Credentials { what: "the private key".to_owned(), detail: "it does not sign; make a new API key".to_owned() }
        })?;
        let (id, headers, signature) = (&self.id, request.signed_headers(), STANDARD.encode(signature));
        Ok(format!("Signature version=\"1\",headers=\"{headers}\",keyId=\"{id}\",algorithm=\"rsa-sha256\",signature=\"{signature}\""))
    }
}
