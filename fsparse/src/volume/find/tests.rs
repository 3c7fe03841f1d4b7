use super::*;
use crate::{
    machine::run,
    source::{BlockSource, memory::MemorySource},
};

fn probe(disk: Vec<u8>) -> FoundVolumes {
    let source = MemorySource::new(disk);
    let mut probe = DiskProbe::new(source.size_bytes());
    let stats = run(&mut probe, &mut *source.open_queue().unwrap());
    assert!(stats.rounds <= 140);
    probe.finish()
}

fn record(entries: &[(u8, u32, u32)]) -> Vec<u8> {
    let mut sector = vec![0; 512];
    for (slot, (kind, first, sectors)) in entries.iter().enumerate() {
        let at = 446 + 16 * slot;
        sector[at + 4] = *kind;
        sector[at + 8..at + 12].copy_from_slice(&first.to_le_bytes());
        sector[at + 12..at + 16].copy_from_slice(&sectors.to_le_bytes());
    }
    sector[440] = 7;
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

fn names(found: &FoundVolumes) -> Vec<(String, u64, u64)> {
    found.volumes.iter().map(|v| (v.name.clone(), v.range.start / 512, v.range.len / 512)).collect()
}

#[test]
fn logical_partitions_are_followed_and_a_loop_ends() {
    let mut disk = vec![0; 400 * 512];
    disk[..512].copy_from_slice(&record(&[(0x83, 10, 20), (0x05, 100, 200)]));
    disk[100 * 512..101 * 512].copy_from_slice(&record(&[(0x82, 1, 20), (0x05, 50, 40)]));
    disk[150 * 512..151 * 512].copy_from_slice(&record(&[(0x83, 2, 30), (0x05, 0, 40)]));
    disk[101 * 512 + 4086..101 * 512 + 4096].copy_from_slice(b"SWAPSPACE2");
    let found = probe(disk);
    assert_eq!(names(&found), [("p1".into(), 10, 20), ("p5".into(), 101, 20), ("p6".into(), 152, 30)]);
    assert!(matches!(found.volumes[1].content, Content::Named { name: "swap", .. }));
    assert_eq!(found.volumes[1].uuid.as_deref(), Some("00000007-05"));
    // The last record's link (0 sectors into the extended partition) leads back to the first.
    let reasons: Vec<_> = found.gaps.iter().map(|gap| gap.reason.as_str()).collect();
    assert_eq!(reasons, ["the chain of extended boot records comes back to itself"]);
    assert_eq!(found.coverage.len(), 3);
}

#[test]
fn a_truncated_disk_names_what_is_cut() {
    let mut disk = vec![0; 40 * 512];
    disk[..512].copy_from_slice(&record(&[(0x83, 10, 200)]));
    let found = probe(disk);
    assert_eq!(names(&found), [("p1".into(), 10, 30)]);
    assert!(found.gaps[0].reason.contains("truncated"), "{:?}", found.gaps);
}

#[test]
fn a_disk_without_a_table_is_one_volume() {
    for disk in [vec![0; 1000], vec![9; 100_000], vec![1]] {
        let found = probe(disk);
        assert_eq!(found.volumes.len(), 1);
        assert_eq!(found.volumes[0].name, "whole");
        assert!(!matches!(found.volumes[0].content, Content::Filesystem(_)));
    }
}

#[test]
fn partitions_that_repeat_the_disk_are_named_and_not_read() {
    let mut disk = vec![0; 400 * 512];
    disk[..512].copy_from_slice(&record(&[(0x05, 100, 300)]));
    for i in 0..12 {
        let at = (100 + i) * 512;
        disk[at..at + 512].copy_from_slice(&record(&[(0x83, 12 - i as u32, 280), (0x05, i as u32 + 1, 1)]));
    }
    let found = probe(disk);
    assert_eq!(found.volumes.len(), 12);
    let limited =
        |volume: &&FoundVolume| matches!(volume.content, Content::Named { gap: Some(GapKind::Limit), .. });
    assert_eq!(found.volumes.iter().filter(limited).count(), 7);
}
