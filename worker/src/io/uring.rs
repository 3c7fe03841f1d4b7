//! io_uring: one ring a queue, registered buffers and files, past the page cache where the file allows it and the
//! cache does not have all that a read asks for.
//!
//! `push` only collects. `next` hands out what is ready; when nothing is, it takes in what has completed,
//! fills the ring from what waits (in disk order, merged) and only then waits for the disk. Up to
//! [`ring::DEPTH`] reads and as many bytes as [`Ahead`] allows are under way.
//!
//! A read that comes back whole is answered from its buffer. Whatever else comes back (short, interrupted,
//! refused, a bad sector) is read again by [`salvage`] in the calling thread: it is rare, and the other
//! reads stay under way meanwhile.
//!
//! **A buffer belongs to the kernel until its completion.** A dropped queue waits for its reads; a disk that
//! hangs hangs it. Should waiting fail, the buffers are leaked and never reused.

use super::{
    ahead::Ahead,
    cache,
    file::{DirectFirst, DiskFile, MAX_AHEAD, RawRead, slabs_for},
    holes,
    pool::{Pool, Room},
    pread::PreadSource,
    ring::{self, Ring},
    salvage,
    waiting::{Filled, MAX_READ, Part, Waiting, answer},
};
use coldread_fsparse::source::{BlockSource, Completion, MappedRange, Memory, ReadQueue, SourceError};
use coldread_model::ByteRange;
use io_uring::{opcode, squeue, types::Fixed};
use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// Buffers that a ring may be told of: the slabs of a pool.
const BUFFERS: u16 = slabs_for(MAX_AHEAD) + 1;
/// So many reads are submitted at once, at most.
const BATCH: u32 = 8;
/// So many slabs are made before what has completed is handed out.
const MADE: u32 = 2;
/// With so many bytes under way a queue that has used up its slabs waits for one to come back.
const ENOUGH: u64 = 2 << 20;
/// Bytes that are copied from memory before the first of them are handed out: the next go into the same buffer, which the
/// processor's cache still has.
const COPIED: u64 = 256 << 10;
/// So often, a millisecond apart, a ring that is out of memory is asked again.
const MAX_TRIES: u32 = 10_000;

/// A file or device read through io_uring.
pub(super) struct UringSource {
    file: Arc<DiskFile>,
    raw: Arc<dyn RawRead>,
    /// Queues that are open.
    queues: AtomicU32,
    /// Serves queues for which the kernel has no ring left, where io_uring was not insisted on.
    instead: Option<PreadSource>,
    /// What a test makes of a completion's result.
    #[cfg(test)]
    distort: Option<Distort>,
}

/// From the range read and the kernel's result to the result that the queue sees.
#[cfg(test)]
pub(super) type Distort = Box<dyn Fn(ByteRange, i32) -> i32 + Send + Sync>;

impl UringSource {
    /// Reads `file`, or says why this kernel or container does not let us.
    pub(super) fn new(file: Arc<DiskFile>) -> Result<Self, String> {
        ring::set_up(&file, BUFFERS).map_err(|error| ring::refusal(&error))?;
        let raw = Arc::new(DirectFirst(Arc::clone(&file)));
        Ok(Self {
            file,
            raw,
            queues: AtomicU32::new(0),
            instead: None,
            #[cfg(test)]
            distort: None,
        })
    }

    /// Lets queues that get no ring (a limit of the user's, met by many threads) read by `pread`.
    pub(super) fn or_pread(mut self) -> Self {
        self.instead = Some(PreadSource::new(Arc::clone(&self.file)));
        self
    }

    /// Queues that are open.
    pub(super) fn queues(&self) -> u32 {
        self.queues.load(Ordering::Relaxed)
    }

    /// Completions as `distort` would have them, and `raw` to read again from.
    #[cfg(test)]
    pub(super) fn distorted(mut self, distort: Distort, raw: Arc<dyn RawRead>) -> Self {
        self.distort = Some(distort);
        self.raw = raw;
        self
    }
}

impl BlockSource for UringSource {
    fn size_bytes(&self) -> u64 {
        self.file.size()
    }

    fn map(&self, range: ByteRange) -> Result<Vec<MappedRange>, SourceError> {
        Ok(holes::map(&self.file, range))
    }

    fn open_queue(&self) -> Result<Box<dyn ReadQueue + '_>, SourceError> {
        let ring = match (ring::set_up(&self.file, BUFFERS), &self.instead) {
            (Ok(ring), _) => ring,
            (Err(_), Some(instead)) => return instead.open_queue(),
            (Err(error), None) => {
                let context = format!("open a queue on {}", self.file.path().display());
                return Err(SourceError::Io { context, reason: ring::refusal(&error) });
            }
        };
        self.queues.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(UringQueue {
            source: self,
            waiting: Waiting::new(&self.file),
            flights: Vec::new(),
            grounded: Vec::new(),
            in_flight: 0,
            in_flight_bytes: 0,
            ahead: Ahead::within(self.file.ahead()),
            landed: Vec::new(),
            pool: Pool::of(self.file.slabs()),
            ready: VecDeque::new(),
            broken: None,
            ring,
        }))
    }
}

