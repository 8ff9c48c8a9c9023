//! What to say about an unknown key: it was renamed, it has another name here, it is close to a known key, or it looks
//! like a secret.

use crate::config::tree::key_path::KeyPath;

/// Keys of earlier versions: pattern of the old path, and the new name. Entries stay for good.
const RENAMED: &[(&str, &str)] = &[];

/// Our keys as other proxies call them, or in the wrong table.
const ELSEWHERE: &[(&str, &str)] = &[
    ("listeners", "[listener.NAME]"),
    ("routes", "[route.NAME]"),
    ("upstreams", "[route.NAME]"),
    ("keys", "[key.NAME]"),
    ("logging", "[log]"),
    ("metrics", "[admin]"),
    ("health", "[admin]"),
    ("listener.*.bind", "address"),
    ("listener.*.listen", "address"),
    ("listener.*.port", "address"),
    ("listener.*.host", "address"),
    ("listener.*.route", "routes"),
    ("listener.*.auth", "authenticate"),
    ("listener.*.authentication", "authenticate"),
    ("listener.*.socket", "address = \"unix:/...\""),
    ("listener.*.permissions", "mode"),
    ("listener.*.tls.cert", "certificate"),
    ("listener.*.tls.key", "private_key"),
    ("listener.*.tls.ca", "client_ca"),
    ("listener.*.service_account.jwks", "jwks_url"),
    ("listener.*.service_account.jwks_uri", "jwks_url"),
    ("listener.*.service_account.url", "jwks_url"),
    ("listener.*.service_account.ca_file", "jwks_ca_file"),
    ("listener.*.service_account.token_file", "jwks_token_file"),
    ("clients", "[client.NAME]"),
    ("policy", "[client.NAME]"),
    ("client.*.token", "token_sha256"),
    ("client.*.user", "uid"),
    ("client.*.group", "gid"),
    ("client.*.rules", "[[client.NAME.rule]]"),
    ("route.*.fallbacks", "[[route.NAME.fallback]]"),
    ("client.*.actions", "allow"),
    ("listener.*.head_timeout", "limits.head_timeout"),
    ("listener.*.body_timeout", "limits.body_timeout"),
    ("listener.*.idle_timeout", "limits.idle_timeout"),
    ("listener.*.connections", "limits.connections"),
    ("route.*.dialect", "profile.dialect"),
    ("route.*.region", "profile.region"),
    ("route.*.url", "endpoint"),
    ("route.*.upstream", "endpoint"),
    ("route.*.target", "endpoint"),
    ("route.*.backend", "endpoint"),
    ("route.*.host", "hosts"),
    ("route.*.prefix", "path"),
    ("route.*.signature_method", "profile.signature_method"),
    ("route.*.errors", "profile.errors"),
    ("route.*.service", "profile.service"),
    ("route.*.follow_clock", "clock"),
    ("route.*.clock_skew", "clock"),
    ("route.*.body", "limits.body"),
    ("route.*.parameters", "limits.parameters"),
    ("route.*.in_flight", "limits.in_flight"),
    ("route.*.failures", "limits.failures"),
    ("route.*.first_byte", "timeouts.first_byte"),
    ("route.*.timeout", "timeouts.first_byte"),
    ("key.*.path", "file"),
    ("key.*.identity", "identity_file"),
    ("key.*.type", "kind"),
    ("admin.bind", "address"),
    ("admin.listen", "address"),
    ("admin.port", "address"),
    ("audit.file", "target"),
    ("audit.path", "target"),
    ("process.threads", "workers"),
    ("process.unconfined", "danger_unconfined"),
];

/// The message for the unknown key `key` at `path`, in a table that has the keys `known`. `below` are the names of the
/// keys inside it, when it is a table. The value is deliberately not passed to this function.
pub(crate) fn unknown(path: &KeyPath, key: &str, below: &[&str], known: &[&str]) -> String {
    if let Some(message) = renamed(RENAMED, path, key) {
        return message;
    }
    if let Some(ours) = look_up(ELSEWHERE, path) {
        return format!("unknown key: write `{ours}` instead of `{key}`");
    }
    if std::iter::once(&key).chain(below).any(|name| secret_looking(name)) {
        return "unknown key; secrets never go into the configuration: seal the access key with \
                `countersign keys seal` and name the sealed file in `[key.NAME]`"
            .to_owned();
    }
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("unknown key: did you mean `{near}`?"),
        None if known.is_empty() => "unknown key".to_owned(),
        None => format!("unknown key: known here are {}", listing(known)),
    }
}

/// The candidate that is within a few typing errors of `word`.
pub(crate) fn nearest<'k>(word: &str, candidates: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // longer words are not typing errors, and computing the distance takes time
    const LONGEST: usize = 64;
    let word = word.get(..LONGEST).unwrap_or(word).to_ascii_lowercase();
    let near = candidates.into_iter().map(|candidate| (distance(&word, candidate), candidate));
    near.filter(|(far, candidate)| *far <= 3.min(candidate.len().max(3) / 3)).min().map(|(_, candidate)| candidate)
}

