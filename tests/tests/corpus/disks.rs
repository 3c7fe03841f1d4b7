//! Whole disks, and what is none.

use crate::{
    databases,
    index::{Line, Scanned},
};

pub(crate) fn disk(line: &Line) {
    if line.fact.starts_with("FULL DISK: ") {
        amazon(line);
    } else if line.fact.contains("(not needed, negative)") {
        // A description of a disk, without the disk: nothing is found, and that is told.
        let scanned = Scanned::disk(&line.path());
        assert_eq!((scanned.packages(), scanned.gaps().len()), (vec![], 1), "{:?}", scanned.gaps());
    } else {
        line.is_unknown();
    }
}

/// A disk from end to end: partitions, filesystem, files, system and packages.
fn amazon(line: &Line) {
    let scanned = Scanned::disk(&line.path());
    let asset = scanned.place.asset("disk");
    let volumes: Vec<_> = asset["volumes"].as_array().unwrap().iter().collect();
    let starts: Vec<_> = volumes.iter().map(|volume| volume["start"].as_u64().unwrap()).collect();
    let told = ["p1 @", "p2 XFS @"].map(|phrase| {
        let place = line.after(phrase).next().unwrap();
        place.trim_end_matches([',', ';']).strip_suffix("MiB").unwrap().parse::<u64>().unwrap() << 20
    });
    assert_eq!(starts, told);
    assert_eq!((&volumes[1]["content"], &volumes[1]["state"]), (&"xfs".into(), &"clean".into()));
    let mut sizes = line.after("raw ");
    let size = sizes.next().unwrap().parse::<u64>().unwrap() << 20;
    assert_eq!((asset["size"].as_u64(), sizes.next()), (Some(size), Some("MiB,")));
    // The first partition is an EFI system partition that nobody formatted.
    let gaps = scanned.gaps();
    assert!(
        gaps.len() == 1 && gaps[0].0 == "unsupported" && gaps[0].1.contains("EFI system partition"),
        "{gaps:?}"
    );
    let files = scanned.place.rows(&["files"]);
    let file = |path: &str| files.iter().find(|row| row["path"] == path).unwrap_or_else(|| panic!("{path}"));
    let database = file("/var/lib/rpm/Packages");
    let told: Vec<_> = line.after("(BDB ").take(4).collect();
    assert_eq!(database["size"].as_u64(), told[0].parse().ok());
    assert_eq!(database["sha256"], told[3].trim_end_matches(");"));
    file("/etc/system-release");
    let system = &asset["system"];
    let (name, release) = line.fact.split_once("OS ").unwrap().1.split_once(" \"").unwrap();
    let release = release.split_once('"').unwrap().0;
    let pretty = system["pretty_name"].as_str().unwrap();
    assert!(name == "amazon" && pretty.ends_with(release), "{system}");
    let (version, codename) = release.trim_end_matches(')').split_once(" (").unwrap();
    assert_eq!((&system["version_id"], &system["codename"]), (&version.into(), &codename.into()));
    assert_eq!(system["id"], "amzn");
    let packages = scanned.packages();
    assert_eq!(packages.len(), 104);
    databases::are_listed(&packages, line);
}
