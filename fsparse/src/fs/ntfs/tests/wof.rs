//! Files of system compression, from the record to their content.

use super::{
    super::wof::{Algorithm, tests::pack},
    image::{Image, Mapping, mapped, name, plain, resident, standard},
    inode, probe, survey,
};
use crate::{
    content::{Item, Sink, read_items},
    source::{BlockSource, memory::MemorySource},
    survey::{Encoding, Packed, Survey},
};
use coldread_model::{FileKind, GapKind};
use std::{fs, path::Path, process::Command};

const ALL: [Algorithm; 4] = [Algorithm::Xpress4K, Algorithm::Xpress8K, Algorithm::Xpress16K, Algorithm::Lzx];

/// Bytes that shrink, and at the end some that do not.
fn sample(len: usize) -> Vec<u8> {
    let mut data: Vec<u8> = (0..len / 2).map(|i| b"system compression "[i * i / 90 % 19]).collect();
    data.extend((0..(len - len / 2) as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8));
    data
}

/// A reparse point of the filter's.
fn point(fields: &[u32]) -> Vec<u8> {
    let mut out = 0x8000_0017_u32.to_le_bytes().to_vec();
    out.extend((fields.len() as u16 * 4).to_le_bytes());
    out.extend([0, 0]);
    out.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
    out
}

fn packed_by(algorithm: Algorithm) -> Vec<u8> {
    point(&[1, 2, 1, algorithm.number(), 0])
}

#[derive(Default)]
struct Collect {
    bytes: Vec<u8>,
    failed: Option<String>,
    done: bool,
}

