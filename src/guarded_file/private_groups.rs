//! Groups whose only member is root or our own user.

use std::sync::OnceLock;

use rustix::process::geteuid;

/// Whether root or our user is the only member of `group`, by this system's own files. A group that only a directory
/// service knows counts as one with other members.
///
/// The files are read at the first call, when a process that confines itself still can.
pub(super) fn is_private(group: u32) -> bool {
    static PRIVATE: OnceLock<Vec<u32>> = OnceLock::new();
    let known = PRIVATE.get_or_init(|| {
        let text = |path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let (passwd, groups) = (text("/etc/passwd").unwrap_or_default(), text("/etc/group").unwrap_or_default());
        [0, geteuid().as_raw()].into_iter().filter_map(|user| private_group(user, &passwd, &groups)).collect()
    });
    known.contains(&group)
}

/// Reads the files, so that later questions are answered from memory.
pub(super) fn learn() {
    let _known = is_private(0);
}

/// The primary group of `user` if it is named after them and they are its only member.
fn private_group(user: u32, passwd: &str, groups: &str) -> Option<u32> {
    // name:password:uid:gid:...
    let users: Vec<(&str, u32, u32)> = passwd
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((name, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .collect();
    let (name, _, group) = *users.iter().find(|(_, number, _)| *number == user)?;
    let is_alone = users.iter().all(|(_, number, primary)| *primary != group || *number == user);
    // name:password:gid:member,member
    let mut entries = groups.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let called = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == group).then_some((called, fields.next().unwrap_or_default()))
    });
    let (called, members) = entries.next()?;
    let no_other = members.split(',').map(str::trim).all(|member| member.is_empty() || member == name);
    (is_alone && called == name && no_other && entries.next().is_none()).then_some(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n\
                          bob:x:1001:100::/home/bob:/bin/sh\n";

    #[test]
    fn a_group_named_after_its_only_member_is_private() {
        let groups = "root:x:0:\nusers:x:100:\nalice:x:1000:\n";
        assert_eq!(private_group(1000, PASSWD, groups), Some(1000));
        assert_eq!(private_group(0, PASSWD, groups), Some(0));
        assert_eq!(private_group(1000, PASSWD, "alice:x:1000:alice\n"), Some(1000));
    }

    #[test]
    fn a_group_that_others_are_in_or_may_be_in_is_not() {
        for groups in ["alice:x:1000:bob\n", "staff:x:1000:\n", "", "alice:x:1000:\nteam:x:1000:bob\n", "alice::x:\n"] {
            assert_eq!(private_group(1000, PASSWD, groups), None, "{groups}");
        }
        assert_eq!(private_group(1001, PASSWD, "users:x:100:\n"), None);
        assert_eq!(private_group(4711, PASSWD, "alice:x:1000:\n"), None);
        let shared = format!("{PASSWD}carol:x:1002:1000::/home/carol:/bin/sh\n");
        assert_eq!(private_group(1000, &shared, "alice:x:1000:\n"), None);
    }
}
