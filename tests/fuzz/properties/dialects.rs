//! Every dialect: the cloud's server reads what was authorized, with the signer's own parameters and nothing else; the
//! signature is right, and changes with everything that the dialect signs.

use countersign::query::Reader;
use countersign::signing::{Dialect, SignatureMethod};

use super::canonical::{Pairs, Plus, assert_canonical, decode, folded, may_be_taken_for, read_form};
use super::clouds::{Cloud, Compares, Moment, Own, Part, Paths, Place, Reading, sha256, wire};
use super::signed::{Case, Sent};

const TOKEN: &str = "AQoEXAMPLE/H4aoAH0gNCAPy+==";

/// A letter for the dialect (`a` is the first), a letter for what else is configured, and a form.
pub fn dialects(input: &[u8]) {
    let Some((&[dialect, choices], form)) = input.split_first_chunk() else { return };
    let letter = |byte: u8| usize::from(byte.wrapping_sub(b'a'));
    let mut case = Case::of(Dialect::ALL[letter(dialect) % Dialect::ALL.len()]);
    let choices = letter(choices);
    if choices & 1 != 0 {
        case.token = Some(TOKEN.to_owned());
    }
    if choices & 2 != 0 {
        case.method = SignatureMethod::HmacSha1;
    }
    if choices & 4 != 0 {
        case.reader = Reader::KeyHolder;
    }
    if choices & 8 != 0 {
        case.nonce = Some("2147483647".to_owned());
    }
    signed_or_refused(&case, form);
    // most inputs name no operation, and would end there
    let operation = Cloud::of(case.dialect).operation;
    signed_or_refused(&case, &[operation.as_bytes(), b"=ListThings&", form].concat());
}

/// What must hold for any form, key, endpoint and time.
pub fn signed_or_refused(case: &Case, form: &[u8]) {
    let cloud = Cloud::of(case.dialect);
    let expected = expected(cloud, case.reader, form);
    let sent = match case.sign(form) {
        Ok(sent) => sent,
        Err(error) => {
            let is_ordinary = expected.is_ok_and(|pairs| pairs.iter().all(is_ordinary));
            // what is dropped counts as well, and must have no line breaks
            let is_short =
                form.split(|&byte| byte == b'&').count() <= 64 && !form.iter().any(|byte| b"\r\n".contains(byte));
            assert!(!(is_ordinary && is_short), "{:?}: {error}", case.dialect);
            return;
        }
    };
    let expected = expected.unwrap_or_else(|reason| panic!("{:?} is to be refused: {reason}", case.dialect));
    assert_eq!(sent.authorized, expected, "what the policy sees");
    assert_eq!(Some(&sent.action), value_of(&expected, cloud.operation));
    let reading = cloud.read(&sent.request, &case.secret);
    assert_eq!(reading.parameters, expected, "what the server carries out");
    assert_eq!(reading.own, own(cloud, case, &sent), "nothing of it is a client's to choose");
    assert_eq!(sent.canonical_request, reading.canonical_request);
    assert_eq!(String::from_utf8_lossy(&sent.string_to_sign), String::from_utf8_lossy(&reading.string_to_sign));
    assert!(reading.is_verified, "{:?}", case.dialect);
    well_formed(cloud, &sent);
    signs_each_part(cloud, case, &expected, &reading);
}

/// The parameters that remain of a form; or why it must be refused. More may be refused than this.
fn expected(cloud: &Cloud, reader: Reader, form: &[u8]) -> Result<Pairs, String> {
    let pairs = match reader {
        Reader::Policy => read_form(form).ok_or("it can be read in two ways")?,
        Reader::KeyHolder => any_names(form).ok_or("it can be read in two ways")?,
    };
    let is_beginning = |name: &str| cloud.beginning.is_some_and(|beginning| name.starts_with(beginning));
    let mut remaining = Pairs::new();
    for (name, value) in pairs {
        if cloud.dropped.contains(&&*name) || is_beginning(&name) {
            continue;
        }
        // the program looks past control characters as past a hyphen; only the holder of a key may have them in names
        let seen = name.replace(['\0', '\t', '\n', '\r', '\x0c'], "-");
        let is_kin = |reserved: &&&str| may_be_taken_for(&seen, reserved);
        let others = cloud.dropped.iter().chain(cloud.refused).chain(cloud.decisive);
        if let Some(reserved) = others.clone().find(is_kin).filter(|_| !cloud.decisive.contains(&&*name)) {
            return Err(format!("{name} could be taken for {reserved}"));
        }
        if cloud.beginning.is_some_and(|beginning| folded(&seen).starts_with(&folded(beginning))) {
            return Err(format!("{name} could be taken for authentication"));
        }
        if !(cloud.names)(&name) {
            return Err(format!("{name} is no name"));
        }
        remaining.push((name, value));
    }
    if !each_name_is_one_to_the_server(cloud, &remaining) {
        return Err("the server keeps one of two names".to_owned());
    }
    let action = value_of(&remaining, cloud.operation).ok_or("it names no operation")?;
    let is_operation = (1..=128).contains(&action.len()) && action.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_operation { Ok(remaining) } else { Err("this is no operation".to_owned()) }
}

