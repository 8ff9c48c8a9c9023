//! The client of the demonstration, which has no key and does not sign.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::cli::exit::{ExitCode, Failure};

/// The media type the reference client sends.
pub(super) const FORM: &str = "application/x-www-form-urlencoded;charset=utf-8";

/// A response, with the time at which each piece of it arrived.
pub(super) struct Reply {
    pub(super) status: u16,
    /// Pieces with the time since the request was sent.
    pub(super) pieces: Vec<(Duration, String)>,
    /// All of them together.
    pub(super) text: String,
}

/// Posts a form and reads the response as it arrives.
pub(super) async fn post(address: SocketAddr, form: &str) -> Result<Reply, Failure> {
    let stream = TcpStream::connect(address).await.map_err(|e| broken(&e))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::POST)
        .uri("/")
        .header(HOST, address.to_string())
        .header(CONTENT_TYPE, FORM)
        .body(Full::new(Bytes::copy_from_slice(form.as_bytes())))
        .map_err(|e| broken(&e))?;
    let sent = Instant::now();
    let mut response = sender.send_request(request).await.map_err(|e| broken(&e))?;
    let (mut pieces, mut text) = (Vec::new(), String::new());
    while let Some(frame) = response.frame().await {
        if let Ok(data) = frame.map_err(|e| broken(&e))?.into_data() {
            let piece = String::from_utf8_lossy(&data).into_owned();
            text.push_str(&piece);
            pieces.push((sent.elapsed(), piece));
        }
    }
    driver.abort();
    Ok(Reply { status: response.status().as_u16(), pieces, text })
}

fn broken(error: &dyn std::error::Error) -> Failure {
    Failure::because(ExitCode::Negative, error)
}
