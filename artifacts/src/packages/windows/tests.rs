use super::*;
use crate::{
    context::ContextFile,
    hive::build::{Node, make_dirty},
    view::MemoryView,
};
use coldread_model::{Findings, GapKind, PackageState, Timestamp};

fn read(extractor: &dyn Extractor, hive: Vec<u8>) -> Findings {
    let mut found = Findings::default();
    let mut view = MemoryView::from(hive);
    let zone = ContextFile {
        path: "/etc/timezone",
        bytes: Some(b"Europe/Berlin".to_vec()),
        ..ContextFile::default()
    };
    let context = Context::from_files("p2", &[zone]);
    extractor.extract(&mut Input::new(b"/Windows/hive", "p2", &mut view), &context, &mut found);
    found
}

fn software() -> Node {
    let mut root = Node::root();
    root.key("Microsoft\\Windows NT\\CurrentVersion")
        .text("ProductName", "Windows 10 Pro")
        .text("EditionID", "Professional")
        .text("DisplayVersion", "23H2")
        .text("CurrentVersion", "6.3")
        .text("CurrentBuildNumber", "22631")
        .text("BuildLabEx", "22621.1.amd64fre.ni_release.220506-1250")
        .number("CurrentMajorVersionNumber", 10)
        .number("CurrentMinorVersionNumber", 0)
        .number("UBR", 2506)
        .number("InstallDate", 1_700_000_000);
    root
}

fn rows(found: &Findings) -> Vec<(&str, &str, Option<&str>, &str)> {
    found
        .packages
        .iter()
        .map(|package| {
            (package.name.as_str(), package.version.as_str(), package.arch.as_deref(), package.state.name())
        })
        .collect()
}

#[test]
fn which_windows_it_is() {
    let found = read(&Software, software().build());
    let system = found.system;
    assert_eq!(system.id.as_deref(), Some("windows"));
    assert_eq!(system.pretty_name.as_deref(), Some("Windows 11 Pro"));
    assert_eq!(system.version_id.as_deref(), Some("23H2"));
    assert_eq!(system.build.as_deref(), Some("10.0.22631.2506"));
    assert_eq!(system.edition.as_deref(), Some("Professional"));
    assert_eq!(system.installed_at, Some(Timestamp::new(1_700_000_000, 0)));

    let mut old = Node::root();
    old.key("Microsoft\\Windows NT\\CurrentVersion")
        .text("ProductName", "Windows 7 Ultimate")
        .text("CSDVersion", "Service Pack 1")
        .text("CurrentVersion", "6.1")
        .text("CurrentBuild", "7601");
    let system = read(&Software, old.build()).system;
    assert_eq!(system.pretty_name.as_deref(), Some("Windows 7 Ultimate Service Pack 1"));
    assert_eq!((system.build.as_deref(), system.version_id.as_deref()), (Some("6.1.7601"), Some("6.1")));
}

#[test]
fn programs_of_both_views_and_of_users() {
    let mut root = software();
    let list = "Microsoft\\Windows\\CurrentVersion\\Uninstall";
    root.key(&format!("{list}\\7-Zip"))
        .text("DisplayName", "7-Zip 23.01 (x64)")
        .text("DisplayVersion", "23.01")
        .text("Publisher", "Igor Pavlov")
        .text("InstallDate", "20231105");
    root.key(&format!("{list}\\AddressBook"));
    root.key(&format!("Wow6432Node\\{list}\\x")).text("DisplayName", "Old").text("InstallDate", "5.11.2023");
    let found = read(&Software, root.build());
    assert_eq!(found.gaps, []);
    assert_eq!(
        rows(&found),
        [("7-Zip 23.01 (x64)", "23.01", Some("x64"), "installed"), ("Old", "", Some("x86"), "installed")]
    );
    let first = &found.packages[0];
    assert_eq!(first.purl, "pkg:generic/7-Zip%2023.01%20%28x64%29@23.01?arch=x64");
    assert_eq!(first.vendor.as_deref(), Some("Igor Pavlov"));
    assert_eq!(first.installed_at.unwrap().to_string(), "2023-11-04T23:00:00.000000000Z");
    assert_eq!(found.packages[1].installed_at, None);

    let mut user = Node::root();
    user.key(&format!("SOFTWARE\\{list}\\gitkraken")).text("DisplayName", "GitKraken");
    user.key("Local Settings\\Software\\Microsoft\\Windows\\CurrentVersion\\AppModel\\Repository\\Packages")
        .key("Contoso.App_1.2.3.4_neutral__8wekyb3d8bbwe");
    let found = read(&UserPrograms, user.build());
    assert_eq!(
        rows(&found),
        [("GitKraken", "", None, "installed"), ("Contoso.App", "1.2.3.4", Some("neutral"), "installed")]
    );
}