/// Reads a form whose names may be anything, each once.
fn any_names(form: &[u8]) -> Option<Pairs> {
    let mut pairs = Pairs::new();
    for piece in form.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty()) {
        let mut halves = piece.splitn(2, |&byte| byte == b'=');
        let mut half = || decode(halves.next().unwrap_or_default(), Plus::Space);
        pairs.push((half()?, half()?));
    }
    pairs.sort();
    let is_once = pairs.windows(2).all(|pair| pair[0].0 != pair[1].0);
    is_once.then_some(pairs)
}

/// What no dialect may refuse: letters, digits and dots, and one of two operations.
fn is_ordinary((name, value): &(String, String)) -> bool {
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    let is_operation = ["Action", "action", "command"].contains(&&**name);
    !name.is_empty()
        && is_plain(name)
        && is_plain(value)
        && (!is_operation || ["ListThings", "listZones"].contains(&&**value))
}

fn value_of<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p String> {
    pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// Whether a server that compares names without case finds each of them once.
fn each_name_is_one_to_the_server(cloud: &Cloud, pairs: &Pairs) -> bool {
    let mut names: Vec<String> = pairs.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    cloud.compares == Compares::Exactly || names.windows(2).all(|pair| pair[0] != pair[1])
}

/// What the signer says, as the configuration, the clock and the key have it.
fn own(cloud: &Cloud, case: &Case, sent: &Sent) -> Pairs {
    let value = |own: Own| match own {
        Own::KeyId => Some(case.id.clone()),
        Own::Token => case.token.clone(),
        Own::Time => Some(cloud.clock.write(case.moment)),
        Own::Nonce => Some(case.nonce.clone().unwrap()),
        Own::OptionalNonce => case.nonce.clone(),
        Own::Method => Some(if case.method == SignatureMethod::HmacSha1 && cloud.has_methods() {
            "HmacSHA1".to_owned()
        } else {
            "HmacSHA256".to_owned()
        }),
        Own::Always(text) => Some(text.to_owned()),
        Own::ByToken(without, with) => Some(if case.token.is_some() { with } else { without }.to_owned()),
        Own::Host => Some(case.host.clone()),
        Own::BodyHash => Some(sha256(&sent.request.body)),
        Own::Moved(_) => None,
    };
    let mut own: Pairs =
        cloud.own().iter().filter_map(|(name, own)| Some(((*name).to_owned(), value(*own)?))).collect();
    if matches!(cloud.place, Place::Head(_)) {
        let day = cloud.clock.write(case.moment).chars().take(8).collect::<String>();
        let last = if cloud.dialect == Dialect::AwsV4 { "aws4_request" } else { "request" };
        let scope = format!("{day}/{}/{}/{last}", case.region, case.service);
        let scope = if cloud.has_realm() { scope } else { String::new() };
        own.extend([("id".to_owned(), case.id.clone()), ("scope".to_owned(), scope)]);
    }
    own.sort();
    own
}

/// One spelling of everything, and a head that nothing breaks out of.
fn well_formed(cloud: &Cloud, sent: &Sent) {
    let query = sent.request.query.as_deref().unwrap_or_default().as_bytes();
    for text in [&*sent.request.body, query] {
        for piece in text.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty()) {
            let halves: Vec<&[u8]> = piece.split(|&byte| byte == b'=').collect();
            assert_eq!(halves.len(), 2, "one equals sign in each pair");
            halves.into_iter().for_each(assert_canonical);
        }
    }
    let in_head: Vec<&str> = sent.request.fields.iter().map(|(name, _)| &**name).collect();
    match &cloud.place {
        Place::Form(form) => {
            let last = format!("&{}=", form.signature);
            let at = sent.request.body.windows(last.len()).rposition(|window| window == last.as_bytes());
            assert!(at.is_some_and(|at| !sent.request.body[at + 1..].contains(&b'&')), "the signature is last");
        }
        Place::Head(head) => {
            let known = |name: &&&str| **name == "authorization" || head.fields.iter().any(|(own, _)| own == *name);
            assert_eq!(in_head.iter().filter(known).count(), in_head.len(), "{in_head:?}");
        }
    }
    for (name, value) in &sent.request.fields {
        let is_field = value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.trim() == value;
        assert!(is_field, "{name}: {value:?}");
    }
}

