//! Packages in Windows' registry; throughput is packages and bytes of the hive a second.

use coldread_artifacts::{
    Context, Extractor, Input,
    packages::windows::{Software, System},
    view::SliceView,
};
use coldread_model::Findings;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tests::hive::Key;

/// Packages of a hive.
const COUNT: u32 = 1000;

const VERSION: &str = "Microsoft\\Windows\\CurrentVersion";

/// Reads a hive; how many packages it has.
fn read(extractor: &dyn Extractor, hive: &[u8]) -> usize {
    let mut view = SliceView::from(hive);
    let mut found = Findings::default();
    let path = b"/Windows/System32/config/SOFTWARE";
    extractor.extract(&mut Input::new(path, "p1", &mut view), &Context::default(), &mut found);
    assert!(found.gaps.is_empty(), "{:?}", found.gaps.first());
    found.packages.len()
}

/// A hive with so many keys below one.
fn hive(list: &str, one: impl Fn(&mut Key, u32)) -> Vec<u8> {
    let mut root = Key::root();
    let list = root.key(list);
    (0..COUNT).for_each(|index| one(list, index));
    root.hive()
}

fn programs() -> Vec<u8> {
    hive(&format!("{VERSION}\\Uninstall"), |list, index| {
        list.key(&format!("{{0123-{index}}}"))
            .text("DisplayName", &format!("Program {index}"))
            .text("DisplayVersion", "1.2.3")
            .text("Publisher", "Example Corporation")
            .text("InstallDate", "20240305")
            .text("UninstallString", "C:\\Program Files\\Example\\uninstall.exe /S");
    })
}

fn updates() -> Vec<u8> {
    hive(&format!("{VERSION}\\Component Based Servicing\\Packages"), |list, index| {
        list.key(&format!("Package_for_KB{}~31bf3856ad364e35~amd64~~19041.{index}.1.5", 5_000_000 + index))
            .number("CurrentState", 112)
            .number("InstallTimeHigh", 31_065_000)
            .number("InstallTimeLow", index)
            .text("InstallLocation", "\\\\?\\C:\\Windows\\SoftwareDistribution\\Download");
    })
}

fn appx() -> Vec<u8> {
    hive(&format!("{VERSION}\\Appx\\AppxAllUserStore\\Applications"), |list, index| {
        list.key(&format!("Example.App{index}_2023.{index}.0.0_x64__8wekyb3d8bbwe"));
    })
}

fn services() -> Vec<u8> {
    let mut root = Key::root();
    root.key("Select").number("Current", 1);
    let list = root.key("ControlSet001\\Services");
    for index in 0..COUNT {
        let path = format!("C:\\Windows\\System32\\service{index}.exe -k net");
        list.key(&format!("Service{index}"))
            .number("Type", 16)
            .number("Start", 2)
            .text("DisplayName", "A service of some kind")
            .text("ImagePath", &path);
    }
    root.hive()
}

fn registry(criterion: &mut Criterion) {
    let cases: [(&str, &dyn Extractor, Vec<u8>); 4] = [
        ("programs", &Software, programs()),
        ("updates", &Software, updates()),
        ("appx", &Software, appx()),
        ("services", &System, services()),
    ];
    let mut group = criterion.benchmark_group("registry");
    group.sample_size(20);
    for (name, extractor, hive) in &cases {
        assert_eq!(read(*extractor, hive), COUNT as usize, "{name}");
        group.throughput(Throughput::ElementsAndBytes { elements: COUNT.into(), bytes: hive.len() as u64 });
        group.bench_function(*name, |bencher| bencher.iter(|| read(*extractor, hive)));
    }
    group.finish();
}

criterion_group!(benches, registry);
criterion_main!(benches);