#[test]
fn texts_without_end_are_told_and_the_others_read() {
    let (mut root, long) = (software(), "n".repeat(6000));
    let list = "Microsoft\\Windows\\CurrentVersion\\Uninstall";
    root.key(&format!("{list}\\a")).text("DisplayName", &long);
    root.key(&format!("{list}\\b")).text("DisplayName", "b").text("DisplayVersion", &long);
    root.key(&format!("{list}\\c")).text("DisplayName", "c").text("Publisher", &long);
    let found = read(&Software, root.build());
    assert_eq!(rows(&found), [("c", "", Some("x64"), "installed")]);
    assert_eq!(found.packages[0].vendor.as_ref().map(String::len), Some(512));
    let kinds = |found: &Findings| found.gaps.iter().map(|gap| gap.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&found), [GapKind::Limit; 2]);

    let mut root = Node::root();
    root.key("Select").number("Current", 1);
    root.key("ControlSet001\\Services\\long").number("Type", 16).text("ImagePath", &long);
    let found = read(&System, root.build());
    assert_eq!((found.packages.len(), &found.packages[0].source_name), (1, &None));
    assert_eq!(kinds(&found), [GapKind::Limit]);
}

#[test]
fn updates_by_number_and_state() {
    let mut root = software();
    let mut update = |name: &str, state: u32| {
        let key = root.key(&format!(
            "{}\\{name}",
            "Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\Packages"
        ));
        key.number("CurrentState", state);
    };
    update("Package_for_KB5031356~31bf3856ad364e35~amd64~~19041.3570.1.5", 112);
    update("Package_1_for_KB4560366~31bf3856ad364e35~amd64~~1.0.1.0", 80);
    update("Package_for_KB5000001~31bf3856ad364e35~x86~de-DE~1.0", 96);
    update("Package_for_KB5000002~31bf3856ad364e35~x86~~1.0", 64);
    update("Package_for_KB5000003~31bf3856ad364e35~x86~~1.0", 5);
    update("Microsoft-Windows-Foundation-Package~31bf3856ad364e35~amd64~~10.0.19041.1", 112);
    update("Odd~31bf3856ad364e35~amd64~~1", 7);
    root.key("Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\Packages")
        .key("Package_for_RollupFix~31bf3856ad364e35~amd64~~22621.2506.1.8")
        .number("CurrentState", 112)
        .number("InstallTimeHigh", 31_065_000)
        .number("InstallTimeLow", 7)
        .text("InstallLocation", "\\\\?\\C:\\Windows\\SoftwareDistribution\\Windows11.0-KB5031455-x64.cab");
    let found = read(&Software, root.build());
    assert_eq!(
        rows(&found),
        [
            ("KB5031356", "19041.3570.1.5", Some("amd64"), "installed"),
            ("KB4560366", "1.0.1.0", Some("amd64"), "superseded"),
            ("KB5000001", "1.0", Some("x86"), "pending"),
            ("KB5000002", "1.0", Some("x86"), "staged"),
            ("KB5000003", "1.0", Some("x86"), "uninstall-pending"),
            ("Microsoft-Windows-Foundation-Package", "10.0.19041.1", Some("amd64"), "installed"),
            ("Odd", "1", Some("amd64"), "not-installed"),
            ("KB5031455", "22621.2506.1.8", Some("amd64"), "installed"),
        ]
    );
    assert_eq!(found.packages[7].installed_at, Some(Timestamp::from_filetime(31_065_000 << 32 | 7)));
    assert_eq!((found.gaps.len(), found.gaps[0].kind), (1, GapKind::Unsupported));
}

