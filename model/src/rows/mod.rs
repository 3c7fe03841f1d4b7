//! Rows of findings as objects of the store: sorted, cut into batches, written one after the other.
//!
//! A batch is its rows' encodings, one behind the other, without a count: whoever reads one needs no more memory
//! than its bytes and one row. Rows of most kinds are encoded each by itself ([`Each`]), those of logins by what they have
//! in common ([`login`]). Where a batch ends depends on its rows alone, so that the same rows of another disk, or
//! of the same disk a day later, are the same objects.

pub mod login;

use crate::{
    account::{Account, Key, Setting},
    boundary,
    codec::DecodeError,
    id::{ObjectId, ObjectKind},
    login::{LogWindow, LoginEvent, LoginKind},
    package::Package,
    time::Timestamp,
};
use login::{LoginReader, LoginWriter};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// No batch ends before so many rows …
const MIN_ROWS: u32 = 8 << 10;
/// … nor has more than so many …
const MAX_ROWS: u32 = 64 << 10;
/// … or more bytes than this, by more than one row.
const MAX_BYTES: usize = 8 << 20;
/// After [`MIN_ROWS`], one row in so many ends its batch.
const ROWS_PER_CUT: u64 = 24 << 10;

/// A kind of rows that objects hold.
pub trait Row: Serialize + DeserializeOwned + Ord + 'static {
    /// What the objects are.
    const KIND: ObjectKind;
    /// The word for a batch in errors.
    const NAME: &'static str;

    /// What writes the rows of a batch.
    type Writer: WriteRow<Self>;
    /// What reads them.
    type Reader: ReadRow<Self>;

    /// About how many bytes of memory it takes.
    fn weight(&self) -> usize;
}

/// Writes the rows of one batch.
pub trait WriteRow<T>: Default {
    /// Appends a row to the batch, which is `bytes`; gives a hash of this row alone.
    fn write(&mut self, row: &T, bytes: &mut Vec<u8>) -> u64;
}

/// Reads the rows of one batch.
pub trait ReadRow<T>: Default {
    /// Takes the next row from the rest of the batch, which is not empty. The error says why there is none.
    fn read(&mut self, rest: &mut &[u8]) -> Result<T, String>;
}

/// Rows that are written each by itself, as their type says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Each;

impl<T: Serialize> WriteRow<T> for Each {
    fn write(&mut self, row: &T, bytes: &mut Vec<u8>) -> u64 {
        let start = bytes.len();
        // Serialising to a growing vector fails only for types without a postcard form; ours have one.
        postcard::serialize_with_flavor(row, Appended(bytes))
            .unwrap_or_else(|error| unreachable!("a row without an encoding: {error}"));
        boundary::hash(&bytes[start..])
    }
}

impl<T: DeserializeOwned> ReadRow<T> for Each {
    fn read(&mut self, rest: &mut &[u8]) -> Result<T, String> {
        let (row, left) = postcard::take_from_bytes(rest).map_err(|error| error.to_string())?;
        *rest = left;
        Ok(row)
    }
}

fn texts<'a, T: AsRef<str> + 'a>(texts: impl IntoIterator<Item = &'a Option<T>>) -> usize {
    texts.into_iter().flatten().map(|text| text.as_ref().len() + 8).sum()
}

impl Row for Package {
    const KIND: ObjectKind = ObjectKind::PackageSet;
    const NAME: &'static str = "package set";
    type Writer = Each;
    type Reader = Each;

    fn weight(&self) -> usize {
        let more =
            [&self.arch, &self.source_name, &self.source_version, &self.vendor, &self.module, &self.owner];
        let fixed = self.name.len() + self.version.len() + self.purl.len() + self.root.len();
        size_of::<Self>() + fixed + self.origin.volume.len() + self.origin.path.len() + texts(more)
    }
}

impl Row for LoginEvent {
    const KIND: ObjectKind = ObjectKind::LoginBatch;
    const NAME: &'static str = "login batch";
    type Writer = LoginWriter;
    type Reader = LoginReader;

    fn weight(&self) -> usize {
        let named = [&self.user, &self.from, &self.host, &self.tty];
        let more = [&self.session, &self.method, &self.target, &self.detail];
        let evidence: usize = self.evidence.iter().map(|one| size_of_val(one) + one.origin.len() + 8).sum();
        size_of::<Self>() + self.origin.len() + self.root.len() + 16 + evidence + texts(named) + texts(more)
    }
}