fn renamed(table: &[(&str, &'static str)], path: &KeyPath, key: &str) -> Option<String> {
    look_up(table, path).map(|new| format!("`{key}` was renamed to `{new}`"))
}

fn look_up(table: &[(&str, &'static str)], path: &KeyPath) -> Option<&'static str> {
    table.iter().find(|(old, _)| path.matches(old)).map(|(_, new)| *new)
}

fn listing(known: &[&str]) -> String {
    let mut sorted: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
    sorted.sort();
    sorted.join(", ")
}

/// Whether a key's name says that its value is a secret, or belongs to one.
fn secret_looking(key: &str) -> bool {
    const WORDS: [&str; 7] = ["secret", "password", "passwd", "passphrase", "token", "accesskey", "privatekey"];
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    WORDS.iter().any(|word| plain.contains(word))
}

/// The number of typing errors between `a` and `b`: bytes left out, added, replaced, or swapped with the next.
fn distance(a: &str, b: &str) -> usize {
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut before_x = None;
    for x in a.bytes() {
        let mut left = row.first().map_or(usize::MAX, |first| first.saturating_add(1));
        let mut next = vec![left];
        let mut before_y = None;
        // `diagonal` and `up` are of the row before; `far` is of the row before that, two columns to the left
        let columns = b.bytes().zip(row.iter().zip(row.iter().skip(1)));
        for (column, (y, (diagonal, up))) in columns.enumerate() {
            let mut best = left.min(*up).saturating_add(1).min(diagonal.saturating_add(usize::from(x != y)));
            let far = column.checked_sub(1).and_then(|far| above.get(far));
            if let Some(far) = far.filter(|_| before_x == Some(y) && before_y == Some(x)) {
                best = best.min(far.saturating_add(1));
            }
            next.push(best);
            left = best;
            before_y = Some(y);
        }
        above = std::mem::replace(&mut row, next);
        before_x = Some(x);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(path: &str, known: &[&str]) -> String {
        let key = path.rsplit('.').next().unwrap();
        unknown(&KeyPath::of(path.split('.')), key, &[], known)
    }

    #[test]
    fn a_renamed_key_is_answered_with_its_new_name() {
        const TABLE: &[(&str, &str)] = &[("route.*.uri", "endpoint")];
        let answer = |table| renamed(TABLE, &KeyPath::of([table, "a", "uri"]), "uri");
        assert_eq!(answer("route").unwrap(), "`uri` was renamed to `endpoint`");
        assert_eq!(answer("key"), None);
    }

    #[test]
    fn the_words_of_other_proxies_are_translated() {
        for (path, ours) in [
            ("listener.a.bind", "address"),
            ("listener.a.listen", "address"),
            ("listener.a.port", "address"),
            ("route.a.url", "endpoint"),
            ("route.a.dialect", "profile.dialect"),
            ("route.a.region", "profile.region"),
            ("route.a.upstream", "endpoint"),
            ("route.a.target", "endpoint"),
            ("key.a.path", "file"),
            ("listeners", "[listener.NAME]"),
            ("routes", "[route.NAME]"),
            ("keys", "[key.NAME]"),
        ] {
            assert!(hint(path, &[]).contains(&format!("write `{ours}`")), "{path}");
        }
    }

    #[test]
    fn a_near_key_is_suggested() {
        assert_eq!(hint("log.levle", &["format", "level"]), "unknown key: did you mean `level`?");
        assert_eq!(hint("listener.a.Address", &["address"]), "unknown key: did you mean `address`?");
        assert_eq!(hint("listener.a.any-local", &["any_local"]), "unknown key: did you mean `any_local`?");
    }

    #[test]
    fn without_a_near_key_the_known_ones_are_listed() {
        assert_eq!(hint("log.colour", &["level", "format"]), "unknown key: known here are `format`, `level`");
        assert_eq!(nearest("x", ["key"]), None);
        assert_eq!(nearest(&"é".repeat(100), ["key"]), None);
    }

    #[test]
    fn a_key_that_looks_like_a_secret_is_answered_with_where_secrets_go() {
        for key in ["secret", "secret_access_key", "password", "token", "AWS-Secret-Key", "aws_access_key_id"] {
            assert!(hint(&format!("key.a.{key}"), &["kind"]).contains("countersign keys seal"), "{key}");
        }
        let message = unknown(&KeyPath::of(["aws"]), "aws", &["secret_access_key"], &[]);
        assert!(message.contains("countersign keys seal"));
    }

    #[test]
    fn distance_counts_slips() {
        for (a, b, slips) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("levle", "level", 1),
            ("lgo", "log", 1),
            ("ba", "ab", 1),
        ] {
            assert_eq!(distance(a, b), slips, "{a} {b}");
        }
    }
}
