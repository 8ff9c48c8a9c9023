//! Who may read a secret: root and our own user; and a group of ours, where root or the kubelet lends it a file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{getegid, getgroups};

use super::error::{GuardError, SECRET, in_kubernetes_volume, injected_remedy};
use super::writers::{check_owner, is_injected, permissions};

/// Checks a regular file that holds a secret. A mode that lets others read such a file is refused, and with it every
/// mode that lets others write it.
pub(super) fn check_secret(path: &Path, metadata: &Metadata) -> Result<(), GuardError> {
    check_owner(path, metadata)?;
    // the kubelet gives a pod's token to the pod's user and lends it to the pod's group, which has the other secrets
    let is_lent = metadata.uid() == 0 || is_injected(path, metadata.uid()) || in_kubernetes_volume(path);
    let lent_to_group = is_lent && is_our_group(metadata.gid());
    let open_to_others = if lent_to_group { metadata.mode() & 0o037 } else { metadata.mode() & 0o077 };
    if open_to_others == 0 {
        return Ok(());
    }
    let remedy = if in_kubernetes_volume(path) {
        "set defaultMode: 0400 on the volume in the pod's specification".to_owned()
    } else {
        injected_remedy(path, SECRET).unwrap_or_else(|| format!("chmod 600 {}", path.display()))
    };
    Err(GuardError::OpenToOthers { path: path.to_owned(), mode: permissions(metadata), remedy })
}

fn is_our_group(group: u32) -> bool {
    let supplementary = || getgroups().unwrap_or_default().iter().any(|ours| ours.as_raw() == group);
    group == 0 || group == getegid().as_raw() || supplementary()
}
