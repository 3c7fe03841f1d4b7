//! A disk that is not there: tasks over it give the same answers wherever they run, and fail on request.

use coldread_model::{
    ByteRange, CoverageClass, CoverageRange, FileKind, FoundRefs, Gap, GapKind, LoginEvent, LoginKind,
    LoginSource, LoginsRef, ObjectId, ObjectKind, Package, PackageOrigin, PackageType, RowFlags, RowsRef,
    Sha256Digest, SourceIdentity, SystemIdentity, Timestamp, VolumeState, codec,
    listing::{ListingWriter, Row, StableRow, VolatileRow},
    manifest::ChunkRef,
    rows::BatchWriter,
    task::{
        AssembleOutput, AssembledVolume, ContentMode, ContentOutput, FilesystemSpec, ProbeOutput,
        StreamDigest, TaskInput, VolumeSpec,
    },
};
use coldread_worker::{
    client::Runner,
    tasks::{TaskContext, TaskError},
};
use std::{sync::Arc, thread, time::Duration};

/// Bytes of one unit.
pub(crate) const UNIT: u64 = 100;
/// Files of one unit.
const FILES_A_UNIT: u64 = 150;
/// Bytes of the file that reads give.
pub(crate) const FILE_BYTES: u64 = 5_000_000;

/// Called before each task; its error is the task's.
pub(crate) type Fault = Arc<dyn Fn(&TaskInput, &dyn TaskContext) -> Result<(), TaskError> + Send + Sync>;

/// The runner of a worker that is well.
pub(crate) fn well() -> Runner {
    faulty(Arc::new(|_, _| Ok(())))
}

/// A runner with a fault.
pub(crate) fn faulty(fault: Fault) -> Runner {
    Arc::new(move |input, context| {
        fault(input, context)?;
        run(input, context)
    })
}

/// Blocks until the lease is lost.
pub(crate) fn hang(context: &dyn TaskContext) -> Result<(), TaskError> {
    while !context.cancelled() {
        thread::sleep(Duration::from_millis(2));
    }
    Err(TaskError::Cancelled)
}

fn volume(name: &str, start: u64, units: Option<u64>) -> VolumeSpec {
    VolumeSpec {
        name: name.to_owned(),
        range: ByteRange::new(start, units.unwrap_or(1) * UNIT),
        content: if units.is_some() { "ext4" } else { "swap" }.to_owned(),
        filesystem: units.map(|units| FilesystemSpec {
            driver: "ext4".to_owned(),
            geometry: vec![7],
            units,
            size_bytes: units * UNIT,
            patches: Vec::new(),
        }),
        label: None,
        uuid: None,
        partition_label: None,
        partition_uuid: None,
        state: units.map(|_| VolumeState::Clean),
        reason: String::new(),
    }
}

fn volumes() -> Vec<VolumeSpec> {
    vec![volume("p1", 0, Some(8)), volume("p2", 800, None), volume("p3", 900, Some(3))]
}

fn digest(inode: u64) -> StreamDigest {
    let mut sha256 = [0; 32];
    sha256[..8].copy_from_slice(&inode.to_le_bytes());
    StreamDigest { inode, stream: Vec::new(), sha256: Sha256Digest(sha256) }
}

fn survey(units: (u64, u64)) -> Vec<u64> {
    (units.0 * FILES_A_UNIT..(units.0 + units.1) * FILES_A_UNIT).map(|file| file + 100).collect()
}

