//! Each kind of key store, through the whole program.

use crate::harness::{Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, Proxy, SECRET, Setup, Vault, document};

/// Makes a call, which must be signed with this key.
#[track_caller]
fn assert_signs_with(proxy: &Proxy, endpoint: &Endpoint, id: &str, secret: &str) {
    proxy.post(FORM).expect(200);
    let requests = endpoint.requests();
    let request = requests.last().unwrap();
    assert_eq!(request.parameter("AWSAccessKeyId"), id);
    assert_eq!(request.verify(id, secret, None), Ok(()));
}

#[test]
fn a_key_mounted_in_plain_signs_and_its_replacement_after_it() {
    let endpoint = Endpoint::obliging();
    let vault = Vault::empty();
    let file = vault.put("key.json", &document(ID, SECRET, ""));
    let proxy = Setup::to(&endpoint).vault(vault).key(&format!("kind = \"file\"\nfile = {file:?}")).start();
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
    proxy.vault.put("key.json", &document(OTHER_ID, OTHER_SECRET, ""));
    proxy.log.wait_for("change of the key", |line| line.contains("a changed key is in use").then_some(()));
    assert_signs_with(&proxy, &endpoint, OTHER_ID, OTHER_SECRET);
}

#[test]
fn a_key_that_a_program_prints_signs() {
    let endpoint = Endpoint::obliging();
    let vault = Vault::empty();
    let program = vault.program("fetch", &format!("echo '{}'", document(ID, SECRET, "")));
    let proxy = Setup::to(&endpoint).vault(vault).key(&format!("kind = \"process\"\ncommand = {program}")).start();
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
}
