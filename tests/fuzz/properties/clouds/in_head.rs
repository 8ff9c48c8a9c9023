//! Servers of the family of Signature Version 4, which find the authentication in the head.

use std::collections::BTreeMap;

use super::super::canonical::Pairs;
use super::primitives::{hex, hmac_sha256, pairs, sha256, wire};
use super::{Arrived, InHead, Own, Reading};

pub(super) fn read(head: &InHead, arrived: &Arrived, secret: &str) -> Reading {
    let fields: BTreeMap<&str, &str> = arrived.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(fields.len(), arrived.fields.len(), "each field once");
    let (algorithm, parts) = fields["authorization"].split_once(' ').unwrap();
    assert_eq!(algorithm, head.algorithm);
    let parts: BTreeMap<&str, &str> =
        parts.split(',').map(|part| part.trim().split_once('=').expect("name=value")).collect();
    let (credential, names, signature) = (parts["Credential"], parts["SignedHeaders"], parts["Signature"]);
    let (id, scope) = credential.split_once('/').unwrap_or((credential, ""));
    assert_eq!(parts.len(), 3);
    let signed: Vec<&str> = names.split(';').collect();
    assert!(signed.is_sorted() && signed.contains(&"host") && signed.contains(&head.date), "{names}");
    for name in fields.keys().filter(|name| name.starts_with(head.beginning)) {
        assert!(signed.contains(name), "{name} came unsigned");
    }

    let hash = sha256(&arrived.body);
    let mut queried = pairs(arrived.query.as_deref().unwrap_or_default().as_bytes());
    queried.sort();
    let lines: String = signed.iter().map(|name| format!("{name}:{}\n", fields[name])).collect();
    let canonical_request = format!("POST\n{}\n{}\n{lines}\n{names}\n{hash}", arrived.path, wire(&queried));
    let hashed = sha256(canonical_request.as_bytes());
    let (string_to_sign, key) = match head.derived {
        None => (format!("{algorithm}\n{hashed}"), secret.as_bytes().to_vec()),
        Some((before, last)) => {
            let time = fields[head.date];
            let words: Vec<&str> = scope.split('/').collect();
            assert!(words.len() == 4 && words[0] == &time[..8] && words[3] == last, "{scope}");
            let first = format!("{before}{secret}").into_bytes();
            let key = words.iter().fold(first, |key, word| hmac_sha256(&key, word.as_bytes()));
            (format!("{algorithm}\n{time}\n{scope}\n{hashed}"), key)
        }
    };
    let mut parameters = pairs(&arrived.body);
    parameters.extend(queried);
    parameters.extend(moved(head, &fields));
    parameters.sort();
    let is_own = |name: &str| name != "authorization" && !is_moved(head, name);
    let mut own: Pairs = arrived.fields.iter().filter(|(name, _)| is_own(name)).cloned().collect();
    own.extend([("id".to_owned(), id.to_owned()), ("scope".to_owned(), scope.to_owned())]);
    own.sort();
    Reading {
        parameters,
        own,
        is_verified: hex(&hmac_sha256(&key, string_to_sign.as_bytes())) == signature,
        canonical_request: Some(canonical_request),
        string_to_sign: string_to_sign.into_bytes(),
        signature: signature.to_owned(),
    }
}

fn is_moved(head: &InHead, name: &str) -> bool {
    head.fields.iter().any(|(field, own)| *field == name && matches!(own, Own::Moved(_)))
}

/// Parameters that stand in fields.
fn moved<'a>(head: &'a InHead, fields: &'a BTreeMap<&str, &str>) -> impl Iterator<Item = (String, String)> + 'a {
    head.fields.iter().filter_map(|(field, own)| {
        let Own::Moved(parameter) = own else { return None };
        fields.get(field).map(|value| ((*parameter).to_owned(), (*value).to_owned()))
    })
}
