//! The driver as a whole, on volumes built here and on what mkntfs and ntfs-3g make.

mod corpus;
mod damage;
mod deleted;
mod directories;
mod golden;
mod hostile;
mod image;
mod mounted;
mod state;
mod volume;
mod wof;

use super::Ntfs;
use crate::{
    error::ParseError,
    fs::{Filesystem, Probed},
    machine::run,
    source::{BlockSource, memory::MemorySource},
    survey::{Inode, Run, Span, Stream, Survey},
};
use std::ops::Range;

fn probe(source: &MemorySource) -> Result<Probed, ParseError> {
    let mut machine = Ntfs.probe(source.size_bytes());
    run(&mut *machine, &mut *source.open_queue().unwrap());
    machine.finish()
}

fn survey(source: &MemorySource, geometry: &[u8], units: Range<u64>) -> Survey {
    let mut machine = Ntfs.survey(geometry, units).unwrap();
    run(&mut *machine, &mut *source.open_queue().unwrap());
    machine.finish()
}

fn inode(survey: &Survey, number: u64) -> &Inode {
    survey.inodes.iter().find(|inode| inode.number == number).unwrap()
}

/// A survey in a form that does not depend on the order of its parts.
fn facts(survey: &Survey) -> Vec<String> {
    let stream = |stream: &Stream| {
        format!(
            "{:?} {:?} {:?}",
            survey.bytes(stream.name),
            (stream.size, stream.initialized),
            survey.extents_of(stream)
        )
    };
    let mut facts: Vec<String> = survey
        .inodes
        .iter()
        .map(|inode| {
            let plain =
                Inode { target: Span::default(), xattrs: Span::default(), streams: Run::default(), ..*inode };
            let streams: Vec<String> = survey.streams_of(inode).iter().map(stream).collect();
            format!("{plain:?} {:?} {streams:?}", survey.bytes(inode.target))
        })
        .collect();
    facts.extend(survey.entries.iter().map(|entry| {
        let name = survey.bytes(entry.name);
        format!("{} {} {} {name:?}", { entry.parent }, entry.parent_generation, { entry.child })
    }));
    facts.extend(survey.gaps.iter().map(|gap| format!("{gap:?}")));
    for set in [&survey.metadata, &survey.free, &survey.damaged] {
        facts.push(format!("{:?}", set.clone().into_ranges()));
    }
    facts.sort();
    facts
}

/// Surveys a volume unit by unit.
fn in_units(source: &MemorySource, probed: &Probed) -> Survey {
    let mut all = Survey::default();
    for unit in 0..probed.units {
        all.append(survey(source, &probed.geometry, unit..unit + 1)).unwrap();
    }
    all
}
