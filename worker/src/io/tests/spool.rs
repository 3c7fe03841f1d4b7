use super::{noise, read_all};
use crate::io::{OpenError, SpoolOptions, open_with};
use coldread_fsparse::source::Mapping;
use coldread_model::{ByteRange, task::IoMode};
use proptest::prelude::*;
use std::{cell::Cell, io::Write, path::Path};

const FORMATS: [&str; 3] = ["gz", "zst", "xz"];

fn packed(format: &str, bytes: &[u8]) -> Vec<u8> {
    match format {
        "gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "zst" => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        _ => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// Noise around a long run of zeros that starts and ends off any block boundary.
fn image() -> Vec<u8> {
    let mut bytes = noise(5_000_001, 21);
    bytes[1_000_001..4_000_003].fill(0);
    bytes
}

fn unpacked(packed: &[u8], options: &SpoolOptions<'_>) -> Result<(String, Vec<u8>, u64), OpenError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), packed).unwrap();
    let opened = open_with(file.path(), IoMode::Auto, options)?;
    let all = ByteRange::new(0, opened.source.size_bytes());
    let answer = read_all(&*opened.source, &[all]).remove(0);
    assert!(answer.failed.is_empty());
    let holes = opened.source.map(all).unwrap();
    let zeros = holes.iter().filter(|part| part.mapping == Mapping::Zero).map(|part| part.range.len).sum();
    Ok((opened.container, answer.bytes, zeros))
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn every_compression_unpacks_to_the_same_sparse_bytes_and_leaves_no_file() {
    let image = image();
    let folder = tempfile::tempdir().unwrap();
    let steps = Cell::new(0);
    let progress = |step: crate::io::SpoolProgress| {
        assert!(step.compressed <= step.compressed_size && step.unpacked <= 5_000_001);
        steps.set(steps.get() + 1);
    };
    let directory = Some(folder.path().to_owned());
    let options = SpoolOptions { directory, progress: Some(&progress), ..SpoolOptions::default() };
    for format in FORMATS {
        let (container, bytes, zeros) = unpacked(&packed(format, &image), &options).unwrap();
        assert_eq!(container, format);
        assert!(bytes == image, "{format}");
        assert!(zeros == 0 || zeros > 2_900_000, "{format}: {zeros}");
        assert_eq!(entries(folder.path()), 0);
    }
    assert!(steps.get() >= 15);
}

#[test]
fn several_members_are_one_image() {
    let image = image();
    let (head, tail) = image.split_at(1_234_567);
    for format in FORMATS {
        let mut both = packed(format, head);
        both.extend(packed(format, tail));
        if format != "zst" {
            both.extend([0; 512]);
        }
        let (_, bytes, _) = unpacked(&both, &SpoolOptions::default()).unwrap();
        assert!(bytes == image, "{format}");
    }
    // A skippable frame first, as pzstd writes it.
    let mut frames = vec![0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    frames.extend(packed("zst", &image));
    assert!(unpacked(&frames, &SpoolOptions::default()).unwrap().1 == image);
}

#[test]
fn a_cut_stream_says_where_it_ends() {
    let image = image();
    for format in FORMATS {
        let whole = packed(format, &image);
        for len in [whole.len() - 1, whole.len() / 2, 20] {
            let error = unpacked(&whole[..len], &SpoolOptions::default()).unwrap_err();
            let OpenError::Truncated { offset, format: named, .. } = error else {
                panic!("{format}: {error}")
            };
            assert_eq!((named, offset), (format, len as u64));
        }
    }
}

#[test]
fn a_damaged_stream_says_where() {
    let image = image();
    for format in FORMATS {
        let mut bytes = packed(format, &image);
        let middle = bytes.len() / 2;
        for byte in &mut bytes[middle..middle + 64] {
            *byte ^= 0x5a;
        }
        let error = unpacked(&bytes, &SpoolOptions::default()).unwrap_err();
        let OpenError::Damaged { offset, format: named, .. } = error else { panic!("{format}: {error}") };
        assert_eq!(named, format);
        assert!(offset > 0 && offset <= bytes.len() as u64, "{format}: {offset}");
    }
    let mut bytes = packed("gz", &image);
    bytes.extend(b"and something else");
    let error = unpacked(&bytes, &SpoolOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn an_image_over_the_limit_is_refused() {
    let image = image();
    let options = SpoolOptions { max_bytes: 4_999_999, ..SpoolOptions::default() };
    for format in FORMATS {
        let error = unpacked(&packed(format, &image), &options).unwrap_err();
        assert!(matches!(error, OpenError::TooLarge { .. }), "{format}: {error}");
    }
    let options = SpoolOptions { max_bytes: 5_000_001, ..SpoolOptions::default() };
    assert!(unpacked(&packed("gz", &image), &options).is_ok());
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let directory = Some("/nonexistent/spool".into());
    let options = SpoolOptions { directory, ..SpoolOptions::default() };
    let error = unpacked(&packed("gz", &[1; 9]), &options).unwrap_err();
    assert!(matches!(&error, OpenError::Spool { .. }), "{error}");
    assert!(error.to_string().contains("/nonexistent/spool"));
}

#[test]
fn bytes_that_only_look_compressed_at_first_are_raw() {
    for head in [&[0x1f, 0x8b, 7, 0][..], &[0x1f, 0x8b, 8, 0xff], &[0x28, 0xb5, 0x2f], b"7zXZ", &[0x1f]] {
        let (container, bytes, _) = unpacked(head, &SpoolOptions::default()).unwrap();
        assert_eq!((container.as_str(), &bytes[..]), ("raw", head));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_damage_brings_the_unpacker_down(
        flips in prop::collection::vec((0usize..1 << 20, 1u8..), 1..8), keep in 0usize..1 << 20,
    ) {
        let mut image = noise(150_000, 4);
        image[20_000..120_000].fill(0);
        for format in FORMATS {
            let mut bytes = packed(format, &image);
            for (at, mask) in &flips {
                let at = at % bytes.len();
                bytes[at] ^= mask;
            }
            bytes.truncate(1 + keep % bytes.len());
            let size = bytes.len() as u64;
            match unpacked(&bytes, &SpoolOptions { max_bytes: 1 << 24, ..SpoolOptions::default() }) {
                Err(OpenError::Damaged { offset, .. } | OpenError::Truncated { offset, .. }) => {
                    prop_assert!(offset <= size, "{format}: {offset}");
                }
                Err(OpenError::Empty { .. } | OpenError::TooLarge { .. }) => {}
                Err(error) => prop_assert!(false, "{format}: {error}"),
                // The head was hit and the file is raw, or a byte was hit that no checksum covers.
                Ok((container, ..)) => prop_assert!(container == "raw" || container == format),
            }
        }
    }
}
