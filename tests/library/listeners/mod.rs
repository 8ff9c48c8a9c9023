//! Listeners over real sockets: who gets in, and what each connection proves about its client.
//!
//! Some of these tests let another user connect, for which they have to run as root. They say so when they do not.

mod inherited;
mod leaving;
mod loopback;
mod placing;
mod plain;
mod serving;
mod tls;
mod tls_files;
mod unix;
