//! Windows event logs.

use super::Stated;
use coldread_artifacts::{
    evtx::{self, Header},
    view::MemoryView,
};
use std::collections::BTreeMap;

/// What every record says of itself, and how many parts could not be read.
fn read(stated: &Stated) -> (Vec<Header>, usize) {
    let (mut headers, mut errors) = (Vec::new(), 0);
    evtx::each_record(&mut MemoryView::from(stated.read()), &mut |record| {
        let read = record.and_then(|mut record| {
            record.event()?;
            record.header()
        });
        match read {
            Ok(header) => headers.push(header),
            Err(_) => errors += 1,
        }
        true
    });
    (headers, errors)
}

/// Counts of event ids as the index has them: `4624x583 4672x459`.
fn stated_ids(words: &str) -> Vec<(u32, usize)> {
    let pairs = words.split([' ', ',', ';']).filter_map(|word| word.split_once('x'));
    pairs.filter_map(|(id, count)| Some((id.parse().ok()?, count.parse().ok()?))).collect()
}

/// The one id that all have: `2 recs 4720`, `18 recs all 4624`, `1 record EID 1102`.
fn only_id(words: &str) -> Option<u32> {
    let (_, rest) = words.split_once("recs ").or_else(|| words.split_once("record EID "))?;
    rest.trim_start_matches("all ").split(' ').next()?.parse().ok()
}

pub(super) fn check(stated: &Stated) {
    if stated.file.extension().is_some_and(|end| end == "csv") {
        return as_event_viewer_shows_it(stated);
    }
    let (headers, errors) = read(stated);
    let records = stated.count(&["record", "rec", "ok"]).unwrap();
    assert_eq!(headers.len(), records, "{}", stated.name);
    // Behind the chunks of sysmon.evtx, which was never closed, lies what the disk had there before.
    let most = match stated.name.as_str() {
        "sysmon.evtx" => 8..=8,
        _ if stated.words.contains("DIRTY") => 2..=8,
        _ => 0..=0,
    };
    assert!(most.contains(&errors), "{}: {errors} parts could not be read", stated.name);
    let mut ids = BTreeMap::new();
    for header in &headers {
        *ids.entry(header.id).or_insert(0) += 1;
    }
    for (id, count) in stated_ids(&stated.words) {
        assert_eq!(ids.get(&id), Some(&count), "{}: {id}", stated.name);
    }
    if let Some(id) = only_id(&stated.words) {
        assert_eq!(ids.keys().collect::<Vec<_>>(), [&id], "{}", stated.name);
    }
    match stated.name.as_str() {
        "TestLogX.evtx" => assert_eq!(ids.into_keys().collect::<Vec<_>>(), [1, 2, 3, 5, 65_534]),
        "plaso-System.evtx" => {
            let first = &headers[0];
            let time = first.time.to_string();
            assert_eq!((first.id, time.as_str()), (7036, "2010-11-21T03:55:59.626427100Z"));
            assert_eq!(first.computer, "37L4247F27-26");
        }
        _ => {}
    }
}

/// Rows of the viewer's export, the newest first, against the records of the log beside it. Its times are local: apart
/// from the log's by whole quarters of an hour, and by not more than two such, as clocks change twice a year.
fn as_event_viewer_shows_it(stated: &Stated) {
    let text = String::from_utf8(stated.read()).unwrap();
    let log = Stated {
        name: stated.name.replace(".csv", ".evtx"),
        file: stated.file.with_extension("evtx"),
        bytes: std::fs::metadata(stated.file.with_extension("evtx")).unwrap().len(),
        words: String::new(),
    };
    let (headers, errors) = read(&log);
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!((headers.len(), errors), (rows.len(), 0));
    let mut shown: Vec<_> = rows.into_iter().map(row).collect();
    let mut read: Vec<_> =
        headers.into_iter().map(|header| (header.time.seconds, header.provider, header.id)).collect();
    shown.sort();
    read.sort();
    let mut offsets = BTreeMap::new();
    for ((local, provider, id), (time, ..)) in shown.iter().zip(&read) {
        // Of one second there may be several.
        let offset = local - time;
        assert!(offset % 900 == 0, "{local} {provider} {id}: {offset} seconds apart");
        *offsets.entry(offset).or_insert(0) += 1;
        assert!(read.contains(&(local - offset, provider.clone(), *id)));
    }
    assert!(offsets.len() <= 2, "{offsets:?}");
}

/// `Information,12/9/2025 5:37:32 PM,Microsoft-Windows-Servicing,2,…`
fn row(line: &str) -> (i64, String, u32) {
    let mut fields = line.split(',').skip(1);
    let (time, provider, id) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
    let time = jiff::fmt::strtime::parse("%m/%d/%Y %I:%M:%S %p", time).unwrap().to_datetime().unwrap();
    let seconds = jiff::tz::Offset::UTC.to_timestamp(time).unwrap().as_second();
    (seconds, provider.to_owned(), id.parse().unwrap())
}
