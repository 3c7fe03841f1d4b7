//! Event logs against the evtx crate, which Python's module of that name (from PyPI) runs.

use crate::support::{corpus, output_of};
use coldread_artifacts::{
    evtx::{self, Event, Header},
    view::MemoryView,
};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// Writes each record that the crate can read on a line: its number, a tab, its tree as JSON.
const DUMP: &str = "
import evtx, json, sys
records = evtx.PyEvtxParser(sys.argv[1]).records_json()
while True:
    try:
        record = next(records)
    except StopIteration:
        break
    except RuntimeError:
        continue
    print(record['event_record_id'], json.dumps(json.loads(record['data'])), sep='\\t')
";

/// Numbers with what each record says.
type Read = BTreeMap<u64, (Header, Event)>;

fn read(file: &Path) -> Read {
    let mut read = Read::new();
    evtx::each_record(&mut MemoryView::from(std::fs::read(file).unwrap()), &mut |record| {
        if let Ok((number, header, event)) =
            record.and_then(|mut record| Ok((record.number, record.header()?, record.event()?)))
        {
            assert!(read.insert(number, (header, event)).is_none(), "{}: {number} twice", file.display());
        }
        true
    });
    read
}

/// An element's own text; the crate puts it beside the attributes where there are such.
fn text(element: &Value) -> String {
    match element.get("#text").unwrap_or(element) {
        Value::Null | Value::Object(_) => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The same value in one way of writing: numbers, hexadecimal ones too, without their form; GUIDs without braces.
fn plain(value: &str) -> String {
    if value.parse::<jiff::Timestamp>().is_ok() {
        return micros(value);
    }
    let value = value.trim().trim_matches(['{', '}']).to_lowercase();
    let number = match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => value.parse::<u64>().ok(),
    };
    number.map_or(value, |number| number.to_string())
}

/// A time to the microsecond, all that the crate shows.
fn micros(time: &str) -> String {
    time.trim_end_matches('Z').chars().take("2016-07-08T18:12:51.681640".len()).collect()
}

/// What differs of a record, and how many values of its data are compared.
fn compare((header, event): &(Header, Event), tree: &Value) -> (Vec<String>, usize) {
    let (system, mut wrong, mut compared) = (&tree["Event"]["System"], Vec::new(), 0);
    let provider = text(&system["Provider"]["#attributes"]["Name"]);
    let time = text(&system["TimeCreated"]["#attributes"]["SystemTime"]);
    let user = text(&system["Security"]["#attributes"]["UserID"]);
    for (ours, theirs) in [
        (header.id.to_string(), text(&system["EventID"])),
        (header.provider.clone(), provider),
        (header.channel.clone(), text(&system["Channel"])),
        (header.computer.clone(), text(&system["Computer"])),
        (header.user.clone().unwrap_or_default(), user),
        (micros(&header.time.to_string()), micros(&time)),
    ] {
        // An event that was damaged has no time of its own: its record's is taken.
        if ours != theirs && !(theirs.is_empty() && ours.contains(':')) {
            wrong.push(format!("{ours:?}, the crate has {theirs:?}"));
        }
    }
    for (name, value) in tree["Event"]["EventData"].as_object().into_iter().flatten() {
        // Values without a name are all called so.
        if name.starts_with('#') || name == "Data" || value.is_array() || value.is_object() {
            continue;
        }
        let (theirs, mut ours) =
            (text(value), event.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value));
        compared += 1;
        if !ours.any(|ours| plain(ours) == plain(&theirs)) {
            wrong.push(format!("{name}: the crate has {theirs:?}, of {:?}", event.fields));
        }
    }
    (wrong, compared)
}

#[test]
fn every_record_is_as_the_evtx_crate_reads_it() {
    let Some(folder) = corpus("evtx") else { return };
    let (mut records, mut values) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|end| end != "evtx") {
            continue;
        }
        let Some(dump) = output_of("python3", &["-c", DUMP, file.to_str().unwrap()]) else { return };
        let (mut ours, mut wrong) = (read(&file), Vec::new());
        for line in dump.lines() {
            let (number, tree) = line.split_once('\t').unwrap();
            let tree: Value = serde_json::from_str(tree).unwrap();
            let Some(record) = ours.remove(&number.parse().unwrap()) else {
                wrong.push(format!("{number} is not read"));
                continue;
            };
            let (differs, compared) = compare(&record, &tree);
            wrong.extend(differs.into_iter().map(|what| format!("{number}: {what}")));
            (records, values) = (records + 1, values + compared);
        }
        assert!(wrong.is_empty(), "{}: {} {:#?}", file.display(), wrong.len(), &wrong[..wrong.len().min(9)]);
        assert!(ours.is_empty(), "{}: the crate does not read {:?}", file.display(), ours.keys());
    }
    println!("{records} records with {values} values");
    assert!(values > records, "{records} records with {values} values prove little");
}
