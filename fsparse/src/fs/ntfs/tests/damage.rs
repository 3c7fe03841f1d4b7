//! Damage of every kind: no panic, no endless loop, no more memory than the volume accounts for.

use super::{facts, image::Image, in_units, probe};
use crate::{
    fs::{Filesystem, ntfs::Ntfs},
    machine::run,
    source::{BlockSource, memory::MemorySource},
};

/// A small generator of numbers, the same on every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

#[test]
fn thousands_of_damaged_volumes_are_read_or_refused() {
    let sound = Image::new().bytes;
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let used: Vec<u64> = (0..=35).chain([1025, 1026]).collect();
    let (mut read, mut refused) = (0, 0);
    for round in 0..3000 {
        let mut bytes = sound.clone();
        for _ in 0..=numbers.next(6) {
            // Most damage goes where it matters: the boot sector and records in use.
            let at = match numbers.next(8) {
                0 if round % 4 == 0 => numbers.next(512),
                1 => numbers.next(bytes.len()),
                _ => {
                    let number = used[numbers.next(used.len())];
                    Image::place(number, numbers.next(2)) + numbers.next(510)
                }
            };
            bytes[at] = match numbers.next(4) {
                0 => 0xff,
                1 => 0,
                2 => bytes[at] ^ (1 << numbers.next(8)),
                _ => numbers.next(256) as u8,
            };
        }
        let source = MemorySource::new(bytes);
        let Ok(probed) = probe(&source) else {
            refused += 1;
            continue;
        };
        read += 1;
        let mut machine = Ntfs.survey(&probed.geometry, 0..probed.units).unwrap();
        let stats = run(&mut *machine, &mut *source.open_queue().unwrap());
        let found = machine.finish();
        assert!(stats.rounds <= 6, "{stats:?}");
        assert!(stats.bytes <= 4 * sound.len() as u64, "{stats:?}");
        let mut machine = Ntfs.directories(&probed.geometry, &used).unwrap();
        let stats = run(&mut *machine, &mut *source.open_queue().unwrap());
        assert!(stats.bytes <= 4 * sound.len() as u64, "{stats:?}");
        machine.finish();
        let volume = sound.len() as u64;
        assert!(found.extents.iter().all(|extent| extent.physical + extent.len <= volume));
        assert!(found.arena.len() <= sound.len());
        if round % 10 == 0 {
            assert_eq!(facts(&in_units(&source, &probed)), facts(&found), "round {round}");
        }
    }
    assert!(read > 1000 && refused > 0, "{read} read, {refused} refused");
}

#[test]
fn noise_is_refused() {
    let mut numbers = Numbers(3);
    for _ in 0..50 {
        let bytes = (0..5000).map(|_| numbers.next(256) as u8).collect();
        assert!(probe(&MemorySource::new(bytes)).is_err());
    }
    assert!(probe(&MemorySource::new(Vec::new())).is_err());
    assert!(Ntfs.survey(&[1, 2, 3], 0..1).is_err());
}
