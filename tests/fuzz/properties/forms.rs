//! Forms and their encoding: what was read is what is signed, and what is signed is what any reader reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::authorize::{ClientIdentity, Policy};
use countersign::query::{FormLimits, Parameters, QueryForm, percent as encoding};
use countersign::signing::verify::SignatureClaim;
use countersign::signing::{Profile, RequestTimestamp, SignatureMethod, prepare};
use jiff::Timestamp;

use super::canonical::{Pairs, Plus, assert_canonical, decode, folded, may_be_taken_for, read_form, read_signed};
use super::keys::{KEY_ID, active, target};

pub(super) const LIMITS: FormLimits = FormLimits::new(64);
const TOKEN: &str = "AQoEXAMPLE/H4aoAH0gNCAPy+==";
const NOW: &str = "2011-06-20T22:30:59.556Z";

/// Names that authenticate, and are the signer's alone to set.
const AUTHENTICATION: [&str; 7] =
    ["AWSAccessKeyId", "Expires", "SecurityToken", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp"];

/// Two readers agree on every form; what is accepted leaves as those pairs with the signer's own, canonical and
/// verifiable.
pub fn form(input: &[u8]) {
    one_form(input);
    // most inputs name no Action, and would end there
    one_form(&[b"Action=ListJobs&", input].concat());
}

fn one_form(body: &[u8]) {
    let ours = Parameters::parse(body, LIMITS);
    let theirs = read_form(body).filter(|pairs| pairs.len() <= LIMITS.max_parameters());
    let read: Option<Pairs> = ours.as_ref().ok().map(|all| all.iter().map(|(n, v)| (n.into(), v.into())).collect());
    assert_eq!(read, theirs, "two readers of one form");

    let expected = theirs.filter(|pairs| !pairs.iter().any(|(name, _)| is_disguised(name))).map(without_authentication);
    let expected = expected.filter(names_an_operation);
    let form = match (QueryForm::parse(body, LIMITS), &expected) {
        (Ok(form), Some(_)) => form,
        (Err(error), None) => {
            let message = error.to_string();
            assert!(message.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && message.len() < 1024, "{message:?}");
            return;
        }
        (ours, theirs) => panic!("two readers disagree whether this is a call: {ours:?}, {theirs:?}"),
    };
    let expected = expected.unwrap_or_default();
    let action = expected.iter().find(|(name, _)| name == "Action").map(|(_, value)| value.as_str());
    assert_eq!(Some(form.action().as_str()), action);
    signed_and_read_again(body, &expected);
}

fn signed_and_read_again(body: &[u8], expected: &[(String, String)]) {
    // which kind of key and MAC does not depend on anything else: let the length choose
    let token = body.len().is_multiple_of(2).then_some(TOKEN);
    let signature_method =
        if body.len().is_multiple_of(3) { SignatureMethod::HmacSha1 } else { SignatureMethod::HmacSha256 };
    let (key, target, now) = (active(token), target(), NOW.parse::<Timestamp>().unwrap());
    let form = QueryForm::parse(body, LIMITS).unwrap();
    let allowed = Policy::AnyLocal.authorize(&ClientIdentity::AnyLocal, "fuzzed", form).unwrap();
    let unsealed =
        prepare(&allowed, &key, &target, &Profile::aws_v2(signature_method), &RequestTimestamp::at(now).into());
    let string_to_sign = unsealed.string_to_sign().to_vec();
    let mac = key.signing_key().mac_with(unsealed.key(), &string_to_sign);
    let sent = unsealed.seal(&mac).into_body();

    let (pairs, signature) = read_signed(&sent);
    let mut all = expected.to_vec();
    let added = [
        ("AWSAccessKeyId", KEY_ID),
        ("SignatureMethod", signature_method.as_str()),
        ("SignatureVersion", "2"),
        ("Timestamp", NOW),
    ];
    all.extend(added.into_iter().chain(token.map(|token| ("SecurityToken", token))).map(|(n, v)| (n.into(), v.into())));
    all.sort();
    assert_eq!(pairs, all, "what left is what came, and what the signer adds");
    assert_eq!(STANDARD.decode(signature).unwrap(), mac.as_bytes());
    let unsigned = sent.windows(b"&Signature=".len()).rposition(|window| window == b"&Signature=").unwrap();
    assert_eq!(string_to_sign, [b"POST\nimportexport.amazonaws.com\n/\n", &sent[..unsigned]].concat());

    let parameters = Parameters::parse(&sent, FormLimits::new(LIMITS.max_parameters() + 6)).unwrap();
    assert_eq!(SignatureClaim::read(&parameters).and_then(|claim| claim.check(&key, &target, now)), Ok(()));
}

fn is_disguised(name: &str) -> bool {
    let exact = AUTHENTICATION.contains(&name) || ["Action", "Version"].contains(&name) || name.starts_with("X-Amz-");
    let reserved = AUTHENTICATION.into_iter().chain(["Action", "Version", "Operation", "Command"]);
    let is_reserved = reserved.into_iter().any(|reserved| may_be_taken_for(name, reserved));
    !exact && (is_reserved || folded(name).starts_with("xamz"))
}

fn without_authentication(pairs: Pairs) -> Pairs {
    let free = |name: &str| !AUTHENTICATION.contains(&name) && !name.starts_with("X-Amz-");
    pairs.into_iter().filter(|(name, _)| free(name)).collect()
}

fn names_an_operation(pairs: &Pairs) -> bool {
    pairs.iter().any(|(name, value)| {
        name == "Action" && (1..=128).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// Decoding what was encoded gives the text back, and what was written is canonical.
pub fn percent(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let encoded = encoding::encode(&text);
    assert_canonical(encoded.as_bytes());
    assert_eq!(decode(encoded.as_bytes(), Plus::Itself).as_deref(), Some(&*text));
    assert_eq!(decode(encoded.as_bytes(), Plus::Space).as_deref(), Some(&*text), "a form's reader reads the same");
    let mut appended = b"before".to_vec();
    encoding::encode_into(&text, &mut appended);
    assert_eq!(appended, [b"before", encoded.as_bytes()].concat());
}
