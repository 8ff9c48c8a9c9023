//! The clients: their requests, and the configuration by which countersign identifies them.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rustls::ClientConfig;
use sha2::{Digest as _, Sha256};

/// How clients connect to the proxy and identify themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// One client with a token and three rules.
    Token,
    /// A hundred clients, each with a token and ten rules that depend on a parameter.
    Hundred,
    /// One client that signs by Signature Version 4 with a key that countersign issued.
    IssuedKey,
    /// One client with a certificate.
    Certificate,
    /// One client with a token, over a Unix socket.
    Socket,
    /// One client with a token, which sends its form in the query string.
    Get,
}

/// What clients send.
pub struct Callers {
    pub tls: Option<Arc<ClientConfig>>,
    /// Each connection sends one of these.
    pub requests: Vec<Arc<[u8]>>,
}

impl Clients {
    /// Clients whose forms have about `size` bytes.
    pub fn callers(self, size: usize, tls: &Arc<ClientConfig>) -> Callers {
        let form = form(size);
        let requests = match self {
            Self::Token | Self::Socket => vec![post(&bearer(0), &form)],
            Self::Hundred => (0..100).map(|client| post(&bearer(client), &form)).collect(),
            Self::IssuedKey => vec![post(&signature(&form), &form)],
            Self::Certificate => vec![post("", &form)],
            Self::Get => vec![format!("GET /?{form} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", bearer(0))],
        };
        Callers {
            tls: (self == Self::Certificate).then(|| Arc::clone(tls)),
            requests: requests.into_iter().map(|request| request.into_bytes().into()).collect(),
        }
    }

    /// The lines of countersign's listener that say how clients are identified.
    pub fn listener(self, directory: &Path) -> String {
        match self {
            Self::Certificate => {
                let file = |name: &str| directory.join(name).display().to_string();
                format!(
                    "authenticate = [\"mtls\"]\n\
                     tls = {{ certificate = \"{}\", private_key = \"{}\", client_ca = \"{}\" }}\n",
                    file("leaf.pem"),
                    file("leaf.key"),
                    file("ca.pem")
                )
            }
            Self::IssuedKey => "authenticate = [\"issued-key\"]\n".to_owned(),
            Self::Token | Self::Hundred | Self::Socket | Self::Get => "authenticate = [\"token\"]\n".to_owned(),
        }
    }

    /// The tables of the clients and their rules; `key` is the file of the issued key.
    pub fn tables(self, key: &Path) -> String {
        const RULES: &str = "allow = [\"main:Get*\", \"main:List*\"]\ndeny = [\"main:CreateJob\"]\n";
        match self {
            Self::Token | Self::Socket | Self::Get => format!("[client.c0]\ntoken_sha256 = \"{}\"\n{RULES}", digest(0)),
            Self::Certificate => format!("[client.c0]\ndns = \"localhost\"\n{RULES}"),
            Self::IssuedKey => format!(
                "[client.c0]\nissued_keys = [\"issued\"]\n{RULES}[key.issued]\nkind = \"file\"\nfile = \"{}\"\n",
                key.display()
            ),
            Self::Hundred => (0..100).fold(String::new(), |mut text, client| {
                write!(text, "[client.c{client}]\ntoken_sha256 = \"{}\"\n", digest(client)).unwrap();
                for rule in 0..9 {
                    write!(
                        text,
                        "[[client.c{client}.rule]]\neffect = \"allow\"\nactions = [\"main:GetStatus\"]\n\
                         when = [{{ parameter = \"JobId\", equals = \"OTHER{rule}\" }}]\n"
                    )
                    .unwrap();
                }
                text + &format!(
                    "[[client.c{client}.rule]]\neffect = \"allow\"\nactions = [\"main:Get*\"]\n\
                     when = [{{ parameter = \"JobId\", prefix = \"JOB\" }}]\n"
                )
            }),
        }
    }
}

fn token(client: usize) -> String {
    format!("benchmark-{client}")
}

fn digest(client: usize) -> String {
    hex(&Sha256::digest(token(client)))
}

pub fn bearer(client: usize) -> String {
    format!("Authorization: Bearer {}\r\n", token(client))
}

pub fn post(fields: &str, form: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

pub fn form(size: usize) -> String {
    let fixed = "Action=GetStatus&JobId=JOBID&Version=2010-06-03&Manifest=";
    let text = "deviceId: HD-0001\neraseDevice: yes\n".repeat(size / 35 + 1);
    let escaped: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let mut cut = size.saturating_sub(fixed.len()).min(escaped.len());
    while escaped[..cut].ends_with('%') || escaped[..cut.max(1) - 1].ends_with('%') {
        cut -= 1;
    }
    format!("{fixed}{}", &escaped[..cut])
}

/// The issued key, in the format of a key file.
pub const ISSUED: &str = r#"{"Version":1,"AccessKeyId":"CSGNBENCHEXAMPLEAAAA",
    "SecretAccessKey":"benchmark-secret-of-an-example-of-40-chr"}"#;

/// The header fields of a Signature Version 4 with the issued key and the current time.
fn signature(form: &str) -> String {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("{}/us-east-1/iam/aws4_request", &time[..8]);
    let canonical =
        format!("POST\n/\n\nhost:localhost\nx-amz-date:{time}\n\nhost;x-amz-date\n{}", hex(&Sha256::digest(form)));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let secret = b"AWS4benchmark-secret-of-an-example-of-40-chr".to_vec();
    let key = scope.split('/').fold(secret, |key, part| mac(&key, part));
    format!(
        "X-Amz-Date: {time}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=CSGNBENCHEXAMPLEAAAA/{scope}, \
         SignedHeaders=host;x-amz-date, Signature={}\r\n",
        hex(&mac(&key, &to_sign))
    )
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
