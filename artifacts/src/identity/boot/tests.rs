use super::*;
use coldread_model::Kernel;

/// An entry that starts a kernel of its own name: its file, sort key, machine and version.
fn entry(file: &str, sort_key: &str, machine: &str, version: &str) -> BootEntry {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    BootEntry {
        program: Some(file.as_bytes().to_vec()),
        sort_key: text(sort_key),
        machine_id: text(machine),
        version: text(version),
        ..BootEntry::of_file(file.as_bytes(), &file[file.rfind('.').unwrap()..]).unwrap()
    }
}

/// What an entry starts.
fn program(entry: &BootEntry) -> Option<String> {
    entry.program.clone().map(|path| String::from_utf8(path).unwrap())
}

fn chosen(entries: &[BootEntry], default: Option<BootDefault>, gone: &str) -> Option<String> {
    let mut menu = BootMenu::default();
    let mut system = SystemIdentity::default();
    for entry in entries {
        if let Some(path) = entry.program.as_ref() {
            system.kernels.push(Kernel::at(path));
        }
        menu.add(entry.clone());
    }
    if let Some(default) = default {
        menu.set_default(default);
    }
    menu.choose(&mut system, |path| path != gone.as_bytes());
    let default = system.kernels.iter().find(|kernel| kernel.default == Some(true));
    assert!(default.is_none() || system.kernels.iter().all(|kernel| kernel.default.is_some()));
    default.map(|kernel| String::from_utf8(kernel.path.clone()).unwrap())
}

#[test]
fn the_first_of_the_menu_is_started() {
    // Each goes before all that follow.
    let menu = [
        entry("z.conf", "arch", "", "6.9"),
        entry("y.conf", "debian", "1", "6.10"),
        entry("x.conf", "debian", "1", "6.9"),
        entry("b.efi", "debian", "1", "6.9~rc1"),
        entry("a+1-2.efi", "debian", "1", "6.9~rc1"),
        entry("w.conf", "debian", "2", "7"),
        entry("linux-6.10.conf", "", "0", "1"),
        entry("linux-6.9+3.conf", "", "0", "2"),
        entry("linux-6.9+2-1.conf", "", "0", "2"),
        entry("linux-6.9+2-2.conf", "", "0", "2"),
        entry("c+0-3.conf", "arch", "1", "9"),
        entry("linux-7+0.conf", "", "1", "9"),
    ];
    for place in 0..menu.len() {
        let mut rest = menu[place..].to_vec();
        rest.reverse();
        assert_eq!(chosen(&rest, Some(BootDefault::First), ""), program(&menu[place]));
    }
}

#[test]
fn the_first_that_fits_is_started() {
    let menu = [
        entry("debian-5.10.2.conf", "", "", ""),
        entry("debian-6.9.1.conf", "", "", ""),
        entry("Debian-6.10.1+0-3.conf", "", "", ""),
        entry("debian-6.8.efi", "", "", ""),
    ];
    let fits = |pattern: &str| chosen(&menu, Some(BootDefault::Fits(pattern.to_owned())), "");
    for (pattern, expected) in [
        ("debian-*", "debian-6.9.1.conf"),
        ("DEBIAN-6.10.1.conf", "Debian-6.10.1+0-3.conf"),
        ("debian-[0-5]*", "debian-5.10.2.conf"),
        ("*.efi", "debian-6.8.efi"),
        // As older loaders have it.
        ("debian-5.10.2", "debian-5.10.2.conf"),
        ("*-6.?.1", "debian-6.9.1.conf"),
        // Where none fits.
        ("arch*", "debian-6.9.1.conf"),
        ("[", "debian-6.9.1.conf"),
    ] {
        assert_eq!(fits(pattern).as_deref(), Some(expected), "{pattern}");
    }
    assert_eq!(chosen(&menu, None, ""), None);
    assert_eq!(chosen(&menu, Some(BootDefault::Saved), ""), None);
    assert_eq!(chosen(&[], Some(BootDefault::First), ""), None);
    let without = chosen(&menu, Some(BootDefault::First), "debian-6.9.1.conf");
    assert_eq!(without.as_deref(), Some("debian-6.8.efi"), "what is not there is not in the menu");
    // One that starts something else than a kernel of this disk.
    let other = BootEntry { program: None, ..entry("windows.conf", "", "", "") };
    assert_eq!(chosen(&[menu[0].clone(), other], Some(BootDefault::Fits("w*".to_owned())), ""), None);
}

