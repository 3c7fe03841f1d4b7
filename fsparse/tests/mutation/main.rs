//! Thousands of damaged copies of small images: each must end with an answer or an error, within a number
//! of requests, in bounded memory, and without a panic. Half of them have their checksums repaired, so that
//! the damage gets past them.
//!
//! To run one again: `MUTATION=ext4:1234 cargo test -p coldread-fsparse --test mutation`.

mod exercise;
mod images;
mod journals;
mod repair;

use exercise::exercise;
use images::Image;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// No damaged copy takes nearly as long; a loop without end does.
const WATCHDOG: Duration = Duration::from_secs(30);
/// How much larger the process may get, for all that run side by side.
const MAX_GROWTH: u64 = 256 << 20;

/// Splitmix64: the same numbers from the same seed on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

const INTERESTING: [u64; 14] = [
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    1 << 63,
    u64::MAX,
];

/// A copy of the image, damaged as the seed says.
fn damaged(image: &Image, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut bytes = image.bytes.clone();
    for _ in 0..=dice.below(6) {
        let (sector, offset) = (dice.below(usize::MAX), dice.below(512));
        let at = image.place(sector, offset);
        match dice.below(7) {
            0 => bytes[at] = dice.next() as u8,
            1 => bytes[at] ^= 1 << dice.below(8),
            2..=4 => {
                let width = 1 << dice.below(4);
                let value = match dice.below(4) {
                    0 => dice.next(),
                    1 => dice.next() % 64,
                    _ => INTERESTING[dice.below(INTERESTING.len())],
                };
                let value =
                    if dice.below(2) == 0 { value.to_le_bytes() } else { value.swap_bytes().to_le_bytes() };
                let value = if value[0] == 0 { &value[8 - width..] } else { &value[..width] };
                let at = at & !(width - 1);
                bytes[at..at + width].copy_from_slice(value);
            }
            5 => {
                let other = image.place(dice.below(usize::MAX), 0);
                let len = [512, 1024, 4096][dice.below(3)];
                let (at, other) = (at & !511, other);
                if at.max(other) + len <= bytes.len() {
                    let kept = bytes[at..at + len].to_vec();
                    bytes.copy_within(other..other + len, at);
                    bytes[other..other + len].copy_from_slice(&kept);
                }
            }
            _ => {
                let len = dice.below(64).min(bytes.len() - at);
                bytes[at..at + len].fill(dice.next() as u8);
            }
        }
    }
    if seed.is_multiple_of(2) {
        image.repair(&mut bytes);
    }
    if seed % 50 == 7 {
        bytes.truncate(dice.below(bytes.len()));
    }
    bytes
}

/// The most memory that this process ever held, in bytes; 0 where the system does not say.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}

/// Ends the process when one copy takes too long: a loop without end cannot be caught.
fn watch(name: &'static str, running: &Arc<Mutex<Option<(u64, Instant)>>>) {
    let running = Arc::clone(running);
    thread::spawn(move || {
        while Arc::strong_count(&running) > 1 {
            thread::sleep(Duration::from_secs(1));
            let now = *running.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((seed, _)) = now.filter(|(_, since)| since.elapsed() > WATCHDOG) {
                eprintln!("MUTATION={name}:{seed} does not end");
                std::process::exit(101);
            }
        }
    });
}

fn mutate(name: &'static str, copies: u64) {
    let image = Image::golden(name);
    let whole = exercise(image.bytes.clone());
    assert!(whole.filesystems > 0 && whole.rows > 25 && whole.files > 0, "{name} undamaged: {whole:?}");
    let one = std::env::var("MUTATION").ok();
    let wanted = one.as_ref().and_then(|one| one.split_once(':'));
    let seeds = match wanted {
        Some((which, _)) if which != name => return,
        Some((_, seed)) => seed.parse().map(|seed: u64| seed..seed + 1).expect("MUTATION=image:seed"),
        None => 0..copies,
    };
    let running = Arc::new(Mutex::new(None));
    watch(name, &running);
    let start = peak();
    let mut answered = 0;
    for seed in seeds {
        let disk = damaged(&image, seed);
        *running.lock().unwrap_or_else(PoisonError::into_inner) = Some((seed, Instant::now()));
        let ended = catch_unwind(AssertUnwindSafe(|| exercise(disk)));
        *running.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let Ok(answer) = ended else { panic!("failed at MUTATION={name}:{seed}") };
        answered += u64::from(answer.rows > 0);
        let grown = peak().saturating_sub(start);
        assert!(grown <= MAX_GROWTH, "MUTATION={name}:{seed} grew by {grown} bytes");
    }
    println!("{name}: {} checksums, {answered} of {copies} copies listed files", image.checksums());
    // Damage that ends every scan at the superblock would test nothing.
    assert!(wanted.is_some() || answered > copies / 2, "only {answered} of {copies} copies were read");
}

macro_rules! mutations {
    ($($test:ident $name:literal $copies:literal),* $(,)?) => {$(
        #[test]
        fn $test() {
            mutate($name, $copies);
        }
    )*};
}

mutations! {
    ext2 "ext2" 4500,
    ext3 "ext3" 3000,
    ext4 "ext4" 4500,
    ext4_inline "ext4-inline" 3000,
    xfs "xfs" 1500,
    xfs_4k "xfs-4k" 600,
    ntfs "ntfs" 4500,
    ntfs_odd "ntfs-odd" 2500,
    ext4_dirty "ext4-dirty" 1500,
    ext4_fast "ext4-fast" 1500,
    ext3_dirty "ext3-dirty" 1500,
    xfs_dirty "xfs-dirty" 600,
    gpt "gpt" 500,
    mbr "mbr" 500,
}

#[test]
fn repaired_checksums_are_right_and_many() {
    for (name, least) in [
        ("ext4", 100),
        ("ext4-inline", 100),
        ("xfs", 30),
        ("xfs-4k", 30),
        ("ntfs", 100),
        ("ntfs-odd", 15),
        ("ext4-dirty", 500),
        ("ext4-fast", 100),
        ("xfs-dirty", 30),
        ("gpt", 4),
    ] {
        let image = Image::golden(name);
        assert!(image.checksums() >= least, "{name}: {}", image.checksums());
        let mut copy = image.bytes.clone();
        image.repair(&mut copy);
        assert!(copy == image.bytes, "{name}");
    }
}
