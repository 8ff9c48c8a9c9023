//! Which request headers are never passed on, whatever the configuration says, and why.
//!
//! Names are judged word by word, and `_` is read as `-`: gateways that hand headers on as variables (CGI, WSGI, Rack)
//! make the same variable of both.

const CREDENTIALS: &str = "it holds, or may hold, credentials or a signature, and countersign writes the only ones";
const IDENTITY: &str = "endpoints behind a gateway believe it when it says who is calling";
const OUTRANKS: &str = "an endpoint may obey it instead of the form that was checked and signed";
const SIGNED: &str =
    "a cloud signs it, or reads it as part of a signature, and countersign has not signed what the client wrote";
const FRAMING: &str = "it belongs to the client's connection or body, and countersign makes both anew";
const ORIGIN: &str = "it says where the client is and came from, which is not the endpoint's business";

/// Names, each of which stands for itself and for every name that goes on with a `-` behind it.
pub(crate) const FAMILIES: &[(&str, &str)] = &[
    // one hop, one body
    ("connection", FRAMING),
    ("content", FRAMING),
    ("expect", FRAMING),
    ("host", FRAMING),
    ("http2-settings", FRAMING),
    ("keep-alive", FRAMING),
    // `Proxy` itself becomes the variable HTTP_PROXY, which HTTP libraries obey
    ("proxy", FRAMING),
    ("te", FRAMING),
    ("trailer", FRAMING),
    ("transfer-encoding", FRAMING),
    ("upgrade", FRAMING),
    // the headers that clouds sign, and some of which name the operation or hold a token
    ("x-acs", SIGNED),
    ("x-amz", SIGNED),
    ("x-ca", SIGNED),
    ("x-content", SIGNED),
    ("x-countersign", SIGNED),
    ("x-goog", SIGNED),
    ("x-nifty", SIGNED),
    ("x-security", SIGNED),
    ("x-signedheaders", SIGNED),
    ("x-signedqueries", SIGNED),
    ("x-tc", SIGNED),
    // what gateways and OpenStack's middleware tell the service behind them
    ("api-key", CREDENTIALS),
    ("x-api-key", CREDENTIALS),
    ("x-auth", CREDENTIALS),
    ("ocp-apim", CREDENTIALS),
    ("x-functions-key", CREDENTIALS),
    ("remote", IDENTITY),
    ("x-authenticated", IDENTITY),
    ("x-client-verify", IDENTITY),
    ("x-consumer", IDENTITY),
    ("x-domain", IDENTITY),
    ("x-identity", IDENTITY),
    ("x-is-admin", IDENTITY),
    ("x-project", IDENTITY),
    ("x-remote", IDENTITY),
    ("x-role", IDENTITY),
    ("x-roles", IDENTITY),
    ("x-service", IDENTITY),
    ("x-system-scope", IDENTITY),
    ("x-tenant", IDENTITY),
    ("x-user", IDENTITY),
    ("x-webauth", IDENTITY),
    ("openstack-system-scope", IDENTITY),
    // where the client is
    ("origin", ORIGIN),
    ("sec", ORIGIN),
    ("soapaction", OUTRANKS),
];

/// Words that decide about every name in which they stand.
pub(crate) const WORDS: &[(&str, &str)] = &[
    ("authorization", CREDENTIALS),
    ("accesstoken", CREDENTIALS),
    ("apikey", CREDENTIALS),
    ("assertion", CREDENTIALS),
    ("authtoken", CREDENTIALS),
    ("bearer", CREDENTIALS),
    ("cookie", CREDENTIALS),
    ("cookie2", CREDENTIALS),
    ("credential", CREDENTIALS),
    ("credentials", CREDENTIALS),
    ("jwt", CREDENTIALS),
    ("password", CREDENTIALS),
    ("secret", CREDENTIALS),
    ("signature", CREDENTIALS),
    ("token", CREDENTIALS),
    ("wsse", CREDENTIALS),
    ("behalf", IDENTITY),
    ("cert", IDENTITY),
    ("certificate", IDENTITY),
    ("dn", IDENTITY),
    ("impersonate", IDENTITY),
    ("principal", IDENTITY),
    ("ssl", IDENTITY),
    ("sudo", IDENTITY),
    ("userid", IDENTITY),
    ("userinfo", IDENTITY),
    ("username", IDENTITY),
    // `X-HTTP-Method-Override`, `X-Original-URL`, `X-Rewrite-URL`, `X-Envoy-Original-Path` and their relatives
    // and those that Rack and nginx obey (`X-Accel-Mapping`, `X-Sendfile-Type`), and that WSGI does (`X-Script-Name`)
    ("accel", OUTRANKS),
    ("action", OUTRANKS),
    ("command", OUTRANKS),
    ("host", OUTRANKS),
    ("httpmethod", OUTRANKS),
    ("method", OUTRANKS),
    ("operation", OUTRANKS),
    ("original", OUTRANKS),
    ("override", OUTRANKS),
    ("path", OUTRANKS),
    ("rewrite", OUTRANKS),
    ("script", OUTRANKS),
    ("sendfile", OUTRANKS),
    ("target", OUTRANKS),
    ("uri", OUTRANKS),
    ("url", OUTRANKS),
    ("date", SIGNED),
    ("nonce", SIGNED),
    ("addr", ORIGIN),
    ("address", ORIGIN),
    ("clientip", ORIGIN),
    ("forwarded", ORIGIN),
    ("ip", ORIGIN),
    ("realip", ORIGIN),
    ("referer", ORIGIN),
    ("via", ORIGIN),
];

