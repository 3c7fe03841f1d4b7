//! Scans, tasks and workers together, behind one lock that is held for moments only.

use crate::{
    commit,
    config::CoordinatorConfig,
    error,
    leases::{Lease, Leases, Lost, Place, Setback, TaskId},
    limits,
    planner::{Next, Planner, Step},
    queue::Queue,
    reading::{Pieces, Reading},
    results,
    scan::{self, Scan},
    spool::Spool,
};
use coldread_model::{
    Parts,
    task::{ContentMode, Share, SourceSpec, TaskInput},
};
use coldread_proto::{ServiceError, v1::ScanState};
use coldread_store::Store;
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time,
};

/// The heart of the coordinator.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The settings.
    pub(crate) config: CoordinatorConfig,
    /// The store.
    pub(crate) store: Arc<Store>,
    spool_root: PathBuf,
    queue: Queue,
    /// Sets this life of the coordinator apart from earlier ones in ids.
    boot: String,
    inner: Mutex<Inner>,
    /// Notified when tasks become ready.
    ready: Notify,
    /// True once the coordinator is ending.
    closing: watch::Sender<bool>,
    commits: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Inner {
    leases: Leases,
    jobs: HashMap<TaskId, Job>,
    scans: HashMap<String, watch::Receiver<ScanState>>,
    /// Scans that have ended, the oldest first.
    ended: VecDeque<String>,
    workers: HashMap<String, Worker>,
    last_id: u64,
}

#[derive(Debug)]
struct Worker {
    name: String,
    seen: Instant,
}

/// What a task is for.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// A step of a scan.
    Scan(Arc<Scan>, Step),
    /// Somebody waits for a file.
    Read(Arc<Reading>),
}

/// A scan that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Submission {
    /// The disk.
    pub(crate) source: SourceSpec,
    /// The asset's name.
    pub(crate) asset: String,
    /// Its account.
    pub(crate) account: Option<String>,
    /// Whether contents are wanted.
    pub(crate) content: ContentMode,
    /// The share of files that another library reads too.
    pub(crate) cross_check: Share,
    /// What is asked for.
    pub(crate) asked: Parts,
    /// Bytes of a shard; 0: the default.
    pub(crate) shard_bytes: u64,
}

/// A worker that nobody has heard of for so long may be forgotten.
const FORGET_WORKER_AFTER: Duration = Duration::from_hours(1);

fn lost(_: Lost) -> ServiceError {
    ServiceError::LeaseLost("the lease is another's now, or its task is done".to_owned())
}