impl Row for LogWindow {
    const KIND: ObjectKind = ObjectKind::LogWindows;
    const NAME: &'static str = "log windows";
    type Writer = Each;
    type Reader = Each;

    fn weight(&self) -> usize {
        size_of::<Self>() + self.origin.len() + self.root.len()
    }
}

impl Row for Account {
    const KIND: ObjectKind = ObjectKind::Accounts;
    const NAME: &'static str = "accounts";
    type Writer = Each;
    type Reader = Each;

    fn weight(&self) -> usize {
        let lists: usize = self.related.iter().chain(&self.privileges).map(|text| text.len() + 32).sum();
        let more = [&self.sid, &self.full_name, &self.home, &self.shell, &self.scheme];
        size_of::<Self>() + self.name.len() + self.origin.len() + self.root.len() + lists + texts(more)
    }
}

impl Row for Key {
    const KIND: ObjectKind = ObjectKind::Keys;
    const NAME: &'static str = "keys";
    type Writer = Each;
    type Reader = Each;

    fn weight(&self) -> usize {
        let options: usize = self.options.iter().map(|text| text.len() + 32).sum();
        let more = [&self.user, &self.fingerprint, &self.comment];
        size_of::<Self>() + self.algorithm.len() + self.origin.len() + self.root.len() + options + texts(more)
    }
}

impl Row for Setting {
    const KIND: ObjectKind = ObjectKind::Settings;
    const NAME: &'static str = "settings";
    type Writer = Each;
    type Reader = Each;

    fn weight(&self) -> usize {
        let fixed = self.subject.len() + self.name.len() + self.value.len();
        size_of::<Self>() + fixed + self.origin.len() + self.root.len() + texts([&self.condition])
    }
}

/// A batch of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsRef {
    /// The object.
    pub id: ObjectId,
    /// Rows in it.
    pub rows: u32,
}

/// A batch of login events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginsRef {
    /// The batch.
    pub batch: RowsRef,
    /// Failed logins in it.
    pub failed: u32,
    /// The first and last time of its events; none where none has a time.
    pub span: Option<(Timestamp, Timestamp)>,
}

impl LoginsRef {
    /// Whether it may hold an event of `since..until`; events without a time are in no span.
    pub fn may_hold(&self, since: Option<Timestamp>, until: Option<Timestamp>) -> bool {
        match self.span {
            Some((first, last)) => {
                since.is_none_or(|since| last >= since) && until.is_none_or(|until| first < until)
            }
            None => since.is_none() && until.is_none(),
        }
    }
}

/// Everything that extractors found on one asset, as objects: each list sorted throughout its batches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundRefs {
    /// Packages.
    pub packages: Vec<RowsRef>,
    /// How many of them are installed.
    pub installed: u64,
    /// Login events.
    pub logins: Vec<LoginsRef>,
    /// What time each login record covers.
    pub windows: Vec<RowsRef>,
    /// Users and groups.
    pub accounts: Vec<RowsRef>,
    /// Keys.
    pub keys: Vec<RowsRef>,
    /// Settings of logins.
    pub settings: Vec<RowsRef>,
}

impl FoundRefs {
    /// The names of all objects.
    pub fn objects(&self) -> impl Iterator<Item = ObjectId> {
        let logins = self.logins.iter().map(|batch| batch.batch.id);
        let lists = [&self.packages, &self.windows, &self.accounts, &self.keys, &self.settings];
        lists.into_iter().flatten().map(|batch| batch.id).chain(logins)
    }

    /// Login events in all.
    pub fn login_rows(&self) -> u64 {
        self.logins.iter().map(|batch| u64::from(batch.batch.rows)).sum()
    }

    /// Failed logins in all.
    pub fn failed_logins(&self) -> u64 {
        self.logins.iter().map(|batch| u64::from(batch.failed)).sum()
    }
}

/// Whether an event of this kind counts as a failed login.
pub fn is_failed(kind: LoginKind) -> bool {
    kind == LoginKind::Failed
}

/// A batch being written.
#[derive(Debug)]
pub struct BatchWriter<T: Row> {
    bytes: Vec<u8>,
    rows: u32,
    writer: T::Writer,
}

impl<T: Row> Default for BatchWriter<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), rows: 0, writer: T::Writer::default() }
    }
}

impl<T: Row> BatchWriter<T> {
    /// Adds the next row; true where the batch ends with it.
    pub fn push(&mut self, row: &T) -> bool {
        let hash = self.writer.write(row, &mut self.bytes);
        self.end_row(hash)
    }

