//! From a path to the file that it names, inside a committed listing.
//!
//! Without a volume the path is one of the asset's tree: volumes lie where the asset's fstab mounts them, and
//! where nothing is mounted at `/` a disk with one filesystem is that filesystem. With a volume the path is one
//! inside it, and so is every symbolic link's target. Links are followed, the last component's too, at most
//! [`MAX_LINKS`]; `..` stops at the root. Names are compared as bytes.

use crate::error;
use coldread_model::{
    FileKind, Part, RowFlags, SnapshotManifest, VolumeManifest, VolumeState, codec,
    listing::path_of,
    task::{IoMode, SourceSpec, TaskInput, VolumeSpec},
};
use coldread_proto::{ServiceError, v1::ReadFileRequest};
use coldread_store::{PathFilter, Store};
use std::{collections::VecDeque, ops::ControlFlow};

/// Symbolic links followed in one path, as the kernel has it.
const MAX_LINKS: u32 = 40;
/// Bytes of a path that is asked for.
const MAX_PATH_BYTES: usize = 64 << 10;

/// What a path's row says.
struct Found {
    kind: FileKind,
    inode: u64,
    target: Vec<u8>,
}

/// Volumes at their places.
struct Namespace<'a> {
    store: &'a Store,
    manifest: &'a SnapshotManifest,
    /// The path of each volume's root, without a slash at its end (so `/` is empty), and the volume.
    mounts: Vec<(Vec<u8>, &'a VolumeManifest)>,
}

/// The task that reads the file that `request` names.
pub(crate) fn read_task(
    store: &Store,
    manifest: &SnapshotManifest,
    request: &ReadFileRequest,
) -> Result<TaskInput, ServiceError> {
    if request.path.len() > MAX_PATH_BYTES {
        return Err(ServiceError::Limit(format!("a path of {} bytes", request.path.len())));
    }
    // Then nothing is listed, and not there would be said of what is.
    if !manifest.asked.contains(Part::Files) {
        let only: Vec<&str> = manifest.asked.only().map(Part::name).collect();
        return Err(ServiceError::NotFound(format!(
            "the scan of {} was asked for {} only and lists no files",
            manifest.asset,
            only.join(", ")
        )));
    }
    let namespace = Namespace { store, manifest, mounts: mounts(manifest, &request.volume)? };
    let (volume, found) = namespace.resolve(&request.path, &request.stream)?;
    let object = store.get(manifest.volume_specs).map_err(error::of_store)?;
    let specs: Vec<VolumeSpec> = codec::from_bytes("volume specs", &object.bytes)
        .map_err(|error| ServiceError::Internal(error.to_string()))?;
    let spec = specs.into_iter().find(|spec| spec.name == volume.name);
    let spec = spec.ok_or_else(|| ServiceError::Internal(format!("volume {} has no spec", volume.name)))?;
    if spec.filesystem.is_none() {
        return Err(ServiceError::Unreadable(format!(
            "volume {}: its journal was too large to be kept with the snapshot, so no file can be read from it",
            volume.name
        )));
    }
    Ok(TaskInput::Read {
        source: SourceSpec { location: manifest.source.location.clone(), io: IoMode::Auto },
        volume: spec,
        inode: found.inode,
        stream: request.stream.clone(),
        identity: (volume.state != Some(VolumeState::Live)).then_some(manifest.source.metadata_digest),
    })
}

fn mounts<'a>(
    manifest: &'a SnapshotManifest,
    volume: &str,
) -> Result<Vec<(Vec<u8>, &'a VolumeManifest)>, ServiceError> {
    if !volume.is_empty() {
        let found = manifest.volumes.iter().find(|one| one.name == volume);
        let missing = || ServiceError::NotFound(format!("no volume {:?}", crate::limits::cut(volume)));
        return Ok(vec![(Vec::new(), found.ok_or_else(missing)?)]);
    }
    let mounted = manifest.volumes.iter().filter_map(|volume| Some((volume.mount.as_deref()?, volume)));
    let mut mounts: Vec<_> = mounted
        .filter(|(mount, _)| mount.starts_with('/'))
        .map(|(mount, volume)| (mount.trim_end_matches('/').as_bytes().to_vec(), volume))
        .collect();
    if mounts.iter().all(|(at, _)| !at.is_empty()) {
        let mut listed = manifest.volumes.iter().filter(|volume| volume.rows > 0);
        match (listed.next(), listed.next()) {
            (Some(only), None) => mounts.push((Vec::new(), only)),
            (None, _) => return Err(ServiceError::NotFound("no volume of the asset has files".to_owned())),
            _ => {
                let names: Vec<&str> = manifest.volumes.iter().map(|volume| volume.name.as_str()).collect();
                let names = names.join(", ");
                return Err(ServiceError::Invalid(format!(
                    "nothing is mounted at /: name a volume of {names}"
                )));
            }
        }
    }
    // The deepest mount of a path is found first.
    mounts.sort_by_key(|(at, _)| std::cmp::Reverse(at.len()));
    Ok(mounts)
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).map(<[u8]>::to_vec)
}