#[test]
fn appx_packages_and_dotnet() {
    let mut root = software();
    let store = "Microsoft\\Windows\\CurrentVersion\\Appx\\AppxAllUserStore";
    root.key(&format!("{store}\\Applications\\Microsoft.Photos_2023.1_x64__8wekyb3d8bbwe"));
    root.key(&format!("{store}\\Staged\\Contoso.New_1.0_x64__abc"));
    root.key(&format!("{store}\\S-1-5-21-1-2-3-1001\\Contoso.Mine_2.0_neutral_split_abc"));
    root.key(&format!("{store}\\Deprovisioned\\Contoso.Gone_abc"));
    let setup = "Microsoft\\NET Framework Setup\\NDP";
    root.key(&format!("{setup}\\v4\\Full")).number("Release", 528_372).text("Version", "4.8.04084");
    root.key(&format!("{setup}\\v3.5")).number("Install", 1).text("Version", "3.5.30729.4926");
    root.key(&format!("{setup}\\v2.0.50727")).number("Install", 0);
    root.key("WOW6432Node\\dotnet\\Setup\\InstalledVersions\\x64\\sharedfx\\Microsoft.NETCore.App")
        .number("6.0.25", 1);
    let found = read(&Software, root.build());
    assert_eq!(found.gaps, []);
    assert_eq!(
        rows(&found),
        [
            ("Microsoft.Photos", "2023.1", Some("x64"), "installed"),
            ("Contoso.New", "1.0", Some("x64"), "staged"),
            ("Contoso.Mine", "2.0", Some("neutral"), "installed"),
            (".NET Framework", "4.8", None, "installed"),
            (".NET Framework", "3.5.30729.4926", None, "installed"),
            ("Microsoft.NETCore.App", "6.0.25", Some("x64"), "installed"),
        ]
    );
    assert_eq!(found.packages[3].source_version.as_deref(), Some("4.8.04084"));
    assert_eq!(found.packages[1].state, PackageState::Staged);
}

#[test]
fn services_drivers_name_and_zone() {
    let mut root = Node::root();
    root.key("Select").number("Current", 2);
    root.key("ControlSet001\\Services\\Wrong").number("Type", 16);
    root.key("ControlSet002\\Control\\ComputerName\\ComputerName").text("ComputerName", "PC-7");
    root.key("ControlSet002\\Control\\TimeZoneInformation")
        .text("TimeZoneKeyName", "W. Europe Standard Time");
    let services = root.key("ControlSet002\\Services");
    services
        .key("ACPI")
        .number("Type", 1)
        .number("Start", 0)
        .text("ImagePath", "system32\\drivers\\ACPI.sys");
    services.key("Dnscache").number("Type", 32).number("Start", 2).text("ImagePath", "svchost.exe -k net");
    services.key("Dnscache\\Parameters").text("ServiceDll", "%SystemRoot%\\System32\\dnsrslvr.dll");
    services.key(".NET CLR Data");
    let found = read(&System, root.build());
    assert_eq!(found.gaps, []);
    let told: Vec<_> = found
        .packages
        .iter()
        .map(|one| (one.kind.name(), one.name.as_str(), one.source_name.as_deref(), one.module.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("windows-driver", "ACPI", Some("system32\\drivers\\ACPI.sys"), Some("boot")),
            ("windows-service", "Dnscache", Some("%SystemRoot%\\System32\\dnsrslvr.dll"), Some("auto")),
        ]
    );
    assert_eq!(found.system.hostname.as_deref(), Some("PC-7"));
    assert_eq!(found.system.timezone.as_deref(), Some("W. Europe Standard Time"));
}

