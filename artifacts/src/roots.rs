//! Where, inside a tree, another one begins that has a system of its own: a container's layer, a chroot.

/// A directory that says, by a name in it, that a root begins above it.
struct Sign {
    /// Its path in that root.
    directory: &'static str,
    /// The names, of which one suffices.
    names: &'static [&'static str],
}

const RPM: &[&str] = &["Packages", "Packages.db", "rpmdb.sqlite"];

/// Databases of system packages. What has one is a system, wherever it lies.
const SIGNS: &[Sign] = &[
    Sign { directory: "/var/lib/dpkg", names: &["status", "status.d"] },
    // Before the older place, whose path is the end of this one's.
    Sign { directory: "/usr/lib/apk/db", names: &["installed"] },
    Sign { directory: "/lib/apk/db", names: &["installed"] },
    Sign { directory: "/var/lib/rpm", names: RPM },
    Sign { directory: "/usr/lib/sysimage/rpm", names: RPM },
    Sign { directory: "/usr/share/rpm", names: RPM },
    Sign { directory: "/var/lib/pacman", names: &["local"] },
];

/// Where container engines and their like keep trees: each is a root, with a database or without. `*` stands for one
/// component. Sources: Docker's documentation, "OverlayFS storage driver", "VFS storage driver" and "Rootless mode" (its
/// store at home); containerd's docs/ops.md, "Base configuration", and `plugins/snapshots` (the native snapshotter copies
/// whole trees); containers-storage.conf(5), "graphroot"; systemd-nspawn(1), "-M"; lxc(7); flatpak's documentation,
/// "Under the Hood".
pub const STORES: &[&str] = &[
    "/var/lib/docker/overlay2/*/diff",
    "/var/lib/docker/fuse-overlayfs/*/diff",
    "/var/lib/docker/overlay/*/root",
    "/var/lib/docker/overlay/*/upper",
    "/var/lib/docker/vfs/dir/*",
    "/home/*/.local/share/docker/overlay2/*/diff",
    "/home/*/.local/share/docker/fuse-overlayfs/*/diff",
    "/home/*/.local/share/docker/vfs/dir/*",
    "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs",
    "/var/lib/containerd/io.containerd.snapshotter.v1.native/snapshots/*",
    "/var/lib/rancher/k3s/agent/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs",
    "/var/lib/rancher/k3s/agent/containerd/io.containerd.snapshotter.v1.native/snapshots/*",
    "/home/*/.local/share/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs",
    "/home/*/.local/share/containerd/io.containerd.snapshotter.v1.fuse-overlayfs/snapshots/*/fs",
    "/var/lib/containers/storage/overlay/*/diff",
    "/var/lib/containers/storage/vfs/dir/*",
    "/home/*/.local/share/containers/storage/overlay/*/diff",
    "/home/*/.local/share/containers/storage/vfs/dir/*",
    "/root/.local/share/containers/storage/overlay/*/diff",
    "/root/.local/share/containers/storage/vfs/dir/*",
    "/var/lib/machines/*",
    "/var/lib/lxc/*/rootfs",
    "/var/lib/flatpak/runtime/*/*/*/*/files",
    "/var/lib/flatpak/app/*/*/*/*/files",
];

/// A directory from which it follows that a root begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begins {
    /// The root is the first so many bytes of the directory's path.
    pub len: usize,
    /// One of these has to be in the directory; none: it need not have anything.
    pub names: &'static [&'static str],
}

/// Whether a directory whose path ends so may say anything; quick, and right where it says no.
pub fn may_begin(path: &[u8]) -> bool {
    let mut parts = path.rsplit(|byte| *byte == b'/');
    let (last, parent) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    matches!(
        last,
        b"dpkg" | b"db" | b"rpm" | b"pacman" | b"diff" | b"root" | b"upper" | b"fs" | b"rootfs" | b"files"
    ) || matches!(parent, b"machines" | b"dir" | b"snapshots")
}

/// What the directory at `path` (absolute, without a `/` at its end) says of a root. The root of all is never said.
pub fn begins(path: &[u8]) -> Option<Begins> {
    let sign = SIGNS.iter().find_map(|sign| Some((path.strip_suffix(sign.directory.as_bytes())?, sign)));
    if let Some((above, sign)) = sign {
        return (!above.is_empty()).then_some(Begins { len: above.len(), names: sign.names });
    }
    let fits = |store: &&&str| {
        let mut parts = path.split(|byte| *byte == b'/');
        let same = store.split('/').all(|wanted| {
            parts.next().is_some_and(|part| wanted == "*" && !part.is_empty() || part == wanted.as_bytes())
        });
        same && parts.next().is_none()
    };
    STORES.iter().find(fits).map(|_| Begins { len: path.len(), names: &[] })
}

/// Whether a tree in which `exists` tells of paths has a system of its own.
pub fn is_system(exists: impl Fn(&str) -> bool) -> bool {
    let databases = || {
        let mut paths =
            SIGNS.iter().flat_map(|sign| sign.names.iter().map(|name| format!("{}/{name}", sign.directory)));
        paths.any(|path| exists(&path))
    };
    exists("/etc/os-release") || exists("/usr/lib/os-release") || databases()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layers_and_chroots_begin_where_they_should() {
        fn root_of(path: &str) -> Option<&str> {
            let found = begins(path.as_bytes())?;
            assert!(may_begin(path.as_bytes()), "{path}");
            Some(&path[..found.len])
        }
        for (path, root) in [
            ("/srv/jail/var/lib/dpkg", Some("/srv/jail")),
            ("/var/lib/dpkg", None),
            ("/srv/a/lib/apk/db", Some("/srv/a")),
            ("/srv/a/usr/lib/apk/db", Some("/srv/a")),
            ("/usr/lib/apk/db", None),
            ("/var/lib/docker/overlay2/abc/diff", Some("/var/lib/docker/overlay2/abc/diff")),
            ("/var/lib/docker/overlay2/abc/work", None),
            ("/var/lib/docker/overlay/abc/upper", Some("/var/lib/docker/overlay/abc/upper")),
            ("/var/lib/docker/overlay/abc/merged", None),
            ("/var/lib/docker/vfs/dir/abc", Some("/var/lib/docker/vfs/dir/abc")),
            (
                "/home/a/.local/share/containers/storage/vfs/dir/b",
                Some("/home/a/.local/share/containers/storage/vfs/dir/b"),
            ),
            (
                "/var/lib/containerd/io.containerd.snapshotter.v1.native/snapshots/7",
                Some("/var/lib/containerd/io.containerd.snapshotter.v1.native/snapshots/7"),
            ),
            ("/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/7", None),
            ("/var/lib/docker/overlay2/abc/diff/etc/diff", None),
            ("/var/lib/machines/web", Some("/var/lib/machines/web")),
            ("/var/lib/machines", None),
            ("/var/lib/lxc/a/rootfs", Some("/var/lib/lxc/a/rootfs")),
        ] {
            assert_eq!(root_of(path), root, "{path}");
        }
        assert!(is_system(|path| path == "/var/lib/rpm/Packages.db"));
        assert!(!is_system(|path| path == "/var/lib/rpm"));
    }

    proptest! {
        #[test]
        fn what_begins_is_never_missed_by_the_quick_look(path in "(/(var|lib|docker|overlay2|diff|dpkg|rpm|db|apk|machines|[a-c]))*") {
            if let Some(found) = begins(path.as_bytes()) {
                prop_assert!(may_begin(path.as_bytes()) && found.len > 0 && found.len <= path.len());
            }
        }
    }
}
