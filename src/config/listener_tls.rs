//! `[listener.NAME.tls]` and `[listener.NAME.service_account]`: what it takes to believe certificates and tokens.

use std::path::PathBuf;
use std::time::Duration;

use super::quantity::duration;
use super::settings::{Algorithm, ClientAuthority, ListenerTls, ServiceAccount};
use super::table::Table;
use super::value::{Given, choice, file, text};

/// Reads `[listener.NAME.tls]`, which is there.
pub(super) fn tls(mut table: Table<'_>) -> Option<ListenerTls> {
    let certificate = table.required("certificate", "name the PEM file with the certificate chain", file);
    let private_key = table.required("private_key", "name the PEM file with the private key", file);
    let client_ca = table.get("client_ca", None, |given| file(given).map(Some));
    let crl = table.list("crl", Vec::new(), |text| file(&Given::Text(text)));
    let session_lifetime = table.get("session_lifetime", Duration::from_secs(600), duration);
    if table.has("crl") && !table.has("client_ca") {
        table.fault("crl", "means nothing without `client_ca`: add it, or remove this line");
    }
    table.finish();
    let authority = |ca: PathBuf, revocation_lists| ClientAuthority { ca, revocation_lists };
    let crl = crl?;
    Some(ListenerTls {
        certificate: certificate?,
        private_key: private_key?,
        clients: client_ca?.map(|ca| authority(ca, crl)),
        session_lifetime: session_lifetime?,
    })
}

/// Reads `[listener.NAME.service_account]`, which is there.
pub(super) fn service_account(mut table: Table<'_>) -> Option<ServiceAccount> {
    const ALGORITHMS: [(&str, Algorithm); 3] =
        [("RS256", Algorithm::Rs256), ("ES256", Algorithm::Es256), ("ES384", Algorithm::Es384)];
    let issuer = table.required("issuer", "name the issuer of the tokens, as their `iss` claim has it", claim);
    let audience = table.required("audience", "name the audience that tokens for countersign are made for", claim);
    let algorithm =
        table.required("algorithm", "name the one algorithm of the issuer, e.g. \"RS256\"", choice(&ALGORITHMS));
    let jwks_file = table.required("jwks_file", "name the file with the issuer's public keys", file);
    table.finish();
    Some(ServiceAccount { issuer: issuer?, audience: audience?, algorithm: algorithm?, jwks_file: jwks_file? })
}

/// The exact value of a claim.
fn claim(given: &Given<'_>) -> Result<String, String> {
    let claim = text(given)?;
    if claim.is_empty() || claim.trim() != claim || claim.chars().any(char::is_control) {
        return Err(format!("{} cannot be the value of a claim", given.shown()));
    }
    Ok(claim.to_owned())
}
