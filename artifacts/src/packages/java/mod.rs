//! Java's archives: which artifacts of Maven are in a jar, a war or an ear, and in those within them.
//!
//! Sources: Oracle, "JAR File Specification"; Apache Maven, "Maven Archiver Reference" (`pom.properties`); Spring Boot,
//! "The Executable Jar Format" (archives within, stored as they are); Jakarta EE, "Servlet" and "Platform" (war, ear);
//! Jenkins, "Plugin structure" (hpi).
//!
//! Of an archive its directory is read, which lies at the end, then the members that matter; of one within another the
//! same, where it is stored as it is. One that is deflated has to be unpacked, one after another and in memory.

mod archive;
mod manifest;
mod walk;

use super::rows::Rows;
use crate::{
    Context, Extractor, Input, Output,
    input::Place,
    probe::{self, Prober},
    wants::{Reading, Want},
};
use archive::Artifact;
use coldread_model::{ByteRange, Package, PackageType, Part, Parts};
use walk::{Found, Walk};

const STRUCTURE: &str = "Java archive";

/// Endings of archives, also of those within others.
const ENDINGS: [&[u8]; 5] = [b".jar", b".war", b".ear", b".hpi", b".jpi"];

/// Rounds that one archive may take: one deflated into another is read a few megabytes a round.
const MAX_ROUNDS: usize = 256;

/// Reads Java's archives.
#[derive(Debug)]
pub struct Java;

impl Extractor for Java {
    fn name(&self) -> &'static str {
        "java"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::windows("/**/*.jar", Reading::Probe),
            Want::windows("/**/*.war", Reading::Probe),
            Want::windows("/**/*.ear", Reading::Probe),
            Want::windows("/**/*.hpi", Reading::Probe),
            Want::windows("/**/*.jpi", Reading::Probe),
        ];
        WANTS
    }

    fn prober(&self, bytes: u64) -> Option<Box<dyn Prober>> {
        // An empty file is a mark, and no archive.
        (bytes > 0)
            .then(|| Box::new(JavaProber { walk: Walk::of_file(bytes), found: Found::of_file(bytes) }) as _)
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        if let Some(prober) = self.prober(input.view.len()) {
            let place = input.place();
            probe::drive(prober, STRUCTURE, &place, input.view, context, out);
        }
    }
}

/// Whether a name is one of an archive.
fn is_archive(name: &[u8]) -> bool {
    ENDINGS.iter().any(|ending| {
        let tail = name.len().checked_sub(ending.len()).map(|at| &name[at..]);
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(ending))
    })
}

/// One archive on its way.
struct JavaProber {
    walk: Walk,
    found: Found,
}

impl Prober for JavaProber {
    fn need(&mut self) -> Vec<ByteRange> {
        self.walk.need(&self.found)
    }

    fn feed(&mut self, _: ByteRange, bytes: &[u8]) {
        self.walk.feed(bytes, &mut self.found);
    }

    fn holds(&self) -> usize {
        self.walk.holds().saturating_add(self.found.held())
    }

    fn most_rounds(&self) -> usize {
        MAX_ROUNDS
    }

    fn finish(self: Box<Self>, place: &Place<'_>, _: &Context, out: &mut dyn Output) {
        let Self { walk, mut found } = *self;
        walk.finish(Some(place.path), &mut found);
        let mut rows = Rows::installed(PackageType::Maven, STRUCTURE, *place, out);
        for (kind, reason) in found.faults {
            rows.gap(kind, reason);
        }
        for artifact in found.artifacts {
            let row = row(&rows, &artifact);
            rows.push(row);
        }
        rows.finish();
    }
}

fn row(rows: &Rows<'_, '_>, artifact: &Artifact) -> Package {
    let Artifact { group, name, version, vendor } = artifact;
    let name = group.as_ref().map_or_else(|| name.clone(), |group| format!("{group}:{name}"));
    let row = rows.row(&name, version, &[]);
    Package { vendor: vendor.clone(), ..row }
}

#[cfg(test)]
mod tests;