#[test]
fn grub_has_an_order_of_its_own() {
    // Each after all that follow.
    let menu = [
        entry("0123-0-rescue.conf", "", "", ""),
        entry("0123-5.14.0-70.el9.x86_64.conf", "z", "", "9"),
        entry("0123-5.14.0-362.el9.x86_64.conf", "a", "", "1"),
        entry("0123-6.1.0-1.el9.x86_64+0-3.conf", "", "", ""),
        entry("4567-5.3.18-1.el9.x86_64.conf", "", "", ""),
    ];
    let image = entry("z-9-9.efi", "", "", "");
    let nth = |number| {
        chosen(&[&menu[..], std::slice::from_ref(&image)].concat(), Some(BootDefault::Nth(number)), "")
    };
    for (number, one) in menu.iter().rev().enumerate() {
        assert_eq!(nth(number), program(one));
    }
    assert_eq!(nth(menu.len()), None);
    assert_eq!(
        (parts("a"), parts("a-b"), parts("a-b-c-d")),
        (["a", "", ""], ["a", "b", ""], ["a-b", "c", "d"])
    );
    let mut both = BootMenu::default();
    both.set_default(BootDefault::First);
    both.set_default(BootDefault::Nth(1));
    both.set_default(BootDefault::Saved);
    both.set_default(BootDefault::Nth(2));
    assert_eq!(both.default, Some(BootDefault::Nth(1)));
}

#[test]
fn an_entry_that_is_not_counted_goes_before_those_of_its_name_that_are() {
    let menu = ["/z/a+3.conf", "/m/a.conf", "/b/a+2.conf"].map(|file| entry(file, "", "", ""));
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let entries = order.map(|place| menu[place].clone());
        assert_eq!(chosen(&entries, Some(BootDefault::First), "").as_deref(), Some("/m/a.conf"));
    }
}

#[test]
fn what_another_loader_names_stays() {
    let kernel = |path: &str, default| Kernel { default, ..Kernel::at(path.as_bytes()) };
    let mut system = SystemIdentity {
        kernels: vec![kernel("old.conf", Some(true)), kernel("new.conf", None)],
        ..SystemIdentity::default()
    };
    let expected = system.clone();
    let mut menu = BootMenu::default();
    menu.add(entry("new.conf", "", "", ""));
    menu.set_default(BootDefault::First);
    menu.choose(&mut system, |_| true);
    assert_eq!(system, expected);
}

#[test]
fn names_and_counters() {
    for (file, expected) in [
        ("/e/A+3-1.conf", Some(("a.conf", Some((3, 1))))),
        ("a+0.CONF", Some(("a.conf", Some((0, 0))))),
        ("a+b+12.conf", Some(("a+b.conf", Some((12, 0))))),
        ("a+.conf", Some(("a+.conf", None))),
        ("a+1-.conf", Some(("a+1-.conf", None))),
        ("a+1-2-3.conf", Some(("a+1-2-3.conf", None))),
        ("a+99999999999999999999999.conf", Some(("a.conf", Some((u64::MAX, 0))))),
        (".a.conf", None),
        (".conf", None),
        ("auto-windows.conf", None),
        ("a.efi", None),
    ] {
        let found = BootEntry::of_file(file.as_bytes(), ".conf");
        let shown =
            found.as_ref().map(|one| (one.id.as_str(), one.tries.map(|tries| (tries.left, tries.done))));
        assert_eq!(shown, expected, "{file}");
    }
}

#[test]
fn a_menu_has_an_end() {
    let mut menu = BootMenu::default();
    menu.add(BootEntry { version: Some("1".repeat(MAX_ENTRY_BYTES)), ..entry("a.conf", "", "", "") });
    for index in 0..MAX_ENTRIES + 2 {
        menu.add(entry(&format!("{index}.conf"), "", "", ""));
    }
    assert_eq!((menu.entries.len(), menu.left_out()), (MAX_ENTRIES, 3));
}

#[test]
fn the_order_is_one() {
    let files = ["a", "a+1", "a+2", "a+2-1", "a+0", "a_", "a_+1", "a~", "a-_1", "a-1", "b"];
    let told = [("", ""), ("k", "~_"), ("k", "~~"), ("k", "1.a")];
    let mut entries = Vec::new();
    for (folder, file) in ["x", "y", "z"].into_iter().flat_map(|folder| files.map(|file| (folder, file))) {
        let path = format!("/{folder}/{file}.conf");
        entries.extend(told.map(|(key, version)| entry(&path, key, "", version)));
    }
    let orders: Vec<Vec<Ordering>> =
        entries.iter().map(|one| entries.iter().map(|other| one.order(other)).collect()).collect();
    // Sorting panics where it finds that it is not.
    for (one, order) in orders.iter().enumerate() {
        for (two, first) in order.iter().enumerate() {
            assert_eq!(*first, orders[two][one].reverse());
            let onwards = orders[two].iter().zip(order);
            let broken = onwards.filter(|(second, whole)| first.is_lt() && second.is_lt() && !whole.is_lt());
            assert_eq!(broken.count(), 0, "{:?} {:?}", entries[one], entries[two]);
        }
    }
}
