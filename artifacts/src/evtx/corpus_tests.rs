//! Real event logs, from the folder that `COLDREAD_CORPUS` names.

use super::*;
use crate::view::MemoryView;
use std::{collections::BTreeMap, path::Path};

fn count(folder: &Path, name: &str) -> (BTreeMap<u32, usize>, Vec<EvtxError>) {
    let bytes =
        std::fs::read(folder.join("evtx").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (mut ids, mut errors) = (BTreeMap::new(), Vec::new());
    each_record(&mut MemoryView::from(bytes), &mut |record| {
        match record.and_then(|mut record| {
            let header = record.header()?;
            record.event()?;
            Ok(header.id)
        }) {
            Ok(id) => *ids.entry(id).or_default() += 1,
            Err(error) => errors.push(error),
        }
        true
    });
    (ids, errors)
}

#[test]
fn counts_of_records() {
    let Some(folder) = std::env::var_os("COLDREAD_CORPUS") else {
        println!("skipped: COLDREAD_CORPUS names no folder of real files");
        return;
    };
    let folder = Path::new(&folder);
    let mut wrong = Vec::new();
    for (name, records, of_ids) in [
        ("2-vss_7-System.evtx", 1160, &[][..]),
        ("Application_no_crc32.evtx", 17, &[]),
        ("TestLogX.evtx", 5, &[(1, 1), (2, 1), (3, 1), (5, 1), (65_534, 1)]),
        ("attack-CA_4624_4625_LogonType2_LogonProc_chrome.evtx", 4, &[(4624, 3), (4625, 1)]),
        ("attack-DE_Fake_ComputerAccount_4720.evtx", 2, &[(4720, 2)]),
        ("attack-DE_RDP_Tunneling_4624.evtx", 18, &[(4624, 18)]),
        ("attack-LM_Remote_Service02_7045.evtx", 3, &[(7045, 3)]),
        ("attack-LM_WMI_4624_4688_TargetHost.evtx", 8, &[(4624, 6), (4688, 2)]),
        ("mta-test.evtx", 239, &[]),
        ("new-user-security.evtx", 4, &[(4720, 1), (4728, 1), (4732, 2)]),
        ("plaso-System.evtx", 5009, &[]),
        ("sample_with_a_bad_chunk_magic.evtx", 270, &[]),
        ("security.evtx", 2261, &[(4624, 583), (4672, 459), (4648, 45), (4907, 620)]),
        ("sysmon.evtx", 358, &[]),
        ("velocidex-Security.evtx", 739, &[(4624, 197), (4625, 15), (4672, 184), (4776, 23)]),
        ("velocidex-Security_1_record.evtx", 1, &[(1102, 1)]),
    ] {
        let (ids, errors) = count(folder, name);
        let found: usize = ids.values().sum();
        println!("{name}: {found} records, {errors:?}");
        let named = of_ids.iter().all(|(id, count)| ids.get(id) == Some(count));
        if found != records || !named {
            wrong.push((name, records, found, ids));
        }
    }
    assert_eq!(wrong, []);
}
