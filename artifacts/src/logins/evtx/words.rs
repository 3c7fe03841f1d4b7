//! Windows' numbers in words.
//!
//! Sources: Microsoft Learn, "4624(S)", "4625(F)", "4768(S, F)", "4771(F)"; [MS-ERREF] section 2.3.1,
//! "NTSTATUS Values"; RFC 4120 section 7.5.9, "Error Codes".

use coldread_model::{LoginEvent, Text};

/// How a logon came about.
pub(super) fn logon_type(number: &str) -> Text {
    match number {
        "0" => "system",
        "2" => "console",
        "3" => "network",
        "4" => "batch",
        "5" => "service",
        "7" => "unlock",
        "8" => "network cleartext",
        "9" => "new credentials",
        "10" => "rdp",
        "11" => "console cached",
        "12" => "rdp cached",
        "13" => "unlock cached",
        other => return format!("logon type {other}").into(),
    }
    .into()
}

/// How the package that checked a password is told from a logon.
pub(super) const NTLM: &str = "ntlm";
pub(super) const KERBEROS: &str = "kerberos";

/// Whether an event is a logon's, not that of the package which checked its password.
pub(super) fn is_logon(event: &LoginEvent) -> bool {
    !matches!(event.method.as_deref(), Some(NTLM | KERBEROS))
}

/// Why a logon failed; the number where it has no name here.
pub(super) fn status(code: &str) -> Option<Text> {
    let number = number(code)?;
    Some(
        match number {
            0 => return None,
            0xc000_0022 => "access denied",
            0xc000_005e => "no domain controller could be reached",
            0xc000_0064 => "no such user",
            0xc000_006a => "wrong password",
            0xc000_006c => "the password breaks the policy",
            0xc000_006d => "wrong user name or password",
            0xc000_006e => "the account is restricted",
            0xc000_006f => "outside the allowed hours",
            0xc000_0070 => "not from this workstation",
            0xc000_0071 => "the password has expired",
            0xc000_0072 => "the account is disabled",
            0xc000_00dc => "the server was in the wrong state",
            0xc000_0133 => "the clocks differ too much",
            0xc000_015b => "the logon type is not granted",
            0xc000_018c => "the trust relationship failed",
            0xc000_018d => "the workstation's trust relationship failed",
            0xc000_0192 => "the Netlogon service was not running",
            0xc000_0193 => "the account has expired",
            0xc000_0224 => "the password must be changed",
            0xc000_0225 => "a bug in Windows, no risk",
            0xc000_0234 => "the account is locked",
            0xc000_02ee => "an unspecified failure",
            0xc000_0371 => "the local accounts database has no secret for the account",
            0xc000_0413 => "the authentication firewall refused it",
            other => return Some(format!("status {other:#x}").into()),
        }
        .into(),
    )
}

/// Why Kerberos refused; the number where it has no name here.
pub(super) fn kerberos(code: &str) -> Option<Text> {
    let number = number(code)?;
    Some(
        match number {
            0 => return None,
            0x6 => "no such user",
            0x7 => "no such server",
            0x9 => "no key for the user or server",
            0xc => "the policy refuses it",
            0xd => "the option is not supported",
            0xe => "the encryption is not supported",
            0x12 => "the account is disabled, expired or locked",
            0x17 => "the password has expired",
            0x18 => "wrong password",
            0x19 => "more pre-authentication is required",
            0x1b => "the server wants user to user",
            0x1f => "the ticket was changed",
            0x20 => "the ticket has expired",
            0x22 => "the request was sent before",
            0x25 => "the clocks differ too much",
            0x29 => "the message was changed",
            other => return Some(format!("Kerberos code {other:#x}").into()),
        }
        .into(),
    )
}

/// A number in hexadecimal with `0x` or in decimal.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
