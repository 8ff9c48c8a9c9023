//! The search for what is wrong with a signature: it ends, it says something, and it finds what must be found.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::query::{FormLimits, Parameters, percent};
use countersign::signing::diagnose::{Cause, Mismatch, diagnose as search};
use countersign::signing::verify::SignatureClaim;
use countersign::signing::{SignatureMethod, SigningTarget};

use super::keys::{active, target};

/// Longer forms only take longer.
const LONGEST: usize = 2048;

/// The first byte chooses the signature, the rest is a form: any signature is diagnosed, and one that was made over the
/// bytes as they were sent is explained.
pub fn diagnose(input: &[u8]) {
    let Some((&choice, form)) = input.split_first() else { return };
    if form.len() > LONGEST {
        return;
    }
    let key = active(None);
    let method = if choice & 1 == 0 { SignatureMethod::HmacSha256 } else { SignatureMethod::HmacSha1 };
    let mut pieces: Vec<&[u8]> = form.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty()).collect();
    let named = format!("SignatureMethod={}", method.as_str());
    let fixed = ["AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE", &named, "SignatureVersion=2", "Timestamp=2011-06-20T22:30:59Z"];
    pieces.extend(fixed.map(str::as_bytes));
    let query = pieces.join(b"&".as_slice());
    let target = if choice & 2 == 0 { target() } else { SigningTarget::from_url("https://[::1]:8443/a%20b/").unwrap() };
    let message = [format!("POST\n{}\n{}\n", target.host, target.path).as_bytes(), &query].concat();
    let mac = key.signing_key().mac(method, &message);
    let (tag, explicable) = match choice >> 2 & 3 {
        0 => (mac.as_bytes().to_vec(), true),
        1 => (hex(mac.as_bytes()), true),
        2 => (vec![0; mac.as_bytes().len()], false),
        _ => (form.iter().copied().take(usize::from(choice >> 4)).collect(), false),
    };
    let sent = [&query, b"&Signature=".as_slice(), percent::encode(&STANDARD.encode(tag)).as_bytes()].concat();

    let Ok(parameters) = Parameters::parse(&sent, FormLimits::DEFAULT) else { return };
    let Ok(claim) = SignatureClaim::read(&parameters) else { return };
    let others: Vec<&str> = std::str::from_utf8(form).map(|text| text.split('.').collect()).unwrap_or_default();
    let (target, key, sent) = (&target, key.signing_key(), sent.as_slice());
    let causes = search(&Mismatch { claim: &claim, target, key, sent, other_hosts: &others, other_paths: &others });
    if key.verifies(claim.method, &claim.string_to_sign(target), &claim.tag) {
        return; // nothing is wrong, and nobody would have asked
    }
    assert!(!causes.is_empty());
    let unexplained = |cause: &Cause| matches!(cause, Cause::WrongKeyOrValue | Cause::SignatureLength { .. });
    assert_eq!(causes.iter().any(unexplained), !explicable, "{causes:?}");
    for cause in &causes {
        assert!(!cause.to_string().is_empty() && !cause.remedy().is_empty());
    }
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}
