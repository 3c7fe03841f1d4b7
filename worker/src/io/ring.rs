//! Setting up an io_uring: the flags, files and restrictions that the kernel at hand knows.
//!
//! Source: io_uring_setup(2), io_uring_register(2) of liburing.

use super::file::DiskFile;
use io_uring::{IoUring, Probe, opcode, register::Restriction, squeue};
use rustix::process::{Resource, geteuid, getrlimit};
use std::{
    io,
    os::fd::AsRawFd,
    sync::atomic::{AtomicU64, Ordering},
};

/// Entries of the submission queue, so the deepest that a queue gets.
pub(super) const DEPTH: u32 = 128;
/// Number of `IORING_REGISTER_BUFFERS_UPDATE`.
const REGISTER_BUFFERS_UPDATE: u8 = 16;
/// The only flag that a submission may carry: its file is a registered one.
const FIXED_FILE: u8 = squeue::Flags::FIXED_FILE.bits();

/// A ring that can read one file.
pub(super) struct Ring {
    /// The ring.
    pub(super) uring: IoUring,
    /// Whether buffers can be registered one by one.
    registers_buffers: bool,
    /// Whether the kernel knows the buffer of each number.
    registered: Vec<bool>,
    /// Bytes of its registered buffers.
    locked: u64,
}

/// Bytes of registered buffers in this process.
static LOCKED: AtomicU64 = AtomicU64::new(0);

impl Ring {
    /// Whether the kernel knows a buffer, its address and length, which is always the same under one number; it is told of
    /// it where it may be.
    pub(super) fn knows(&mut self, number: u16, buffer: (*mut u8, usize)) -> bool {
        let Some(known) = self.registered.get(usize::from(number)).copied() else { return false };
        if known || !self.registers_buffers {
            return known;
        }
        let registered = self.may_lock(buffer.1 as u64) && self.register(number, buffer);
        // The limit on locked memory is met: further buffers would meet it too.
        self.registers_buffers = registered;
        self.registered[usize::from(number)] = registered;
        registered
    }

    fn register(&self, number: u16, (start, len): (*mut u8, usize)) -> bool {
        let vector = libc::iovec { iov_base: start.cast(), iov_len: len };
        // SAFETY: the registration alone writes nothing: it pins the pages that the vector names, so that they stay valid
        // for the kernel until the ring is gone even if they are unmapped before.
        unsafe { self.uring.submitter().register_buffers_update(u32::from(number), &[vector], None) }.is_ok()
    }

    /// Whether `bytes` more may be registered. Users other than root share a limit on locked memory between
    /// all their rings and buffers; half of it is left alone, so that another thread can still open a ring.
    fn may_lock(&mut self, bytes: u64) -> bool {
        let limit = if geteuid().is_root() { None } else { getrlimit(Resource::Memlock).current };
        let before = LOCKED.fetch_add(bytes, Ordering::Relaxed);
        let may = limit.is_none_or(|limit| before.saturating_add(bytes) <= limit / 2);
        if may {
            self.locked += bytes;
        } else {
            LOCKED.fetch_sub(bytes, Ordering::Relaxed);
        }
        may
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        LOCKED.fetch_sub(self.locked, Ordering::Relaxed);
    }
}

/// The index of the file that bypasses the page cache among the registered files.
pub(super) const DIRECT: u32 = 0;
/// The index of the file that is read through the page cache.
pub(super) const CACHED: u32 = 1;

/// A ring for the calling thread, with room for `buffers` registered buffers.
///
/// Kernels are asked for the most first: one thread that submits, completions run when that thread waits,
/// and nothing but reads (restrictions, Linux 5.10); each is left out where the kernel does not know it.
pub(super) fn set_up(file: &DiskFile, buffers: u16) -> io::Result<Ring> {
    let mut last = None;
    for level in 0..3 {
        for restricted in [true, false] {
            match attempt(file, buffers, level, restricted) {
                // An unknown flag; everything else is no better without it.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => last = Some(error),
                other => return other,
            }
        }
    }
    Err(last.unwrap_or_else(|| io::Error::from_raw_os_error(libc::EINVAL)))
}

fn attempt(file: &DiskFile, buffers: u16, level: u8, restricted: bool) -> io::Result<Ring> {
    let mut builder = IoUring::builder();
    builder.dontfork();
    match level {
        0 => {
            // Linux 6.1.
            builder.setup_single_issuer().setup_defer_taskrun().setup_coop_taskrun().setup_taskrun_flag();
        }
        1 => {
            // Linux 5.19.
            builder.setup_coop_taskrun().setup_taskrun_flag();
        }
        _ => {}
    }
    if restricted {
        builder.setup_r_disabled();
    }
    let uring: IoUring = builder.build(DEPTH)?;
    let submitter = uring.submitter();
    let mut probe = Probe::new();
    submitter.register_probe(&mut probe)?;
    if !probe.is_supported(opcode::Read::CODE) || !probe.is_supported(opcode::ReadFixed::CODE) {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    let cached = file.cached().as_raw_fd();
    submitter.register_files(&[file.direct().map_or(cached, AsRawFd::as_raw_fd), cached])?;
    // Linux 5.19; reads into buffers that are not registered are slower and otherwise the same.
    let registers_buffers = submitter.register_buffers_sparse(u32::from(buffers)).is_ok();
    if restricted {
        submitter.register_restrictions(&mut [
            Restriction::sqe_op(opcode::Read::CODE),
            Restriction::sqe_op(opcode::ReadFixed::CODE),
            Restriction::register_op(REGISTER_BUFFERS_UPDATE),
            Restriction::sqe_flags_allowed(FIXED_FILE),
        ])?;
        submitter.register_enable_rings()?;
    }
    Ok(Ring { uring, registers_buffers, registered: vec![false; usize::from(buffers)], locked: 0 })
}

/// Why the kernel refuses io_uring, in words.
pub(super) fn refusal(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => {
            "io_uring is not permitted (sysctl kernel.io_uring_disabled, or a container's seccomp profile)"
                .to_owned()
        }
        Some(libc::EACCES) => "io_uring is not permitted by a security policy".to_owned(),
        Some(libc::ENOSYS) => "this kernel has no io_uring, or a seccomp profile hides it".to_owned(),
        Some(libc::ENOMEM) => {
            "io_uring may not lock the memory it needs (ulimit -l, or the cgroup's memory)".to_owned()
        }
        Some(libc::EOPNOTSUPP | libc::EINVAL) => "this kernel's io_uring is too old to read with".to_owned(),
        _ => format!("io_uring cannot be set up: {error}"),
    }
}
