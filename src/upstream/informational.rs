//! Answers before the answer: few are borne, whatever time is left (RFC 9110 section 15.2 sets no limit).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Request;
use hyper::ext::on_informational;
use tokio::sync::Notify;

/// Most informational answers to one request. Endpoints send one, if any: `100 Continue`, which we do not ask for.
const MOST: usize = 20;

/// Counts the informational answers to one request.
pub(super) struct Flood(Arc<Notify>);

impl Flood {
    /// Watches the answers to `request`.
    pub(super) fn watch<B>(request: &mut Request<B>) -> Self {
        let too_many = Arc::new(Notify::new());
        let (count, told) = (AtomicUsize::new(0), Arc::clone(&too_many));
        on_informational(request, move |_answer| {
            if count.fetch_add(1, Ordering::Relaxed) >= MOST {
                told.notify_one();
            }
        });
        Self(too_many)
    }

    /// Waits until there have been too many.
    pub(super) async fn too_many(&self) {
        self.0.notified().await;
    }
}