/// A read under way, or room for one.
#[derive(Default)]
struct Flight {
    span: ByteRange,
    parts: Vec<Part>,
    /// The kernel's until the completion: it is not looked into before.
    room: Option<Room>,
    /// Since when the disk itself is asked; nothing where the page cache is.
    direct_since: Option<Instant>,
}

/// Where a read's bytes come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Disk,
    Memory,
    /// The page cache, which may have to ask the disk.
    Unknown,
}

struct UringQueue<'a> {
    source: &'a UringSource,
    waiting: Waiting<'a>,
    flights: Vec<Flight>,
    /// Numbers of flights that are not under way.
    grounded: Vec<usize>,
    in_flight: usize,
    /// Bytes of the buffers of reads under way.
    in_flight_bytes: u64,
    ahead: Ahead,
    /// Completions taken off the ring: flight and result.
    landed: Vec<(u64, i32)>,
    pool: Pool,
    ready: VecDeque<Completion>,
    /// Why the ring can no longer be used.
    broken: Option<String>,
    ring: Ring,
}

impl UringQueue<'_> {
    /// Whether another read may start.
    fn has_room(&self) -> bool {
        let most = self.ahead.bytes(self.source.queues());
        self.in_flight < ring::DEPTH as usize && self.in_flight_bytes < most
    }

    /// Puts waiting requests on the ring. Whether some are not submitted yet.
    ///
    /// A slab costs milliseconds when it is made: its pages are zeroed and pinned. A new queue that made all it can hold
    /// before it looked for the first completion would hand out the first piece 60 to 150 ms late, so only [`MADE`] are
    /// made in one go; the next call makes the next ones.
    fn board(&mut self) -> bool {
        let (mut unsubmitted, mut copied) = (0, 0);
        let made = self.pool.made();
        while self.has_room()
            && self.broken.is_none()
            && !self.waiting.is_empty()
            && self.pool.made().wrapping_sub(made) < MADE
            && copied < COPIED
        {
            // Consumers are about to give some back; where they do not, reads go on in memory of their own.
            if self.in_flight_bytes >= ENOUGH && self.pool.is_complete() && !self.pool.fits(MAX_READ) {
                break;
            }
            let number = self.grounded.pop().unwrap_or_else(|| {
                self.flights.push(Flight::default());
                self.flights.len() - 1
            });
            let mut flight = std::mem::take(&mut self.flights[number]);
            let Some(span) = self.waiting.take(&mut flight.parts, self.ahead.gap()) else {
                self.grounded.push(number);
                break;
            };
            flight.span = span;
            // The disk starts while another slab is made.
            if unsubmitted == BATCH || unsubmitted > 0 && !self.pool.fits(span.len) {
                unsubmitted = 0;
                self.enter(0);
            }
            let launched = match &self.broken {
                Some(reason) => Err(io::Error::other(reason.clone())),
                None => self.launch(&mut flight, number as u64),
            };
            match launched {
                Ok(origin) => {
                    self.in_flight += 1;
                    self.in_flight_bytes += span.len;
                    unsubmitted += 1;
                    copied += if origin == Origin::Memory { span.len } else { 0 };
                }
                Err(error) => {
                    self.fail(&flight, &error.to_string());
                    self.grounded.push(number);
                }
            }
            self.flights[number] = flight;
        }
        unsubmitted > 0
    }

    /// Writes the submission of `flight`.
    fn launch(&mut self, flight: &mut Flight, number: u64) -> io::Result<Origin> {
        let mut room = self.pool.take(flight.span.len)?;
        let known = room.number.filter(|number| self.ring.knows(*number, room.slab()));
        let (len, bytes) = (flight.span.len as u32, room.bytes().as_mut_ptr());
        // What memory has needs no disk, and is copied while it is submitted.
        let file = &self.source.file;
        let origin = match file.direct() {
            None => Origin::Unknown,
            Some(_) if cache::is_cached(file, flight.span) => Origin::Memory,
            Some(_) => Origin::Disk,
        };
        let direct = origin == Origin::Disk;
        flight.direct_since = direct.then(Instant::now);
        let file = Fixed(if direct { ring::DIRECT } else { ring::CACHED });
        let entry = match known {
            Some(index) => opcode::ReadFixed::new(file, bytes, len, index).offset(flight.span.start).build(),
            None => opcode::Read::new(file, bytes, len).offset(flight.span.start).build(),
        };
        flight.room = Some(room);
        let entry: squeue::Entry = entry.user_data(number);
        // SAFETY: the room has at least `len` bytes, which are this read's alone (the pool's contract), and the flight keeps
        // it, unread, until its completion is taken off the ring.
        let pushed = unsafe { self.ring.uring.submission().push(&entry) };
        if pushed.is_err() {
            flight.room = None;
            return Err(io::Error::other("the submission queue is full"));
        }
        Ok(origin)
    }

    /// Takes completions off the ring and answers their requests.
    fn reap(&mut self) {
        let mut landed = std::mem::take(&mut self.landed);
        landed.extend(self.ring.uring.completion().map(|entry| (entry.user_data(), entry.result())));
        for (number, result) in landed.drain(..) {
            self.land(number as usize, result);
        }
        self.landed = landed;
    }

    fn land(&mut self, number: usize, result: i32) {
        let Some(slot) = self.flights.get_mut(number) else { return };
        let mut flight = std::mem::take(slot);
        let Some(mut room) = flight.room.take() else { return };
        self.in_flight -= 1;
        self.in_flight_bytes -= flight.span.len;
        let file = &self.source.file;
        #[cfg(test)]
        let result = self.source.distort.as_ref().map_or(result, |distort| distort(flight.span, result));
        let end = salvage::wanted_end(&flight.parts);
        let done = usize::try_from(result).unwrap_or(0);
        let mut bad = Vec::new();
        if let Some(since) = flight.direct_since.filter(|_| done > 0) {
            self.ahead.answered(since.elapsed());
        }
        if (done as u64) < end.saturating_sub(flight.span.start) {
            if result == -libc::EINVAL && flight.direct_since.is_some() {
                file.refuse_direct();
            }
            bad = salvage::read(&*self.source.raw, file, room.bytes(), flight.span, end, done);
        }
        let (memory, offset) = room.memory();
        let filled = Filled { memory: &memory, offset, start: flight.span.start };
        answer(&flight.parts, &filled, &bad, &mut self.ready);
        self.flights[number] = flight;
        self.grounded.push(number);
    }

    /// Submits what boarded and waits for `want` completions. `false`: the ring is broken.
    fn enter(&mut self, want: usize) -> bool {
        for _ in 0..MAX_TRIES {
            match self.ring.uring.submit_and_wait(want) {
                Ok(_) => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Short of memory, or completions must be taken off first.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EBUSY)) => {
                    if !self.ring.uring.completion().is_empty() {
                        return true;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => {
                    self.broken = Some(format!("io_uring failed: {error}"));
                    return false;
                }
            }
        }
        self.broken = Some("io_uring is out of memory".to_owned());
        false
    }

    /// Answers a flight's requests with an error.
    fn fail(&mut self, flight: &Flight, reason: &str) {
        let memory: Arc<dyn Memory> = Arc::new(Vec::new());
        let none = Filled { memory: &memory, offset: 0, start: flight.span.start };
        let bad = [(flight.span, self.source.file.error(flight.span, reason.to_owned()))];
        answer(&flight.parts, &none, &bad, &mut self.ready);
    }

    /// Answers everything outstanding with an error. The kernel may still write to the buffers of reads
    /// under way, so these are never used again.
    fn fail_all(&mut self, reason: &str) {
        for number in 0..self.flights.len() {
            let mut flight = std::mem::take(&mut self.flights[number]);
            if let Some(room) = flight.room.take() {
                std::mem::forget(room);
                self.fail(&flight, reason);
            }
        }
        self.in_flight = 0;
        self.in_flight_bytes = 0;
        let mut flight = Flight::default();
        while let Some(span) = self.waiting.take(&mut flight.parts, 0) {
            flight.span = span;
            self.fail(&flight, reason);
        }
    }
}

