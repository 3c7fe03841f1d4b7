//! The order of boot entries' versions against systemd's own.

use crate::support::output_of;
use coldread_artifacts::identity::boot::version;
use std::{cmp::Ordering, process::Command};

/// Versions of these characters, the same at every run.
fn versions(count: usize) -> Vec<String> {
    const CHARS: &[u8] = b"0011279aAbZ..--~^_+";
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    (0..count).map(|_| (0..next(7)).map(|_| char::from(CHARS[next(CHARS.len())])).collect()).collect()
}

#[test]
fn versions_as_systemd_compares_them() {
    if output_of("systemd-analyze", &["compare-versions", "1", "lt", "2"]).is_none() {
        return;
    }
    let all = versions(1200);
    for pair in all.chunks_exact(2) {
        // A version with `-` before it is an option.
        let [one, other] = [&pair[0], &pair[1]].map(|version| format!("x{version}"));
        let word = match version::compare(&one, &other) {
            Ordering::Less => "lt",
            Ordering::Equal => "eq",
            Ordering::Greater => "gt",
        };
        let status = Command::new("systemd-analyze").args(["compare-versions", &one, word, &other]).status();
        assert!(status.is_ok_and(|status| status.success()), "{one} {word} {other}");
    }
}
