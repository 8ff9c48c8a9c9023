//! countersign: a signing HTTP reverse proxy for clouds that take forms: AWS's Query protocol and its relatives.
//!
//! Programs that hold no keys send it plain, unsigned form POSTs. It decides whether this client may call this Action,
//! signs the request with an access key that the client never sees, in the dialect of the endpoint (AWS Signature
//! Version 2 or 4, or that of another cloud), sends it to the configured endpoint over TLS, and streams the response
//! back.
//!
//! This page is the map: the life of a request, the rooms, the threads, reload, and the invariants. `docs/` is the
//! manual for those who run it; `docs/development` has the architecture at more length, recipes for common changes, and
//! the decisions with their reasons.
//!
//! # The life of a request
//!
//! `Proxy::run` in `proxy/exchange.rs` walks a request through the rooms from top to bottom. Each step takes what
//! the step before made, so that the compiler keeps the order.
//!
//! ```text
//! head     = http1, read by downstream::server     every head to the letter of RFC 9112, or refused
//! route    = routes.select(target)                 which endpoint: by listener, Host, path; there is no default
//!            head::admit(head, route, names)       Host, Origin, method, place of the form, no loop, media type
//! client   = callers.authenticate(evidence)        before the body is read: strangers get no memory; who signs with an
//!                                                  issued key is known before, and verified after the body is read
//!            charge(connection), client.take()     the client's share of connections, then its rate and quota
//! bytes    = body::read(body, limits).await        size limit, deadline, minimum rate, the client's share of memory;
//!                                                  or the query string, where the route takes forms there
//!            record.reserve_audit()                a place for the audit's line, or 503
//! form     = QueryForm::parse_as(names, bytes)     decoded strictly, unique names, an Action; client signature dropped
//! allowed  = policy.authorize(client, route, form) -> Authorized: only this function makes one
//! place    = take_place(route, client)             of the client's share; only an allowed call takes one
//!            deliver(route, allowed, ...).await    the steps below, and again where a repetition is safe; at the next
//!                                                  endpoint while surely nothing was sent to those before it:
//! ready    = attempts.connection().await           pooled or new; nothing is signed that cannot be sent
//! unsealed = signing::prepare(allowed, key, ...)   the form to send, and the string to sign that is made of it
//! mac      = key.mac(string to sign).await         at once from memory; elsewhere a bounded queue and a deadline
//! signed   = unsealed.seal(mac)                    -> SignedRequest: the only thing `upstream` can send
//! sent     = attempts.send(ready, signed).await    once; sending consumes it
//!            clock.observe(sent), Refusal::read()  its time; what is refused for its time is signed once more
//!            refusal.blank_token(sent)             in a refusal that repeats what was signed
//!            headers::relay(sent)                  hop-by-hop fields removed; the body streams through
//! ```
//!
//! Two consequences, both on purpose:
//! - `QueryForm -> Authorized -> Unsealed -> SignedRequest`, each made only from the one before: "the policy saw X, the
//!   endpoint received Y" cannot be written, nor can an unsigned request be sent.
//! - What is signed is a function of the bytes that are sent, where the dialect allows it the same bytes of the same
//!   buffer; the signature is added to the form or to the head. The client's framing, encoding, trailers and path are
//!   never forwarded. Differences between parsers end here.
//!
//! Whatever fails is a `proxy::fault::ExchangeError`. Each error has its row in [`faults`] (status, code, level and
//! reason of the log line, what to do), which one exhaustive `match` finds, and `proxy::response::refuse` writes the
//! response in the dialect of the route. The outer `handle` never fails.
//!
//! # The rooms, and who may use whom
//!
//! `tests/house.rs` reads this table and fails when the sources break it. `http1`, `query`, `authorize` and `signing`
//! are pure: no runtime, socket, file, log or clock. Time is an argument.
//!
//! | room | what it is | uses |
//! |---|---|---|
//! | [`http1`] | the grammar of HTTP/1.1, for both sides: heads, fields, framing, chunks | |
//! | [`query`] | signed forms: parameters, their names in each dialect, percent encoding, error documents | |
//! | [`authorize`] | who may do what: evidence, clients, rules, rates, policy | `query` |
//! | [`guarded_file`] | opening files that are trusted or secret, and refusing those that others can write or read | |
//! | `secret_memory` | memory that no other process can read: a package of its own | |
//! | [`directories`] | noticing that files change | `guarded_file` |
//! | [`credentials`] | access keys: secret types, key stores, the current key, refresh | `guarded_file`, `directories`, `error_chain`, `fetch`, `trust` |
//! | [`signing`] | signatures: a table of dialects, prepare and seal, verify, diagnose | `http1`, `query`, `authorize`, `credentials` |
//! | [`upstream`] | towards endpoints: names, TLS, pool, attempts, responses | `http1`, `signing`, `clock`, `trust` |
//! | [`error_chain`] | an error and its causes as one line | |
//! | `x509` | the parts of a certificate, read and not verified | |
//! | [`trust`] | trust anchors, and TLS towards other servers | `guarded_file`, `x509` |
//! | [`fetch`] | HTTP requests beside the exchanges, bounded in size and time | `guarded_file`, `trust` |
//! | [`rates`] | rates and quotas that replicas share through a store | `error_chain`, `guarded_file`, `trust` |
//! | [`downstream`] | towards clients: sockets, TLS, evidence, the server, drain | `http1`, `guarded_file`, `clock`, `x509` |
//! | [`faults`] | one row for each error: status, code, log reason, what to do | `http1`, `query` |
//! | [`build_info`] | version, commit and features of this build | |
//! | [`telemetry`] | log, metrics, audit, traces, the record of an exchange | `build_info`, `error_chain`, `faults`, `fetch`, `guarded_file`, `http1` |
//! | [`proxy`] | one exchange | `authorize`, `clock`, `credentials`, `downstream`, `error_chain`, `faults`, `http1`, `query`, `rates`, `signing`, `telemetry`, `upstream` |
//! | [`status`] | what an operator sees of a running process: a report, pure data | |
//! | [`admin`] | health, readiness, metrics and status, on a listener of their own | `downstream`, `http1`, `status`, `telemetry` |
//! | [`config`] | text to settings, made of plain values, nothing live | `query`, `authorize`, `credentials`, `signing`, `downstream`, `error_chain`, `guarded_file`, `http1`, `rates`, `telemetry`, `trust`, `upstream` |
//! | [`confine`] | what the process gives up before it serves: files, ports, sockets, system calls, capabilities | |
//! | [`clock`] | the one place that reads the time | |
//! | [`waits`] | what the process waits for at the moment, to be told to operators | |
//! | [`sandbox`] | a verifying endpoint to develop against | `query`, `signing`, `credentials`, `clock`, `faults`, `http1` |
//! | [`app`] | builds, starts, reloads and drains the live program | everything |
//! | [`cli`] | the command line: one file per command | everything |
//!
//! # Threads
//!
//! - **Workers.** Each is a thread with a single-threaded runtime, its own `SO_REUSEPORT` socket on every TCP listener,
//!   and its own pool of connections to every endpoint. A Unix socket or an inherited one has one queue, which all
//!   workers share. The worker that accepts a connection hands it to the one that has the fewest; a request never
//!   changes its thread.
//! - **What workers share** is read-only, an atomic counter ([`downstream::Capacity`], of which each client has a
//!   share: [`downstream::Shares`]), or read without a lock on the path of a request: the current key
//!   ([`credentials::KeySlot`]), what is known of an endpoint's clock ([`proxy::EndpointClock`]) and of an endpoint
//!   that fails ([`upstream::Breaker`]). A lock is taken when a connection of a client is opened or closed, to find the
//!   worker for it; by a request for which another worker has to close an idle connection of the same client; and when
//!   a connection to an endpoint is opened, for the addresses of its name.
//! - **Beside them** the admin listener, each key, the reader of the configuration, the fetching of a token issuer's
//!   keys, the export of spans, the log and the audit have a thread each, so that none of them waits for traffic, nor
//!   traffic for them.
//! - **A lookup** of an endpoint's name is a thread that lives as long as the C library needs, one for a route at a
//!   time. Calls that wait for it may end before.
//! - **The main thread** binds every socket and confines the process ([`confine`]) before it starts the first of these
//!   threads, because what a thread gives up binds only itself and those that it starts. Then it waits for signals.
//! - **Other processes.** A key store that runs programs or loads libraries has a process of its own
//!   ([`credentials::agent`]), started before this one confines itself. A key in a token signs there; a key in memory
//!   signs on the worker's thread.
//!
//! # Reload
//!
//! A thread reads the configuration again when it changes, finds out what of it would need rights that are gone, and
//! builds the successor of the whole [`app::Graph`]. What is configured as before is handed over: key slots,
//! connections, counters, levels of rates. Every worker then adopts the new graph. A request looks at it once, at its
//! start: policy, key and endpoint come from one graph.
//!
//! # Invariants
//!
//! 1. No secret, string to sign, signature, form value or `Authorization` field appears in a log, metric, span, error
//!    or response. Secrets are types without `Debug`, `Clone` or `Serialize`; one method with a greppable name,
//!    `expose_secret`, lends their bytes. Of a secret key only keyed states stay, in memory that nobody else can read.
//! 2. Nothing goes upstream that was not made from a [`signing::SignedRequest`]. There is no pass-through and no
//!    default route.
//! 3. Endpoint, path and key come from the configuration, never from anything that a client sent.
//! 4. Keys are refreshed beside the path of requests. A store that fails, or a new key that is not proven, leaves the
//!    last good key. An expired key is never used, nor another key in its place.
//! 5. Refused at start: a listener that does not say who may call, a listener beyond loopback without client
//!    authentication, a plaintext endpoint beyond loopback, a key file that others can read or write, and a trusted
//!    file that others can write. The second, the third and the last have a `danger_` switch; it is off by default and
//!    logged as a warning.
//! 6. No `unwrap`, unchecked indexing or arithmetic on the path of a request. A panic ends one exchange, with a 500.
//! 7. HTTP/1.1 only, on both sides.
//! 8. Once it serves, the process can open, connect to and call only what its configuration needs, as far as the kernel
//!    can enforce that. The process of a key store is not confined; it is told once which store to be, and gets
//!    nothing of a request except the string that a token is to sign.
//! 9. No request is judged, signed and sent by parts of two configurations. A configuration that cannot be proved as a
//!    whole changes nothing.
//! 10. With the audit on, a request is signed only if its line has a place in the queue, unless `when_full = "drop"`.
//! 11. A request of which the kernel took a byte is sent again only when its route lists the Action as safe to repeat:
//!     once, signed anew. A request that the endpoint refused for its time was not carried out: it is sent once
//!     more, whatever its Action.
//! 12. A call comes to one endpoint of its route. The next one gets it only while surely nothing of it was sent, and
//!     those before it are down; a repetition goes to the endpoint that got the first attempt.

pub mod admin;
pub mod app;
pub mod authorize;
pub mod build_info;
pub mod cli;
pub mod clock;
pub mod config;
pub mod confine;
pub mod credentials;
pub mod directories;
pub mod downstream;
pub mod error_chain;
pub mod faults;
pub mod fetch;
pub mod guarded_file;
pub mod http1;
pub mod proxy;
pub mod query;
pub mod rates;
pub mod sandbox;
pub mod signing;
pub mod status;
pub mod telemetry;
pub mod trust;
pub mod upstream;
pub mod waits;
mod x509;
