//! An asset's volumes joined by its own fstab.

use super::super::survey::Opened;
use coldread_artifacts::fstab::{self, VolumeNames};
use coldread_fsparse::{
    namespace::{MAX_MOUNTS, Namespace},
    source::BlockSource,
    survey::Stream,
    tree::{Place, Tree},
};
use coldread_model::{FileKind, Gap, GapKind, task::VolumeSpec};

/// Files whose presence on a volume speaks for it being the root, the best first.
const ROOT_SIGNS: [&[u8]; 4] = [b"/etc/fstab", b"/etc/os-release", b"/usr/lib/os-release", b"/etc/passwd"];
/// Where Windows keeps its registry: a volume with this directory is a root that no fstab speaks of.
pub(super) const WINDOWS_SIGN: [&[u8]; 3] = [b"Windows", b"System32", b"config"];
/// An fstab larger than this is none.
const FSTAB_BYTES: u64 = 1 << 20;

/// The volumes of an asset as its machine would see them.
pub(super) struct Asset<'a> {
    pub(super) specs: &'a [VolumeSpec],
    opened: &'a [Option<Opened<'a>>],
    pub(super) namespace: Namespace<'a>,
    /// Mount points that the asset's own fstab names.
    mounts: Vec<(usize, Vec<u8>)>,
}

/// A file of the asset.
#[derive(Clone, Copy)]
pub(super) struct AssetFile<'a> {
    pub(super) volume: usize,
    pub(super) inode: u32,
    pub(super) stream: Option<&'a Stream>,
}

impl<'a> Asset<'a> {
    pub(super) fn new(
        specs: &'a [VolumeSpec],
        opened: &'a [Option<Opened<'a>>],
        trees: &'a [Option<Tree<'a>>],
    ) -> Self {
        let names =
            |mounts: &[(usize, Vec<u8>)]| Namespace::new(trees.iter().map(Option::as_ref).collect(), mounts);
        let alone = |volume: usize| names(&[(volume, b"/".to_vec())]);
        let readable: Vec<usize> = (0..trees.len()).filter(|&volume| trees[volume].is_some()).collect();
        let signed = ROOT_SIGNS.iter().find_map(|sign| {
            readable.iter().copied().find(|&volume| alone(volume).resolve(sign, false).is_ok())
        });
        let windows =
            || readable.iter().copied().find(|&volume| trees[volume].as_ref().is_some_and(is_windows));
        let root =
            signed.or_else(windows).or_else(|| readable.first().copied().filter(|_| readable.len() == 1));
        let mut asset = Self { specs, opened, namespace: names(&[]), mounts: Vec::new() };
        let Some(root) = root else { return asset };
        asset.namespace = alone(root);
        let fstab = asset.read_small(b"/etc/fstab").unwrap_or_default();
        asset.mounts =
            fstab::mounts(&fstab::parse(&fstab), &specs.iter().map(volume_names).collect::<Vec<_>>());
        let mut mounts = asset.mounts.clone();
        // An fstab that does not name the volume it lies on still lies on the root.
        if !mounts.iter().any(|(_, point)| point == b"/") {
            mounts.push((root, b"/".to_vec()));
        }
        asset.namespace = names(&mounts);
        asset
    }

    /// That fstab names more mount points than count, if it does.
    pub(super) fn crowded(&self) -> Option<Gap> {
        let reason = || format!("{} mount points, of which {MAX_MOUNTS} count", self.mounts.len());
        (self.mounts.len() > MAX_MOUNTS)
            .then(|| Gap::new(GapKind::Limit, "fstab", reason()).at_path(b"/etc/fstab"))
    }

    /// Where the asset's fstab mounts a volume; the first mount point where there are several.
    pub(super) fn mount_of(&self, volume: usize) -> Option<Vec<u8>> {
        self.mounts.iter().find(|(mounted, _)| *mounted == volume).map(|(_, point)| point.clone())
    }

    /// The volumes that were read and that the asset's own tree does not have.
    pub(super) fn unmounted(&self) -> Vec<usize> {
        let mounted: Vec<usize> = self.namespace.mounts().map(|(volume, _)| volume).collect();
        let read = |volume: &usize| self.namespace.tree(*volume).is_some() && !mounted.contains(volume);
        (0..self.specs.len()).filter(read).collect()
    }

    pub(super) fn source(&self, volume: usize) -> Option<&'a dyn BlockSource> {
        let opened: &'a Opened<'a> = self.opened.get(volume)?.as_ref()?;
        Some(&opened.source)
    }

    /// The regular file at an inode.
    pub(super) fn file(&self, volume: usize, inode: u32) -> Option<AssetFile<'a>> {
        let tree = self.namespace.tree(volume)?;
        let found = tree.inode(inode);
        let stream = tree.survey().streams_of(found).first().filter(|stream| stream.name.len == 0);
        (found.kind == FileKind::File).then_some(AssetFile { volume, inode, stream })
    }

    /// The directory at an inode, without bytes.
    pub(super) fn directory(&self, volume: usize, inode: u32) -> Option<AssetFile<'a>> {
        let found = self.namespace.tree(volume)?.inode(inode);
        (found.kind == FileKind::Dir).then_some(AssetFile { volume, inode, stream: None })
    }

    /// The bytes of a small file by its path, links followed.
    fn read_small(&self, path: &[u8]) -> Option<Vec<u8>> {
        let found = self.namespace.resolve(path, true).ok()?;
        let file = self.file(found.volume, found.inode)?;
        let stream = file.stream.filter(|stream| stream.size <= FSTAB_BYTES)?;
        let survey = self.namespace.tree(found.volume)?.survey();
        let mut queue = self.source(found.volume)?.open_queue().ok()?;
        super::super::view::fetch(survey, &[stream], &mut *queue).pop()?.ok()
    }
}

/// Whether a volume holds a Windows, whatever the case of its names.
pub(super) fn is_windows(tree: &Tree<'_>) -> bool {
    let step = |inode: u32, name: &[u8]| {
        let same = |entry: &&Place| tree.survey().bytes(entry.name).eq_ignore_ascii_case(name);
        tree.places(tree.directory(inode)?).iter().find(same).map(|entry| entry.inode)
    };
    let root = tree.root().map(|root| root.inode);
    WINDOWS_SIGN.iter().try_fold(root, |at, name| Some(step(at?, name))).flatten().is_some()
}

/// What fstab may call a volume.
fn volume_names(spec: &VolumeSpec) -> VolumeNames {
    VolumeNames {
        name: spec.name.clone(),
        uuid: spec.uuid.clone(),
        label: spec.label.clone(),
        partuuid: spec.partition_uuid.clone(),
        partlabel: spec.partition_label.clone(),
        number: spec.name.strip_prefix('p').and_then(|number| number.parse().ok()),
    }
}
