//! hyper's client as a second opinion on what an endpoint answers: it is lenient where RFC 9112 lets it be, and so are
//! we at most.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::reading::Behind;

/// Longer than anything takes; the clock is paused.
const NEVER: Duration = Duration::from_secs(60);

/// Status and body of the answer, if hyper takes it for a whole one.
pub(super) async fn by_hyper(answer: &[u8], behind: Behind) -> Option<(u16, Vec<u8>)> {
    let (ours, mut endpoint) = tokio::io::duplex(1 << 20);
    let connected = http1::Builder::new().max_buf_size(64 * 1024).max_headers(128).handshake(TokioIo::new(ours)).await;
    let (mut sender, connection) = connected.ok()?;
    let driver = spawn_local(async move { connection.await.is_ok() });
    let mut request = Request::new(Full::new(Bytes::from_static(b"Action=ListJobs")));
    *request.method_mut() = Method::POST;
    let answer = answer.to_vec();
    let script = spawn_local(async move {
        let _request = endpoint.read(&mut [0; 4096]).await;
        let _left = endpoint.write_all(&answer).await;
        if behind == Behind::Nothing {
            let _left = endpoint.shutdown().await;
        }
        endpoint
    });
    let whole = async {
        let (head, body) = sender.send_request(request).await.ok()?.into_parts();
        Some((head.status.as_u16(), body.collect().await.ok()?.to_bytes().to_vec()))
    };
    let whole = timeout(NEVER, whole).await.ok().flatten();
    driver.abort();
    script.abort();
    whole
}