fn list(context: &dyn TaskContext, inodes: &[u64], hashed: bool) -> Result<Vec<ChunkRef>, TaskError> {
    let mut chunks = Vec::new();
    let mut names: Vec<(Vec<u8>, u64)> =
        inodes.iter().map(|inode| (format!("f{inode:06}").into_bytes(), *inode)).collect();
    names.insert(0, (b"dir".to_vec(), 3));
    names.push((b"link".to_vec(), 4));
    let mut cut = |writer: Option<coldread_model::listing::CutChunk>, rows: &mut Vec<u64>| {
        let Some(chunk) = writer else { return Ok(()) };
        let column = rows.drain(..).map(|inode| (hashed && inode >= 100).then(|| digest(inode).sha256));
        let column = coldread_model::listing::DigestColumn(column.collect()).encode();
        chunks.push(ChunkRef {
            stable: context.put_object(ObjectKind::ListingStable, &chunk.stable)?,
            volatile: context.put_object(ObjectKind::ListingVolatile, &chunk.volatile)?,
            digests: hashed.then(|| context.put_object(ObjectKind::ListingDigests, &column)).transpose()?,
            rows: chunk.rows,
        });
        Ok::<_, TaskError>(())
    };
    let mut writer = ListingWriter::new();
    let mut rows = vec![2];
    writer.push(&row(b"", b"", FileKind::Dir, b"", 2));
    for (name, inode) in &names {
        let (kind, target): (_, &[u8]) = match inode {
            3 => (FileKind::Dir, b""),
            4 => (FileKind::Symlink, b"dir/../f000100"),
            _ => (FileKind::File, b""),
        };
        rows.push(*inode);
        cut(writer.push(&row(b"/", name, kind, target, *inode)), &mut rows)?;
    }
    cut(writer.finish(), &mut rows)?;
    Ok(chunks)
}

fn row<'a>(parent: &'a [u8], name: &'a [u8], kind: FileKind, target: &'a [u8], inode: u64) -> Row<'a> {
    Row {
        stable: StableRow {
            parent,
            name,
            stream: b"",
            kind,
            flags: RowFlags::SIZED | RowFlags::OWNED,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: inode,
            mtime: Timestamp::new(inode as i64, 0),
            target,
            xattrs: b"",
            rdev: (0, 0),
        },
        volatile: VolatileRow { inode, nlink: 1, ..VolatileRow::default() },
    }
}

fn data_read(volume: &VolumeSpec) -> CoverageRange {
    CoverageRange {
        volume: volume.name.clone(),
        range: volume.range,
        class: CoverageClass::DataRead,
        detail: String::new(),
    }
}

fn assemble(
    context: &dyn TaskContext,
    surveys: &[Vec<String>],
    content: ContentMode,
    whole: bool,
) -> Result<AssembleOutput, TaskError> {
    let mut assembled = Vec::new();
    let mut coverage = Vec::new();
    let hash_here = whole && content == ContentMode::Hash;
    for (index, volume) in volumes().iter().enumerate() {
        let Some(filesystem) = &volume.filesystem else {
            assembled.push(AssembledVolume {
                name: volume.name.clone(),
                mount: None,
                chunks: Vec::new(),
                rows: 0,
                state: None,
                reason: String::new(),
                shards: Vec::new(),
            });
            continue;
        };
        let mut inodes = Vec::new();
        if whole {
            inodes = survey((0, filesystem.units));
        }
        for name in surveys.get(index).into_iter().flatten().filter(|name| !name.is_empty()) {
            let part: Vec<u64> = codec::from_bytes("survey", &context.get_output(name)?).unwrap();
            inodes.extend(part);
        }
        let mut shards = Vec::new();
        if !whole && content == ContentMode::Hash {
            for (shard, part) in inodes.chunks(400).enumerate() {
                let name = format!("plan/{}/{shard}", volume.name);
                context.put_output(&name, codec::to_bytes(&part.to_vec()))?;
                shards.push((name, part.len() as u64));
            }
        }
        let chunks = list(context, &inodes, hash_here)?;
        if hash_here {
            coverage.push(data_read(volume));
        }
        assembled.push(AssembledVolume {
            name: volume.name.clone(),
            mount: Some(if index == 0 { "/" } else { "/srv" }.to_owned()),
            rows: chunks.iter().map(|chunk| u64::from(chunk.rows)).sum(),
            chunks,
            state: Some(VolumeState::Clean),
            reason: String::new(),
            shards,
        });
    }
    let system = SystemIdentity { pretty_name: Some("Fake 1".to_owned()), ..SystemIdentity::default() };
    let gaps = vec![Gap::new(GapKind::Io, "inode", "bad sector").in_volume("p1").at_inode(9)];
    let found = found(context)?;
    Ok(AssembleOutput { volumes: assembled, system, found, found_gaps: Vec::new(), coverage, gaps })
}

