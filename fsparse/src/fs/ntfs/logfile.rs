//! The log's restart area: whether the log holds changes that were not applied.

use super::{
    boot::{u16_at, u32_at, u64_at},
    record::{Malformed, apply_fixups, malformed},
};

/// Bytes from the log's start that hold both restart pages.
pub(super) const RESTART_BYTES: u64 = 8192;

/// Bytes of a restart page on every system that writes NTFS today.
const PAGE_BYTES: usize = 4096;

/// What the log says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogState {
    /// Closed, or emptied.
    Clean,
    /// A client had it open.
    Open,
}

/// Judges the log by the newer one of its restart pages. A log whose bytes are all FF was emptied.
///
/// Source: ntfs-3g, "logfile.h" (RESTART_PAGE_HEADER, RESTART_AREA), as documentation.
pub(super) fn log_state(pages: &[u8]) -> Result<LogState, Malformed> {
    if pages.iter().all(|&byte| byte == 0xff) {
        return Ok(LogState::Clean);
    }
    let areas = pages.chunks_exact(PAGE_BYTES).map(restart_area);
    let mut newest: Result<(u64, LogState), Malformed> = Err(malformed("a restart page", 0));
    for area in areas {
        newest = match (newest, area) {
            (Ok(a), Ok(b)) => Ok(if b.0 > a.0 { b } else { a }),
            (Ok(a), Err(_)) => Ok(a),
            (Err(_), area) => area,
        };
    }
    newest.map(|(_, state)| state)
}

/// Reads a restart page: its area's log sequence number, and whether a client had the log open.
fn restart_area(page: &[u8]) -> Result<(u64, LogState), Malformed> {
    let magic = u32_at(page, 0).unwrap_or(0);
    let system_page_size = u32_at(page, 16).unwrap_or(0) as usize;
    let restart_area_offset = usize::from(u16_at(page, 24).unwrap_or(0));
    if magic != u32::from_le_bytes(*b"RSTR") && magic != u32::from_le_bytes(*b"CHKD") {
        return Err(malformed("the signature \"RSTR\" or \"CHKD\"", u64::from(magic)));
    }
    let mut page = page.to_vec();
    // Pages of another size are protected in parts that are not here.
    if system_page_size == PAGE_BYTES {
        apply_fixups(&mut page)?;
    }
    let area = page.get(restart_area_offset..).filter(|_| restart_area_offset >= 30).unwrap_or_default();
    let wrong = malformed("a restart area within its page", restart_area_offset as u64);
    let current_lsn = u64_at(area, 0).ok_or(wrong)?;
    let client_in_use_list = u16_at(area, 12).ok_or(wrong)?;
    let flags = u16_at(area, 14).ok_or(wrong)?;
    let closed = client_in_use_list == u16::MAX || flags & 2 != 0;
    Ok((current_lsn, if closed { LogState::Clean } else { LogState::Open }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(lsn: u64, clients: u16, flags: u16) -> Vec<u8> {
        let mut page = vec![0; PAGE_BYTES];
        page[..4].copy_from_slice(b"RSTR");
        page[4..6].copy_from_slice(&30u16.to_le_bytes());
        page[6..8].copy_from_slice(&9u16.to_le_bytes());
        page[16..20].copy_from_slice(&4096u32.to_le_bytes());
        page[24..26].copy_from_slice(&48u16.to_le_bytes());
        page[30] = 7;
        for stride in 1..=8 {
            page[stride * 512 - 2] = 7;
        }
        page[48..56].copy_from_slice(&lsn.to_le_bytes());
        page[60..62].copy_from_slice(&clients.to_le_bytes());
        page[62..64].copy_from_slice(&flags.to_le_bytes());
        page
    }

    #[test]
    fn the_newer_page_decides() {
        let none = u16::MAX;
        for (first, second, want) in [
            (page(5, 0, 0), page(4, none, 0), LogState::Open),
            (page(5, none, 0), page(4, 0, 0), LogState::Clean),
            (page(5, none, 0), page(6, 0, 0), LogState::Open),
            (page(5, 0, 2), page(4, 0, 0), LogState::Clean),
            (vec![0xff; 4096], page(6, 0, 0), LogState::Open),
            (vec![0xff; 4096], vec![0xff; 4096], LogState::Clean),
        ] {
            assert_eq!(log_state(&[first, second].concat()), Ok(want));
        }
        let mut torn = page(9, none, 0);
        torn[1022] = 8;
        assert_eq!(log_state(&[torn.clone(), page(4, 0, 0)].concat()), Ok(LogState::Open));
        assert!(log_state(&[torn.clone(), torn].concat()).is_err());
        assert!(log_state(&[0; 100]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(damage in prop::collection::vec((0usize..8192, any::<u8>()), 0..40)) {
            let mut pages = [page(5, 0, 0), page(4, 0, 0)].concat();
            for (at, byte) in damage {
                pages[at] = byte;
            }
            let _ = log_state(&pages);
        }
    }
}
