//! Read: one stream's bytes, for `cat` and `extract`.

use super::{Job, TaskContext, TaskError, probe::run};
use coldread_fsparse::{
    content::{ContentError, Item, Sink, read_items},
    source::BlockSource,
    survey::Encoding,
};
use coldread_model::{
    ObjectId,
    task::{SourceSpec, VolumeSpec},
};

/// Bytes kept under way; a reader that is slow holds back the disk.
const BUDGET: u64 = 8 << 20;
/// Zeros are sent in pieces of so many bytes.
const ZEROS: u64 = 1 << 20;

impl Job<'_> {
    /// That the disk at a location is still the one that was scanned, by its partition tables and superblocks.
    pub(super) fn same_disk(&self, source: &SourceSpec, identity: ObjectId) -> Result<(), TaskError> {
        let found = self.disks.identity(source, || Ok(self.probe(source)?.identity.metadata_digest))?;
        if found == identity {
            return Ok(());
        }
        let location = &source.location;
        Err(TaskError::Source(format!(
            "{location} is not the disk that was scanned, or it has changed: scan it again"
        )))
    }

    pub(super) fn read(
        &self,
        source: &SourceSpec,
        volume: &VolumeSpec,
        inode: u64,
        stream: &[u8],
    ) -> Result<(), TaskError> {
        let opened = self.open_volume(source, volume)?;
        let machine = opened.driver.inodes(&opened.spec.geometry, &[inode]);
        let mut machine = machine.map_err(|error| TaskError::Invalid(error.to_string()))?;
        run(&mut *machine, &opened.source)?;
        let survey = machine.finish();
        let place = || format!("{}, volume {}, inode {inode}", source.location, volume.name);
        let found = survey.inodes.iter().find(|found| found.number == inode);
        let Some(found) = found else {
            let reason = survey.gaps.first().map_or("not in use".to_owned(), |gap| gap.reason.clone());
            return Err(TaskError::Source(format!("{}: {reason}", place())));
        };
        let mut streams = survey.streams_of(found).iter();
        let Some(found) = streams.find(|one| survey.bytes(one.name) == stream) else {
            let name = String::from_utf8_lossy(stream);
            return Err(TaskError::Source(format!("{}: it has no stream {name:?}", place())));
        };
        let mut sink = Emit { size: found.size, context: self.context, failed: None };
        // The first message carries the size, also of an empty file.
        sink.send(Vec::new());
        match found.encoding {
            Encoding::Inline(span) => {
                let bytes = survey.bytes(span);
                let valid = found.initialized.min(found.size).min(bytes.len() as u64);
                sink.send(bytes[..valid as usize].to_vec());
                sink.zeros(0, found.size - valid);
            }
            Encoding::Unreadable { reason, .. } => {
                let reason = String::from_utf8_lossy(survey.bytes(reason));
                return Err(TaskError::Source(format!("{}: {reason}", place())));
            }
            Encoding::Plain(_) | Encoding::Lznt1 { .. } | Encoding::Wof { .. } => {
                let item = Item::of(&survey, found).map(|item| (0, item));
                let queue = opened.source.open_queue();
                let mut queue = queue.map_err(|error| TaskError::Source(error.to_string()))?;
                read_items(item, &mut *queue, BUDGET, &mut sink);
            }
        }
        match sink.failed {
            None => Ok(()),
            Some(TaskError::Source(reason)) => Err(TaskError::Source(format!("{}: {reason}", place()))),
            Some(other) => Err(other),
        }
    }
}

/// Sends bytes as they come.
struct Emit<'a> {
    size: u64,
    context: &'a dyn TaskContext,
    failed: Option<TaskError>,
}

impl Emit<'_> {
    fn send(&mut self, bytes: Vec<u8>) {
        if self.failed.is_none() {
            self.failed = self.context.emit(self.size, bytes).err();
        }
    }
}

impl Sink for Emit<'_> {
    fn bytes(&mut self, _: usize, bytes: &[u8]) {
        self.send(bytes.to_vec());
    }
    fn zeros(&mut self, _: usize, len: u64) {
        let mut left = len;
        while left > 0 && !self.stop() {
            let now = left.min(ZEROS);
            self.send(vec![0; now as usize]);
            left -= now;
        }
    }
    fn done(&mut self, _: usize) {}
    fn failed(&mut self, _: usize, error: ContentError) {
        self.failed.get_or_insert(TaskError::Source(error.to_string()));
    }
    fn stop(&self) -> bool {
        self.failed.is_some() || self.context.cancelled()
    }
}
