//! OpenSSH's server.

use super::{
    Step, Told,
    text::{rsplit, split, value, word},
};
use coldread_model::LoginKind;

/// Starts of messages with what reads the rest.
type Teller = for<'a> fn(&'a [u8]) -> Option<Told<'a>>;

#[allow(clippy::unnecessary_wraps)] // some of them always tell
mod always {
    use super::{Place, Step, Told};
    use coldread_model::LoginKind;

    /// `RSA SHA256:… found at FILE:LINE`.
    pub(super) fn accepted_key(rest: &[u8]) -> Option<Told<'_>> {
        Some(Told::new(LoginKind::Key).detail(rest))
    }

    pub(super) fn timeout(rest: &[u8]) -> Option<Told<'_>> {
        let rest = rest.strip_prefix(b"connection from ").unwrap_or(rest);
        let told = Place::of(rest).put(Told::new(LoginKind::Other).step(Step::After));
        Some(told.detail(b"timeout before authentication"))
    }

    pub(super) fn root_refused(rest: &[u8]) -> Option<Told<'_>> {
        let told = Place::of(rest).put(Told::new(LoginKind::Other).step(Step::Refused));
        Some(told.user(b"root").detail(b"root login refused"))
    }
}

/// Those whose start begins with a letter.
const fn tellers(first: u8) -> &'static [(&'static [u8], Teller)] {
    match first {
        b'A' => &[
            (b"Accepted key ", always::accepted_key),
            (b"Accepted ", accepted),
            (b"Access denied for user ", denied),
        ],
        b'C' => &[
            (b"Connection closed by ", end),
            (b"Connection reset by ", end),
            (b"Close session: user ", closing),
        ],
        b'D' => &[(b"Disconnected from ", end), (b"Disconnecting ", end)],
        b'F' => &[(b"Failed ", failed), (b"Found matching ", matching_key)],
        b'I' => &[(b"Invalid user ", invalid_user), (b"Illegal user ", invalid_user)],
        b'P' => &[(b"PAM: ", pam), (b"PAM ", more_failures)],
        b'R' => &[(b"ROOT LOGIN REFUSED FROM ", always::root_refused)],
        b'S' => &[(b"Starting session: ", starting)],
        b'T' => &[(b"Timeout before authentication for ", always::timeout)],
        b'U' => &[(b"User ", refused_user)],
        b'm' => &[(b"maximum authentication attempts exceeded for ", too_many)],
        _ => &[],
    }
}

pub(super) fn tell(message: &[u8]) -> Option<Told<'_>> {
    let message = message.strip_prefix(b"error: ").unwrap_or(message);
    let message = message.strip_prefix(b"fatal: ").unwrap_or(message);
    tellers(*message.first()?).iter().find_map(|(start, teller)| {
        let rest = message.strip_prefix(*start)?;
        Some(teller(rest))
    })?
}

/// `METHOD for USER from ADDRESS port N ssh2[: KEY]`.
fn accepted(rest: &[u8]) -> Option<Told<'_>> {
    let (method, rest) = split(rest, b" for ")?;
    let (user, rest) = split(rest, b" from ")?;
    let place = Place::of(rest);
    let told = place.put(Told::new(LoginKind::Login).step(Step::Accepted));
    Some(told.user(user).method(method).detail(place.after_protocol()))
}

fn failed(rest: &[u8]) -> Option<Told<'_>> {
    let (method, rest) = split(rest, b" for ")?;
    let known = rest.strip_prefix(b"invalid user ").or_else(|| rest.strip_prefix(b"illegal user "));
    let (user, place) = user_from(known.unwrap_or(rest))?;
    let detail = if known.is_some() { b"invalid user" } else { place.after_protocol() };
    // `none` only asks which methods there are; if nothing else is tried, the connection's end is the failure.
    let told = match method {
        b"none" => Told::new(LoginKind::Other).step(Step::Before),
        _ => Told::new(LoginKind::Failed).step(Step::Failed),
    };
    Some(place.put(told.user(user).method(method)).detail(detail))
}

fn invalid_user(rest: &[u8]) -> Option<Told<'_>> {
    let (user, place) = user_from(rest)?;
    let told = Told::new(LoginKind::Other).step(Step::Refused);
    Some(place.put(told.user(user)).detail(b"invalid user"))
}

/// `USER from ADDRESS not allowed because REASON`, and without a place.
fn refused_user(rest: &[u8]) -> Option<Told<'_>> {
    let (who, why) = split(rest, b" not allowed because ")?;
    let told = Told::new(LoginKind::Other).step(Step::Refused).detail(why);
    Some(match user_from(who) {
        Some((user, place)) => place.put(told.user(user)),
        None => told.user(who),
    })
}

