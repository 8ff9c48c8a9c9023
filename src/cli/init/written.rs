//! The configuration as `init` writes it, with a comment on each decision.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::answers::{Answers, Caller, Key, LISTEN};
use crate::cli::exit::{ExitCode, Failure};
use crate::credentials::issued;
use crate::credentials::seal::WriteError;
use crate::signing::Dialect;

/// A new token for a client.
pub(super) struct Token(Zeroizing<Vec<u8>>);

impl Token {
    /// A token of random characters.
    ///
    /// # Errors
    /// 71: the system has no random bytes.
    pub(super) fn generate() -> Result<Self, Failure> {
        let made = issued::issue().ok_or_else(|| Failure::new(ExitCode::System, "the system has no random bytes"))?;
        // the secret of an issued key: 40 random characters, of which a header can have all
        Ok(Self(Zeroizing::new(made.secret_access_key.expose_secret().to_vec())))
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.0
    }

    fn digest(&self) -> String {
        Sha256::digest(self.text()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The text of the configuration.
pub(super) fn configuration(answers: &Answers, token: Option<&Token>) -> String {
    let Answers { out, route, endpoint, dialect, scope, key, callers, listen } = answers;
    let config = out.display().to_string();
    let mut text = format!(
        "# Written by `countersign init`. Every other setting has its default: `docs/reference/configuration.md` and\n\
         # config/reference.toml have all of them.\n\
         #   countersign check -c {config}\n\
         #   countersign run -c {config}\n\
         # A relative path begins at the directory of this file.\n\n",
        config = config.escape_debug()
    );
    let mut add = |lines: &str| text.push_str(lines);
    add("# Where clients connect, with plain, unsigned forms.\n[listener.local]\n");
    add(&format!("address = {}{}\n", quoted(listen), if listen == LISTEN { "   # the default" } else { "" }));
    add(&listener(callers, listen));
    add(&client(callers, token, route.as_str()));
    add("\n# The endpoint that is called.\n");
    add(&format!("[route.{route}]\nendpoint = {}\n", quoted(endpoint)));
    match scope {
        Some((region, service)) => add(&format!(
            "profile = {{ dialect = \"aws-v4\", region = {}, service = {} }}\n",
            quoted(region),
            quoted(service)
        )),
        None if *dialect == Dialect::AwsV2 => add("# signed with Signature Version 2 of AWS, the default\n"),
        None => add(&format!("profile.dialect = \"{}\"   # how its cloud has requests signed\n", dialect.as_str())),
    }
    add("# A call that only reads, with which a new key is tried before it is used; name one that the key may make:\n");
    add("#probe = \"Action=...\"\n");
    add(&self::key(key));
    add("\n# Health and metrics, on 127.0.0.1:8022: /livez, /readyz, /metrics.\n[admin]\n");
    text
}

fn listener(callers: &Caller, listen: &str) -> String {
    let text = match callers {
        Caller::AnyLocal => {
            "# Every process that can connect may call, whoever's it is. `countersign init --callers uid` and\n\
             # `token` are narrower.\n\
             any_local = true\n"
        }
        Caller::Uid(_) if listen.starts_with("unix:") => {
            "authenticate = [\"unix-peer\"]      # by the user at the other end of the socket\n"
        }
        Caller::Uid(_) => "authenticate = [\"loopback-owner\"]   # by the user at the other end of the connection\n",
        Caller::Token => "authenticate = [\"token\"]            # by `Authorization: Bearer TOKEN`\n",
        Caller::Certificate(_) => {
            "authenticate = [\"mtls\"]             # by a client certificate\n\n\
             [listener.local.tls]\n\
             certificate = \"listener.pem\"        # with its chain; read again when it changes\n\
             private_key = \"listener.key\"        # nobody else may read it\n\
             client_ca = \"clients.pem\"           # the authorities of client certificates\n"
        }
    };
    text.to_owned()
}

fn client(callers: &Caller, token: Option<&Token>, route: &str) -> String {
    let identified = match callers {
        Caller::AnyLocal => return String::new(),
        Caller::Uid(uid) => format!("uid = {uid}\n"),
        Caller::Token => {
            let digest = token.map(Token::digest).unwrap_or_default();
            format!("token_sha256 = \"{digest}\"   # of the file `token`\n")
        }
        Caller::Certificate(dns) => format!("dns = {}\n", quoted(dns)),
    };
    format!(
        "\n# Who may call, and what.\n[client.first]\n{identified}\
         # Every Action of the route. To narrow it: `countersign policy suggest` makes rules of what the audit has.\n\
         allow = [\"{route}:*\"]\n"
    )
}

fn key(key: &Key) -> String {
    let mut text = "\n# The access key that signs. No secret stands here.\n[key.main]\n".to_owned();
    let _infallible = match key {
        Key::Sealed { file, identity } => writeln!(
            text,
            "file = {}   # made by `countersign keys seal`\nidentity_file = {}   # opens it; nobody else may read it",
            path(file),
            path(identity)
        ),
        Key::File(file) => writeln!(
            text,
            "kind = \"file\"\nfile = {}   # the JSON of a credential_process; nobody else may read it",
            path(file)
        ),
        Key::Process(words) => {
            let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
            writeln!(
                text,
                "kind = \"process\"\ncommand = [{}]   # prints the JSON of a credential_process",
                words.join(", ")
            )
        }
        Key::Aws(source) => writeln!(text, "kind = \"aws\"\nsource = {}   # where AWS's tools find it", quoted(source)),
    };
    text
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => {
                let _infallible = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Writes the file, which others may read: there is no secret in it. It is not replaced.
pub(super) fn write_file(path: &Path, text: &str) -> Result<(), WriteError> {
    let failed = |source: std::io::Error| {
        if source.kind() == std::io::ErrorKind::AlreadyExists {
            return WriteError::Exists(path.to_owned());
        }
        WriteError::Io { path: path.to_owned(), source }
    };
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_read_back_by_toml() {
        for text in ["plain", "a\"b\\c", "line\nbreak\t", "é"] {
            let read: toml::Table = format!("a = {}", quoted(text)).parse().unwrap();
            assert_eq!(read["a"].as_str(), Some(text));
        }
    }
}
