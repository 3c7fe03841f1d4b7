//! Texts of login events that are longer than any honest record has: an event waits in memory for others, and a hostile
//! log may repeat one of them any number of times.

use coldread_artifacts::logins::logged::{Logged, LoggedTexts};
use coldread_model::{LoginEvent, Text};

/// Bytes of a text that are kept. The longest that systems write are lists of privileges, of about a thousand.
pub(super) const MAX_TEXT: usize = 4096;

/// Cuts the texts of an event; gives how many were too long.
pub(super) fn event(event: &mut LoginEvent) -> u64 {
    let LoginEvent { user, from, host, tty, session, method, target, detail, .. } = event;
    let mut count = 0;
    for text in [user, from, host, tty, session, method, target, detail].into_iter().flatten() {
        if text.len() > MAX_TEXT {
            *text = Text::new(&text[..text.floor_char_boundary(MAX_TEXT)]);
            count += 1;
        }
    }
    count
}

/// An event of a log's lines with its texts cut, and how many were too long; `None` where none is.
#[inline]
pub(super) fn logged<'a>(event: &Logged<'a>) -> Option<(Logged<'a>, u64)> {
    let LoggedTexts { user, from, tty, session, method, target, detail } = event.texts;
    let texts = [user, from, tty, session, method, target, detail];
    let is_long = texts.iter().any(|text| text.map_or(0, <[u8]>::len) > MAX_TEXT);
    is_long.then(|| long(event, texts))
}

fn long<'a>(event: &Logged<'a>, mut texts: [Option<&'a [u8]>; 7]) -> (Logged<'a>, u64) {
    let mut count = 0;
    for text in texts.iter_mut().flatten() {
        if text.len() > MAX_TEXT {
            // Not within a character, if there are characters.
            let starts = (MAX_TEXT - 3..=MAX_TEXT).rev().find(|at| text[*at] & 0xc0 != 0x80);
            *text = &text[..starts.unwrap_or(MAX_TEXT)];
            count += 1;
        }
    }
    let [user, from, tty, session, method, target, detail] = texts;
    let texts = LoggedTexts { user, from, tty, session, method, target, detail };
    (Logged { texts, ..*event }, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::{LoginKind, LoginSource, Origin, Zone};

    #[test]
    fn a_text_is_cut_between_characters_whether_it_is_of_a_line_or_an_event() {
        let (origin, root) = (Origin::from("/var/log/auth.log"), Text::from("/"));
        // The fourth of these begins before the bound and ends behind it.
        for (before, kept) in [(MAX_TEXT, MAX_TEXT), (MAX_TEXT - 1, MAX_TEXT - 1), (MAX_TEXT - 2, MAX_TEXT)] {
            let long = "x".repeat(before) + "\u{e4}\u{e4}";
            let texts = LoggedTexts {
                user: Some(long.as_bytes()),
                from: Some(b"192.0.2.7"),
                ..LoggedTexts::default()
            };
            let line = Logged {
                time: None,
                source: LoginSource::Authlog,
                kind: LoginKind::Failed,
                zone: Zone::Log,
                ambiguous: false,
                pid: None,
                port: None,
                texts,
                origin: &origin,
                offset: 0,
                lines: &[],
                root: &root,
            };
            let mut whole = line.event();
            assert_eq!(event(&mut whole), 1);
            assert_eq!(whole.user.as_ref().map(Text::len), Some(kept));
            let (cut, 1) = logged(&line).unwrap() else { panic!("another count") };
            assert_eq!(cut.event(), whole);
            assert!(logged(&cut).is_none());
            assert_eq!(event(&mut whole), 0);
        }
    }
}