/// `[invalid|authenticating] user USER ADDRESS port N`.
fn end(rest: &[u8]) -> Option<Told<'_>> {
    for (who, step) in
        [(&b"invalid user "[..], Step::End), (b"authenticating user ", Step::End), (b"user ", Step::Alone)]
    {
        let Some(rest) = rest.strip_prefix(who) else { continue };
        let (place, port) = rsplit(rest, b" port ")?;
        let (user, from) = rsplit(place, b" ").unwrap_or((&[], place));
        return Some(Told::new(LoginKind::Other).step(step).user(user).from(from).port(leading_number(port)));
    }
    None
}

/// `shell on pts/0 for USER from ADDRESS port N id 0`.
fn starting(rest: &[u8]) -> Option<Told<'_>> {
    let (what, who) = split(rest, b" for ")?;
    let (user, place) = user_from(who)?;
    let tty = split(what, b" on ").map_or(&[][..], |(_, tty)| word(tty));
    Some(place.put(Told::new(LoginKind::Other).user(user).tty(tty)))
}

fn closing(rest: &[u8]) -> Option<Told<'_>> {
    let (user, place) = user_from(rest)?;
    Some(place.put(Told::new(LoginKind::Other).user(user)))
}

/// `RSA key: FINGERPRINT`.
fn matching_key(rest: &[u8]) -> Option<Told<'_>> {
    split(rest, b" key: ").map(|_| Told::new(LoginKind::Key).detail(rest))
}

fn too_many(rest: &[u8]) -> Option<Told<'_>> {
    let (user, place) = user_from(rest.strip_prefix(b"invalid user ").unwrap_or(rest))?;
    let told = Told::new(LoginKind::Other).step(Step::After);
    Some(place.put(told.user(user)).detail(b"too many authentication failures"))
}

/// `Authentication failure for [illegal user ]USER from ADDRESS`: a `Failed` line follows.
fn pam(rest: &[u8]) -> Option<Told<'_>> {
    let (why, who) = split(rest, b" for ")?;
    let (user, place) = user_from(who.strip_prefix(b"illegal user ").unwrap_or(who))?;
    Some(place.put(Told::new(LoginKind::Other).step(Step::Before).user(user)).detail(why))
}

/// `2 more authentication failures; … rhost=ADDRESS  user=USER`: each has its own `Failed` line.
fn more_failures(rest: &[u8]) -> Option<Told<'_>> {
    let (_, fields) = split(rest, b" more authentication failure")?;
    let told = Told::new(LoginKind::Other).step(Step::After).user(value(fields, b" user="));
    let told = told.from(value(fields, b"rhost="));
    Some(told.tty(value(fields, b"tty=")))
}

fn denied(rest: &[u8]) -> Option<Told<'_>> {
    let (user, _) = split(rest, b" by PAM account configuration")?;
    let told = Told::new(LoginKind::Other).step(Step::After);
    Some(told.user(user).detail(b"denied by PAM account configuration"))
}

/// `ADDRESS port N …`.
#[derive(Clone, Copy)]
struct Place<'a> {
    from: &'a [u8],
    port: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Place<'a> {
    fn of(text: &'a [u8]) -> Self {
        let from = word(text);
        let rest = &text[from.len()..];
        let Some(after) = rest.strip_prefix(b" port ") else { return Self { from, port: &[], rest } };
        let port = leading_number(after);
        Self { from, port, rest: &after[port.len()..] }
    }

    fn put<'b>(self, told: Told<'b>) -> Told<'b>
    where
        'a: 'b,
    {
        told.from(self.from).port(self.port)
    }

    /// What follows the protocol: the key and its fingerprint.
    fn after_protocol(self) -> &'a [u8] {
        let rest = self.rest.strip_prefix(b" ssh2: ").or_else(|| self.rest.strip_prefix(b" ssh1: "));
        rest.unwrap_or_default()
    }
}

/// `USER from ADDRESS …`: a name may hold anything, so the last ` from ` counts.
fn user_from(text: &[u8]) -> Option<(&[u8], Place<'_>)> {
    let (user, place) = match text.strip_prefix(b"from ") {
        Some(place) => (&text[..0], place),
        None => rsplit(text, b" from ")?,
    };
    Some((user, Place::of(place)))
}

fn leading_number(text: &[u8]) -> &[u8] {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    &text[..digits]
}
