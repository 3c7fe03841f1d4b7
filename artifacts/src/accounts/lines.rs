//! Lines of fields between colons.

use crate::{
    Input, Output,
    input::FileGaps,
    lines::{Lines, ViewReader},
};
use coldread_model::GapKind;

/// Rows of one file: a bound for hostile ones.
const ROWS: u64 = 1_000_000;

/// Hands each line that says something to `each` as its fields; what it cannot read of one is a gap with the line's
/// number, as is an error of the file.
pub(super) fn for_each<'i>(
    input: &mut Input<'i>,
    structure: &'static str,
    out: &mut dyn Output,
    mut each: impl FnMut(&[String], &mut dyn Output) -> Result<(), &'static str>,
) {
    let place = input.place();
    let mut gaps: FileGaps<'i> = place.gaps(structure);
    let mut lines = Lines::new(ViewReader::whole(&mut *input.view), 0);
    let mut number = 0;
    while let Some(line) = lines.next_or_gap(&place, structure, out) {
        number += 1;
        if number > ROWS {
            gaps.push(out, GapKind::Limit, format!("more than {ROWS} lines"));
            break;
        }
        let text = line.bytes.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        if line.cut {
            gaps.push(out, GapKind::Limit, format!("line {number}: too long"));
            continue;
        }
        if matches!(text.first(), Some(b'+' | b'-')) {
            gaps.push(
                out,
                GapKind::Unsupported,
                format!("line {number}: entries of NIS are not on this disk"),
            );
            continue;
        }
        let fields: Vec<String> = text
            .split(|byte| *byte == b':')
            .map(|field| String::from_utf8_lossy(field).into_owned())
            .collect();
        if let Err(reason) = each(&fields, out) {
            gaps.push(out, GapKind::Corrupt, format!("line {number}: {reason}"));
        }
    }
    gaps.finish(out);
}
