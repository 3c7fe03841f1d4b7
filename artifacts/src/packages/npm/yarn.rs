//! yarn.lock, of Yarn 1 and of its successors, which write YAML of one fixed shape.
//!
//! Sources: Yarn, "yarn.lock"; Yarn Berry, `parsers/syml` (as documentation).

use crate::{
    lines::{Lines, StreamError, ViewReader},
    packages::rows::Rows,
    view::FileView,
};
use coldread_model::GapKind;

/// One entry on its way: `NAME@RANGE, NAME@RANGE:`, then its fields two spaces in.
#[derive(Default)]
struct Entry {
    key: String,
    version: Option<String>,
    resolution: Option<String>,
}

pub(super) fn read(view: &mut dyn FileView, rows: &mut Rows<'_, '_>) -> Result<(), StreamError> {
    let mut lines = Lines::new(ViewReader::whole(view), 0);
    let mut entry = Entry::default();
    while let Some(line) = lines.next_line()? {
        let text = String::from_utf8_lossy(line.bytes.trim_ascii_end());
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let Some(field) = text.strip_prefix("  ") else {
            std::mem::take(&mut entry).tell(rows);
            text.trim_end_matches(':').clone_into(&mut entry.key);
            continue;
        };
        if field.starts_with(' ') {
            continue;
        }
        let Some((name, value)) = field.split_once([' ', ':']) else { continue };
        let value = value.trim().trim_matches('"').to_owned();
        match name {
            "version" => entry.version = Some(value),
            "resolution" => entry.resolution = Some(value),
            _ => {}
        }
    }
    entry.tell(rows);
    Ok(())
}

impl Entry {
    fn tell(self, rows: &mut Rows<'_, '_>) {
        if self.key.is_empty() || self.key == "__metadata" {
            return;
        }
        let first = self.key.split(',').next().unwrap_or_default().trim();
        let wanted = self.resolution.as_deref().unwrap_or(first).trim_matches('"');
        let (Some((name, range)), Some(version)) = (split(wanted), self.version.as_deref()) else {
            return rows.gap(GapKind::Corrupt, format!("{first}: no name or no version"));
        };
        // Parts of the program itself.
        if range.starts_with("workspace:") || range.starts_with("link:") || range.starts_with("portal:") {
            return;
        }
        // Yarn 1 says of an alias what it stands for; `npm:` is followed by a name only then.
        let alias = range.strip_prefix("npm:").and_then(split).map(|(name, _)| name);
        rows.plain(alias.unwrap_or(name), version);
    }
}

/// `NAME@RANGE`; a scope begins with an `@` of its own.
fn split(text: &str) -> Option<(&str, &str)> {
    let at = text.char_indices().skip(1).find(|(_, one)| *one == '@')?.0;
    Some((&text[..at], &text[at + 1..]))
}
