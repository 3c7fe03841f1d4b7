//! Shares as people type them: `5%`, `0.25%`, `100`.

use coldread_model::task::Share;

/// The share that `text` says: a number of hundredths from 0 to 100 with up to four decimals; the sign is optional.
pub fn parse(text: &str) -> Result<Share, String> {
    let wrong = || format!("{text:?} is not a share: give e.g. 5%, 0.25% or 100%");
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || !digits(whole) || decimals.len() > 4 || !digits(decimals) {
        return Err(wrong());
    }
    let ten_thousandths: u32 = format!("{whole}{decimals:0<4}").parse().map_err(|_| wrong())?;
    Share::of_millionths(ten_thousandths).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundredths_with_decimals() {
        for (text, millionths) in
            [("5%", 50_000), ("5", 50_000), ("0.25%", 2_500), ("100 %", 1_000_000), ("0", 0), ("0.0001%", 1)]
        {
            assert_eq!(parse(text).map(Share::millionths), Ok(millionths), "{text}");
        }
        for text in ["", "%", ".5", "101%", "-1", "1e1", "0.00001%", "5 apples", "١%"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
