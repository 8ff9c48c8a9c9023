//! countersign: a signing HTTP reverse proxy for the AWS Query protocol.
//!
//! Programs that hold no keys send it plain, unsigned form POSTs. It decides whether this client may call this Action, signs
//! the request with an access key the client never sees (AWS Signature Version 2), forwards it to the configured endpoint over
//! TLS, and streams the answer back. This page is the architecture; README.md is for those who run it.
//!
//! # The life of a request
//!
//! There is one street: `Proxy::exchange` in [`proxy::exchange`] walks a request through the modules from top to bottom. Each step
//! takes what the step before made, so the compiler keeps the order.
//!
//! ```text
//!            direct                                a head read to the letter, whose request is usual; else hyper, behind a tap
//! route    = routes.select(target)                 which endpoint: by listener, Host, path prefix; there is no default
//!            head::admit(head, route, names)       Host, Origin, method, no query string, no loop, media type
//! client   = callers.authenticate(evidence)        before the body is read: strangers get no memory; then its rate
//! bytes    = body::read(body, limits).await        cap and deadline
//! form     = QueryForm::parse(bytes, limits)       decoded strictly, unique names, Action present, client's own auth dropped
//! allowed  = policy.authorize(client, route, form) -> Authorized: only this function makes one
//!            deliver(route, allowed, ...).await, again and again where that is safe:
//! ready    = attempts.connection().await           pooled or new; nothing is signed that cannot be sent
//! unsealed = signing::prepare(allowed, key, ...)   canonical query string and string to sign, in one buffer
//! mac      = key.mac(string to sign).await         at once from memory; elsewhere a bounded queue and a deadline
//! signed   = unsealed.seal(mac)                    -> SignedRequest: the only thing `upstream` can send
//! sent     = attempts.send(ready, signed).await    once; what may be tried again goes back to `connection`, signed anew
//!            clock.observe(sent), read_error()  the endpoint's time; what is refused for its time goes there once more
//!            headers::relay(sent)                  hop-by-hop fields off; the body streams through
//! ```
//!
//! Two consequences, both on purpose:
//! - `QueryForm -> Authorized -> Unsealed -> SignedRequest`, each made only from the one before: "the policy saw X, the
//!   endpoint received Y" cannot be written, nor can an unsigned request be sent.
//! - What is sent is the canonical query string that was signed (the same bytes of the same buffer) plus `&Signature=`. Of the
//!   client's own spelling only what is proved canonical is copied; its framing, encoding, trailers and path are never forwarded.
//!   Parser differentials end here.
//!
//! Whatever fails on the street is an [`proxy::fault::ExchangeError`]; one exhaustive `match` makes a
//! [`proxy::fault::Fault`] of it (status, code, blame, message, close?), and [`proxy::answer::refuse`] writes that in the
//! dialect of the route. The outer `handle` never fails.
//!
//! # The modules, and who may use whom
//!
//! `tests/house.rs` holds this table and fails when the sources break it.
//!
//! | module | what it is | uses |
//! |---|---|---|
//! | [`query`] | the AWS Query protocol, pure: parameters, forms, percent encoding, error documents | |
//! | [`authorize`] | who may do what, pure: evidence, clients, rules, rates, policy | `query` |
//! | [`secret_file`] | opening a file that holds a secret, and refusing one that others can read | |
//! | [`directories`] | which changes of files are noticed, and how | `secret_file` |
//! | [`credentials`] | access keys: secret types, key stores, which key is current, refresh | `secret_file`, `directories` |
//! | [`signing`] | signatures, pure: prepare and seal, verify, diagnose, the endpoint's clock | `query`, `authorize`, `credentials` |
//! | [`http1`] | the grammar of HTTP/1.1, pure: heads, fields, framing, chunks, for both sides | |
//! | [`upstream`] | the endpoint's side: DNS, TCP, TLS, pool, send, what may be sent again, stream | `http1`, `signing`, `clock` |
//! | [`fetch`] | one document over HTTPS, bounded in size and time, for what is needed beside exchanges | `secret_file`, `upstream` |
//! | [`downstream`] | the client's side: listeners (TCP, Unix, inherited), TLS, peer evidence, service-account tokens, accept, clocks of a connection, body reading, drain | `http1`, `secret_file`, `clock` |
//! | [`telemetry`] | logs, metrics, the audit, the record of an exchange | |
//! | [`proxy`] | one exchange: the street, routes, head checks, header fields, faults and answers | all of the above, `clock` |
//! | [`admin`] | health, readiness, metrics, on a listener of their own | `downstream`, `telemetry` |
//! | [`config`] | text to [`config::settings::Settings`], every fault at its place; plain values of other rooms, nothing live | `query`, `authorize`, `credentials`, `signing`, `downstream`, `telemetry` |
//! | [`confine`] | what the process gives up before it serves: files, ports, system calls | |
//! | [`clock`] | the one place that reads the time | |
//! | [`sandbox`] | a verifying Import/Export endpoint to develop against | `query`, `signing`, `credentials`, `clock` |
//! | [`app`] | builds, starts and drains the live program | everything |
//! | [`cli`] | one file per command | everything |
//!
//! `http1`, `query`, `authorize` and `signing` never touch a runtime, a socket, a file, a log or a clock: time is an argument.
//!
//! # Threads
//!
//! Each worker is a thread with a single-threaded runtime, its own `SO_REUSEPORT` socket on every TCP listener and its own
//! pool of connections to every endpoint (`app::serve::worker`). The kernel spreads connections over workers; a request never
//! changes its thread. A Unix socket or one that was inherited has one queue, of which every worker has a clone. What workers share is read-only, or an atomic counter ([`downstream::Capacity`]; metrics and log lines have a place for each worker), or the current key
//! ([`credentials::KeySlot`]) or what is known of an endpoint's clock ([`proxy::EndpointClock`]), both read without a lock, or what
//! is known of an endpoint that fails ([`upstream::Breaker`], whose lock nobody takes while all is well). The admin listener and each key have a thread, so that health
//! and key changes do not wait for traffic, nor traffic for them; so have the fetching of a token issuer's keys, and the audit, whose queue has a place for every exchange
//! before it sends anything. The main thread waits for signals. It binds every socket and confines itself ([`confine`]) before
//! it starts the first of these threads, because what a thread gives up binds only itself and those it starts.
//!
//! A key store that runs programs or loads libraries has a process of its own ([`credentials::agent`]), started before this one
//! confines itself; those of age plugins ([`credentials::plugin`]) and of AWS's chain (`credentials::aws`) start another for each
//! time they ask ([`credentials::agent::errand`]). A key in a token ([`credentials::pkcs11`]) signs there: workers put requests into a socket of packets without
//! waiting, a thread of the agent for each session answers them, and one thread here, started by the first request, hands the
//! answers out. A key in memory signs on the worker's thread, at once.
//!
//! # Reload
//!
//! A thread of its own (`app::reload`) reads the configuration again, asks what of it would need rights that are gone
//! (`app::reload::restart`), and builds the successor of the whole [`app::Graph`]. What is configured as it was is handed over: key slots,
//! destinations, TLS, counters, levels of rates. The graph then goes to every worker by a channel; each builds its part, keeps the
//! connections of unchanged destinations, and replaces the [`downstream::Service`] of each listener. A request looks at it once, at
//! its start: policy, key and endpoint are of one graph.
//!
//! # Invariants
//!
//! 1. No secret, string to sign, signature, form value or `Authorization` field in a log, metric, error or answer. Secrets are
//!    types without `Debug`, `Clone` or `Serialize`; one method with a greppable name, `expose_secret`, lends their bytes. Of a
//!    secret key only keyed states stay, in memory that nobody else can read; `tests/outside/memory` looks for more.
//! 2. Nothing goes upstream that was not made from a [`signing::SignedRequest`]. There is no pass-through and no default route.
//! 3. Upstream host, path and key come from the configuration, never from anything a client sent.
//! 4. Keys are refreshed beside the request path; a store that fails, or a new key that is not proven, leaves the last good key; an
//!    expired key is never used, nor another key in its place.
//! 5. A listener that does not say who may call, one beyond loopback without client authentication, a plaintext endpoint beyond loopback and a key file that
//!    others can read are refused at start. The middle two have a `danger_` switch, off by default and logged at warn.
//! 6. No `unwrap`, unchecked indexing or arithmetic on the request path; a panic ends one exchange, with a 500
//!    (`proxy::containment`).
//! 7. HTTP/1.1 only, on both sides.
//! 8. Once it serves, the process can open, connect to and call only what its configuration needs, as far as the kernel can see
//!    to that; `danger_unconfined` is off by default and logged at warn. The process of a key store that needs one is apart: it is
//!    told once which store to be, hears nothing of requests but what a token is to sign, and is not confined.
//! 9. No request is judged, signed and sent by parts of two configurations; one that cannot be proved as a whole changes nothing.
//! 10. With an audit, no request is signed that has no place for its line, unless `when_full = "drop"` says otherwise.
//! 11. A request of which the kernel took a byte is sent again only when its Action only reads, once, signed anew. Sending consumes
//!     a `SignedRequest`, so that the same signature cannot go out twice. One that the endpoint refused for its time was not
//!     carried out: it is sent once more, whatever its Action, when the endpoint's time is known and explains the refusal.
//!
//! # Where we left the design we began with, and why
//!
//! - A system call comes through a crate with a safe interface, and for `memfd_secret` there is none worth having: the one crate that
//!   makes the call has an unsafe interface, and leaves its descriptor open to programs started later. So the package
//!   `src/secret_memory` beside this one does it, with a few blocks of `unsafe` that say why they are sound; here it is forbidden.
//! - Routing looks at the path as a whole: a path prefix chooses a route only when nothing but a slash follows it. What would
//!   follow could only be dropped or forwarded; the first surprises, the second lets clients choose the signed path.
//! - A request sent upstream carries `Via: 1.1 countersign`, by which a loop is recognised (508).
//! - `Sec-Fetch-Mode` alone is no sign of a web page: server-side JavaScript sends it. `Origin` and `Sec-Fetch-Site` are.
//! - A listener closes its connections with a short lingering read. Otherwise the refusal of a large body would be lost to the
//!   reset that unread bytes provoke.
//! - Configuration is read by a small reader of ours over the merged layers, not by serde: serde stops at the first fault.
//! - A session of downstream TLS is never resumed, since a resumed one skips the revocation lists; `session_lifetime` bounds a
//!   connection instead.
//! - A POST that does not say how long its body is gets 411 and a closed connection: what follows its head would otherwise be read
//!   as the next request.
//! - Heads are read by [`http1::request_head`] to the letter. What nearly all clients send, a POST of HTTP/1.1 with a
//!   Content-Length that asks nothing of the connection, is then served without hyper (`downstream::direct`): hyper's server costs
//!   a read that finds nothing, several writes and some ten kilobytes for each connection, together a good part of a request. The
//!   first request that is not usual, or whose head is incomplete or refused, goes to hyper with all that has come, and the rest
//!   of its connection with it, so that whatever is rare has one implementation, and not ours.
//! - Those heads are read a second time by hyper, which is lenient in ways that a front proxy may not share. It is shown whole
//!   heads that passed, each with its own body, and for one that did not a stand-in, whose exchange is the refusal: answered in its
//!   turn, logged and counted like every other. hyper so refuses nothing by itself, and a request that hyper should begin where no
//!   head was judged is refused too. Of two framings neither is believed (400).
//! - Header fields are kept as the text they came in ([`http1::fields`]), not in `http`'s map: to parse and hash a dozen names, twice for
//!   each exchange, was a tenth of its instructions. They are passed on in the order and the case in which they came.
//! - Machine-readable log lines are written by a formatter of ours, since the library's took a quarter of a request's
//!   instructions; a test holds it against the library's, line by line. That of an exchange takes its fields from the same list
//!   as `tracing`'s event, and not from the event: to carry them was half of the work. A test holds the two together.
//! - Endpoints are called by a client of our own ([`upstream`]): hyper's costs a task, a channel and several system calls more for
//!   each exchange, and cannot say whether it wrote a byte. The grammar of heads stays that of httparse.
//! - Whether an endpoint has closed a connection before it is used again is asked of the runtime, which looked at all sockets before
//!   it began with the tasks of this round, and of the kernel only when the runtime knows of something ([`upstream::pool`]): a
//!   system call for each request is 3 % of one, and an endpoint that closes a few microseconds later cannot be told anyway.
//! - A client that closes its half of the connection behind its request is served as long as it is sent something every three
//!   seconds; then it counts as gone, since until it is sent something the two look the same. Proxies that take every half-closed
//!   client for a gone one leave clients that mean well without an answer to a call that may have been carried out.
//! - What is no HTTP at all on our port is logged at `info`, not `debug`: every exchange has its line. `proxy::notice` has the
//!   level and name of every refusal.
//! - An empty parameter name is passed on: independent implementations agree on its signature.
//! - `form_urlencoded` decoded every form, behind a check of its escapes and its UTF-8: each byte was looked at six times and a
//!   form of 32 KB took 102 us, five times its hash. `query::spelling` looks at 64 bytes at once, to see whether the client
//!   wrote them as they will be signed. Then they are copied, and a value is decoded when a policy or the audit asks for it. Else
//!   `query::decode` decodes all, and refuses what it meets instead of looking for it first. `form_urlencoded` reads what others may
//!   have read (diagnosis, sandbox), and is what the tests compare with, form by form, accepted or not.

pub mod admin;
pub mod app;
pub mod authorize;
pub mod cli;
pub mod clock;
pub mod config;
pub mod confine;
pub mod credentials;
pub mod directories;
pub mod downstream;
pub mod fetch;
pub mod http1;
pub mod proxy;
pub mod query;
pub mod sandbox;
pub mod secret_file;
pub mod signing;
pub mod telemetry;
pub mod upstream;
