//! Sizes as people type them: `4096`, `64MiB`, `500MB`.

/// Bytes of `text`: a whole number of at least 1, with an optional unit. `K`, `KiB`, `M` … count by 1024, `KB`,
/// `MB` … by 1000; upper and lower case are the same.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.find(|one: char| !one.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let wrong = || format!("{text:?} is not a size: give bytes, or e.g. 512KiB, 64MiB, 8GiB");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let power = |prefix: &str| Some("kmgtp".find(prefix.chars().next()?)? as u32 + 1);
    let factor = match unit.as_str() {
        "" | "b" => 1,
        one if one.len() == 1 => 1 << (10 * power(one).ok_or_else(wrong)?),
        binary if binary.len() == 3 && binary.ends_with("ib") => {
            1 << (10 * power(binary).ok_or_else(wrong)?)
        }
        decimal if decimal.len() == 2 && decimal.ends_with('b') => {
            1000_u64.pow(power(decimal).ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    };
    match number.checked_mul(factor) {
        Some(0) => Err("a size of 0 makes no sense here".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err(format!("{text:?} is more than 64 bits hold")),
    }
}

/// The least memory that can be asked for: less would be raised to about this by what one thread needs.
const LEAST_MEMORY: u64 = 8 << 20;

/// Bytes of memory for reading.
pub fn memory(text: &str) -> Result<u64, String> {
    match parse(text)? {
        bytes if bytes < LEAST_MEMORY => {
            Err(format!("{bytes} bytes are too few: reading takes 8MiB at least; give a unit, as in 64MiB"))
        }
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_without_its_unit_is_noticed() {
        assert_eq!(memory("8MiB"), Ok(8 << 20));
        assert!(memory("64").unwrap_err().starts_with("64 bytes are too few"));
        assert!(memory("7 apples").is_err());
    }

    #[test]
    fn units() {
        for (text, bytes) in [
            ("1", 1),
            ("4096B", 4096),
            ("512KiB", 512 << 10),
            ("64MiB", 64 << 20),
            ("64m", 64 << 20),
            ("64 MiB", 64 << 20),
            ("500MB", 500_000_000),
            ("8GiB", 8 << 30),
            ("2T", 2 << 40),
            ("3pib", 3 << 50),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size() {
        for text in [
            "",
            "MiB",
            "1.5GiB",
            "-1",
            "0",
            "0MiB",
            "5 apples",
            "5ib",
            "5xb",
            "5z",
            "5é",
            "99999999P",
            "18446744073709551616",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
