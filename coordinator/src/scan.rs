//! One scan under way: its plan, the objects and outputs of its tasks, and its state for those who watch.

use crate::{
    counted::Counted,
    planner::{Planner, Step},
    spool::Spool,
};
use coldread_model::SnapshotManifest;
use coldread_proto::v1::{ScanState, ScanSummary, VolumeSummary, scan_state::Phase};
use coldread_store::PackWriter;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// A scan that has not ended.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Its name on the wire.
    pub(crate) id: String,
    /// The asset's name.
    pub(crate) asset: String,
    /// The asset's account.
    pub(crate) account: Option<String>,
    /// Its tasks' outputs.
    pub(crate) spool: Spool,
    /// The objects that workers sent; taken by the commit.
    pub(crate) objects: Mutex<Option<PackWriter>>,
    /// What comes next. Locked after the cluster's lock, never before.
    plan: Mutex<Plan>,
    state: watch::Sender<ScanState>,
}

/// A scan's planner and what its steps have read.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The state machine.
    pub(crate) planner: Planner,
    /// Bytes read by each step's latest lease.
    pub(crate) bytes: BTreeMap<Step, u64>,
}

impl Scan {
    /// A scan that starts with `planner`'s first step, and its state.
    pub(crate) fn new(
        id: String,
        asset: String,
        account: Option<String>,
        spool: Spool,
        objects: PackWriter,
        planner: Planner,
    ) -> (Self, watch::Receiver<ScanState>) {
        let queued = ScanState {
            phase: Phase::Queued.into(),
            activity: "queued".to_owned(),
            tasks_known: 1,
            ..ScanState::default()
        };
        let (state, watching) = watch::channel(queued);
        let plan = Mutex::new(Plan { planner, bytes: BTreeMap::new() });
        (Self { id, asset, account, spool, objects: Mutex::new(Some(objects)), plan, state }, watching)
    }

    /// The plan, locked.
    pub(crate) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who watch how far it is.
    pub(crate) fn publish(&self, plan: &Plan) {
        let (done, known) = plan.planner.progress();
        let reader = plan.planner.probe().map(|probe| probe.reader.clone()).unwrap_or_default();
        let running = ScanState {
            phase: Phase::Running.into(),
            activity: plan.planner.activity(),
            tasks_done: u32::try_from(done).unwrap_or(u32::MAX),
            tasks_known: u32::try_from(known).unwrap_or(u32::MAX),
            bytes_read: plan.bytes.values().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes)),
            reader,
            summary: None,
            error: String::new(),
        };
        self.state.send_if_modified(|state| {
            let changed = *state != running;
            *state = running;
            changed
        });
    }

    /// Tells those who watch that it has ended.
    pub(crate) fn end(&self, result: Result<ScanSummary, String>) {
        self.state.send_modify(|state| match result {
            Ok(summary) => {
                state.phase = Phase::Done.into();
                "done".clone_into(&mut state.activity);
                state.summary = Some(summary);
            }
            Err(error) => {
                state.phase = Phase::Failed.into();
                "failed".clone_into(&mut state.activity);
                state.error = error;
            }
        });
    }
}

/// Whether a state is a scan's last.
pub(crate) fn has_ended(state: &ScanState) -> bool {
    matches!(state.phase(), Phase::Done | Phase::Failed)
}

/// What a scan's client is told at the end.
pub(crate) fn summary(manifest: &SnapshotManifest, snapshot: String) -> ScanSummary {
    let counted = Counted::of(manifest);
    let volumes = manifest.volumes.iter().map(|volume| VolumeSummary {
        name: volume.name.clone(),
        content: volume.content.clone(),
        mount: volume.mount.clone().unwrap_or_default(),
        state: volume.state.map_or("", coldread_model::VolumeState::name).to_owned(),
        files: counted.files.map(|_| volume.rows),
        bytes: volume.range.len,
    });
    ScanSummary {
        asset: manifest.asset.clone(),
        snapshot,
        files: counted.files,
        packages: counted.packages,
        logins: counted.logins,
        failed_logins: counted.failed_logins,
        gaps: manifest.counts.gaps,
        volumes: volumes.collect(),
        system: manifest.system.pretty_name.clone().unwrap_or_default(),
    }
}
