//! Trees with every shape of file that a reader must get right; a seed decides which, and where.

use rustix::{
    fs::{
        AtFlags, CWD, FallocateFlags, FileType, Mode, Timespec, Timestamps, XattrFlags, fallocate, getxattr,
        makedev, mknodat, setxattr, utimensat,
    },
    io::Errno,
};
use std::{
    ffi::OsString,
    fs::{self, File, Permissions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::{
        ffi::OsStringExt,
        fs::{FileExt, PermissionsExt, lchown, symlink},
    },
    path::{Path, PathBuf},
};

/// Pseudo-random numbers: the same seed, the same tree.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", `SplitMix64`.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// Yes, so many times out of a hundred.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// Bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len.div_ceil(8)).flat_map(|_| self.number().to_le_bytes()).take(len).collect()
    }
}

/// Sizes around what fits in an inode, in a record and in a block.
const SIZES: [usize; 14] = [0, 1, 59, 60, 61, 159, 160, 161, 700, 4095, 4096, 4097, 12_288, 70_000];
/// Before the epoch, at the ends of 31 and 32 bits, and in between.
const TIMES: [i64; 7] = [0, -86_400 * 365, 1, (1 << 31) - 1, (1 << 31) + 5, (1 << 32) + 7, 1_700_000_000];

struct Filler {
    root: PathBuf,
    posix: bool,
    dice: Dice,
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

/// Fills a mounted filesystem (ext4, xfs or ntfs).
pub fn fill(root: &Path, filesystem: &str, seed: u64) {
    let mut filler = Filler {
        root: root.to_owned(),
        posix: filesystem != "ntfs",
        dice: Dice::new(seed),
        folders: vec![root.to_owned()],
        files: Vec::new(),
    };
    for _ in 0..900 {
        filler.one().unwrap();
    }
    filler.large_directory().unwrap();
    filler.fragments().unwrap();
    if !filler.posix {
        filler.ntfs().unwrap();
    }
}

/// What a filesystem refuses is left out: names that it cannot hold, attributes that it has no room for.
fn unless_refused<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    const REFUSALS: [Errno; 8] = [
        Errno::PERM,
        Errno::INVAL,
        Errno::NAMETOOLONG,
        Errno::MLINK,
        Errno::OPNOTSUPP,
        Errno::ILSEQ,
        Errno::TOOBIG,
        Errno::NOSPC,
    ];
    match result {
        Ok(done) => Ok(Some(done)),
        Err(error) if REFUSALS.iter().any(|refusal| error.raw_os_error() == Some(refusal.raw_os_error())) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Filler {
    fn name(&mut self) -> OsString {
        const PLAIN: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789-_.";
        const WIDE: [char; 13] = ['ä', 'ö', 'ß', 'é', 'ñ', '漢', '字', 'カ', 'б', 'г', 'д', '😀', '🔧'];
        let dice = &mut self.dice;
        let name = match dice.below(100) {
            0..70 => {
                let len = 1 + dice.below(24);
                let name: Vec<u8> = (0..len).map(|_| *dice.pick(PLAIN)).collect();
                let name = String::from_utf8(name).unwrap();
                format!("{}x", name.trim_matches('.')).into_bytes()
            }
            70..85 => {
                let len = 1 + dice.below(12);
                (0..len).map(|_| *dice.pick(&WIDE)).collect::<String>().into_bytes()
            }
            85..93 => vec![b'n'; 120 + dice.below(130) as usize],
            _ if self.posix => {
                let len = 1 + dice.below(20);
                (0..len).map(|_| *dice.pick(&[0xFF, 0xFE, 0x80, b'A', 0xC3])).collect()
            }
            _ => format!("{:x}", dice.number()).into_bytes(),
        };
        OsString::from_vec(name)
    }

    /// A place where nothing is yet.
    fn place(&mut self) -> PathBuf {
        let from = if self.dice.chance(50) { self.folders.len().saturating_sub(30) } else { 0 };
        let mut folder = self.dice.pick(&self.folders[from..]).clone();
        if folder.as_os_str().len() > 1500 {
            folder.clone_from(&self.root);
        }
        loop {
            let path = folder.join(self.name());
            if fs::symlink_metadata(&path).is_err() {
                return path;
            }
        }
    }

    fn file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)?;
        self.files.push(path.to_owned());
        Ok(())
    }

    /// Makes one more file of some shape.
    fn one(&mut self) -> io::Result<()> {
        let path = self.place();
        let shape = self.dice.below(100);
        let made = self.shape(shape, &path);
        if unless_refused(made)?.is_none() || fs::symlink_metadata(&path).is_err() {
            return Ok(());
        }
        self.metadata(&path)
    }