/// Failed logins of this many seconds, one each …
pub(crate) const ATTEMPTS: i64 = 3000;
/// … in batches of so many.
const ATTEMPTS_A_BATCH: usize = 700;

/// Packages and logins, the latter in several batches.
fn found(context: &dyn TaskContext) -> Result<FoundRefs, TaskError> {
    let origin = PackageOrigin { volume: "p1".to_owned(), path: b"/db".to_vec(), sha256: None };
    let mut set = BatchWriter::default();
    set.push(&Package::new(PackageType::Deb, "bash", "5", origin.clone()));
    set.push(&Package::new(PackageType::Deb, "dash", "1", origin));
    let (bytes, rows) = set.take().unwrap();
    let packages = vec![RowsRef { id: context.put_object(ObjectKind::PackageSet, &bytes)?, rows }];
    let attempt = |second| {
        let time = Some(Timestamp::new(second, 0));
        LoginEvent::new(LoginSource::Btmp, LoginKind::Failed, time, "/var/log/btmp", second as u64)
    };
    let attempts: Vec<LoginEvent> = (0..ATTEMPTS).map(attempt).collect();
    let mut logins = Vec::new();
    for part in attempts.chunks(ATTEMPTS_A_BATCH) {
        let mut writer = BatchWriter::default();
        for event in part {
            writer.push(event);
        }
        let (bytes, rows) = writer.take().unwrap();
        let batch = RowsRef { id: context.put_object(ObjectKind::LoginBatch, &bytes)?, rows };
        let span = part[0].time.zip(part[part.len() - 1].time);
        logins.push(LoginsRef { batch, failed: rows, span });
    }
    Ok(FoundRefs { packages, installed: 2, logins, ..FoundRefs::default() })
}

fn run(input: &TaskInput, context: &dyn TaskContext) -> Result<Vec<u8>, TaskError> {
    context.progress(1000);
    match input {
        TaskInput::Probe { source } if source.location == "/missing" => {
            Err(TaskError::Source("/missing: no such file; check the path".to_owned()))
        }
        TaskInput::Probe { source } => Ok(codec::to_bytes(&ProbeOutput {
            identity: SourceIdentity {
                location: source.location.clone(),
                container: "raw".to_owned(),
                size: 1500,
                table_id: None,
                volume_ids: Vec::new(),
                metadata_digest: ObjectId([1; 32]),
            },
            volumes: volumes(),
            coverage: vec![CoverageRange {
                volume: "p2".to_owned(),
                range: ByteRange::new(800, 100),
                class: CoverageClass::Swap,
                detail: String::new(),
            }],
            gaps: Vec::new(),
            reader: "fake".to_owned(),
        })),
        TaskInput::Survey { units, .. } => Ok(codec::to_bytes(&survey(*units))),
        TaskInput::Assemble { surveys, content, whole, .. } => {
            assemble(context, surveys, *content, *whole).map(|output| codec::to_bytes(&output))
        }
        TaskInput::Content { volume, plan, .. } => {
            let inodes: Vec<u64> = codec::from_bytes("plan", &context.get_output(plan)?).unwrap();
            let digests = inodes.into_iter().map(digest).collect();
            Ok(codec::to_bytes(&ContentOutput {
                digests,
                coverage: vec![data_read(volume)],
                gaps: Vec::new(),
            }))
        }
        TaskInput::Read { inode: 100, .. } => {
            for piece in 0..FILE_BYTES / 100_000 {
                context.emit(FILE_BYTES, vec![piece as u8; 100_000])?;
            }
            Ok(Vec::new())
        }
        TaskInput::Read { inode: 101, .. } => Ok(Vec::new()),
        TaskInput::Read { inode: 102, .. } => loop {
            context.emit(u64::MAX, vec![0; 1 << 20])?;
        },
        TaskInput::Read { inode, .. } => Err(TaskError::Source(format!("inode {inode} cannot be read"))),
    }
}