    /// Adds the next row, which `write` appends and of which it gives the hash; true where the batch ends with it. After
    /// an error the batch is of no use.
    pub fn push_written<E>(
        &mut self,
        write: impl FnOnce(&mut T::Writer, &mut Vec<u8>) -> Result<u64, E>,
    ) -> Result<bool, E> {
        let hash = write(&mut self.writer, &mut self.bytes)?;
        Ok(self.end_row(hash))
    }

    /// Takes in a row that was appended.
    fn end_row(&mut self, hash: u64) -> bool {
        self.rows += 1;
        self.rows >= MAX_ROWS
            || self.bytes.len() >= MAX_BYTES
            || self.rows >= MIN_ROWS && hash.is_multiple_of(ROWS_PER_CUT)
    }

    /// The batch's bytes and the number of its rows, if there are any. The next one begins.
    pub fn take(&mut self) -> Option<(Vec<u8>, u32)> {
        let rows = std::mem::take(&mut self.rows);
        self.writer = T::Writer::default();
        (rows > 0).then(|| (std::mem::take(&mut self.bytes), rows))
    }

    /// Gives the room of a batch that is no longer needed to the next one, if that has not begun.
    pub fn recycle(&mut self, mut bytes: Vec<u8>) {
        if self.bytes.capacity() == 0 {
            bytes.clear();
            self.bytes = bytes;
        }
    }
}

/// Where encodings are appended, a field at a time.
struct Appended<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appended<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }
    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// The rows of a batch, decoded one by one.
#[derive(Debug)]
pub struct RowsIter<T: Row> {
    bytes: Vec<u8>,
    at: usize,
    reader: T::Reader,
}

impl<T: Row> RowsIter<T> {
    /// Over a batch's bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0, reader: T::Reader::default() }
    }
}

impl<T: Row> Iterator for RowsIter<T> {
    type Item = Result<T, DecodeError>;

    /// After an error nothing more comes.
    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let row = self.reader.read(&mut rest);
        self.at = if row.is_ok() { self.bytes.len() - rest.len() } else { self.bytes.len() };
        Some(row.map_err(|reason| DecodeError::Invalid { structure: T::NAME, reason }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::LoginSource;

    fn event(second: i64) -> LoginEvent {
        let time = Some(Timestamp::new(second, 0));
        LoginEvent::new(LoginSource::Btmp, LoginKind::Failed, time, "/var/log/btmp", second as u64 * 384)
    }

    fn batches(rows: impl Iterator<Item = i64>) -> Vec<(Vec<u8>, u32)> {
        let mut writer = BatchWriter::default();
        let mut all = Vec::new();
        for row in rows {
            if writer.push(&event(row)) {
                all.extend(writer.take());
            }
        }
        all.extend(writer.take());
        all
    }

    #[test]
    fn batches_hold_every_row_and_meet_again_behind_what_is_new() {
        let all = batches(0..200_000);
        assert!(all.len() > 3 && all.iter().all(|(_, rows)| *rows <= MAX_ROWS));
        let rows = all.iter().flat_map(|(bytes, _)| RowsIter::<LoginEvent>::new(bytes.clone()));
        assert!(rows.map(Result::unwrap).eq((0..200_000).map(event)));
        // The log lost its oldest rows and got new ones: what is between is the same objects.
        let later = batches(1000..210_000);
        let shared = later.iter().filter(|batch| all.contains(batch)).count();
        assert!(shared + 3 >= all.len(), "{shared} of {}", all.len());
    }

    #[test]
    fn a_damaged_batch_ends_with_an_error() {
        let (mut bytes, _) = batches(0..3).remove(0);
        bytes.truncate(bytes.len() - 1);
        let rows: Vec<_> = RowsIter::<LoginEvent>::new(bytes).collect();
        assert_eq!(rows.len(), 3);
        assert!(rows[1].is_ok() && rows[2].is_err());
    }

    #[test]
    fn a_batch_outside_the_span_is_told_by_its_reference() {
        let at = |seconds| Timestamp::new(seconds, 0);
        let batch = RowsRef { id: ObjectId([0; 32]), rows: 1 };
        let timed = LoginsRef { batch, failed: 0, span: Some((at(10), at(20))) };
        let timeless = LoginsRef { span: None, ..timed };
        assert!(timed.may_hold(None, None) && timed.may_hold(Some(at(20)), None));
        assert!(!timed.may_hold(Some(at(21)), None) && !timed.may_hold(None, Some(at(10))));
        assert!(timeless.may_hold(None, None) && !timeless.may_hold(Some(at(0)), None));
    }
}