/// Why a header of this name, in lower case, is never passed on; `None` when it may be.
pub(super) fn never_forwarded(name: &str) -> Option<&'static str> {
    // any mark separates words: no header that an endpoint should get needs a mark to be let through
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let name = name.trim_matches('-');
    let of_family =
        |family: &str| name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let family = FAMILIES.iter().find(|(family, _)| of_family(family));
    let word = || WORDS.iter().find(|(word, _)| name.split('-').any(|part| says(part, word)));
    family.or_else(word).map(|(_, why)| *why)
}

/// Words of this many letters decide as well where another one is written to them without a mark (`X-OriginalURL`).
/// Shorter ones end other words: `action` is in `transaction`.
pub(crate) const GLUED: usize = 7;

fn says(part: &str, word: &str) -> bool {
    part == word || (word.len() >= GLUED && (part.starts_with(word) || part.ends_with(word)))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// Names, in the groups of the reference.
    const NEVER: &[(&str, &[&str])] = &[
        (
            CREDENTIALS,
            &[
                "authorization",
                "x-forwarded-authorization",
                "x-amzn-authorization",
                "cookie",
                "cookie2",
                "api-key",
                "x-api-key",
                "x-auth-token",
                "x-auth-user",
                "x-auth-key",
                "set-cookie",
                "x-subject-token",
                "x-csrf-token",
                "x-signature",
                "x-auth",
                "apikey",
                "x-apikey",
                "ocp-apim-subscription-key",
                "x-functions-key",
                "x-jwt-assertion",
                "x-wsse",
                "x-accesstoken",
            ],
        ),
        (
            SIGNED,
            &[
                "x-amz-date",
                "x-amz-target",
                "x-amz-security-token",
                "x-acs-action",
                "x-acs-version",
                "x-acs-security-token",
                "x-tc-action",
                "x-tc-token",
                "x-nifty-authorization",
                "date",
                "x-date",
                "x-sdk-date",
                "x-security-token",
                "x-content-sha256",
                "x-ca-key",
                "x-countersign-id",
                "x-amz-content-sha256",
                "x-amz-meta",
                "x-acs-date",
                "x-acs-signature-nonce",
                "x-acs-content-sha256",
                "x-tc-timestamp",
                "x-tc-version",
                "x-signedheaders",
                "x-goog-iap-jwt-assertion",
                "x-goog-authenticated-user-email",
            ],
        ),
        (
            OUTRANKS,
            &[
                "x-http-method-override",
                "x-http-method",
                "x-method-override",
                "x-original-url",
                "x-original-uri",
                "x-original-host",
                "x-original-method",
                "x-rewrite-url",
                "x-host",
                "x-http-host-override",
                "x-envoy-original-path",
                "x-waws-unencoded-url",
                "soapaction",
                "x-action",
                "x-operation",
                "x-method",
                "x-originalurl",
                "x-rewriteurl",
                "x-methodoverride",
                "x-httpmethodoverride",
                "x-httpmethod",
                "x-script-name",
                "script-name",
                "x-sendfile-type",
                "x-accel-mapping",
            ],
        ),
        (
            IDENTITY,
            &[
                "remote-user",
                "remote-addr",
                "x-remote-user",
                "x-user",
                "x-user-id",
                "x-roles",
                "x-project-id",
                "x-tenant-name",
                "x-service-catalog",
                "x-identity-status",
                "x-is-admin-project",
                "x-client-cert",
                "client-cert",
                "x-ssl-client-verify",
                "ssl-client-s-dn",
                "x-consumer-username",
                "impersonate-user",
                "impersonate-group",
                "impersonate-extra-scopes",
                "x-ms-client-principal",
                "x-ms-client-principal-id",
                "x-ms-client-principal-name",
                "x-on-behalf-of",
                "sudo",
                "x-username",
            ],
        ),
        (
            ORIGIN,
            &[
                "forwarded",
                "x-forwarded-for",
                "x-forwarded-host",
                "x-forwarded-proto",
                "via",
                "origin",
                "referer",
                "sec-fetch-site",
                "x-real-ip",
                "client-ip",
                "http-client-ip",
                "true-client-ip",
                "cf-connecting-ip",
                "x-envoy-external-address",
                "http-x-forwarded-for",
                "http-forwarded",
                "x-forwarded",
                "x-forwarded-by",
                "x-original-forwarded-for",
                "x-cluster-client-ip",
                "x-clientip",
                "fastly-client-ip",
            ],
        ),
        (
            FRAMING,
            &[
                "host",
                "connection",
                "content-type",
                "content-length",
                "content-encoding",
                "keep-alive",
                "te",
                "trailer",
                "transfer-encoding",
                "upgrade",
                "http2-settings",
                "expect",
                "proxy",
                "proxy-connection",
            ],
        ),
    ];

    #[test]
    fn what_could_outrank_the_form_or_say_who_calls_is_never_forwarded_however_it_is_spelled() {
        for (_, names) in NEVER {
            for name in *names {
                for spelled in [(*name).to_owned(), name.replace('-', "_"), name.replace('-', "."), format!("-{name}_")]
                {
                    assert!(never_forwarded(&spelled).is_some(), "{spelled}");
                }
            }
        }
    }

    #[test]
    fn the_reason_is_that_of_its_kind() {
        for (why, names) in NEVER {
            for name in *names {
                let reason = never_forwarded(name);
                // a name may be refused for more than one reason: the family's comes first
                let is_of_two_kinds =
                    ["x-forwarded-authorization", "x-forwarded-host", "x-original-forwarded-for", "x-content-sha256"]
                        .contains(name);
                assert!(reason == Some(*why) || is_of_two_kinds, "{name}: {reason:?}");
            }
        }
    }

    #[test]
    fn headers_for_tracing_and_for_preferences_may_be_forwarded() {
        for name in [
            "x-request-id",
            "x-correlation-id",
            "x-client-request-id",
            "x-openstack-request-id",
            "traceparent",
            "tracestate",
            "baggage",
            "b3",
            "x-b3-traceid",
            "uber-trace-id",
            "x-amzn-trace-id",
            "x-cloud-trace-context",
            "x-datadog-trace-id",
            "user-agent",
            "accept",
            "accept-encoding",
            "accept-language",
            "idempotency-key",
            "x-requested-by",
            "openstack-api-version",
            "priority",
            "x-transaction-id",
            "x-ms-client-request-id",
        ] {
            assert_eq!(never_forwarded(name), None, "{name}");
        }
    }

    #[test]
    fn the_families_and_words_are_in_the_reference() {
        let mut table = String::from("| never passed on | because |\n|---|---|\n");
        for why in [OUTRANKS, SIGNED, CREDENTIALS, IDENTITY, ORIGIN, FRAMING] {
            let of = |list: &[(&str, &str)], end: &str| {
                let names = list.iter().filter(|(_, reason)| *reason == why);
                names.map(|(name, _)| format!("`{name}`{end}")).collect::<Vec<_>>()
            };
            let (families, words) = (of(FAMILIES, ""), of(WORDS, ""));
            let mut names = Vec::new();
            if !families.is_empty() {
                names.push(format!("{}, alone or with more behind a `-`", families.join(", ")));
            }
            if !words.is_empty() {
                names.push(format!("every name with one of the words {}", words.join(", ")));
            }
            writeln!(table, "| {} | {why} |", names.join("; ")).unwrap();
        }
        crate::telemetry::reference_page::check("docs/reference/protocol.md", "headers never passed on", &table);
    }
}
