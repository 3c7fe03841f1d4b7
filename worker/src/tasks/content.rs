//! Content: SHA-256 of streams, read in the order in which they lie on the disk.

use super::{
    Job, TaskContext, TaskError,
    plan::{self, PlannedContent, PlannedStream},
    survey::Opened,
};
use coldread_fsparse::content::{
    ContentError, Sink,
    digest::{DigestSink, digest_of},
    read_items,
};
use coldread_model::{
    CoverageClass, CoverageRange, Gap, GapKind, Sha256Digest,
    task::{ContentOutput, SourceSpec, StreamDigest, VolumeSpec},
};
use std::{collections::HashMap, thread};

impl Job<'_> {
    pub(super) fn content(
        &self,
        source: &SourceSpec,
        volume: &VolumeSpec,
        plan: &str,
    ) -> Result<ContentOutput, TaskError> {
        let opened = self.open_volume(source, volume)?;
        let bytes = self.context.get_output(plan)?;
        let streams = plan::decode(&bytes).map_err(|error| TaskError::Invalid(error.to_string()))?;
        self.hash(&opened, volume, &streams)
    }

    /// Hashes streams on all threads, each a stretch of the disk.
    pub(super) fn hash(
        &self,
        opened: &Opened<'_>,
        volume: &VolumeSpec,
        streams: &[PlannedStream],
    ) -> Result<ContentOutput, TaskError> {
        let total = plan::allocated(streams);
        let mut parts: Vec<&[PlannedStream]> = Vec::new();
        let (mut rest, mut before) = (streams, 0_u64);
        for part in 1..self.threads as u64 {
            let until = (u128::from(total) * u128::from(part) / self.threads as u128) as u64;
            let mut sum = before;
            let cut = rest.iter().position(|stream| {
                sum = sum.saturating_add(plan::allocated(std::slice::from_ref(stream)));
                sum > until
            });
            let (now, later) = rest.split_at(cut.unwrap_or(rest.len()));
            before = before.saturating_add(plan::allocated(now));
            parts.push(now);
            rest = later;
        }
        parts.push(rest);
        let one = |part: &[PlannedStream]| self.hash_part(opened, volume, part);
        let one = &one;
        let outputs: Vec<Result<ContentOutput, TaskError>> = thread::scope(|scope| {
            let running: Vec<_> = parts.iter().map(|part| scope.spawn(move || one(part))).collect();
            let panicked = || TaskError::Invalid("a content thread ended without a result".to_owned());
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
        });
        let mut whole = ContentOutput::default();
        for output in outputs {
            let output = output?;
            whole.digests.extend(output.digests);
            whole.coverage.extend(output.coverage);
            whole.gaps.extend(output.gaps);
        }
        self.check()?;
        whole.digests.sort_unstable();
        whole.coverage.sort_unstable();
        whole.gaps.sort_unstable();
        Ok(whole)
    }

    fn hash_part(
        &self,
        opened: &Opened<'_>,
        volume: &VolumeSpec,
        streams: &[PlannedStream],
    ) -> Result<ContentOutput, TaskError> {
        let mut output = ContentOutput::default();
        let keep = |output: &mut ContentOutput, stream: &PlannedStream, sha256| {
            let (inode, stream) = (stream.inode, stream.stream.clone());
            output.digests.push(StreamDigest { inode, stream, sha256 });
        };
        for stream in streams {
            if let PlannedContent::Inline(bytes) = &stream.content {
                let valid = bytes.len().min(usize::try_from(stream.initialized).unwrap_or(usize::MAX));
                keep(&mut output, stream, digest_of(&bytes[..valid], stream.size));
            }
        }
        let mut queue = opened.source.open_queue().map_err(|error| TaskError::Source(error.to_string()))?;
        let mut sink = Counted { digests: DigestSink::default(), context: self.context };
        let items = streams.iter().enumerate().filter_map(|(i, stream)| Some((i, stream.item()?)));
        read_items(items, &mut *queue, self.memory.ahead(self.threads), &mut sink);
        for (index, result) in sink.digests.results {
            let stream = &streams[index];
            match result {
                Ok(digest) => keep(&mut output, stream, digest),
                // Others' bytes lay there in the meantime.
                Err(ContentError::Corrupt { .. }) if stream.deleted => {}
                Err(error) => fail(&mut output, volume, stream.inode, &error),
            }
        }
        Ok(output)
    }
}

/// Records a stream that could not be hashed.
fn fail(output: &mut ContentOutput, volume: &VolumeSpec, inode: u64, error: &ContentError) {
    let (kind, structure, range) = match error {
        ContentError::Io { range, .. } => (GapKind::Io, "content", *range),
        ContentError::Corrupt { range, .. } => (GapKind::Corrupt, "compressed data", *range),
    };
    let gap = Gap::new(kind, structure, error.to_string()).in_volume(&volume.name);
    output.gaps.push(gap.at_inode(inode).at_byte(range.start));
    if let Some(range) = range.shifted(volume.range.start).filter(|range| !range.is_empty()) {
        let (volume, class) = (volume.name.clone(), CoverageClass::Damaged);
        output.coverage.push(CoverageRange { volume, range, class, detail: String::new() });
    }
}

/// Counts what is read, and stops when the lease is lost.
struct Counted<'a> {
    digests: DigestSink,
    context: &'a dyn TaskContext,
}

impl Sink for Counted<'_> {
    fn bytes(&mut self, item: usize, bytes: &[u8]) {
        self.context.progress(bytes.len() as u64);
        self.digests.bytes(item, bytes);
    }
    fn zeros(&mut self, item: usize, len: u64) {
        self.digests.zeros(item, len);
    }
    fn done(&mut self, item: usize) {
        self.digests.done(item);
    }
    fn failed(&mut self, item: usize, error: ContentError) {
        self.digests.failed(item, error);
    }
    fn stop(&self) -> bool {
        self.context.cancelled()
    }
}

/// Digests by inode and stream.
pub(super) struct Digests<'a>(HashMap<(u64, &'a [u8]), Sha256Digest>);

impl<'a> Digests<'a> {
    pub(super) fn new(digests: &'a [StreamDigest]) -> Self {
        Self(digests.iter().map(|one| ((one.inode, one.stream.as_slice()), one.sha256)).collect())
    }

    pub(super) fn get(&self, inode: u64, stream: &[u8]) -> Option<Sha256Digest> {
        self.0.get(&(inode, stream)).copied()
    }
}
