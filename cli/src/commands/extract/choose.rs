//! Which files a path or a glob means, in the asset's tree or in one volume.

use crate::{
    connect::Services,
    failure::{Failure, Result},
};
use coldread_proto::v1::{FilesRequest, Scope, ShowAssetRequest, Volume};
use coldread_store::{Pattern, PatternOptions};
use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

/// A file to read, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chosen {
    /// The path below the destination.
    pub to: Vec<u8>,
    /// The volume it is read from; empty where `path` is one of the asset's tree.
    pub volume: String,
    /// The path to read.
    pub path: Vec<u8>,
}

/// Finds the files of one asset.
pub struct Chooser<'a> {
    services: &'a Services,
    scope: Scope,
    /// The volume that was named; paths are inside it then.
    volume: String,
    tree: Vec<Mounted>,
}

/// A volume at its place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mounted {
    /// Where its root is, without a slash at the end: `/` is empty.
    at: Vec<u8>,
    volume: String,
}

impl<'a> Chooser<'a> {
    /// A chooser for an asset; asks how its volumes are mounted.
    pub async fn new(services: &'a Services, asset: &str, snapshot: &str, volume: &str) -> Result<Self> {
        let request = ShowAssetRequest { asset: asset.to_owned(), snapshot: snapshot.to_owned() };
        let detail = services.query().show_asset(request).await?.into_inner();
        let scope = Scope { asset: asset.to_owned(), snapshot: snapshot.to_owned() };
        Ok(Self { services, scope, volume: volume.to_owned(), tree: tree(&detail.volumes, volume) })
    }

    /// The files that `path` means. A glob that matches none is taken as it stands, for names may hold its signs.
    pub async fn choose(&self, path: &[u8]) -> Result<Vec<Chosen>> {
        let literal = || Chosen { to: path.to_vec(), volume: self.volume.clone(), path: path.to_vec() };
        let Some(pattern) = std::str::from_utf8(path).ok().filter(|text| is_glob(text)) else {
            return Ok(vec![literal()]);
        };
        let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/{pattern}") };
        let options = PatternOptions { paths: true, ..PatternOptions::default() };
        let matcher = Pattern::new(&pattern, options).map_err(|error| Failure::usage(error.to_string()))?;
        let mut chosen = Vec::new();
        for mounted in &self.tree {
            self.search(mounted, &pattern, &matcher, &mut chosen).await?;
        }
        if chosen.is_empty() { Ok(vec![literal()]) } else { Ok(chosen) }
    }

    async fn search(
        &self,
        mounted: &Mounted,
        pattern: &str,
        matcher: &Pattern,
        chosen: &mut Vec<Chosen>,
    ) -> Result<()> {
        let request = FilesRequest {
            scope: Some(self.scope.clone()),
            // At the root the service can choose; elsewhere the pattern is about more than the volume's paths.
            paths: if mounted.at.is_empty() { vec![pattern.to_owned()] } else { Vec::new() },
            volume: mounted.volume.clone(),
            all: false,
        };
        let mut rows = self.services.query().files(request).await?.into_inner();
        while let Some(batch) = rows.message().await? {
            for row in batch.files {
                if row.r#type != "file" || row.stream.is_some() {
                    continue;
                }
                let to = [&mounted.at[..], &row.path[..]].concat();
                if matcher.is_match(Path::new(OsStr::from_bytes(&to))) && is_visible(&self.tree, mounted, &to)
                {
                    chosen.push(Chosen { to, volume: mounted.volume.clone(), path: row.path });
                }
            }
        }
        Ok(())
    }
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// The volumes at their places: one that was named is the whole tree, and so is the only one that has files
/// where nothing is mounted at the root.
fn tree(volumes: &[Volume], named: &str) -> Vec<Mounted> {
    let at_root = |volume: &str| Mounted { at: Vec::new(), volume: volume.to_owned() };
    if !named.is_empty() {
        return vec![at_root(named)];
    }
    let mounted = volumes.iter().filter_map(|volume| Some((volume.mount.as_deref()?, volume)));
    let mut tree: Vec<Mounted> = mounted
        .filter(|(mount, _)| mount.starts_with('/'))
        .map(|(mount, volume)| Mounted {
            at: mount.trim_end_matches('/').as_bytes().to_vec(),
            volume: volume.name.clone(),
        })
        .collect();
    if tree.iter().all(|mounted| !mounted.at.is_empty()) {
        let listed: Vec<&Volume> =
            volumes.iter().filter(|volume| volume.files.is_some_and(|files| files > 0)).collect();
        if let [only] = listed[..] {
            tree.push(at_root(&only.name));
        }
    }
    tree
}

/// Whether no deeper volume lies over the path.
fn is_visible(tree: &[Mounted], mounted: &Mounted, path: &[u8]) -> bool {
    let covers = |other: &Mounted| {
        path.strip_prefix(&other.at[..]).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    tree.iter().all(|other| other.at.len() <= mounted.at.len() || !covers(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: &str, mount: Option<&str>, files: u64) -> Volume {
        Volume {
            name: name.to_owned(),
            mount: mount.map(str::to_owned),
            files: Some(files),
            ..Volume::default()
        }
    }

    fn mounted(at: &str, volume: &str) -> Mounted {
        Mounted { at: at.as_bytes().to_vec(), volume: volume.to_owned() }
    }

    #[test]
    fn volumes_take_their_places() {
        let disk = [volume("p1", Some("/"), 5), volume("p2", Some("/var/"), 5), volume("p3", None, 5)];
        assert_eq!(tree(&disk, ""), [mounted("", "p1"), mounted("/var", "p2")]);
        assert_eq!(tree(&disk, "p3"), [mounted("", "p3")]);
        assert_eq!(tree(&[volume("p1", None, 0), volume("p2", None, 3)], ""), [mounted("", "p2")]);
        assert_eq!(tree(&[volume("p1", None, 1), volume("p2", None, 3)], ""), []);
    }

    #[test]
    fn what_lies_under_a_mount_cannot_be_seen() {
        let tree = [mounted("", "p1"), mounted("/var", "p2")];
        assert!(is_visible(&tree, &tree[0], b"/etc/passwd"));
        assert!(is_visible(&tree, &tree[0], b"/variable"));
        assert!(!is_visible(&tree, &tree[0], b"/var/log/x"));
        assert!(is_visible(&tree, &tree[1], b"/var/log/x"));
    }
}