impl Sink for Collect {
    fn bytes(&mut self, _: usize, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
    fn zeros(&mut self, _: usize, len: u64) {
        self.bytes.resize(self.bytes.len() + len as usize, 0);
    }
    fn done(&mut self, _: usize) {
        self.done = true;
    }
    fn failed(&mut self, _: usize, error: crate::content::ContentError) {
        self.failed = Some(error.to_string());
    }
}

/// The content of a file's only stream.
fn content(source: &MemorySource, survey: &Survey, number: u64) -> Result<Vec<u8>, String> {
    let streams = survey.streams_of(inode(survey, number));
    assert_eq!(streams.len(), 1, "the packed stream is not listed");
    let mut found = Collect::default();
    let item = Item::of(survey, &streams[0]).map(|item| (0, item));
    read_items(item, &mut *source.open_queue().unwrap(), 3000, &mut found);
    assert!(found.done != found.failed.is_some());
    found.failed.map_or(Ok(found.bytes), Err)
}

fn hollow(size: u64) -> Vec<u8> {
    let runs = [(size.div_ceil(512), None)];
    mapped(0x80, "", &Mapping { flags: 0x8000, unit: 0, lowest: 0, size, initialized: 0, runs: &runs })
}

#[test]
fn a_packed_stream_in_clusters_is_the_content() {
    for algorithm in ALL {
        let data = sample(70_000);
        let packed = pack(algorithm, &data);
        let clusters = packed.len().div_ceil(512) as u64;
        let mut image = Image::new();
        // In two pieces, the second one lower.
        image.cluster(3500, &packed[..7 * 512]);
        image.cluster(3200, &packed[7 * 512..]);
        let runs = [(7, Some(3500)), (clusters - 7, Some(3200))];
        let size = packed.len() as u64;
        let stream = Mapping { flags: 0, unit: 0, lowest: 0, size, initialized: size, runs: &runs };
        let record = [
            standard(0x400),
            name(5, "packed.dll", 0),
            hollow(data.len() as u64),
            mapped(0x80, "WofCompressedData", &stream),
            resident(0xc0, "", &packed_by(algorithm)),
        ];
        image.record(36, 0, 0, &record);
        let mut damaged = image.bytes.clone();
        damaged[3500 * 512..][..4].fill(0xff);
        let source = MemorySource::new(image.bytes);
        let probed = probe(&source).unwrap();
        let found = survey(&source, &probed.geometry, 0..probed.units);
        let file = inode(&found, 36);
        assert_eq!((file.kind, file.size), (FileKind::File, 70_000));
        assert!(content(&source, &found, 36) == Ok(data), "{algorithm:?}");
        assert!(content(&MemorySource::new(damaged), &found, 36).is_err());
    }
}

#[test]
fn a_packed_stream_in_the_record_is_the_content() {
    let data = vec![b'x'; 30_000];
    let packed = pack(Algorithm::Xpress16K, &data);
    let mut image = Image::new();
    let record = [
        standard(0x400),
        name(5, "packed.dll", 0),
        hollow(data.len() as u64),
        resident(0x80, "WofCompressedData", &packed),
        resident(0xc0, "", &packed_by(Algorithm::Xpress16K)),
    ];
    image.record(36, 0, 0, &record);
    let source = MemorySource::new(image.bytes);
    let probed = probe(&source).unwrap();
    let found = survey(&source, &probed.geometry, 0..probed.units);
    let stream = &found.streams_of(inode(&found, 36))[0];
    assert!(matches!(stream.encoding, Encoding::Wof { packed: Packed::Inline(_), .. }));
    assert!(content(&source, &found, 36) == Ok(data));
}

#[test]
fn what_is_wrong_with_a_packed_file_is_said() {
    let small = resident(0x80, "WofCompressedData", &[1, 2, 3]);
    let holes = Mapping { flags: 0, unit: 0, lowest: 0, size: 900, initialized: 900, runs: &[(2, None)] };
    let short = Mapping { initialized: 300, runs: &[(2, Some(3200))], ..holes };
    let again = Mapping { flags: 1, runs: &[(2, Some(3200))], ..holes };
    let lzx = || packed_by(Algorithm::Lzx);
    for (point, packed, kind) in [
        (lzx(), Vec::new(), GapKind::Corrupt),
        (lzx(), small.clone(), GapKind::Corrupt),
        (lzx(), mapped(0x80, "WofCompressedData", &holes), GapKind::Corrupt),
        (lzx(), mapped(0x80, "WofCompressedData", &short), GapKind::Corrupt),
        (lzx(), mapped(0x80, "WofCompressedData", &again), GapKind::Unsupported),
        (point(&[1, 1, 0, 0]), small.clone(), GapKind::Unsupported),
        (point(&[1, 2, 1, 9, 0]), small.clone(), GapKind::Unsupported),
        (point(&[1, 2, 1]), small.clone(), GapKind::Unsupported),
        (point(&[7, 2, 1, 1, 0]), small, GapKind::Unsupported),
    ] {
        let mut image = Image::new();
        let record = [standard(0x400), name(5, "f", 0), hollow(90_000), packed, resident(0xc0, "", &point)];
        image.record(36, 0, 0, &record);
        let source = MemorySource::new(image.bytes);
        let probed = probe(&source).unwrap();
        let found = survey(&source, &probed.geometry, 0..probed.units);
        let told: Vec<_> =
            found.gaps.iter().filter(|gap| gap.inode == Some(36)).map(|gap| gap.kind).collect();
        assert_eq!(told, [kind], "{:?}", found.gaps);
        let stream = &found.streams_of(inode(&found, 36))[0];
        assert!(matches!(stream.encoding, Encoding::Unreadable { encrypted: false, .. }));
        assert_eq!(stream.size, 90_000);
    }
    // Without a hollow stream there is no size: the file is empty.
    let mut image = Image::new();
    let point = resident(0xc0, "", &packed_by(Algorithm::Lzx));
    image.record(36, 0, 0, &[standard(0x400), name(5, "f", 0), plain(0x80, 0, &[]), point]);
    let source = MemorySource::new(image.bytes);
    let probed = probe(&source).unwrap();
    let found = survey(&source, &probed.geometry, 0..probed.units);
    assert_eq!({ inode(&found, 36).size }, 0);
}

/// Runs a program; false where it is missing or fails.
fn ran(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// Writes the files of a recipe: their packed streams and reparse points.
fn write_packed(point: &Path) -> bool {
    ALL.into_iter().all(|algorithm| {
        [0, 1, 300, 4096, 40_000, 200_000].into_iter().all(|len| {
            let path = point.join(format!("{algorithm:?}-{len}"));
            let data = sample(len);
            let hollow = fs::File::create(&path).and_then(|file| file.set_len(len as u64));
            let stream = point.join(format!("{algorithm:?}-{len}:WofCompressedData"));
            let hex =
                packed_by(algorithm).iter().fold("0x".to_owned(), |hex, byte| format!("{hex}{byte:02x}"));
            hollow.and_then(|()| fs::write(stream, pack(algorithm, &data))).is_ok()
                && ran(
                    "setfattr",
                    &["-h", "-n", "system.ntfs_reparse_data", "-v", &hex, &path.to_string_lossy()],
                )
        })
    })
}

#[test]
fn files_packed_on_a_volume_of_ntfs_3g_show_their_content() {
    let folder = tempfile::tempdir().unwrap();
    let (image, point) = (folder.path().join("image"), folder.path().join("point"));
    fs::create_dir(&point).unwrap();
    fs::File::create(&image).unwrap().set_len(12 << 20).unwrap();
    let (image_text, point_text) = (image.to_string_lossy(), point.to_string_lossy());
    if !ran("mkntfs", &["-q", "-F", "-f", &image_text])
        || !ran("ntfs-3g", &["-o", "streams_interface=windows", &image_text, &point_text])
    {
        println!("skipped: mkntfs or ntfs-3g cannot make and mount a volume here");
        return;
    }
    let written = write_packed(&point);
    assert!(ran("umount", &[&point_text]));
    if !written {
        println!("skipped: setfattr cannot set reparse points here");
        return;
    }
    let source = MemorySource::new(fs::read(&image).unwrap());
    let probed = probe(&source).unwrap();
    let found = survey(&source, &probed.geometry, 0..probed.units);
    let mut checked = 0;
    for entry in &found.entries {
        let name = String::from_utf8_lossy(found.bytes(entry.name)).into_owned();
        let Some((_, len)) =
            name.split_once('-').filter(|(kind, _)| *kind == "Lzx" || kind.starts_with("Xpress"))
        else {
            continue;
        };
        assert!(content(&source, &found, entry.child) == Ok(sample(len.parse().unwrap())), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 24);
}
