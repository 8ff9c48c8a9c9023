//! Keys of AWS's chain, in a program that was built without them.

use crate::credentials::{AgentError, AwsKey, KeyStore, LoadError, LoadErrorKind};

/// Refuses such a key.
pub(super) fn store(_key: &AwsKey) -> Result<Box<dyn KeyStore>, LoadError> {
    let text = "this countersign was built without the feature `aws`, which kind = \"aws\" needs: build it with \
                `cargo build --release --features aws`";
    Err(AgentError::Store { kind: LoadErrorKind::Invalid, text: text.to_owned() }.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::credentials::AwsSource;

    #[test]
    fn a_program_without_the_feature_says_how_to_build_one_with_it() {
        let (profile, role, region) = (None, None, None);
        let (timeout, refresh) = (Duration::from_secs(30), Duration::from_secs(3600));
        let configured = AwsKey { source: AwsSource::Default, profile, role, region, timeout, refresh };
        let error = store(&configured).err().unwrap();
        // waiting does not help: neither `check` nor a start succeeds
        assert_eq!(error.kind(), LoadErrorKind::Invalid);
        let text = error.to_string();
        assert!(text.contains("without the feature `aws`") && text.contains("--features aws"), "{text}");
    }
}
