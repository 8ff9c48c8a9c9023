//! What is measured: kinds of requests, and how a proxy is set up for them.

use super::peers::Peer;
use super::report::Beside;

/// One kind of request, from so many clients.
pub struct Work {
    pub name: &'static str,
    /// The size of a form in bytes.
    pub form: usize,
    pub connections: usize,
    pub setting: Setting,
    pub beside: Beside,
}

impl Work {
    /// Whether `peer` can do it: what is compared with another work of the same build has to do with signing.
    pub const fn fits(&self, peer: &Peer) -> bool {
        matches!(peer, Peer::Countersign(_)) || !matches!(self.beside, Beside::Own(_))
    }
}

/// How a proxy is set up.
#[derive(Clone, Copy)]
pub struct Setting {
    /// The endpoint speaks TLS.
    pub tls: bool,
    pub workers: usize,
    /// The lines of the route that say how its cloud has requests signed.
    pub profile: &'static str,
}

pub const PLAIN: Setting = Setting { tls: false, workers: 1, profile: "" };
const V4: &str = "profile = { dialect = \"aws-v4\", region = \"us-east-1\", service = \"iam\" }\n";

const SMALL: Work =
    Work { name: "120 B, 32 connections", form: 120, connections: 32, setting: PLAIN, beside: Beside::Nginx };

pub const WORKS: [Work; 7] = [
    SMALL,
    Work {
        name: "120 B, aws-v4",
        setting: Setting { profile: V4, ..PLAIN },
        beside: Beside::Own("120 B, 32 connections"),
        ..SMALL
    },
    Work { name: "120 B, 128 connections", connections: 128, ..SMALL },
    Work { name: "120 B, HTTPS endpoint", setting: Setting { tls: true, ..PLAIN }, ..SMALL },
    Work {
        name: "120 B, HTTPS endpoint, aws-v4",
        setting: Setting { tls: true, profile: V4, ..PLAIN },
        beside: Beside::Own("120 B, HTTPS endpoint"),
        ..SMALL
    },
    Work { name: "32 KB, 32 connections", form: 32 * 1024, ..SMALL },
    Work { name: "120 B, 2 workers", setting: Setting { workers: 2, ..PLAIN }, beside: Beside::Haproxy, ..SMALL },
];

/// The token by which countersign knows the client of the benchmark, and its SHA-256.
const TOKEN: &str = "benchmark";
pub const TOKEN_SHA256: &str = "0e89820860c342f2c7ec694d144023b10301c2accdd078cb5167a06d0c3d5bcc";

/// A request whose form has about `size` bytes.
pub fn request(size: usize) -> Vec<u8> {
    let form = form(size);
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .into_bytes()
}

fn form(size: usize) -> String {
    let fixed = "Action=GetStatus&JobId=JOBID&Version=2010-06-03&Manifest=";
    let text = "deviceId: HD-0001\neraseDevice: yes\n".repeat(size / 35 + 1);
    let escaped: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let mut cut = size.saturating_sub(fixed.len()).min(escaped.len());
    while escaped[..cut].ends_with('%') || escaped[..cut.max(1) - 1].ends_with('%') {
        cut -= 1;
    }
    format!("{fixed}{}", &escaped[..cut])
}