/// What SOFTWARE says with SYSTEM beside it, which can all be read.
fn read_beside(software: &Node, system: &Node) -> Findings {
    let (mut found, mut view) = (Findings::default(), MemoryView::from(software.build()));
    let mut beside = MemoryView::from(system.build());
    let mut input = Input::new(b"/Windows/System32/config/SOFTWARE", "p2", &mut view);
    input.companions.push(crate::Companion { suffix: "SYSTEM", view: &mut beside });
    Software.extract(&mut input, &Context::default(), &mut found);
    assert_eq!(found.gaps, []);
    found
}

/// Times of installation of two programs, of a summer and of a winter day, by what SYSTEM says of the zone.
fn installed_in(zone: impl FnOnce(&mut Node)) -> Vec<i64> {
    let mut hive = software();
    let list = hive.key("Microsoft\\Windows\\CurrentVersion\\Uninstall");
    list.key("a").text("DisplayName", "a").text("InstallDate", "20230701");
    list.key("b").text("DisplayName", "b").text("InstallDate", "20231201");
    let mut system = Node::root();
    system.key("Select").number("Current", 1);
    zone(system.key("ControlSet001\\Control\\TimeZoneInformation"));
    let found = read_beside(&hive, &system);
    let midnights = [1_688_169_600, 1_701_388_800];
    let times = found.packages.iter().filter_map(|one| one.installed_at.map(|at| at.seconds));
    times.zip(midnights).map(|(time, midnight)| (time - midnight) / 60).collect()
}

