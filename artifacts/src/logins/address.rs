//! Addresses as records write them.

use super::text_of;
use coldread_model::{
    Text,
    text::{dotted, shown},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address in its canonical form (RFC 5952; one of version 4 mapped into version 6 is of version 4); a
/// name as it is.
pub(super) fn canonical(text: &[u8]) -> Text {
    // There is one way alone to write an address of version 4.
    if dotted(text).is_some() {
        return text_of(text);
    }
    parse(text).map_or_else(|| text_of(text), shown)
}

/// The address that a text is, if it is one. A zone index (`%eth0`) is left out.
pub(super) fn parse(text: &[u8]) -> Option<IpAddr> {
    let end = memchr::memchr(b'%', text).unwrap_or(text.len());
    let address: IpAddr = std::str::from_utf8(&text[..end]).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// The address of `ut_addr_v6`: of version 4 in its first word alone, else of version 6; none where it is zero.
pub(super) fn of_record(bytes: [u8; 16]) -> Option<IpAddr> {
    let (first, rest) = bytes.split_at(4);
    if bytes == [0; 16] {
        None
    } else if rest.iter().all(|byte| *byte == 0) {
        Some(Ipv4Addr::new(first[0], first[1], first[2], first[3]).into())
    } else {
        Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_address() {
        for (text, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("host.example", "host.example"),
            ("UNKNOWN", "UNKNOWN"),
        ] {
            assert_eq!(canonical(text.as_bytes()), expected);
        }
        let mapped = Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().octets();
        assert_eq!(of_record(mapped).map(|address| address.to_string()).as_deref(), Some("10.0.0.1"));
        let six: Ipv6Addr = "2001:db8::1".parse().unwrap();
        assert_eq!(of_record(six.octets()), Some(six.into()));
        assert_eq!(of_record([0; 16]), None);
    }
}