    fn shape(&mut self, shape: u64, path: &Path) -> io::Result<()> {
        let kind = Mode::from_raw_mode(0o640);
        match shape {
            0..12 => {
                fs::create_dir(path)?;
                self.folders.push(path.to_owned());
            }
            12..17 => {
                let name = self.name().into_vec();
                let mut target = if self.dice.chance(60) { name } else { name.repeat(4) };
                target.truncate(900);
                symlink(OsString::from_vec(target), path)?;
            }
            17..21 if !self.files.is_empty() => {
                let linked = self.dice.pick(&self.files).clone();
                fs::hard_link(linked, path)?;
            }
            21..26 => self.holes(path)?,
            26..31 if self.posix => self.unwritten(path)?,
            31..33 if self.posix => mknodat(CWD, path, FileType::Fifo, kind, 0)?,
            33..37 if self.posix => {
                let kinds = [FileType::CharacterDevice, FileType::BlockDevice];
                let device = makedev(self.dice.below(4096) as u32, self.dice.below(1 << 18) as u32);
                mknodat(CWD, path, *self.dice.pick(&kinds), kind, device)?;
            }
            37..38 if self.posix => drop(std::os::unix::net::UnixListener::bind(path)),
            38..43 if self.posix => {
                self.file(path, b"x")?;
                let len = *self.dice.pick(&[10, 300, 2500]);
                setxattr(path, "user.note", &self.dice.bytes(len), XattrFlags::empty())?;
            }
            43..60 => {
                let line = format!("{:08} line of text\n", self.dice.below(100_000_000));
                let text = line.repeat(1 + self.dice.below(400) as usize);
                self.file(path, text.as_bytes())?;
            }
            _ => {
                let len = *self.dice.pick(&SIZES);
                let bytes = self.dice.bytes(len);
                self.file(path, &bytes)?;
            }
        }
        Ok(())
    }

    /// Holes in the middle and at the end.
    fn holes(&mut self, path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        for _ in 0..=self.dice.below(5) {
            file.seek(SeekFrom::Start(self.dice.below(4 << 20)))?;
            let len = 1 + self.dice.below(9000) as usize;
            file.write_all(&self.dice.bytes(len))?;
        }
        let end = file.stream_position()?;
        file.set_len(end + self.dice.below(1 << 20))?;
        self.files.push(path.to_owned());
        Ok(())
    }

    /// Space that is allocated and was never written reads as zeros, whatever lies there.
    fn unwritten(&mut self, path: &Path) -> io::Result<()> {
        let bytes = self.dice.bytes(3000);
        self.file(path, &bytes)?;
        let file = File::options().write(true).open(path)?;
        Ok(fallocate(&file, FallocateFlags::empty(), 0, 10_000 + self.dice.below(200_000))?)
    }

    /// Owners, modes and times.
    fn metadata(&mut self, path: &Path) -> io::Result<()> {
        let link = fs::symlink_metadata(path)?.is_symlink();
        if self.posix && self.dice.chance(30) {
            lchown(path, Some(self.dice.below(1 << 20) as u32), Some(self.dice.below(1 << 20) as u32))?;
            if !link {
                let mode = *self.dice.pick(&[0o600, 0o755, 0o4755, 0o2755, 0o1777, 0o000]);
                fs::set_permissions(path, Permissions::from_mode(mode))?;
            }
        }
        if self.dice.chance(20) {
            let time =
                Timespec { tv_sec: *self.dice.pick(&TIMES), tv_nsec: self.dice.below(1_000_000_000) as _ };
            let times = Timestamps { last_access: time, last_modification: time };
            unless_refused(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into))?;
        }
        Ok(())
    }

    /// A directory with an index of several levels, and gaps in it.
    fn large_directory(&self) -> io::Result<()> {
        let folder = self.root.join("many");
        fs::create_dir(&folder)?;
        let (count, width) = if self.posix { (4000, 40) } else { (1500, 40) };
        let path = |nth: usize| folder.join(format!("entry-{nth:06}-{}", "p".repeat(nth % width)));
        (0..count).try_for_each(|nth| fs::write(path(nth), b""))?;
        (0..count / 4).step_by(3).try_for_each(|nth| fs::remove_file(path(nth)))
    }

    /// Files in many pieces: two that grow in turn, and one with every other block.
    fn fragments(&mut self) -> io::Result<()> {
        let pair = ["interleaved-a", "interleaved-b"].map(|name| File::create(self.root.join(name)));
        let [a, b] = pair;
        let pair = [a?, b?];
        for nth in 0..300 {
            for file in &pair {
                file.write_all_at(&self.dice.bytes(4096), nth * 4096)?;
                if nth % 3 == 0 {
                    file.sync_data()?;
                }
            }
        }
        let file = File::create(self.root.join("every-other-block"))?;
        (0..1500).try_for_each(|nth| file.write_all_at(format!("{nth}").as_bytes(), nth * 8192))
    }

    /// Compressed files and streams.
    fn ntfs(&mut self) -> io::Result<()> {
        const ATTRIBUTES: &str = "system.ntfs_attrib_be";
        let folder = self.root.join("compressed");
        fs::create_dir(&folder)?;
        let mut attributes = [0; 4];
        getxattr(&folder, ATTRIBUTES, &mut attributes)?;
        let compressed = u32::from_be_bytes(attributes) | 0x800;
        setxattr(&folder, ATTRIBUTES, &compressed.to_be_bytes(), XattrFlags::empty())?;
        for nth in 0..20 {
            let bytes = match nth % 3 {
                0 => vec![b'a'; 200_000],
                1 => self.dice.bytes(90_000),
                _ => format!("abc{nth} ").repeat(30_000).into_bytes(),
            };
            fs::write(folder.join(format!("c{nth}")), bytes)?;
        }
        for path in self.files.clone().iter().take(20) {
            let len = *self.dice.pick(&[20, 3000]);
            setxattr(path, "user.stream", &self.dice.bytes(len), XattrFlags::empty())?;
        }
        Ok(())
    }
}
