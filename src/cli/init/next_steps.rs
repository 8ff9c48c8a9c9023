//! What `init` prints at its end: the commands that are left, in their order.

use std::fmt::Write as _;
use std::path::Path;

use super::answers::{Answers, Caller, Key};

/// The next steps, for standard output.
pub(super) fn text(answers: &Answers, token_file: Option<&Path>) -> String {
    let config = quoted(&answers.out);
    let mut text = format!("wrote {config}\n");
    if let Some(file) = token_file {
        let _infallible =
            writeln!(text, "wrote {}: the client's token; the configuration has only its digest", quoted(file));
    }
    let _infallible = writeln!(text, "\nnext:");
    let mut step = |what: &str, command: &str| {
        let _infallible = writeln!(text, "\n# {what}\n{command}");
    };
    match &answers.key {
        Key::Sealed { file, identity } => {
            let (file, identity) = (quoted(&answers.beside(file)), quoted(&answers.beside(identity)));
            step(
                "make the identity that opens the key; keep a copy of it where the key is not",
                &format!("countersign keys new-identity -o {identity}"),
            );
            step(
                "seal the access key: it is asked for, or taken from what `aws iam create-access-key` prints",
                &format!("countersign keys seal -o {file} -i {identity}"),
            );
        }
        Key::File(file) => step(
            "put the key there, as JSON that nobody else can read",
            &format!("install -m 600 /dev/stdin {}", quoted(&answers.beside(file))),
        ),
        Key::Process(words) => step(
            "see that the program prints the key",
            &words.iter().map(|word| quoted(Path::new(word))).collect::<Vec<_>>().join(" "),
        ),
        Key::Aws(_) => step("see that AWS's tools find the key", "aws sts get-caller-identity"),
    }
    if let Caller::Certificate(_) = answers.callers {
        step(
            "put the listener's certificate and key, and the authority of client certificates, beside the \
             configuration",
            &format!(
                "ls {} {} {}",
                quoted(&answers.beside("listener.pem")),
                quoted(&answers.beside("listener.key")),
                quoted(&answers.beside("clients.pem"))
            ),
        );
    }
    step("check everything", &format!("countersign check -c {config}"));
    step("serve", &format!("countersign run -c {config}"));
    text
}

/// A word for a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b':' | b'+' | b'@' | b'=');
    if !text.is_empty() && text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
