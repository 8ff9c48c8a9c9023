//! What `check` says about TLS towards the endpoint of a route.

use super::findings::Section;
use crate::config::settings::Transport;
use crate::trust::{ClientTlsSettings, IdentityFiles, MinimumTls, Roots};

/// Says how the endpoint is known, what is asked of it beside, and what it is shown.
pub(super) fn describe(section: &mut Section, transport: &Transport) {
    let (trust, client) = match transport {
        Transport::Tls { trust, client } => (trust, client),
        Transport::Plaintext => {
            section.detail("tls: none, plain HTTP");
            return;
        }
    };
    match trust {
        Roots::Platform => section.detail("tls: verified against the platform's roots"),
        Roots::File(path) => section.detail(format!("tls: verified against {}", path.display())),
    }
    let ClientTlsSettings { minimum, pinned_keys, identity } = client;
    if let Some(IdentityFiles { certificate, key }) = identity {
        section.detail(format!("tls: shows the certificate in {}, key {}", certificate.display(), key.display()));
    }
    match minimum {
        MinimumTls::V12 => {}
        MinimumTls::V13 => section.detail("tls: 1.3 only"),
    }
    if !pinned_keys.is_empty() {
        let pinned: Vec<_> = pinned_keys.iter().map(ToString::to_string).collect();
        section.detail(format!("tls: the endpoint's key must be {}", pinned.join(" or ")));
    }
}
