//! The NTFS volume that is mounted at `/srv/daten`: what an office keeps on a share.

use super::{Known, SYSTEM, UPGRADED};
use crate::{
    host::{Failure, at},
    tree::Tree,
};
use rustix::fs::{XattrFlags, getxattr, setxattr};

/// Alternate streams that [`fill`] makes.
pub(crate) const STREAMS: u64 = 1;

/// ntfs-3g's name for the DOS attributes, big-endian.
const ATTRIBUTES: &str = "system.ntfs_attrib_be";
/// FILE_ATTRIBUTE_COMPRESSED, [MS-FSCC] 2.6.
const COMPRESSED: u32 = 0x800;

const FOLDERS: &[&str] = &["Archiv/2024", "Archiv/2025", "Buchhaltung", "Projekte/Hafen", "Vorlagen"];

/// Fills it.
pub(crate) fn fill(tree: &mut Tree) -> Result<Vec<Known>, Failure> {
    let meta = SYSTEM.mtime(UPGRADED - 86_400).mode(0o777);
    for folder in FOLDERS {
        tree.dir(folder, meta)?;
    }
    let mut known = Vec::new();
    for year in [2024, 2025] {
        for month in 1..=12 {
            let text = format!("Protokoll {month:02}/{year}\n\nAnwesend: Anna, Bernd, Clara\n").repeat(month);
            tree.file(&format!("Archiv/{year}/Protokoll {month:02}.txt"), text, meta)?;
        }
    }
    for nth in 1..=12 {
        let text = format!("Rechnung {nth:04}\r\nBetrag: {}.00 EUR\r\n", nth * 117);
        tree.file(&format!("Buchhaltung/Rechnung {nth:04}.txt"), text, meta)?;
    }

    // Compressible in some of its units and not in others.
    let mut table: Vec<u8> =
        (0..6000u32).flat_map(|row| format!("{row};Liegeplatz {};frei\r\n", row % 9).into_bytes()).collect();
    let mut dice = super::Dice::new(0x17F5);
    table.extend((0..70_000).map(|_| dice.below(256) as u8));
    // ntfs-3g compresses what is made in a directory that is marked so.
    let folder = "Projekte/Hafen/Belegung";
    tree.dir(folder, meta)?;
    let mut attributes = [0; 4];
    getxattr(tree.place(folder), ATTRIBUTES, &mut attributes)?;
    let attributes = u32::from_be_bytes(attributes) | COMPRESSED;
    setxattr(tree.place(folder), ATTRIBUTES, &attributes.to_be_bytes(), XattrFlags::empty())?;
    let path = "Projekte/Hafen/Belegung/Oktober.csv";
    tree.file(path, &table, meta)?;
    known.push(Known::new(path, table));

    // What a browser leaves beside a download.
    let plan = "Projekte/Hafen/Plan.pdf";
    let body = format!("%PDF-1.4\n{}%%EOF\n", "% Kaimauer Nord, Blatt 3\n".repeat(400));
    let zone = "[ZoneTransfer]\r\nZoneId=3\r\nHostUrl=https://www.example.org/Plan.pdf\r\n";
    at(&tree.place(plan), std::fs::File::create(tree.place(plan)))?;
    let stream = tree.place(&format!("{plan}:Zone.Identifier"));
    at(&stream, std::fs::write(&stream, zone))?;
    // After the stream, which moves the file's time.
    tree.file(plan, &body, meta)?;
    known.push(Known::new(plan, body));
    known.push(Known {
        path: format!("/{plan}"),
        stream: Some("Zone.Identifier".to_owned()),
        bytes: zone.into(),
    });
    Ok(known)
}
