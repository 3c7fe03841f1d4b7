//! Lines in the form of RFC 5424, as rsyslog's RSYSLOG_SyslogProtocol23Format and syslog-ng write them.
//!
//! Source: RFC 5424, sections 6 to 6.3.

use super::header::{Header, iso};
use crate::logins::message::whole_number;

/// What follows the version, if the line says that it is of this form.
pub(super) fn version_1(after_priority: &[u8]) -> Option<&[u8]> {
    let rest = after_priority.strip_prefix(b"1 ")?;
    matches!(rest.first(), Some(byte) if byte.is_ascii_digit()).then_some(rest)
}

/// `TIMESTAMP HOST PROGRAM PROCESS MESSAGE-ID [DATA]… MESSAGE`; `None` where the time is none.
pub(super) fn parse(line: &[u8]) -> Option<Header<'_>> {
    let (stamp, rest) = iso(line)?;
    let mut rest = rest.trim_ascii_start();
    let mut field = || {
        let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        let (field, after) = rest.split_at(end);
        rest = after.trim_ascii_start();
        if field == b"-" { &[][..] } else { field }
    };
    let [_host, program, process, _id] = [field(), field(), field(), field()];
    let program = program.rsplit(|byte| *byte == b'/').next().unwrap_or(program);
    let message = after_data(rest).trim_ascii();
    let message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
    Some(Header { stamp, program, pid: whole_number(process), message })
}

/// What follows the structured data: `-` or elements in brackets, in whose quoted values `\` escapes.
fn after_data(text: &[u8]) -> &[u8] {
    if let Some(rest) = text.strip_prefix(b"-") {
        return rest;
    }
    let (mut in_element, mut in_quotes, mut at) = (false, false, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if in_quotes => at += 1,
            b'"' => in_quotes = in_element && !in_quotes,
            b'[' if !in_element => in_element = true,
            b']' if !in_quotes => in_element = false,
            _ if !in_element => break,
            _ => {}
        }
        at += 1;
    }
    text.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::logins::syslog::header::parse;
    use proptest::prelude::*;

    #[test]
    fn fields_and_data() {
        for (line, program, pid, message) in [
            (
                "<34>1 2003-10-11T22:14:15.003Z web su - ID47 - 'su root' failed",
                "su",
                None,
                "'su root' failed",
            ),
            (
                "<86>1 2024-01-01T00:00:00+01:00 web /usr/sbin/sshd 77 - [a@1 k=\"x]\\\"y\"][b] \u{feff}Accepted x",
                "sshd",
                Some(77),
                "Accepted x",
            ),
            ("1 2024-01-01T00:00:00Z - - - - -", "", None, ""),
        ] {
            let header = parse(line.as_bytes()).unwrap();
            assert_eq!((header.program, header.pid), (program.as_bytes(), pid), "{line}");
            assert_eq!(header.message, message.as_bytes(), "{line}");
        }
        assert_eq!(parse(b"<34>1 - web su - - - x"), None);
    }

    proptest! {
        #[test]
        fn any_data_ends(bytes in prop::collection::vec(prop_oneof![Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), any::<u8>()], 0..40)) {
            let line = [b"<1>1 2024-01-01T00:00:00Z h p 1 - ", &bytes[..]].concat();
            let _ = parse(&line);
        }
    }
}
