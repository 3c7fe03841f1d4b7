//! Text for people: sizes in words, and names from disks that cannot play with a terminal.

use std::{borrow::Cow, fmt::Write as _};

/// `bytes` with three digits or so and a binary unit.
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"KiB");
    // What would round to 1024 of a unit is 1.0 of the next.
    while value >= 1023.95 {
        let Some(next) = units.next() else { break };
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A number and what it counts, in the singular where it is one.
pub fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `error` with the source in front, unless it names the source by itself.
pub fn about(source: &str, error: &str) -> String {
    if error.contains(source) {
        plain(error).into_owned()
    } else {
        plain(&format!("{source}: {error}")).into_owned()
    }
}

/// `text` with what a terminal would obey instead of show (controls, changes of direction, line breaks)
/// written as escapes. Names on disks are chosen by strangers.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for one in text.chars() {
        if is_unsafe(one) {
            // Writing to a String does not fail.
            let _ = write!(shown, "{}", one.escape_default());
        } else {
            shown.push(one);
        }
    }
    Cow::Owned(shown)
}

fn is_unsafe(one: char) -> bool {
    one.is_control()
        || matches!(one, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_words() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (417_333_248, "398.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(human_size(bytes), shown);
        }
    }

    #[test]
    fn counts_and_sources() {
        assert_eq!((counted(1, "gap"), counted(0, "gap")), ("1 gap".to_owned(), "0 gaps".to_owned()));
        assert_eq!(about("a.img", "/x/a.img: is empty"), "/x/a.img: is empty");
        assert_eq!(about("a.img", "is empty"), "a.img: is empty");
    }

    #[test]
    fn names_cannot_play_with_a_terminal() {
        assert_eq!(plain("Übung.pdf"), "Übung.pdf");
        assert_eq!(plain("a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(plain("fdp\u{202e}.exe"), "fdp\\u{202e}.exe");
    }
}