#[test]
fn days_of_installation_are_those_of_the_machine() {
    const LAST_OF_MARCH: [u8; 16] = [0, 0, 3, 0, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const LAST_OF_OCTOBER: [u8; 16] = [0, 0, 10, 0, 5, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let berlin = |key: &mut Node| {
        key.number("Bias", 60_u32.wrapping_neg()).number("StandardBias", 0);
        key.number("DaylightBias", 60_u32.wrapping_neg());
        key.data("DaylightStart", 3, &LAST_OF_MARCH).data("StandardStart", 3, &LAST_OF_OCTOBER);
    };
    assert_eq!(installed_in(berlin), [-120, -60]);
    let without_summer = |key: &mut Node| {
        berlin(key);
        key.number("DynamicDaylightTimeDisabled", 1);
    };
    assert_eq!(installed_in(without_summer), [-60, -60]);
    assert_eq!(installed_in(|key| _ = key.number("Bias", 330_u32.wrapping_neg())), [-330, -330]);
    assert_eq!(installed_in(|key| _ = key.number("Bias", 570)), [570, 570]);
    // Nothing is said, or nothing that a zone can be: UTC, assumed.
    assert_eq!(installed_in(|_| ()), [0, 0]);
    assert_eq!(installed_in(|key| _ = key.number("Bias", 1 << 31)), [0, 0]);
    let odd = |key: &mut Node| {
        key.data("DaylightStart", 3, &[0xff; 16]).data("StandardStart", 3, &[1]);
        berlin(key);
    };
    assert_eq!(installed_in(odd), [-60, -60]);
}

/// A month, a week of it and its Sunday, at two o'clock, with fields in this order.
fn start(order: [usize; 8], [month, week]: [u16; 2]) -> Vec<u8> {
    // Year, month, weekday, week, hour, minute, second, milliseconds.
    let fields = [0, month, 0, week, 2, 0, 0, 0];
    order.into_iter().flat_map(|field| fields[field].to_le_bytes()).collect()
}

const SYSTEM_TIME: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
const TIME_FIELDS: [usize; 8] = [0, 1, 3, 4, 5, 6, 7, 2];

/// Rules of a year of US Eastern time as SOFTWARE has them.
fn eastern(daylight: [u16; 2], standard: [u16; 2]) -> Vec<u8> {
    let biases = [300_i32, 0, -60].map(i32::to_le_bytes).concat();
    [biases, start(SYSTEM_TIME, standard), start(SYSTEM_TIME, daylight)].concat()
}

/// SYSTEM knows the rules of 2007 and later, SOFTWARE those of the years before, too.
fn eastern_hives(disabled: u32) -> (Node, Node) {
    let mut software = Node::root();
    let zones = software.key("Microsoft\\Windows NT\\CurrentVersion\\Time Zones");
    let list = zones.key("Eastern Standard Time\\Dynamic DST");
    list.number("FirstEntry", 2006).number("LastEntry", 2007);
    list.data("2006", 3, &eastern([4, 1], [10, 5])).data("2007", 3, &eastern([3, 2], [11, 1]));
    let mut system = Node::root();
    system.key("Select").number("Current", 1);
    let zone = system.key("ControlSet001\\Control\\TimeZoneInformation");
    zone.text("TimeZoneKeyName", "Eastern Standard Time").number("Bias", 300);
    zone.number("StandardBias", 0).number("DaylightBias", 60_u32.wrapping_neg());
    zone.number("DynamicDaylightTimeDisabled", disabled);
    zone.data("StandardStart", 3, &start(TIME_FIELDS, [11, 1]));
    zone.data("DaylightStart", 3, &start(TIME_FIELDS, [3, 2]));
    (software, system)
}

/// Days on which programs were installed, and how many minutes west of Greenwich their midnights are.
fn west_on(found: &Findings) -> Vec<(&str, i64)> {
    let west = |package: &Package| package.installed_at.unwrap().seconds % 86_400 / 60;
    found.packages.iter().map(|package| (&package.name[..], west(package))).collect()
}

const DAYS: [&str; 5] = ["20050320", "20060320", "20060701", "20070320", "20300320"];

fn install_each_day(list: &mut Node) {
    for day in DAYS {
        list.key(day).text("DisplayName", day).text("InstallDate", day);
    }
}

#[test]
fn rules_of_their_year_hold_for_days() {
    // Before 2007 daylight time began in April; the first rules hold for 2005, the last for 2030.
    for (disabled, expected) in [(0, [300, 300, 240, 240, 240]), (1, [300; 5])] {
        let (mut software, system) = eastern_hives(disabled);
        install_each_day(software.key("Microsoft\\Windows\\CurrentVersion\\Uninstall"));
        let found = read_beside(&software, &system);
        assert_eq!(west_on(&found), DAYS.into_iter().zip(expected).collect::<Vec<_>>());
    }
}

/// Daylight time from 2 April to 29 October of 2006, and of no other year, where 2007 has no rules of its own.
#[test]
fn a_start_of_one_year_holds_for_that_year() {
    let date = |order: [usize; 8], [month, day]: [u16; 2]| {
        let fields = [2006, month, 0, day, 2, 0, 0, 0];
        order.into_iter().flat_map(|field: usize| fields[field].to_le_bytes()).collect::<Vec<u8>>()
    };
    let dates = ["20050701", "20060401", "20060403", "20061028", "20061030", "20070701"];
    let expected = [300, 300, 240, 240, 300, 300];
    let install = |software: &mut Node| {
        let list = software.key("Microsoft\\Windows\\CurrentVersion\\Uninstall");
        for day in dates {
            list.key(day).text("DisplayName", day).text("InstallDate", day);
        }
    };
    // As SOFTWARE has it, and as SYSTEM has it.
    for by_year in [true, false] {
        let (mut software, mut system) = (Node::root(), Node::root());
        install(&mut software);
        system.key("Select").number("Current", 1);
        let zone = system.key("ControlSet001\\Control\\TimeZoneInformation");
        zone.number("Bias", 300).number("StandardBias", 0).number("DaylightBias", 60_u32.wrapping_neg());
        if by_year {
            zone.text("TimeZoneKeyName", "Eastern Standard Time");
            let zones = software.key("Microsoft\\Windows NT\\CurrentVersion\\Time Zones");
            let list = zones.key("Eastern Standard Time\\Dynamic DST");
            list.number("FirstEntry", 2006).number("LastEntry", 2006);
            let biases = [300_i32, 0, -60].map(i32::to_le_bytes).concat();
            list.data("2006", 3, &[biases, date(SYSTEM_TIME, [10, 29]), date(SYSTEM_TIME, [4, 2])].concat());
        } else {
            zone.data("StandardStart", 3, &date(TIME_FIELDS, [10, 29]));
            zone.data("DaylightStart", 3, &date(TIME_FIELDS, [4, 2]));
        }
        let found = read_beside(&software, &system);
        assert_eq!(west_on(&found), dates.into_iter().zip(expected).collect::<Vec<_>>(), "{by_year}");
    }
}

/// A user's hive lies elsewhere than those that know the zone.
#[test]
fn programs_of_users_have_the_zone_of_the_machine() {
    let (software, system) = eastern_hives(0);
    let mut user = Node::root();
    install_each_day(user.key("Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall"));
    for (hives, expected) in [(2, [300, 300, 240, 240, 240]), (1, [240; 5]), (0, [0; 5])] {
        let (mut found, mut view) = (Findings::default(), MemoryView::from(user.build()));
        let mut views = [&system, &software].map(|hive| MemoryView::from(hive.build()));
        let mut input = Input::new(b"/Users/al/NTUSER.DAT", "p2", &mut view);
        let names = ["/Windows/System32/config/SYSTEM", "/Windows/System32/config/SOFTWARE"];
        for (suffix, view) in names.into_iter().zip(&mut views).take(hives) {
            input.companions.push(crate::Companion { suffix, view });
        }
        UserPrograms.extract(&mut input, &Context::default(), &mut found);
        assert_eq!(found.gaps, []);
        assert_eq!(west_on(&found), DAYS.into_iter().zip(expected).collect::<Vec<_>>());
    }
}

#[test]
fn what_cannot_be_read_is_a_gap_and_the_rest_is_read() {
    assert_eq!(read(&Software, b"no hive".to_vec()).gaps.len(), 1);
    let mut hive = software().build();
    make_dirty(&mut hive);
    let found = read(&Software, hive);
    assert_eq!(found.gaps.iter().map(|gap| gap.kind).collect::<Vec<_>>(), [GapKind::Unreplayed]);
    assert!(found.system.build.is_some());
}

#[test]
fn a_real_system_hive_and_a_real_user() {
    let Some(folder) = std::env::var_os("COLDREAD_CORPUS") else {
        println!("skipped: COLDREAD_CORPUS names no folder of real files");
        return;
    };
    let unpacked = |name: &str| {
        let file = std::fs::File::open(std::path::Path::new(&folder).join("registry").join(name)).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut liblzma::read::XzDecoder::new(file), &mut bytes).unwrap();
        bytes
    };
    let found = read(&System, unpacked("regipy-SYSTEM.xz"));
    assert_eq!(found.gaps, []);
    assert_eq!(found.system.hostname.as_deref(), Some("WKS-WIN732BITA"));
    assert_eq!(found.system.timezone.as_deref(), Some("Eastern Standard Time"));
    println!("{} services and drivers", found.packages.len());
    assert!(found.packages.iter().any(|one| one.name == "AdobeARMservice"));
    let found = read(&UserPrograms, unpacked("regipy-transactions_NTUSER.DAT.xz"));
    assert!(rows(&found).iter().any(|row| row.0.contains("OneDrive")), "{:?}", rows(&found));
}
