//! What is packed of an event, whether it was made or a log's lines tell it.

use coldread_artifacts::logins::logged::{Logged, Place};
use coldread_model::{
    Evidence, LoginEvent, LoginKind, LoginSource, Origin, SessionEnd, Text, Timestamp, Zone, text::dotted,
};

/// An event's fields. What is no UTF-8 of a text is replaced when it is packed.
pub(super) struct Fields<'a> {
    pub(super) time: Option<Timestamp>,
    pub(super) source: LoginSource,
    pub(super) kind: LoginKind,
    pub(super) zone: Zone,
    pub(super) ambiguous: bool,
    pub(super) user: Option<&'a [u8]>,
    pub(super) from: From<'a>,
    pub(super) host: Option<&'a [u8]>,
    pub(super) tty: Option<&'a [u8]>,
    pub(super) session: Option<&'a [u8]>,
    pub(super) method: Option<&'a [u8]>,
    pub(super) target: Option<&'a [u8]>,
    pub(super) detail: Option<&'a [u8]>,
    pub(super) port: Option<u16>,
    pub(super) pid: Option<u32>,
    pub(super) until: Option<Timestamp>,
    pub(super) ended: Option<SessionEnd>,
    pub(super) origin: &'a Origin,
    pub(super) offset: u64,
    pub(super) evidence: Records<'a>,
    pub(super) root: &'a str,
}

/// Where an event came from.
#[derive(Clone, Copy)]
pub(super) enum From<'a> {
    /// An address of version 4.
    Four([u8; 4]),
    /// Anything else.
    Text(Option<&'a [u8]>),
}

/// Other records of an event.
#[derive(Clone, Copy)]
pub(super) enum Records<'a> {
    /// Of any files.
    Each(&'a [Evidence]),
    /// Lines of its own file, by their offsets.
    Lines(&'a [u64]),
}

fn bytes(text: Option<&Text>) -> Option<&[u8]> {
    text.map(|text| text.as_bytes())
}

impl<'a> Fields<'a> {
    /// Of an event.
    pub(super) fn of(event: &'a LoginEvent) -> Self {
        let from = bytes(event.from.as_ref());
        Self {
            time: event.time,
            source: event.source,
            kind: event.kind,
            zone: event.zone,
            ambiguous: event.ambiguous,
            user: bytes(event.user.as_ref()),
            from: from.and_then(dotted).map_or(From::Text(from), From::Four),
            host: bytes(event.host.as_ref()),
            tty: bytes(event.tty.as_ref()),
            session: bytes(event.session.as_ref()),
            method: bytes(event.method.as_ref()),
            target: bytes(event.target.as_ref()),
            detail: bytes(event.detail.as_ref()),
            port: event.port,
            pid: event.pid,
            until: event.until,
            ended: event.ended,
            origin: &event.origin,
            offset: event.offset,
            evidence: Records::Each(&event.evidence),
            root: &event.root,
        }
    }

    /// Of an event of a log's lines, which came from `place`.
    pub(super) fn of_logged(event: &'a Logged<'a>, place: Option<&'a Place>) -> Self {
        let texts = &event.texts;
        Self {
            time: event.time,
            source: event.source,
            kind: event.kind,
            zone: event.zone,
            ambiguous: event.ambiguous,
            user: texts.user,
            from: match place {
                Some(Place::Four(numbers)) => From::Four(*numbers),
                Some(Place::Text(text)) => From::Text(Some(text.as_bytes())),
                None => From::Text(None),
            },
            host: None,
            tty: texts.tty,
            session: texts.session,
            method: texts.method,
            target: texts.target,
            detail: texts.detail,
            port: event.port,
            pid: event.pid,
            until: None,
            ended: None,
            origin: event.origin,
            offset: event.offset,
            evidence: Records::Lines(event.lines),
            root: event.root,
        }
    }
}

impl Records<'_> {
    /// How many there are.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Each(evidence) => evidence.len(),
            Self::Lines(lines) => lines.len(),
        }
    }

    /// Hands over the source, path and offset of each, as records of `event`.
    pub(super) fn each(self, event: &Fields<'_>, mut take: impl FnMut(LoginSource, &Origin, u64)) {
        match self {
            Self::Each(evidence) => {
                for one in evidence {
                    take(one.source, &one.origin, one.offset);
                }
            }
            Self::Lines(lines) => {
                for offset in lines {
                    take(event.source, event.origin, *offset);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            names::Names,
            packed::{self, Packed},
        },
        *,
    };
    use coldread_artifacts::logins::logged::LoggedTexts;

    #[test]
    fn what_lines_tell_is_packed_as_the_event_that_they_make() {
        let (origin, root) = (Origin::from("/srv/box/var/log/auth.log"), Text::from("/srv/box"));
        let froms: [Option<&[u8]>; 5] =
            [None, Some(b"192.0.2.7"), Some(b"2001:DB8::0:1"), Some(b"::ffff:10.0.0.1"), Some(b"name\xff")];
        for (number, from) in froms.into_iter().enumerate() {
            let user = [&b"root"[..], b"not \xfe UTF-8", "p\u{e4}r".as_bytes()][number % 3];
            let texts = LoggedTexts {
                user: Some(user),
                from,
                method: Some(b"password"),
                detail: Some(b"invalid user"),
                ..LoggedTexts::default()
            };
            let logged = Logged {
                time: Some(Timestamp::new(7, 0)),
                source: LoginSource::Authlog,
                kind: LoginKind::Failed,
                zone: Zone::Disk,
                ambiguous: true,
                pid: Some(77),
                port: Some(22),
                texts,
                origin: &origin,
                offset: 1000,
                lines: &[900, 1100][..number % 3],
                root: &root,
            };
            let mut names = Names::default();
            let [mut of_lines, mut of_event] = [const { Vec::new() }; 2];
            packed::pack(&Fields::of_logged(&logged, logged.place().as_ref()), &mut names, &mut of_lines);
            let event = logged.event();
            packed::pack(&Fields::of(&event), &mut names, &mut of_event);
            assert_eq!(of_lines, of_event, "{from:?}");
            let packed = Packed::at(event.time, &of_lines);
            assert_eq!(packed::unpack(packed, &names), Ok(Box::new(event)));
        }
    }
}