impl Cluster {
    /// A cluster without work.
    pub(crate) fn new(
        config: CoordinatorConfig,
        store: Arc<Store>,
        spool_root: PathBuf,
        queue: Queue,
    ) -> Arc<Self> {
        let inner = Inner {
            leases: Leases::new(config.lease_time),
            jobs: HashMap::new(),
            scans: HashMap::new(),
            ended: VecDeque::new(),
            workers: HashMap::new(),
            last_id: 0,
        };
        Arc::new(Self {
            config,
            store,
            spool_root,
            queue,
            boot: format!("{:08x}", RandomState::new().hash_one(std::process::id()) as u32),
            inner: Mutex::new(inner),
            ready: Notify::new(),
            closing: watch::Sender::new(false),
            commits: Mutex::new(JoinSet::new()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Becomes true when the coordinator ends.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Ends waiting calls and takes no more work.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Waits until no commit is under way.
    pub(crate) async fn commits_ended(&self) {
        let mut commits = std::mem::take(&mut *self.commits.lock().unwrap_or_else(PoisonError::into_inner));
        while commits.join_next().await.is_some() {}
    }

    /// Takes back leases that have run out, for as long as the coordinator lives.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        let mut closing = self.closing();
        let mut tick = time::interval((self.config.lease_time / 8).max(Duration::from_millis(5)));
        while !*closing.borrow_and_update() {
            tokio::select! {
                _ = tick.tick() => self.expire(),
                _ = closing.changed() => break,
            }
        }
    }

    fn expire(self: &Arc<Self>) {
        let mut inner = self.lock();
        for (task, worker, setback) in inner.leases.expire(Instant::now()) {
            let name = inner.workers.get(&worker).map_or(worker, |worker| worker.name.clone());
            tracing::warn!(task = task.0, worker = name, "a lease ran out");
            let reason = ServiceError::Unavailable(format!("worker {name} did not renew its lease"));
            self.set_back(&mut inner, task, setback, reason);
        }
    }

    /// Queues a scan. Blocks.
    pub(crate) fn submit(self: &Arc<Self>, wanted: Submission) -> Result<String, ServiceError> {
        if *self.closing.borrow() {
            return Err(ServiceError::Unavailable("the coordinator is ending".to_owned()));
        }
        let id = {
            let mut inner = self.lock();
            if inner.scans.len() - inner.ended.len() >= limits::MAX_SCANS {
                return Err(ServiceError::Limit(format!("{} scans are waiting", limits::MAX_SCANS)));
            }
            inner.last_id += 1;
            format!("{}-s{}", self.boot, inner.last_id)
        };
        self.queue.put(&id, &wanted)?;
        self.begin(id.clone(), wanted).inspect_err(|_| self.queue.remove(&id))?;
        Ok(id)
    }

    /// Begins a scan that is in the queue.
    pub(crate) fn begin(self: &Arc<Self>, id: String, wanted: Submission) -> Result<(), ServiceError> {
        let shard_bytes = if wanted.shard_bytes == 0 { self.config.shard_bytes } else { wanted.shard_bytes };
        let planner =
            Planner::new(wanted.source, wanted.content, wanted.cross_check, shard_bytes).asking(wanted.asked);
        let spool = Spool::create(&self.spool_root, &id)?;
        let (scan, watching) =
            Scan::new(id.clone(), wanted.asset, wanted.account, spool, self.store.writer(), planner);
        let mut inner = self.lock();
        inner.scans.insert(id, watching);
        self.add(&mut inner, &Arc::new(scan), vec![Step::Probe]);
        Ok(())
    }

    /// A scan's state now and later.
    pub(crate) fn watch(&self, id: &str) -> Result<watch::Receiver<ScanState>, ServiceError> {
        let found = self.lock().scans.get(id).cloned();
        found.ok_or_else(|| ServiceError::NotFound(format!("no scan {:?}", limits::cut(id))))
    }

    /// Starts the reading of a file; a task of its own, before all others.
    pub(crate) fn read(self: &Arc<Self>, input: TaskInput) -> Pieces {
        let (reading, pieces) = Reading::new(input);
        let reading = Arc::new(reading);
        let task = {
            let mut inner = self.lock();
            inner.last_id += 1;
            let task = TaskId(inner.last_id);
            inner.jobs.insert(task, Job::Read(Arc::clone(&reading)));
            inner.leases.add(task, self.config.max_tries, Place::Front);
            task
        };
        self.ready.notify_waiters();
        tokio::spawn(Arc::clone(self).attend(task, reading));
        pieces
    }

    /// Drops the read task when whoever asked goes away, or when no worker takes it.
    async fn attend(self: Arc<Self>, task: TaskId, reading: Arc<Reading>) {
        let Some(sink) = reading.sink() else { return };
        let mut closing = self.closing();
        let ended = reading.ended.notified();
        let waited = time::sleep(self.config.read_wait);
        tokio::pin!(ended, waited);
        let reason = loop {
            tokio::select! {
                () = &mut ended => return,
                () = sink.closed() => break None,
                _ = closing.wait_for(|closing| *closing) => break Some("the coordinator is ending"),
                () = &mut waited => {
                    if !self.lock().leases.is_leased(task) {
                        break Some("no worker took the reading of the file");
                    }
                    waited.as_mut().reset(time::Instant::now() + self.config.read_wait);
                }
            }
        };
        {
            let mut inner = self.lock();
            inner.leases.remove(task);
            inner.jobs.remove(&task);
        }
        drop(sink);
        reading.end(reason.map(|reason| Err(ServiceError::Unavailable(reason.to_owned()).into()))).await;
    }

    /// Makes a worker known.
    pub(crate) fn register(&self, name: String) -> Result<String, ServiceError> {
        let mut inner = self.lock();
        let now = Instant::now();
        if inner.workers.len() >= limits::MAX_WORKERS {
            inner.workers.retain(|_, worker| now.duration_since(worker.seen) < FORGET_WORKER_AFTER);
            if inner.workers.len() >= limits::MAX_WORKERS {
                return Err(ServiceError::Limit(format!("{} workers are there", limits::MAX_WORKERS)));
            }
        }
        inner.last_id += 1;
        let id = format!("{}-w{}", self.boot, inner.last_id);
        tracing::info!(worker = id, name, "a worker is there");
        inner.workers.insert(id.clone(), Worker { name, seen: now });
        Ok(id)
    }

    /// The next task for a worker; waits for one no longer than `wait`.
    pub(crate) async fn lease(&self, worker: &str, wait: Duration) -> Result<Option<Lease>, ServiceError> {
        let deadline = time::Instant::now() + wait;
        let mut closing = self.closing();
        loop {
            // From before the look, so that what becomes ready after it is not missed.
            let ready = self.ready.notified();
            if *closing.borrow() {
                return Err(ServiceError::Unavailable("the coordinator is ending".to_owned()));
            }
            if let Some(lease) = self.try_lease(worker)? {
                return Ok(Some(lease));
            }
            tokio::select! {
                () = ready => {}
                _ = closing.changed() => {}
                () = time::sleep_until(deadline) => return Ok(None),
            }
        }
    }

    fn try_lease(&self, worker: &str) -> Result<Option<Lease>, ServiceError> {
        let mut inner = self.lock();
        let now = Instant::now();
        let known = inner.workers.get_mut(worker);
        let unknown = || ServiceError::NotFound(format!("no worker {:?}: register", limits::cut(worker)));
        known.ok_or_else(unknown)?.seen = now;
        let Some(lease) = inner.leases.grant(worker, now) else { return Ok(None) };
        if let Some(Job::Scan(scan, step)) = inner.jobs.get(&lease.task) {
            let mut plan = scan.plan();
            plan.bytes.insert(*step, 0);
            scan.publish(&plan);
        }
        Ok(Some(lease))
    }

    /// What a lease is about, if it is current.
    pub(crate) fn job(&self, lease: &Lease) -> Result<Job, ServiceError> {
        let inner = self.lock();
        inner.leases.check(lease).map_err(lost)?;
        inner.jobs.get(&lease.task).cloned().ok_or_else(|| lost(Lost))
    }

    /// Keeps a lease.
    pub(crate) fn renew(&self, lease: &Lease, bytes_read: u64) -> Result<(), ServiceError> {
        let mut inner = self.lock();
        let now = Instant::now();
        inner.leases.renew(lease, now).map_err(lost)?;
        if let Some(worker) = inner.workers.get_mut(&lease.worker) {
            worker.seen = now;
        }
        match inner.jobs.get(&lease.task) {
            Some(Job::Scan(scan, step)) => {
                let mut plan = scan.plan();
                plan.bytes.insert(*step, bytes_read);
                scan.publish(&plan);
                Ok(())
            }
            Some(Job::Read(reading)) if reading.is_deserted() => Err(lost(Lost)),
            Some(Job::Read(_)) => Ok(()),
            None => Err(lost(Lost)),
        }
    }

    /// Keeps an output that has arrived whole, if its lease is still current.
    pub(crate) fn keep(
        &self,
        lease: &Lease,
        written: tempfile::TempPath,
        name: &str,
    ) -> Result<(), ServiceError> {
        let inner = self.lock();
        inner.leases.check(lease).map_err(lost)?;
        match inner.jobs.get(&lease.task) {
            Some(Job::Scan(scan, _)) => scan.spool.keep(written, name),
            _ => Err(lost(Lost)),
        }
    }

    /// Where the result of a lease lies until its worker says that it is complete.
    pub(crate) fn attempt_name(lease: &Lease) -> String {
        format!("result/attempt/{}/{}", lease.task.0, lease.epoch)
    }

    /// Puts the result of a lease where its worker cannot replace it any more, so that what is checked is what is kept,
    /// and gives its name there. A call that is repeated finds what the first one put there.
    fn seal(&self, lease: &Lease, scan: &Scan) -> Result<String, ServiceError> {
        let inner = self.lock();
        inner.leases.check(lease).map_err(lost)?;
        let (attempt, sealed) =
            (Self::attempt_name(lease), format!("result/sealed/{}/{}", lease.task.0, lease.epoch));
        if !scan.spool.has(&sealed) && scan.spool.has(&attempt) {
            scan.spool.rename(&attempt, &sealed)?;
        }
        Ok(sealed)
    }

    /// Ends a lease with the result that was sent before.
    pub(crate) async fn complete(
        self: &Arc<Self>,
        lease: Lease,
        bytes_read: u64,
    ) -> Result<(), ServiceError> {
        match self.job(&lease)? {
            Job::Read(reading) => {
                {
                    let mut inner = self.lock();
                    inner.leases.complete(&lease).map_err(lost)?;
                    inner.jobs.remove(&lease.task);
                }
                let last = reading.finish();
                reading.end(last).await;
                Ok(())
            }
            Job::Scan(scan, step) => {
                let sealed = self.seal(&lease, &scan)?;
                let (checked, name) = (Arc::clone(&scan), sealed.clone());
                let done = match error::blocking(move || results::check(&checked, step, &name)).await {
                    Ok(done) => done,
                    Err(error) => {
                        self.fail(&lease, &format!("a worker's result is refused: {error}"), true)?;
                        return Err(error);
                    }
                };
                let mut inner = self.lock();
                inner.leases.check(&lease).map_err(lost)?;
                let mut plan = scan.plan();
                scan.spool.rename(&sealed, &plan.planner.result_name(step))?;
                inner.leases.complete(&lease).map_err(lost)?;
                inner.jobs.remove(&lease.task);
                plan.bytes.insert(step, bytes_read);
                let next = plan.planner.finish(step, done);
                scan.publish(&plan);
                drop(plan);
                self.follow(&mut inner, &scan, next);
                Ok(())
            }
        }
    }

    /// Ends a lease with an error.
    pub(crate) fn fail(
        self: &Arc<Self>,
        lease: &Lease,
        reason: &str,
        retry: bool,
    ) -> Result<(), ServiceError> {
        let mut inner = self.lock();
        let setback = inner.leases.fail(lease, retry).map_err(lost)?;
        tracing::warn!(task = lease.task.0, reason, retry, "a task failed");
        self.set_back(&mut inner, lease.task, setback, ServiceError::Unreadable(limits::cut(reason)));
        Ok(())
    }

    /// What follows a lease that ended without a result, for this reason.
    fn set_back(self: &Arc<Self>, inner: &mut Inner, task: TaskId, setback: Setback, reason: ServiceError) {
        if setback == Setback::Again {
            // A file can be read anew as long as nobody has seen a part of it.
            let begun = matches!(inner.jobs.get(&task), Some(Job::Read(reading)) if reading.has_begun());
            if !begun {
                self.ready.notify_waiters();
                return;
            }
            inner.leases.remove(task);
        }
        match inner.jobs.remove(&task) {
            Some(Job::Scan(scan, step)) => {
                let mut plan = scan.plan();
                let next = plan.planner.give_up(step, &reason.to_string());
                scan.publish(&plan);
                drop(plan);
                self.follow(inner, &scan, next);
            }
            Some(Job::Read(reading)) => {
                tokio::spawn(async move { reading.end(Some(Err(reason.into()))).await });
            }
            None => {}
        }
    }

    fn follow(self: &Arc<Self>, inner: &mut Inner, scan: &Arc<Scan>, next: Next) {
        match next {
            Next::Run(steps) => self.add(inner, scan, steps),
            Next::Wait => {}
            Next::Commit => {
                let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
                while commits.try_join_next().is_some() {}
                commits.spawn(Arc::clone(self).commit(Arc::clone(scan)));
            }
            Next::Failed(error) => {
                scan.end(Err(error));
                self.queue.remove(&scan.id);
                inner.retire(&scan.id);
            }
        }
    }

    fn add(&self, inner: &mut Inner, scan: &Arc<Scan>, steps: Vec<Step>) {
        for step in steps {
            inner.last_id += 1;
            let task = TaskId(inner.last_id);
            inner.jobs.insert(task, Job::Scan(Arc::clone(scan), step));
            inner.leases.add(task, self.config.max_tries, Place::Back);
        }
        self.ready.notify_waiters();
    }

    async fn commit(self: Arc<Self>, scan: Arc<Scan>) {
        let (store, committing) = (Arc::clone(&self.store), Arc::clone(&scan));
        let result = error::blocking(move || {
            let results = results::collect(&committing)?;
            let writer = committing.objects.lock().unwrap_or_else(PoisonError::into_inner).take();
            let writer = writer.ok_or_else(|| ServiceError::Internal("committed twice".to_owned()))?;
            let (manifest, head) = commit::commit(&store, writer, results).map_err(error::of_store)?;
            Ok(scan::summary(&manifest, head.manifest.to_string()))
        });
        let result = result.await.map_err(|error| format!("the snapshot could not be committed: {error}"));
        if let Err(error) = &result {
            tracing::error!(scan = scan.id, error, "a scan failed");
        }
        scan.end(result);
        self.queue.remove(&scan.id);
        self.lock().retire(&scan.id);
        drop(scan);
        let store = Arc::clone(&self.store);
        let merged = error::blocking(move || store.merge().map_err(error::of_store)).await;
        if let Err(error) = merged {
            tracing::warn!(%error, "packs were not merged; the next scan tries again");
        }
    }
}

impl Inner {
    /// Keeps an ended scan for those who still want to watch it, but not for ever.
    fn retire(&mut self, id: &str) {
        self.ended.push_back(id.to_owned());
        while self.ended.len() > limits::MAX_ENDED_SCANS {
            if let Some(oldest) = self.ended.pop_front() {
                self.scans.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests;
