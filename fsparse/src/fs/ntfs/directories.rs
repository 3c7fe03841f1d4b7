//! Single records, and the names in those that are directories, from their indexes: a level of the trees a round.

use super::{
    attributes::Name,
    file::Builder,
    geometry::{Geometry, ROOT, pieces_of},
    index::{Index, entries, node_header},
    loader::{File, Loader, Sink},
    record::{Malformed, Reference, malformed},
    runs::{Clusters, locate},
    value::Need,
};
use crate::{
    fs::SurveyMachine,
    machine::{Fetched, Machine, Requests},
    survey::{Survey, SurveyFull},
};
use coldread_model::{ByteRange, FileKind, Gap, GapKind};
use std::collections::HashSet;

/// Marks the tags of requests for nodes; the rest of the tag is the part's number.
const NODE_TAG: u64 = 1 << 63;

const INDEX: &str = "directory index";

/// The machine that reads directories.
pub(super) struct Directories {
    loader: Loader<Listed>,
    directories: Vec<Directory>,
    nodes: Vec<Node>,
    /// The nodes asked for in parts: which one, and the part's offset in it.
    parts: Vec<(usize, usize)>,
    /// Where the nodes start that were asked for. On a sound volume each is one directory's and is led to once;
    /// otherwise names would be read over and over, without end.
    seen: HashSet<u64>,
}

/// A directory that was read.
struct Directory {
    reference: Reference,
    index: Index,
    /// It was said that nodes are led to twice.
    is_told: bool,
}

/// A node that was asked for.
struct Node {
    directory: usize,
    at: u64,
    bytes: Vec<u8>,
    left: usize,
    fault: Option<String>,
}

/// Keeps the records, and the indexes of those that are directories.
struct Listed {
    builder: Builder,
    clusters: Clusters,
    found: Vec<Directory>,
}

impl Sink for Listed {
    fn file(&mut self, file: File<'_>) -> Vec<Need> {
        let before = self.builder.survey.inodes.len();
        let needs = self.builder.file(file);
        let inode = self.builder.survey.inodes.get(before);
        if let Some(generation) = inode.filter(|inode| inode.kind == FileKind::Dir).map(|one| one.generation)
        {
            let reference = Reference { number: file.number, sequence: generation };
            match Index::of(&file, self.clusters) {
                Ok(index) => self.found.push(Directory { reference, index, is_told: false }),
                Err(wrong) => self.builder.gap(wrong.to_gap(INDEX, file.number, file.at)),
            }
        }
        needs
    }

    fn gap(&mut self, gap: Gap) {
        self.builder.gap(gap);
    }

    fn damaged(&mut self, range: ByteRange) {
        self.builder.damaged(range);
    }
}

impl Directories {
    /// Reads these records.
    pub(super) fn new(geometry: Geometry, numbers: &[u64]) -> Self {
        let clusters = geometry.clusters();
        let mut builder = Builder::new(clusters, false);
        let (mft, size) = (pieces_of(&geometry.mft), u64::from(geometry.record_bytes));
        for &number in numbers.iter().filter(|number| **number < geometry.records) {
            locate(&mft, number * size, size).for_each(|(_, range)| builder.survey.metadata.insert(range));
        }
        let listed = Listed { builder, clusters, found: Vec::new() };
        Self {
            loader: Loader::of_numbers(geometry, numbers, listed),
            directories: Vec::new(),
            nodes: Vec::new(),
            parts: Vec::new(),
            seen: HashSet::new(),
        }
    }

    fn survey(&mut self) -> &mut Survey {
        &mut self.loader.sink.builder.survey
    }

    /// Records a gap, of which a hostile index has one for every few bytes.
    fn tell(&mut self, gap: Gap) {
        self.loader.sink.builder.gap(gap);
    }

    /// Reads the roots of the indexes that were found.
    fn begin(&mut self, ask: &mut Requests) {
        for directory in std::mem::take(&mut self.loader.sink.found) {
            let header = directory.index.root().to_vec();
            self.directories.push(directory);
            self.read(self.directories.len() - 1, &header, None, ask);
        }
    }

