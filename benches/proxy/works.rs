//! The works: kinds of requests, and how a proxy is set up for them.

use super::callers::Clients;

/// One kind of request, sent over a number of connections.
pub struct Work {
    pub name: &'static str,
    /// The size of a form in bytes.
    pub form: usize,
    pub connections: usize,
    pub setting: Setting,
    pub beside: Beside,
}

/// How a proxy is set up.
#[derive(Clone, Copy)]
pub struct Setting {
    pub clients: Clients,
    /// The endpoint speaks TLS.
    pub tls: bool,
    pub workers: usize,
    /// Lines of countersign's route that say how requests are signed.
    pub profile: &'static str,
    /// More lines of countersign's `[process]`, and tables after it.
    pub more: &'static str,
}

/// What a figure is compared with, in the same round.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    Nginx,
    Haproxy,
    /// The same build with the work of this name.
    Own(&'static str),
    /// The figure is a ratio already.
    Nothing,
}

impl Beside {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Own(work) => work,
            Self::Nothing => "",
        }
    }
}

pub const PLAIN: Setting =
    Setting { clients: Clients::Token, tls: false, workers: 1, profile: "", more: "[log]\nformat = \"json\"\n" };
pub const HTTPS: Setting = Setting { tls: true, ..PLAIN };
const V4: &str = "profile = { dialect = \"aws-v4\", region = \"us-east-1\", service = \"iam\" }\n";

const SMALL: Work =
    Work { name: "120 B, 32 connections", form: 120, connections: 32, setting: PLAIN, beside: Beside::Nginx };
const KIB: usize = 1024;

pub const WORKS: [Work; 16] = [
    SMALL,
    signed("120 B, aws-v4", PLAIN, "120 B, 32 connections"),
    Work { name: "120 B, 128 connections", connections: 128, ..SMALL },
    Work { name: "120 B, HTTPS endpoint", setting: HTTPS, ..SMALL },
    signed("120 B, HTTPS endpoint, aws-v4", HTTPS, "120 B, HTTPS endpoint"),
    of("120 B, issued keys", Clients::IssuedKey),
    of("120 B, client certificates", Clients::Certificate),
    of("120 B, Unix socket", Clients::Socket),
    of("120 B, GET", Clients::Get),
    of("120 B, 100 clients with 10 rules each", Clients::Hundred),
    Work { name: "1 KB", form: KIB, ..SMALL },
    Work { name: "32 KB, 32 connections", form: 32 * KIB, ..SMALL },
    Work { name: "1 MB", form: KIB * KIB, connections: 8, ..SMALL },
    Work { name: "16 MB", form: 16 * KIB * KIB - KIB, connections: 2, ..SMALL },
    Work { name: "120 B, 2 workers", setting: Setting { workers: 2, ..PLAIN }, beside: Beside::Haproxy, ..SMALL },
    Work {
        name: "120 B, HTTPS endpoint, 2 workers",
        setting: Setting { workers: 2, ..HTTPS },
        beside: Beside::Haproxy,
        ..SMALL
    },
];

const fn of(name: &'static str, clients: Clients) -> Work {
    Work { name, setting: Setting { clients, ..PLAIN }, ..SMALL }
}

/// The same as the work `other`, but signed by Signature Version 4.
const fn signed(name: &'static str, setting: Setting, other: &'static str) -> Work {
    Work { name, setting: Setting { profile: V4, ..setting }, beside: Beside::Own(other), ..SMALL }
}

/// Pairs of works: a name, the works with the smaller and the larger forms, and the difference of their sizes in KB.
pub const GROWTHS: [(&str, [&str; 2], f64); 3] = [
    ("1 KB to 32 KB", ["1 KB", "32 KB, 32 connections"], 31.0),
    ("32 KB to 1 MB", ["32 KB, 32 connections", "1 MB"], 992.0),
    ("1 MB to 16 MB", ["1 MB", "16 MB"], 15_359.0),
];
