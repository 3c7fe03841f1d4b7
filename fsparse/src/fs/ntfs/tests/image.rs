//! A small NTFS volume, built record by record, with shapes that no mkfs makes: an MFT in pieces that cut
//! records in two and that takes an attribute list to map, files spread over units.

use super::super::runs::tests::encode;

pub(super) const CLUSTER: usize = 512;
pub(super) const RECORD: usize = 1024;
const CLUSTERS: usize = 6000;
/// The MFT's pieces, in clusters: where and how many. Record 16 lies in two of them; an extension record maps
/// the last one.
const MFT: [(u64, u64); 3] = [(16, 33), (100, 47), (200, 2040)];
/// Clusters that the base record of the MFT maps.
const MFT_BASE_CLUSTERS: u64 = MFT[0].1 + MFT[1].1;

/// Records of the volume: more than a unit.
pub(super) const RECORDS: u64 = (MFT[0].1 + MFT[1].1 + MFT[2].1) / 2;

/// The last record of the first unit's neighbour that is used here.
pub(super) const FAR: u64 = 1025;

pub(super) struct Image {
    pub(super) bytes: Vec<u8>,
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub(super) fn reference(number: u64) -> u64 {
    number | 1 << 48
}

fn finish(mut attribute: Vec<u8>, kind: u32, name: &str, flags: u16, name_at: usize) -> Vec<u8> {
    attribute.resize(attribute.len().next_multiple_of(8), 0);
    let len = attribute.len() as u32;
    put(&mut attribute, 0, &kind.to_le_bytes());
    put(&mut attribute, 4, &len.to_le_bytes());
    attribute[9] = name.encode_utf16().count() as u8;
    put(&mut attribute, 10, &(name_at as u16).to_le_bytes());
    put(&mut attribute, 12, &flags.to_le_bytes());
    attribute
}

pub(super) fn resident(kind: u32, name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 24];
    out.extend(utf16(name));
    out.resize(out.len().next_multiple_of(8), 0);
    let at = out.len() as u16;
    out.extend(value);
    put(&mut out, 16, &(value.len() as u32).to_le_bytes());
    put(&mut out, 20, &at.to_le_bytes());
    finish(out, kind, name, 0, 24)
}

/// Runs are clusters: how many, and where.
pub(super) struct Mapping<'a> {
    pub(super) flags: u16,
    pub(super) unit: u8,
    pub(super) lowest: u64,
    pub(super) size: u64,
    pub(super) initialized: u64,
    pub(super) runs: &'a [(u64, Option<u64>)],
}

pub(super) fn mapped(kind: u32, name: &str, mapping: &Mapping<'_>) -> Vec<u8> {
    let mut out = vec![0; 72];
    out[8] = 1;
    out.extend(utf16(name));
    out.resize(out.len().next_multiple_of(8), 0);
    let at = out.len() as u16;
    out.extend(encode(mapping.runs));
    let end = mapping.lowest + mapping.runs.iter().map(|run| run.0).sum::<u64>();
    put(&mut out, 16, &mapping.lowest.to_le_bytes());
    put(&mut out, 24, &end.wrapping_sub(1).to_le_bytes());
    put(&mut out, 32, &at.to_le_bytes());
    out[34] = mapping.unit;
    put(&mut out, 40, &(end - mapping.lowest).wrapping_mul(CLUSTER as u64).to_le_bytes());
    put(&mut out, 48, &mapping.size.to_le_bytes());
    put(&mut out, 56, &mapping.initialized.to_le_bytes());
    finish(out, kind, name, mapping.flags, 72)
}

/// A plain value in clusters.
pub(super) fn plain(kind: u32, size: u64, runs: &[(u64, Option<u64>)]) -> Vec<u8> {
    mapped(kind, "", &Mapping { flags: 0, unit: 0, lowest: 0, size, initialized: size, runs })
}

pub(super) fn standard(attributes: u32) -> Vec<u8> {
    let mut value = vec![0; 48];
    for (at, time) in [
        130_000_000_000_000_001u64,
        130_000_000_000_000_002,
        130_000_000_000_000_003,
        130_000_000_000_000_004,
    ]
    .into_iter()
    .enumerate()
    {
        put(&mut value, at * 8, &time.to_le_bytes());
    }
    put(&mut value, 32, &attributes.to_le_bytes());
    resident(0x10, "", &value)
}

pub(super) fn name(parent: u64, name: &str, namespace: u8) -> Vec<u8> {
    let mut value = vec![0; 66];
    put(&mut value, 0, &reference(parent).to_le_bytes());
    value[64] = name.encode_utf16().count() as u8;
    value[65] = namespace;
    value.extend(utf16(name));
    resident(0x30, "", &value)
}

