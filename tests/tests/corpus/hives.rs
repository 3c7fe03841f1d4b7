//! Registry hives where Windows keeps them: that a scan reads them, tells how they were left, and whose users they
//! name. What is in them key by key is held against the index where the reader of hives is tested.

use crate::index::{Line, Scanned};
use serde_json::Value;

/// Kinds of gaps that a hive without logs must have: what its header says of how it was left, and how long it is.
///
/// Source: "Windows registry file format specification" (M. Suhanov), base block.
fn left(hive: &[u8]) -> Vec<&'static str> {
    let word = |at: usize| u32::from_le_bytes(hive[at..at + 4].try_into().unwrap());
    let sum = (0..508).step_by(4).fold(0, |sum, at| sum ^ word(at));
    let mut kinds = Vec::new();
    if word(4) != word(8) || sum != word(508) {
        kinds.push("unreplayed");
    }
    if (hive.len() as u64) < 4096 + u64::from(word(40)) {
        kinds.push("corrupt");
    }
    kinds
}

/// The names of a dirty hive's two logs.
fn logs(hive: &str) -> Option<[String; 2]> {
    if hive.ends_with("-NewDirtyHive") {
        return Some([1, 2].map(|log| format!("{hive}.LOG{log}")));
    }
    let set = hive.strip_suffix("-transactions_NTUSER.DAT.xz")?;
    Some([1, 2].map(|log| format!("{set}-transactions_ntuser.dat.log{log}.xz")))
}

pub(crate) fn hive(line: &Line) {
    let bytes = line.bytes();
    if bytes.starts_with(b"regf") && bytes.get(28) != Some(&0) {
        // A log: the line of its hive reads it.
        assert!(line.fact.contains("LOG"), "{}: {}", line.name, line.fact);
        return;
    }
    // Those of no known name are a user's.
    let place = match line.name.trim_end_matches(".xz").rsplit('-').next() {
        Some("SAM") => "/Windows/System32/config/SAM",
        Some("SYSTEM") => "/Windows/System32/config/SYSTEM",
        _ => "/Users/joe/NTUSER.DAT",
    };
    let scanned = Scanned::files(&[(place, &bytes)]);
    let gaps = scanned.gaps();
    let kinds: Vec<_> = gaps.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, left(&bytes), "{}: {gaps:?}", line.name);
    if let Some([first, second]) = logs(&line.name).map(|logs| logs.map(|name| line.beside(&name))) {
        assert_eq!(kinds, ["unreplayed"], "{}", line.name);
        let files = [
            (place, &bytes[..]),
            ("/Users/joe/ntuser.dat.LOG1", &first),
            ("/Users/joe/ntuser.dat.LOG2", &second),
        ];
        assert_eq!(Scanned::files(&files).gaps(), [], "{}", line.name);
    }
    if line.number(" users").is_some() {
        users(line, &scanned);
    } else if place.ends_with("SYSTEM") {
        let system = &scanned.place.asset("disk")["system"];
        assert!(system["hostname"].is_string() && system["timezone"].is_string(), "{system}");
        assert!(!scanned.packages().is_empty(), "no services");
    }
}

/// The users of a SAM, and what is told of the first.
fn users(line: &Line, scanned: &Scanned) {
    let rows = scanned.place.rows(&["accounts", "--all"]);
    let users: Vec<Value> = rows.into_iter().filter(|row| row["kind"] == "user").collect();
    assert_eq!(Some(users.len()), line.number(" users"));
    let told: Vec<_> = line.after("RID ").take(8).collect();
    let ["500", name, "last_login", last, "pwset", set, "logins", count] = told[..] else {
        panic!("{told:?}")
    };
    let first = users.iter().find(|user| user["id"] == 500).unwrap();
    // The index has seven digits of a second, rows nine.
    let stamp = |time: &str| format!("{}00Z", time.trim_end_matches('Z'));
    assert_eq!(
        (&first["name"], &first["last_login"], &first["password_changed"], &first["login_count"]),
        (
            &name.into(),
            &stamp(last).into(),
            &stamp(set).into(),
            &count.trim_end_matches(',').parse::<u64>().unwrap().into()
        )
    );
}
