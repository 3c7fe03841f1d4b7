//! Bounds on what a worker may send. A worker that keeps to the contract never meets them.

pub use coldread_model::task::MAX_CONTENT_SHARDS;

/// Volumes of one source.
pub const MAX_VOLUMES: usize = 4096;
/// Surveys that one volume is cut into.
pub const MAX_SURVEYS: u64 = 1024;
/// Bytes of one named output.
pub const MAX_OUTPUT_BYTES: u64 = 64 << 30;
/// Bytes of a result that the coordinator itself decodes: it is in memory while it does.
pub const MAX_RESULT_BYTES: u64 = 1 << 30;
/// Bytes of an output's name.
pub const MAX_NAME_BYTES: usize = 512;
/// Named outputs of one scan.
pub const MAX_OUTPUTS: usize = 1 << 16;
/// Objects asked about or sent in one message.
pub const MAX_OBJECTS_A_MESSAGE: usize = 1 << 14;
/// Kept results asked for in one message.
pub const MAX_KEPT_A_MESSAGE: usize = 1 << 10;
/// Patterns of paths in one question: the listing is looked through for each.
pub const MAX_PATTERNS: usize = 1000;
/// Characters of a reason, an asset's or a worker's name that are kept.
pub const MAX_TEXT_CHARS: usize = 4096;
/// Workers known at a time.
pub const MAX_WORKERS: usize = 1 << 16;
/// Scans that have not ended.
pub const MAX_SCANS: usize = 1 << 17;
/// Scans that have ended and can still be watched.
pub const MAX_ENDED_SCANS: usize = 1 << 12;
/// The longest that a call for a lease waits, in milliseconds.
pub const MAX_WAIT_MILLIS: u32 = 60_000;
/// Coverage, gaps or specs of one snapshot, encoded: what one object of the store holds, with room to
/// spare. What is more is cut by the commit, which says so in a gap.
pub const MAX_PART_BYTES: usize = 60 << 20;

/// `text`, cut at [`MAX_TEXT_CHARS`].
pub fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).collect()
}
