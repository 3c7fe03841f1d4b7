//! Reading what workers sent back, and refusing what cannot be.

use crate::{
    commit::Results,
    error, limits,
    planner::{Done, Step},
    scan::Scan,
    spool,
};
use coldread_model::{
    ObjectId, codec,
    task::{AssembleOutput, ContentOutput, ProbeOutput},
};
use coldread_proto::ServiceError;
use std::{
    collections::{BTreeSet, HashSet},
    sync::PoisonError,
};

/// Checks the result of `step`, which lies in the scan's spool as `name`. Blocks.
pub(crate) fn check(scan: &Scan, step: Step, name: &str) -> Result<Done, ServiceError> {
    match step {
        Step::Probe => {
            let probe = codec::from_bytes("probe's result", &scan.spool.read_result(name)?);
            let probe = probe.map_err(|error| error::of_result(&error))?;
            check_probe(&probe)?;
            Ok(Done::Probe(Box::new(probe)))
        }
        Step::Survey { .. } => {
            if scan.spool.has(name) {
                Ok(Done::Survey)
            } else {
                Err(ServiceError::Invalid("the survey's result was not sent".to_owned()))
            }
        }
        Step::Assemble => {
            let output = codec::from_bytes("assemble's result", &scan.spool.read_result(name)?);
            check_assemble(scan, output.map_err(|error| error::of_result(&error))?).map(Done::Assemble)
        }
        Step::Content { .. } => {
            let output =
                codec::from_bytes::<ContentOutput>("content's result", &scan.spool.read_result(name)?);
            output.map_err(|error| error::of_result(&error))?;
            Ok(Done::Content)
        }
    }
}

fn check_probe(probe: &ProbeOutput) -> Result<(), ServiceError> {
    if probe.volumes.len() > limits::MAX_VOLUMES {
        return Err(ServiceError::Limit(format!("{} volumes on one source", probe.volumes.len())));
    }
    let names: HashSet<&str> = probe.volumes.iter().map(|volume| volume.name.as_str()).collect();
    if names.len() != probe.volumes.len() || names.contains("") {
        return Err(ServiceError::Invalid("volumes without a name of their own".to_owned()));
    }
    Ok(())
}

/// Gives the names of the content plans of each volume.
fn check_assemble(scan: &Scan, output: AssembleOutput) -> Result<Vec<Vec<String>>, ServiceError> {
    let wrong = |reason: String| Err(ServiceError::Invalid(reason));
    {
        let plan = scan.plan();
        let probed = plan.planner.probe().into_iter().flat_map(|probe| &probe.volumes);
        if !probed.map(|volume| &volume.name).eq(output.volumes.iter().map(|volume| &volume.name)) {
            return wrong("assemble's volumes are not those of probe".to_owned());
        }
    }
    let mut objects: Vec<ObjectId> = Vec::new();
    let mut plans = BTreeSet::new();
    for volume in &output.volumes {
        let rows: u64 = volume.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
        if rows != volume.rows {
            return wrong(format!("volume {}: {} rows, {rows} in its chunks", volume.name, volume.rows));
        }
        if volume.shards.len() > limits::MAX_CONTENT_SHARDS {
            return Err(ServiceError::Limit(format!("{} content shards of a volume", volume.shards.len())));
        }
        for (name, _) in &volume.shards {
            if name.starts_with(spool::RESERVED) || !scan.spool.has(name) || !plans.insert(name) {
                return wrong(format!("content plan {:?} was not sent once", limits::cut(name)));
            }
        }
        let ids = volume.chunks.iter().flat_map(|c| [Some(c.stable), Some(c.volatile), c.digests]);
        objects.extend(ids.flatten());
    }
    objects.extend(output.found.objects());
    let writer = scan.objects.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(writer) = writer.as_ref() else {
        return Err(ServiceError::LeaseLost("the scan has ended".to_owned()));
    };
    let there = writer.has(&objects).map_err(error::of_store)?;
    if let Some((id, _)) = objects.iter().zip(there).find(|(_, there)| !there) {
        return wrong(format!("object {id} of the result was not sent"));
    }
    let names = |shards: Vec<(String, u64)>| shards.into_iter().map(|(name, _)| name).collect();
    Ok(output.volumes.into_iter().map(|volume| names(volume.shards)).collect())
}

/// Everything that the scan's steps have found. Blocks.
pub(crate) fn collect(scan: &Scan) -> Result<Results, ServiceError> {
    let plan = scan.plan();
    let planner = &plan.planner;
    let finished: Vec<(Step, String)> = planner.finished().map(|s| (s, planner.result_name(s))).collect();
    let Some(probe) = planner.probe().cloned() else {
        return Err(ServiceError::Internal("a scan without probe is to be committed".to_owned()));
    };
    let (content, asked, losses) = (planner.content(), planner.asked(), planner.losses().clone());
    drop(plan);
    let mut results = Results {
        asset: scan.asset.clone(),
        account: scan.account.clone(),
        content,
        asked,
        probe,
        assembled: None,
        contents: Vec::new(),
        losses,
    };
    for (step, name) in finished {
        match step {
            Step::Probe | Step::Survey { .. } => {}
            Step::Assemble => {
                let output = codec::from_bytes("assemble's result", &scan.spool.read_result(&name)?);
                results.assembled = Some(output.map_err(|error| error::of_result(&error))?);
            }
            Step::Content { volume, .. } => {
                let output = codec::from_bytes("content's result", &scan.spool.read_result(&name)?);
                results.contents.push((volume, output.map_err(|error| error::of_result(&error))?));
            }
        }
    }
    Ok(results)
}