impl ReadQueue for UringQueue<'_> {
    fn push(&mut self, tag: u64, range: ByteRange) {
        self.waiting.push(tag, range, &mut self.ready);
    }

    fn next(&mut self) -> Option<Completion> {
        loop {
            if let Some(done) = self.ready.pop_front() {
                return Some(done);
            }
            if let Some(reason) = self.broken.clone() {
                self.fail_all(&reason);
                return self.ready.pop_front();
            }
            self.reap();
            let boarded = self.board();
            let want = usize::from(self.ready.is_empty());
            if self.in_flight == 0 {
                if self.ready.is_empty() {
                    return None;
                }
            } else if boarded || want > 0 {
                let began = Instant::now();
                self.enter(want);
                // More under way would be no help to who has nothing left to ask for.
                if want > 0 && !self.waiting.is_empty() {
                    self.ahead.waited(began.elapsed());
                }
            }
        }
    }

    fn next_ready(&mut self) -> Option<Completion> {
        self.ready.pop_front()
    }
}

impl Drop for UringQueue<'_> {
    fn drop(&mut self) {
        self.source.queues.fetch_sub(1, Ordering::Relaxed);
        while self.in_flight > 0 && self.broken.is_none() && self.enter(1) {
            for entry in self.ring.uring.completion() {
                let flight = self.flights.get_mut(entry.user_data() as usize);
                if flight.is_some_and(|flight| flight.room.take().is_some()) {
                    self.in_flight -= 1;
                }
            }
        }
        for flight in &mut self.flights {
            // Only after a failure: see `fail_all`.
            std::mem::forget(flight.room.take());
        }
        std::mem::replace(&mut self.pool, Pool::of(0)).end();
    }
}