impl<'a> Namespace<'a> {
    /// The volume that a joined path lies in, and the path inside it.
    fn place(&self, path: &[u8]) -> Option<(&'a VolumeManifest, Vec<u8>)> {
        self.mounts.iter().find_map(|(at, volume)| match path.strip_prefix(&at[..]) {
            Some([]) => Some((*volume, b"/".to_vec())),
            Some(rest @ [b'/', ..]) => Some((*volume, rest.to_vec())),
            _ => None,
        })
    }

    fn resolve(&self, path: &[u8], stream: &[u8]) -> Result<(&'a VolumeManifest, Found), ServiceError> {
        let shown = || String::from_utf8_lossy(path).into_owned();
        let mut left: VecDeque<Vec<u8>> = components(path).collect();
        let mut at: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        let missing = || ServiceError::NotFound(format!("{}: not found", shown()));
        while let Some(component) = left.pop_front() {
            match &component[..] {
                b"." => continue,
                b".." => {
                    at.pop();
                    continue;
                }
                _ => at.push(component),
            }
            let (volume, inner) = self.place(&joined(&at)).ok_or_else(missing)?;
            if inner == b"/" {
                // A mount's root stands in place of what the volume below has there.
                continue;
            }
            let Some(found) = self.look_up(volume, &inner, b"")? else { return Err(missing()) };
            match found.kind {
                FileKind::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(ServiceError::Unreadable(format!(
                            "{}: too many symbolic links",
                            shown()
                        )));
                    }
                    at.pop();
                    if found.target.starts_with(b"/") {
                        at.clear();
                    }
                    for part in components(&found.target).rev() {
                        left.push_front(part);
                    }
                }
                FileKind::Dir => {}
                _ if left.is_empty() => {}
                kind => {
                    let here = String::from_utf8_lossy(&joined(&at)).into_owned();
                    return Err(ServiceError::NotFound(format!(
                        "{}: {here} is a {kind}, no directory",
                        shown()
                    )));
                }
            }
        }
        let (volume, inner) = self.place(&joined(&at)).ok_or_else(missing)?;
        let Some(found) = self.look_up(volume, &inner, stream)? else {
            let there = !stream.is_empty() && self.look_up(volume, &inner, b"")?.is_some();
            let no_stream = || {
                ServiceError::NotFound(format!(
                    "{} has no stream {}",
                    shown(),
                    String::from_utf8_lossy(stream)
                ))
            };
            return Err(if there { no_stream() } else { missing() });
        };
        match found {
            found if found.kind == FileKind::File || !stream.is_empty() => Ok((volume, found)),
            found => Err(ServiceError::NotFound(format!("{} is a {}, no file", shown(), found.kind))),
        }
    }

    /// The row of a path inside a volume and a stream; the unnamed stream's row is the file's own.
    fn look_up(
        &self,
        volume: &VolumeManifest,
        path: &[u8],
        stream: &[u8],
    ) -> Result<Option<Found>, ServiceError> {
        let alone = SnapshotManifest { volumes: vec![volume.clone()], ..self.manifest.clone() };
        let flow = self.store.files(&alone, &PathFilter::under(path), |_, row, _| {
            let stable = &row.stable;
            // A path's own rows come before those below it.
            if path_of(stable.parent, stable.name) != path {
                return ControlFlow::Break(None);
            }
            if stable.flags.contains(RowFlags::DELETED) || stable.stream != stream {
                return ControlFlow::Continue(());
            }
            let target = stable.target.to_vec();
            ControlFlow::Break(Some(Found { kind: stable.kind, inode: row.volatile.inode, target }))
        });
        match flow.map_err(error::of_store)? {
            ControlFlow::Break(found) => Ok(found),
            ControlFlow::Continue(()) => Ok(None),
        }
    }
}

fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut path = Vec::new();
    for part in parts {
        path.push(b'/');
        path.extend_from_slice(part);
    }
    path
}