/// Entries of an attribute list: type, first cluster, record.
pub(super) fn list(entries: &[(u32, u64, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    for &(kind, lowest, number) in entries {
        let mut entry = vec![0; 32];
        put(&mut entry, 0, &kind.to_le_bytes());
        put(&mut entry, 4, &32u16.to_le_bytes());
        entry[7] = 26;
        put(&mut entry, 8, &lowest.to_le_bytes());
        put(&mut entry, 16, &reference(number).to_le_bytes());
        out.extend(entry);
    }
    out
}

pub(super) const DIRECTORY: u16 = 2;

impl Image {
    /// Puts a record in its place.
    pub(super) fn record(&mut self, number: u64, flags: u16, base: u64, attributes: &[Vec<u8>]) {
        let mut record = vec![0; RECORD];
        put(&mut record, 0, b"FILE");
        put(&mut record, 4, &48u16.to_le_bytes());
        put(&mut record, 6, &3u16.to_le_bytes());
        put(&mut record, 16, &1u16.to_le_bytes());
        put(&mut record, 20, &56u16.to_le_bytes());
        put(&mut record, 22, &(flags | 1).to_le_bytes());
        put(&mut record, 28, &(RECORD as u32).to_le_bytes());
        put(&mut record, 32, &(if base == 0 { 0 } else { reference(base) }).to_le_bytes());
        let mut body = attributes.concat();
        body.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        put(&mut record, 24, &(56 + body.len() as u32).to_le_bytes());
        put(&mut record, 56, &body);
        put(&mut record, 48, &7u16.to_le_bytes());
        for stride in [1, 2] {
            let place = stride * 512 - 2;
            let old = [record[place], record[place + 1]];
            put(&mut record, 48 + 2 * stride, &old);
            put(&mut record, place, &7u16.to_le_bytes());
        }
        for (half, bytes) in record.chunks(CLUSTER).enumerate() {
            let at = Self::place(number, half);
            put(&mut self.bytes, at, bytes);
        }
    }

    /// The byte where a half of a record lies.
    pub(super) fn place(number: u64, half: usize) -> usize {
        let mut cluster = number * 2 + half as u64;
        for (lcn, len) in MFT {
            if cluster < len {
                return (lcn + cluster) as usize * CLUSTER;
            }
            cluster -= len;
        }
        panic!("no such record");
    }

    pub(super) fn cluster(&mut self, lcn: usize, bytes: &[u8]) {
        put(&mut self.bytes, lcn * CLUSTER, bytes);
    }

    /// The volume. Clusters from 3000 are file data, from 4000 on free.
    pub(super) fn new() -> Self {
        let mut image = Self { bytes: vec![0xa5; (CLUSTERS + 1) * CLUSTER] };
        let boot = super::super::boot::tests::sample(1, -10, CLUSTERS as u64);
        let mut boot = boot;
        put(&mut boot, 48, &MFT[0].0.to_le_bytes());
        put(&mut boot, 56, &8u64.to_le_bytes());
        image.cluster(0, &boot);
        image.cluster(CLUSTERS, &boot);
        // The log was emptied.
        image.cluster(2300, &[0xff; 16 * CLUSTER]);
        let mut bitmap = vec![0xff; 1024];
        bitmap[4000 / 8..CLUSTERS / 8].fill(0);
        image.cluster(2400, &bitmap);
        for number in 0..RECORDS {
            let place = Self::place(number, 0);
            put(&mut image.bytes, place, &[0; CLUSTER]);
        }

        let mft_bytes = RECORDS * RECORD as u64;
        let base: Vec<_> = MFT[..2].iter().map(|&(lcn, len)| (len, Some(lcn))).collect();
        let first =
            Mapping { flags: 0, unit: 0, lowest: 0, size: mft_bytes, initialized: mft_bytes, runs: &base };
        let last = [(MFT[2].1, Some(MFT[2].0))];
        let rest = Mapping { lowest: MFT_BASE_CLUSTERS, runs: &last, ..first };
        let mft = [
            standard(6),
            resident(
                0x20,
                "",
                &list(&[(0x10, 0, 0), (0x30, 0, 0), (0x80, 0, 0), (0x80, MFT_BASE_CLUSTERS, 15)]),
            ),
            name(5, "$MFT", 3),
            mapped(0x80, "", &first),
        ];
        image.record(0, 0, 0, &mft);
        image.record(15, 0, 0, &[mapped(0x80, "", &rest)]);
        // Record 15 extends record 0, whose reference is its sequence number alone.
        put(&mut image.bytes, Self::place(15, 0) + 32, &(1u64 << 48).to_le_bytes());
        image.record(1, 0, 0, &[standard(6), name(5, "$MFTMirr", 3), plain(0x80, 4096, &[(8, Some(8))])]);
        image.record(2, 0, 0, &[standard(6), name(5, "$LogFile", 3), plain(0x80, 8192, &[(16, Some(2300))])]);
        image.volume(0);
        // An index without names.
        let mut root = vec![0; 16];
        root[8..12].copy_from_slice(&4096u32.to_le_bytes());
        root.extend(super::super::index::tests::header(&[(None, 0, None)]));
        let index = [resident(0x90, "$I30", &root), plain(0xa0, 4096, &[(8, Some(2410))])].concat();
        image.record(5, DIRECTORY, 0, &[standard(6), name(5, ".", 3), index]);
        image.record(6, 0, 0, &[standard(6), name(5, "$Bitmap", 3), plain(0x80, 752, &[(2, Some(2400))])]);
        image.record(7, 0, 0, &[standard(6), name(5, "$Boot", 3), plain(0x80, 4096, &[(8, Some(0))])]);
        image.record(11, DIRECTORY, 0, &[standard(6), name(5, "$Extend", 3)]);
        image.record(24, 0, 0, &[standard(6), name(11, "$Quota", 3)]);

        let both = [resident(0x80, "", b"hello"), resident(0x80, "zone", b"z"), resident(0x80, "area", b"a")];
        let names = [standard(0x20), name(5, "LONGNA~1", 2), name(5, "long name", 1), name(FAR + 1, "ß", 0)];
        image.record(30, 0, 0, &[names.concat(), both.concat()]);
        let mut link = b"IntxLNK\x01".to_vec();
        link.extend(utf16(&"target/".repeat(60)));
        image.record(
            31,
            0,
            0,
            &[standard(4), name(5, "link", 0), plain(0x80, link.len() as u64, &[(2, Some(3000))])],
        );
        image.cluster(3000, &link);
        // A file whose attribute list is not resident and whose second half another unit's record maps.
        let entries = list(&[(0x10, 0, 32), (0x80, 0, 32), (0x80, 4, FAR)]);
        image.cluster(3010, &entries);
        let half =
            Mapping { flags: 0, unit: 0, lowest: 0, size: 4000, initialized: 3000, runs: &[(4, Some(3020))] };
        let other = Mapping { lowest: 4, runs: &[(4, Some(3040))], ..half };
        let spread = [
            standard(0),
            plain(0x20, entries.len() as u64, &[(1, Some(3010))]),
            name(5, "spread", 0),
            mapped(0x80, "", &half),
        ];
        image.record(32, 0, 0, &spread);
        image.record(FAR, 0, 32, &[mapped(0x80, "", &other)]);
        let runs = [(2, Some(3050)), (14, None)];
        let packed = Mapping { flags: 1, unit: 4, lowest: 0, size: 8192, initialized: 8192, runs: &runs };
        image.record(33, 0, 0, &[standard(0x800), name(5, "packed", 0), mapped(0x80, "", &packed)]);
        let secret = Mapping {
            flags: 0x4000,
            unit: 0,
            lowest: 0,
            size: 600,
            initialized: 600,
            runs: &[(2, Some(3060))],
        };
        image.record(34, 0, 0, &[standard(0x4000), name(5, "secret", 0), mapped(0x80, "", &secret)]);
        let wof = [0x17, 0, 0, 0x80, 4, 0, 0, 0, 1, 0, 0, 0];
        let hollow =
            Mapping { flags: 0x8000, unit: 0, lowest: 0, size: 900, initialized: 900, runs: &[(2, None)] };
        let attributes =
            [standard(0x400), name(5, "wof", 0), mapped(0x80, "", &hollow), resident(0xc0, "", &wof)];
        image.record(35, 0, 0, &attributes);
        image.record(FAR + 1, DIRECTORY, 0, &[standard(0), name(5, "far", 0)]);
        for number in 0..4 {
            for half in 0..2 {
                let from = Self::place(number, half);
                image.bytes.copy_within(from..from + CLUSTER, (8 + number as usize * 2 + half) * CLUSTER);
            }
        }
        image
    }

    /// Writes `$Volume` with these flags.
    pub(super) fn volume(&mut self, flags: u16) {
        let mut information = vec![0, 0, 0, 0, 0, 0, 0, 0, 3, 1];
        information.extend(flags.to_le_bytes());
        let label = resident(0x60, "", &utf16("Täst"));
        self.record(3, 0, 0, &[standard(6), name(5, "$Volume", 3), label, resident(0x70, "", &information)]);
    }
}
