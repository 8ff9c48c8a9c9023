//! Keys of AWS's chain, in a program that was built without them.

use crate::config::settings::AwsStore;
use crate::credentials::{AgentError, KeyStore, LoadError, LoadErrorKind};

/// Says so.
pub(super) fn store(_store: &AwsStore) -> Result<Box<dyn KeyStore>, LoadError> {
    let text = "this countersign was built without the feature `aws`, which kind = \"aws\" needs: build it with \
                `cargo build --release --features aws`";
    Err(AgentError::Store { kind: LoadErrorKind::Invalid, text: text.to_owned() }.into())
}