    /// Keeps the names of a node and asks for those below it.
    fn read(&mut self, directory: usize, header: &[u8], at: Option<u64>, ask: &mut Requests) {
        let reference = self.directories[directory].reference;
        for entry in entries(header) {
            let named = entry.and_then(|entry| {
                let name = entry.key.map(Name::parse).transpose();
                name.map(|name| (entry, name.flatten()))
            });
            let (entry, name) = match named {
                Ok(named) => named,
                Err(wrong) => return self.malformed(wrong, directory, at),
            };
            // The root names itself.
            let child = entry.file.number;
            if let Some(name) = name.filter(|_| (reference.number, child) != (ROOT, ROOT)) {
                let kept = self.loader.sink.builder.keep_name(reference, child, name.name);
                match kept {
                    Ok(Ok(())) => {}
                    Ok(Err(gap)) => self.tell(Gap { at, ..gap }.at_inode(reference.number)),
                    Err(full @ SurveyFull) => {
                        return self.loader.sink.builder.fill(reference.number, full);
                    }
                }
            }
            if let Some(number) = entry.below {
                self.ask_node(directory, number, at, ask);
            }
        }
    }

    fn malformed(&mut self, wrong: Malformed, directory: usize, at: Option<u64>) {
        let number = self.directories[directory].reference.number;
        self.tell(wrong.to_gap(INDEX, number, at));
    }

    /// Asks for a node that another one at `from` leads to.
    fn ask_node(&mut self, directory: usize, number: u64, from: Option<u64>, ask: &mut Requests) {
        let parts = self.directories[directory].index.node_at(number);
        let Some(at) = parts.first().map(|(_, range)| range.start) else {
            return self.malformed(malformed("a node that its mapping reaches", number), directory, from);
        };
        if !self.seen.insert(at) {
            if !std::mem::replace(&mut self.directories[directory].is_told, true) {
                self.malformed(malformed("nodes that one way leads to", number), directory, from);
            }
            return;
        }
        let node = self.nodes.len();
        self.nodes.push(Node { directory, at, bytes: Vec::new(), left: parts.len(), fault: None });
        for (offset, range) in parts {
            self.survey().metadata.insert(range);
            ask.push(NODE_TAG | self.parts.len() as u64, range);
            self.parts.push((node, offset as usize));
        }
    }

    /// Takes a part of a node, and reads it once it is whole.
    fn part(&mut self, fetched: &Fetched<'_>, ask: &mut Requests) {
        let Some(&(index, offset)) = self.parts.get((fetched.tag & !NODE_TAG) as usize) else { return };
        let node = &mut self.nodes[index];
        let directory = node.directory;
        if node.bytes.is_empty() {
            node.bytes.resize(self.directories[directory].index.node_bytes(), 0);
        }
        if let Some(place) = node.bytes.get_mut(offset..offset + fetched.bytes.len()) {
            place.copy_from_slice(fetched.bytes);
        }
        if let Some((_, error)) = fetched.bad.first() {
            node.fault = Some(error.to_string());
        }
        node.left -= 1;
        if node.left > 0 {
            return;
        }
        let (at, mut bytes, fault) = (node.at, std::mem::take(&mut node.bytes), node.fault.take());
        let range = ByteRange::new(at, bytes.len() as u64);
        if let Some(reason) = fault {
            let number = self.directories[directory].reference.number;
            self.survey().damaged.insert(range);
            self.tell(Gap::new(GapKind::Io, INDEX, reason).at_inode(number).at_byte(at));
            return;
        }
        match node_header(&mut bytes) {
            Ok(header) => self.read(directory, header, Some(at), ask),
            Err(wrong) => {
                self.survey().damaged.insert(range);
                self.malformed(wrong, directory, Some(at));
            }
        }
    }
}

impl Machine for Directories {
    fn start(&mut self, ask: &mut Requests) {
        self.loader.start(ask);
        self.begin(ask);
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        if fetched.tag & NODE_TAG == 0 {
            self.loader.feed(fetched, ask);
            self.begin(ask);
        } else {
            self.part(&fetched, ask);
        }
    }
}

impl SurveyMachine for Directories {
    fn finish(self: Box<Self>) -> Survey {
        let mut survey = self.loader.sink.builder.finish();
        survey.inodes.sort_by_key(|inode| inode.number);
        survey
    }
}
