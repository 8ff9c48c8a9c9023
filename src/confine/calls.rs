//! The system calls that are allowed, and those that are refused as not permitted.

macro_rules! calls {
    ($($name:ident)*) => { &[$(libc::$name),*] };
}

/// The calls that this program, tokio, rustls and the C library make after start. Where a newer library might use
/// another call of the same family, the whole family is listed. All other calls are answered as not implemented.
pub(super) const ALLOWED: &[i64] = calls![
    // memory
    SYS_brk SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_madvise SYS_mincore SYS_membarrier SYS_mlock SYS_mlock2
    SYS_munlock
    // threads
    SYS_clone SYS_exit SYS_exit_group SYS_futex SYS_gettid SYS_getpid SYS_getppid SYS_set_robust_list
    SYS_get_robust_list SYS_set_tid_address SYS_rseq SYS_sched_yield SYS_sched_getaffinity SYS_sched_getparam
    SYS_sched_getscheduler SYS_getcpu SYS_sigaltstack SYS_prctl SYS_tgkill SYS_restart_syscall SYS_prlimit64
    // signals
    SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigpending SYS_rt_sigtimedwait SYS_signalfd4
    // time and waiting
    SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_nanosleep SYS_gettimeofday SYS_times SYS_timerfd_create
    SYS_timerfd_settime SYS_timerfd_gettime SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2
    SYS_eventfd2 SYS_ppoll SYS_pselect6 SYS_pipe2
    // files; Landlock restricts which ones
    SYS_openat SYS_close SYS_close_range SYS_read SYS_pread64 SYS_readv SYS_preadv SYS_write SYS_pwrite64 SYS_writev
    SYS_pwritev SYS_lseek SYS_fstat SYS_newfstatat SYS_statx SYS_fstatfs SYS_statfs SYS_fcntl SYS_flock SYS_dup
    SYS_dup3 SYS_readlinkat SYS_getxattr SYS_faccessat SYS_faccessat2 SYS_getdents64 SYS_getcwd SYS_fsync SYS_fdatasync
    SYS_ioctl SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch
    // the network; Landlock restricts which ports, and `sockets` which kinds
    SYS_socket SYS_connect SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_shutdown SYS_getsockname SYS_getpeername
    SYS_getsockopt SYS_setsockopt SYS_sendto SYS_sendmmsg SYS_recvfrom
    // identity and limits of the process, and the system
    SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getgroups SYS_getresuid SYS_getresgid SYS_uname SYS_sysinfo
    SYS_getrusage SYS_getrandom SYS_umask
    // another filter can only restrict more; the second program is loaded after the first
    SYS_seccomp
];

/// Calls that remove a file.
pub(super) const REMOVE: &[i64] = calls![SYS_unlinkat];

/// The older call that removes a file, which C libraries use on x86-64.
#[cfg(target_arch = "x86_64")]
pub(super) const REMOVE_LEGACY: &[i64] = calls![SYS_unlink];
/// Other architectures do not have this call.
#[cfg(not(target_arch = "x86_64"))]
pub(super) const REMOVE_LEGACY: &[i64] = &[];

/// Allowed calls of older C libraries, which exist on x86-64 only.
#[cfg(target_arch = "x86_64")]
pub(super) const ALLOWED_LEGACY: &[i64] = calls![
    SYS_arch_prctl SYS_open SYS_stat SYS_lstat SYS_access SYS_readlink SYS_dup2 SYS_poll SYS_select SYS_epoll_create
    SYS_epoll_wait SYS_eventfd SYS_pipe SYS_inotify_init SYS_getdents SYS_getrlimit SYS_time
];
/// Other architectures do not have these calls.
#[cfg(not(target_arch = "x86_64"))]
pub(super) const ALLOWED_LEGACY: &[i64] = &[];

/// Calls that countersign never makes and an intruder would. They are refused even if programs may be started.
pub(super) const REFUSED: &[i64] = calls![
    // other processes
    SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_process_madvise SYS_pidfd_open SYS_pidfd_getfd
    SYS_pidfd_send_signal SYS_kcmp SYS_setpriority
    // mounts and namespaces
    SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_move_mount SYS_open_tree SYS_fsopen SYS_fsconfig SYS_fsmount
    SYS_fspick SYS_mount_setattr SYS_unshare SYS_setns
    // code in the kernel, and replacing the kernel
    SYS_bpf SYS_perf_event_open SYS_init_module SYS_finit_module SYS_delete_module SYS_kexec_load SYS_kexec_file_load
    SYS_reboot
    // large interfaces with a history of vulnerabilities
    SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_userfaultfd SYS_keyctl SYS_add_key SYS_request_key
    SYS_personality SYS_quotactl
    // files without a path, and programs in memory
    SYS_open_by_handle_at SYS_name_to_handle_at SYS_memfd_create SYS_fanotify_init
    // changing user, clock, limits and host name
    SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setgroups SYS_setfsuid
    SYS_setfsgid SYS_capset SYS_settimeofday SYS_clock_settime SYS_clock_adjtime SYS_adjtimex SYS_acct SYS_swapon
    SYS_swapoff SYS_sethostname SYS_setdomainname
];

/// Refused calls that exist on x86-64 only.
#[cfg(target_arch = "x86_64")]
pub(super) const REFUSED_LEGACY: &[i64] = calls![
    SYS_iopl SYS_ioperm SYS_modify_ldt SYS_setrlimit
];
/// Other architectures do not have these calls.
#[cfg(not(target_arch = "x86_64"))]
pub(super) const REFUSED_LEGACY: &[i64] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_both_allowed_and_refused() {
        let allowed: Vec<_> = ALLOWED.iter().chain(ALLOWED_LEGACY).collect();
        for call in REFUSED.iter().chain(REFUSED_LEGACY) {
            assert!(!allowed.contains(&call), "{call}");
        }
    }

    #[test]
    fn no_list_allows_starting_a_process_or_a_program() {
        for call in [libc::SYS_execve, libc::SYS_execveat, libc::SYS_clone3, libc::SYS_kill] {
            assert!(!ALLOWED.contains(&call) && !ALLOWED_LEGACY.contains(&call), "{call}");
        }
    }
}