/// Each part that the dialect signs changes the signature, and what it does not sign leaves it as it was.
fn signs_each_part(cloud: &Cloud, case: &Case, pairs: &Pairs, unchanged: &Reading) {
    let body = wire(pairs);
    let again = case.sign(body.as_bytes()).unwrap_or_else(|error| panic!("{body} is refused: {error}"));
    let again = cloud.read(&again.request, &case.secret);
    assert_eq!(again.signature, unchanged.signature, "signed anew, the same is signed the same");
    for (part, case) in other_cases(cloud, case) {
        let sent = case.sign(body.as_bytes()).unwrap();
        differs_by(cloud, part, &cloud.read(&sent.request, &case.secret), unchanged);
    }
    for (part, pairs) in other_forms(cloud, pairs) {
        // another name may be one that is refused
        let Ok(sent) = case.sign(wire(&pairs).as_bytes()) else { continue };
        if sent.authorized.len() == pairs.len() {
            differs_by(cloud, part, &cloud.read(&sent.request, &case.secret), unchanged);
        }
    }
}

#[track_caller]
fn differs_by(cloud: &Cloud, part: Part, reading: &Reading, unchanged: &Reading) {
    assert!(reading.is_verified, "{:?}: another {part:?}", cloud.dialect);
    let is_signed = reading.signature != unchanged.signature;
    assert_eq!(is_signed, !cloud.unsigned.contains(&part), "{:?}: another {part:?}", cloud.dialect);
}

/// The same with one part of it another.
fn other_cases(cloud: &Cloud, case: &Case) -> Vec<(Part, Case)> {
    let Moment { seconds, milliseconds } = case.moment;
    let later = Moment { seconds: seconds + 1, milliseconds };
    let own = |wanted: fn(&Own) -> bool| cloud.own().iter().any(|(_, own)| wanted(own));
    let mut others = vec![
        (Part::Host, Case { host: format!("other.{}", case.host), ..case.clone() }),
        (Part::KeyId, Case { id: format!("{}2", case.id), ..case.clone() }),
        (Part::Secret, Case { secret: format!("{}2", case.secret), ..case.clone() }),
        (Part::Time, Case { moment: later, ..case.clone() }),
    ];
    if !case.host.ends_with(|c: char| c.is_ascii_digit()) {
        others.push((Part::Port, Case { host: format!("{}:8443", case.host), ..case.clone() }));
    }
    if cloud.paths == Paths::Others {
        others.push((Part::Path, Case { path: format!("{}2", case.path), ..case.clone() }));
    }
    if own(|own| matches!(own, Own::Token)) {
        let other = case.token.as_ref().map_or_else(|| TOKEN.to_owned(), |token| format!("{token}2"));
        others.push((Part::Token, Case { token: Some(other), ..case.clone() }));
    }
    if own(|own| matches!(own, Own::Nonce | Own::OptionalNonce)) {
        others.push((Part::Nonce, Case { nonce: Some("7".to_owned()), ..case.clone() }));
    }
    if cloud.has_realm() {
        others.push((Part::Region, Case { region: "elsewhere-1".to_owned(), ..case.clone() }));
        others.push((Part::Service, Case { service: "other".to_owned(), ..case.clone() }));
    }
    if cloud.has_methods() {
        let method = match case.method {
            SignatureMethod::HmacSha1 => SignatureMethod::HmacSha256,
            SignatureMethod::HmacSha256 => SignatureMethod::HmacSha1,
        };
        others.push((Part::Method, Case { method, ..case.clone() }));
    }
    others
}

/// The same form with one part of it another. Of a long one, some parts.
fn other_forms(cloud: &Cloud, pairs: &Pairs) -> Vec<(Part, Pairs)> {
    const MOST: usize = 4;
    let with = |change: &dyn Fn(&mut Pairs)| {
        let mut other = pairs.clone();
        change(&mut other);
        other
    };
    let mut others = Vec::new();
    for at in (0..pairs.len()).take(MOST) {
        let (name, value) = &pairs[at];
        others.push((Part::Value, with(&|other| other[at].1.push('2'))));
        if let Some(letter) = value.find(|c: char| c.is_ascii_alphabetic()) {
            let mut turned = value.clone().into_bytes();
            turned[letter] ^= 0x20;
            let turned = String::from_utf8(turned).unwrap();
            others.push((Part::Letter, with(&|other| other[at].1.clone_from(&turned))));
        }
        if name != cloud.operation {
            others.push((Part::Name, with(&|other| other[at].0.push('2'))));
            others.push((Part::Fewer, with(&|other| drop(other.remove(at)))));
        }
    }
    if !pairs.iter().any(|(name, _)| folded(name) == "zz9") {
        others.push((Part::Another, with(&|other| other.push(("Zz9".to_owned(), String::new())))));
    }
    others
}
