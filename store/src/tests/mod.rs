//! Tests that need more than one module.

mod crash;
mod damage;
mod open;
mod queries;
mod random;

use crate::{PackWriter, Result};
use coldread_model::{
    ByteRange, FileKind, FoundRefs, Gap, GapKind, Ledger, ObjectId, ObjectKind, RowFlags, Sha256Digest,
    SnapshotManifest, SourceIdentity, Timestamp, VolumeManifest,
    codec::to_bytes,
    finding::SystemIdentity,
    listing::{DigestColumn, ListingWriter, Row, StableRow, VolatileRow},
    manifest::{ChunkRef, Counts},
    task::VolumeSpec,
};

/// What the tests take for the digests of these rows: every other length of name has one.
fn digests_of(rows: &[(String, String)]) -> Vec<Option<Sha256Digest>> {
    let digest = |(parent, name): &(String, String)| {
        (name.len() % 2 == 1)
            .then(|| Sha256Digest(*blake3::hash(format!("{parent}/{name}").as_bytes()).as_bytes()))
    };
    rows.iter().map(digest).collect()
}

/// Puts one chunk of rows with these parents and names.
fn chunk(writer: &mut PackWriter, rows: &[(String, String)]) -> Result<ChunkRef> {
    let mut listing = ListingWriter::new();
    for (parent, name) in rows {
        let stable = StableRow {
            parent: parent.as_bytes(),
            name: name.as_bytes(),
            stream: b"",
            kind: FileKind::File,
            flags: RowFlags::SIZED,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 1,
            mtime: Timestamp::new(7, 0),
            target: b"",
            xattrs: b"",
            rdev: (0, 0),
        };
        assert_eq!(listing.push(&Row { stable, volatile: VolatileRow::default() }), None);
    }
    let cut = listing.finish().unwrap();
    let digests = DigestColumn(digests_of(rows)).encode();
    Ok(ChunkRef {
        stable: writer.put_raw(ObjectKind::ListingStable, &cut.stable)?,
        volatile: writer.put_raw(ObjectKind::ListingVolatile, &cut.volatile)?,
        digests: Some(writer.put_raw(ObjectKind::ListingDigests, &digests)?),
        rows: cut.rows,
    })
}

/// A manifest of `asset` with one volume of these chunks; puts the other objects that it names.
fn manifest(writer: &mut PackWriter, asset: &str, chunks: Vec<ChunkRef>) -> Result<SnapshotManifest> {
    let gaps = vec![Gap::new(GapKind::Io, "test", asset)];
    let mut put = |kind, bytes: Vec<u8>| writer.put_raw(kind, &bytes);
    Ok(SnapshotManifest {
        tool_version: "0".to_owned(),
        asset: asset.to_owned(),
        account: None,
        source: SourceIdentity {
            location: "test".to_owned(),
            container: "raw".to_owned(),
            size: 100,
            table_id: None,
            volume_ids: Vec::new(),
            metadata_digest: ObjectId([0; 32]),
        },
        asked: coldread_model::Parts::ALL,
        hashed: false,
        system: SystemIdentity::default(),
        found: FoundRefs::default(),
        coverage: put(ObjectKind::Coverage, to_bytes(&Ledger::new(100)))?,
        gaps: put(ObjectKind::Gaps, to_bytes(&gaps))?,
        volume_specs: put(ObjectKind::VolumeSpecs, to_bytes(&Vec::<VolumeSpec>::new()))?,
        counts: Counts { gaps: gaps.len() as u64, ..Counts::default() },
        volumes: vec![VolumeManifest {
            name: "whole".to_owned(),
            range: ByteRange::new(0, 100),
            content: "ext4".to_owned(),
            label: None,
            uuid: None,
            mount: None,
            state: None,
            reason: String::new(),
            rows: chunks.iter().map(|chunk| u64::from(chunk.rows)).sum(),
            chunks,
        }],
    })
}
