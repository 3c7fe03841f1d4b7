//! Volumes that end before their filesystem does: a truncated image, a partition table that is wrong.
//!
//! One rule for all filesystems. A filesystem's own size is believed. What lies past the volume's end is asked
//! for like anything else, and the source says that it is not there: each thing lost is a gap of kind `io`,
//! never "corrupt" and never "not found". Inodes that would lie there are [`Survey::lose`]d in runs, so that a
//! name that leads to one is told with the same kind. The volume has one more gap `io` at its end, and is
//! `partial`, or `unreplayed` where its journal went with the rest.
//!
//! [`Survey::lose`]: crate::survey::Survey::lose

use super::Probed;
use coldread_model::{Gap, GapKind, VolumeState};

/// What a driver's probe says of a filesystem of so many bytes in a volume of so many: the rule above.
pub(super) fn cut_short(mut probed: Probed, filesystem_bytes: u64, volume_bytes: u64) -> Probed {
    probed.size_bytes = filesystem_bytes.min(volume_bytes);
    if filesystem_bytes <= volume_bytes {
        return probed;
    }
    let reason = reason(filesystem_bytes, volume_bytes);
    probed.gaps.push(Gap::new(GapKind::Io, "volume", &*reason).at_byte(volume_bytes));
    match probed.state {
        VolumeState::Clean | VolumeState::Replayed => {
            probed.state = VolumeState::Partial;
            probed.reason = reason;
        }
        _ => probed.reason = format!("{}; {reason}", probed.reason),
    }
    probed
}

/// The rule's reason.
fn reason(filesystem_bytes: u64, volume_bytes: u64) -> String {
    format!("the filesystem has {filesystem_bytes} bytes, its volume ends after {volume_bytes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(state: VolumeState) -> Probed {
        Probed {
            geometry: Vec::new(),
            units: 1,
            name: "any".to_owned(),
            label: None,
            uuid: None,
            size_bytes: 0,
            block_bytes: 512,
            state,
            reason: "the log is old".to_owned(),
            patches: Vec::new(),
            identity: Vec::new(),
            gaps: Vec::new(),
        }
    }

    #[test]
    fn a_volume_cut_short_is_partial_unless_it_is_worse() {
        let whole = cut_short(probed(VolumeState::Clean), 100, 120);
        assert_eq!((whole.state, whole.size_bytes, whole.gaps.len()), (VolumeState::Clean, 100, 0));
        for (before, after, reason) in [
            (VolumeState::Clean, VolumeState::Partial, "the filesystem"),
            (VolumeState::Replayed, VolumeState::Partial, "the filesystem"),
            (VolumeState::Unreplayed, VolumeState::Unreplayed, "the log is old; the filesystem"),
            (VolumeState::Partial, VolumeState::Partial, "the log is old; the filesystem"),
        ] {
            let cut = cut_short(probed(before), 100, 80);
            assert_eq!((cut.state, cut.size_bytes), (after, 80));
            assert!(cut.reason.starts_with(reason), "{}", cut.reason);
            let gaps: Vec<_> = cut.gaps.iter().map(|gap| (gap.kind, gap.at)).collect();
            assert_eq!(gaps, [(GapKind::Io, Some(80))]);
        }
    }
}
