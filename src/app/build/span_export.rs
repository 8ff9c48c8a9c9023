//! Where spans go: the collector as `[trace]` says, with its files looked at.

use std::sync::Arc;

use super::error::BuildError;
use super::shared_listener::server_location;
use super::span_places::SpanPlaces;
use crate::config::settings::{Export, Settings};
use crate::fetch::{Upload, UploadError};

/// The collector of spans, and the places of those that wait for it.
pub(crate) struct SpanExport {
    pub(crate) upload: Arc<Upload>,
    pub(crate) places: Arc<SpanPlaces>,
}

/// The means to reach the collector. What was made at the start is kept: a reload changes nothing about it.
pub(super) fn upload(export: &Export, before: Option<&SpanExport>) -> Result<Arc<Upload>, BuildError> {
    if let Some(before) = before {
        return Ok(Arc::clone(&before.upload));
    }
    let upload = Upload::new(server_location(&export.collector), export.headers_file.clone());
    upload.map(Arc::new).map_err(|source| failed(export, source))
}

/// What is wrong with it as far as can be seen without opening a secret.
pub(super) fn fault_without_secrets(settings: &Settings) -> Option<BuildError> {
    let export = settings.trace.as_ref()?.export.as_ref()?;
    let location = server_location(&export.collector);
    let upload = Upload::without_looking_at_headers(location, export.headers_file.clone());
    upload.err().map(|source| failed(export, source))
}

fn failed(export: &Export, source: UploadError) -> BuildError {
    BuildError::Collector { url: export.collector.url(), source: Box::new(source) }
}
