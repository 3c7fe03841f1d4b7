//! rpm's database in SQLite: table `Packages`, one header blob a row.
//!
//! Source: rpm's `lib/backend/sqlite.cc` (as documentation).

use super::STRUCTURE;
use crate::{
    Input, Output,
    input::Place,
    sqlite::{Database, SqliteError, Value},
    view::FileView,
};
use coldread_model::{Gap, GapKind};

/// What a rollback journal begins with while a transaction is under way (SQLite's file format, section 3).
pub(super) const HOT_JOURNAL: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// A package's number and its blob, or the gap in its place.
pub(super) type Found<'a> = Result<(i64, &'a [u8]), Gap>;

/// Calls `each` with every package's blob and with every part that cannot be read, until it says `false`. What
/// concerns the whole file goes to `out`.
pub(super) fn each_blob(
    input: &mut Input<'_>,
    out: &mut dyn Output,
    each: &mut dyn FnMut(Found<'_>, &mut dyn Output) -> bool,
) {
    let place = input.place();
    let mut log: Option<&mut dyn FileView> = None;
    for companion in &mut input.companions {
        if companion.suffix == "-wal" {
            log = Some(&mut *companion.view);
        } else if let Some(gap) = unfinished(&place, &mut *companion.view) {
            out.gap(gap);
        }
    }
    let gap = |error: SqliteError| place.gap(error.gap_kind(), STRUCTURE, error);
    let opened = Database::open(&mut *input.view, log, &mut |error| out.gap(gap(error)));
    let mut database = match opened {
        Ok(Some(database)) => database,
        Ok(None) => {
            out.gap(place.gap(GapKind::NotFound, STRUCTURE, "an empty file"));
            return;
        }
        Err(error) => {
            out.gap(gap(error));
            return;
        }
    };
    let root = match database.table("Packages") {
        Ok(Some(root)) => root,
        Ok(None) => {
            out.gap(place.gap(GapKind::NotFound, STRUCTURE, "no table Packages"));
            return;
        }
        Err(error) => {
            out.gap(gap(error));
            return;
        }
    };
    database.each_row(root, &mut |row| {
        let row = match row {
            Ok(row) => row,
            Err(error) => return each(Err(gap(error)), out),
        };
        match row.values() {
            Ok(values) => {
                let reason = || format!("package {}: no header blob", row.id);
                let blob = values.get(1).and_then(Value::blob);
                each(
                    blob.map(|blob| (row.id, blob))
                        .ok_or_else(|| place.gap(GapKind::Corrupt, STRUCTURE, reason())),
                    out,
                )
            }
            Err(error) => each(Err(gap(error)), out),
        }
    });
}

/// The gap of a rollback journal that a crash left behind: it would undo a part of the database.
fn unfinished(place: &Place<'_>, journal: &mut dyn FileView) -> Option<Gap> {
    let mut start = [0; 8];
    match journal.read_at(0, &mut start) {
        Ok(8) if start == HOT_JOURNAL => {
            let reason = "a rollback journal was left by a crash and is not applied";
            Some(place.gap(GapKind::Unreplayed, STRUCTURE, reason))
        }
        Ok(_) => None,
        Err(error) => Some(place.view_gap("rollback journal", &error)),
    }
}
