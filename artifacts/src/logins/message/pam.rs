//! PAM's modules, in whatever program they run.

use super::{
    Step, Told,
    text::{number, split, until, value, word},
};
use coldread_model::LoginKind;

/// `pam_unix(SERVICE:TYPE): …` and its relatives.
pub(super) fn tell(message: &[u8]) -> Option<Told<'_>> {
    let (tag, text) = split(message, b"): ").or_else(|| split(message, b") "))?;
    let (service, step) = split(split(tag, b"(")?.1, b":")?;
    said(service, step, text.trim_ascii_start(), false)
}

/// `SERVICE(pam_unix)[PID]: …`, as Linux-PAM wrote until 0.99: the module stands in the program's place.
pub(super) fn tell_with_old_tag<'a>(program: &'a [u8], message: &'a [u8]) -> Option<Told<'a>> {
    let (service, _) = split(program, b"(pam_")?;
    said(service, b"", message, true)
}

/// `alone`: the service's own messages go to another log, and are likely to be missing.
fn said<'a>(service: &'a [u8], step: &[u8], text: &'a [u8], alone: bool) -> Option<Told<'a>> {
    // Sessions that are no login of their own: another's rights, or jobs.
    let with_rights = matches!(service, b"su" | b"su-l" | b"sudo" | b"sudo-i" | b"runuser" | b"runuser-l");
    let job = matches!(service, b"cron" | b"crond" | b"atd" | b"systemd-user" | b"polkit-1");
    if let Some(rest) = text.strip_prefix(b"session opened for user ") {
        let told_elsewhere = with_rights || job || (service == b"sshd" && !alone);
        let kind = if told_elsewhere { LoginKind::Other } else { LoginKind::Login };
        return Some(Told::new(kind).user(user_of_session(rest)).method(service));
    }
    if let Some(rest) = text.strip_prefix(b"session closed for user ") {
        let kind = if with_rights || job { LoginKind::Other } else { LoginKind::Logout };
        return Some(Told::new(kind).user(user_of_session(rest)).method(service));
    }
    let told_elsewhere = with_rights || (!alone && matches!(service, b"sshd" | b"login" | b"remote"));
    let failed = if told_elsewhere { LoginKind::Other } else { LoginKind::Failed };
    if let Some(rest) = text.strip_prefix(b"authentication failure;") {
        let step = if service == b"sshd" && !alone { Step::Before } else { Step::Alone };
        return Some(who(Told::new(failed).step(step), rest).method(service));
    }
    if let Some((count, rest)) = split(text, b" more authentication failure") {
        let count = number(count.strip_prefix(b"PAM ").unwrap_or(count))?;
        let told = who(Told::new(failed), split(rest, b";")?.1).method(service);
        return Some(Told { times: if told_elsewhere { 1 } else { count }, ..told });
    }
    if let Some(rest) = text.strip_prefix(b"authentication success;") {
        return Some(who(Told::new(LoginKind::Other), rest).method(service));
    }
    if let Some(rest) = text.strip_prefix(b"Consecutive login failures for user ") {
        return Some(Told::new(LoginKind::Lock).user(word(rest)).method(service));
    }
    // pam_tally2: `user NAME (UID) tally N, deny M`.
    if let Some(rest) = text.strip_prefix(b"user ")
        && let Some((user, tally)) = split(rest, b" (")
        && memchr::memmem::find(tally, b", deny ").is_some()
    {
        return Some(Told::new(LoginKind::Lock).user(user).method(service));
    }
    if step == b"chauthtok"
        && let Some(user) = text.strip_prefix(b"password changed for ")
    {
        return Some(Told::new(LoginKind::AccountChange).user(user).method(service));
    }
    None
}

/// `logname= uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4  user=root`.
fn who<'a>(told: Told<'a>, text: &'a [u8]) -> Told<'a> {
    let told = told.tty(value(text, b"tty=")).from(value(text, b"rhost="));
    let who = value(text, b" user=");
    told.user(if who.is_empty() { value(text, b"ruser=") } else { who })
}

/// The name in `root(uid=0) by …` or `root by …`.
fn user_of_session(text: &[u8]) -> &[u8] {
    until(word(text), b'(')
}
