//! Three weeks of logins: the events, and the log files that tell of them.

use super::{Dice, HOSTNAME, UPGRADED, utmp};
use serde_json::{Value, json};

/// 2025-10-20T00:00:00Z, a Monday: the logs' first day.
const FIRST_DAY: u64 = 1_760_918_400;
/// 2025-10-26T01:00:00Z: summer time ends in Berlin, 03:00 becomes 02:00.
const SUMMER_ENDS: u64 = 1_761_440_400;
/// First day (from [`FIRST_DAY`]) of auth.log.1, and of auth.log.
const ROTATIONS: [u64; 2] = [7, 14];
const DAYS: u64 = 17;
const DAY: u64 = 86_400;
/// Local midnight of 1 November, when btmp was rotated.
const BTMP_SINCE: u64 = FIRST_DAY + 12 * DAY - 3600;

const KERNELS: [&str; 2] = ["5.10.0-35-amd64", "6.1.0-41-amd64"];
const ATTACKERS: [&str; 6] =
    ["203.0.113.7", "203.0.113.54", "198.51.100.23", "198.51.100.180", "192.0.2.66", "192.0.2.201"];
const GUESSES: [&str; 9] = ["root", "root", "root", "admin", "oracle", "test", "ubuntu", "git", "postgres"];

/// An account that logs in.
pub(crate) struct Person {
    /// Name.
    pub(crate) name: &'static str,
    /// User id; the group has the same number.
    pub(crate) uid: u32,
    /// How sshd let them in.
    method: &'static str,
    /// From where.
    from: &'static str,
    /// In which hour (UTC) of which days of the week (Monday is 0).
    hour: u64,
    weekdays: &'static [u64],
}

/// Everyone with an account. The last one's uid comes from a directory service and makes lastlog sparse.
pub(crate) const PEOPLE: [Person; 4] = [
    Person {
        name: "anna",
        uid: 1000,
        method: "publickey",
        from: "10.20.0.15",
        hour: 7,
        weekdays: &[0, 1, 2, 3, 4],
    },
    Person { name: "bernd", uid: 1001, method: "password", from: "10.20.0.31", hour: 9, weekdays: &[0, 2] },
    Person { name: "clara", uid: 1002, method: "publickey", from: "10.20.4.8", hour: 13, weekdays: &[1, 4] },
    Person {
        name: "sicherung",
        uid: 100_512,
        method: "publickey",
        from: "10.20.0.2",
        hour: 22,
        weekdays: &[0, 1, 2, 3, 4, 5, 6],
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Accepted,
    Closed,
    Failed { known: bool },
    Sudo,
    Cron,
}

/// One thing that happened.
#[derive(Clone)]
struct Event {
    time: u64,
    kind: Kind,
    user: &'static str,
    from: &'static str,
    method: &'static str,
    pid: u64,
}

/// Everything that happened, in order of time.
fn events() -> Vec<Event> {
    let mut dice = Dice::new(0x5EED_C01D);
    let mut all = Vec::new();
    let mut pid = 700;
    let mut push = |time, kind, user, from, method, step: u64| {
        pid += step;
        all.push(Event { time, kind, user, from, method, pid });
    };
    for day in 0..DAYS {
        let midnight = FIRST_DAY + day * DAY;
        push(midnight + 4 * 3600 + 25 * 60 + 1, Kind::Cron, "root", "", "", 40);
        for person in PEOPLE.iter().filter(|person| person.weekdays.contains(&(day % 7))) {
            let start = midnight + person.hour * 3600 + dice.below(3000);
            // A mistyped password first, now and then.
            if person.method == "password" && dice.below(2) == 0 {
                push(start - 9, Kind::Failed { known: true }, person.name, person.from, "password", 9);
            }
            push(start, Kind::Accepted, person.name, person.from, person.method, 31);
            if person.name == "anna" {
                push(start + 95, Kind::Sudo, person.name, "", "", 12);
            }
            let stay = if person.name == "sicherung" { 240 } else { 1800 + dice.below(9000) };
            push(start + stay, Kind::Closed, person.name, person.from, person.method, 0);
        }
        for _ in 0..2 {
            let attacker = *dice.pick(&ATTACKERS);
            let start = midnight + dice.below(20 * 3600);
            for nth in 0..3 + dice.below(4) {
                let user = *dice.pick(&GUESSES);
                push(start + nth * 4, Kind::Failed { known: user == "root" }, user, attacker, "password", 2);
            }
        }
    }
    // 02:17:09 local time on the night that has this hour twice; the first of the two.
    push(SUMMER_ENDS - 2571, Kind::Failed { known: false }, "admin", ATTACKERS[0], "password", 2);
    all.sort_by_key(|event| event.time);
    // A session keeps the process that opened it.
    for at in 0..all.len() {
        if all[at].kind == Kind::Closed {
            let opened = all[..at].iter().rev().find(|e| e.kind == Kind::Accepted && e.user == all[at].user);
            all[at].pid = opened.map_or(1, |event| event.pid);
        }
    }
    all
}

/// Year, month and day of a count of days since 1970.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    (year + era * 400 + u64::from(month <= 2), month, day)
}

/// Seconds that Berlin is ahead of UTC.
const fn offset(time: u64) -> u64 {
    if time < SUMMER_ENDS { 7200 } else { 3600 }
}

/// How rsyslog stamps a line: up to the upgrade in local time without year and zone, then in RFC 3339.
fn stamp(time: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let local = time + offset(time);
    let (year, month, day) = civil(local / DAY);
    let (hour, minute, second) = (local % DAY / 3600, local % 3600 / 60, local % 60);
    if time < UPGRADED {
        format!("{} {day:2} {hour:02}:{minute:02}:{second:02}", MONTHS[month as usize - 1])
    } else {
        let micros = time.wrapping_mul(7919) % 1_000_000;
        let zone = offset(time) / 3600;
        format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+{zone:02}:00")
    }
}

/// The lines that an event leaves in auth.log.
fn lines(event: &Event) -> Vec<String> {
    let Event { user, from, method, pid, .. } = event;
    let port = 32_768 + (event.time * 31 + pid) % 28_000;
    let uid = PEOPLE.iter().find(|person| person.name == *user).map_or(0, |person| person.uid);
    match event.kind {
        Kind::Accepted => {
            let key = match *method {
                "publickey" => ": ED25519 SHA256:Jc0H3nSlCj5xkq9d0b2uGm1Wv7oTt4yZpQe8rLfAsXk",
                _ => "",
            };
            vec![
                format!("sshd[{pid}]: Accepted {method} for {user} from {from} port {port} ssh2{key}"),
                format!(
                    "sshd[{pid}]: pam_unix(sshd:session): session opened for user {user}(uid={uid}) by (uid=0)"
                ),
                format!("systemd-logind[412]: New session {} of user {user}.", pid / 7),
            ]
        }
        Kind::Closed => vec![
            format!("sshd[{pid}]: pam_unix(sshd:session): session closed for user {user}"),
            format!("systemd-logind[412]: Session {} logged out. Waiting for processes to exit.", pid / 7),
            format!("systemd-logind[412]: Removed session {}.", pid / 7),
        ],
        Kind::Failed { known: true } => vec![
            format!(
                "sshd[{pid}]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh \
                 ruser= rhost={from}  user={user}"
            ),
            format!("sshd[{pid}]: Failed password for {user} from {from} port {port} ssh2"),
            format!(
                "sshd[{pid}]: Connection closed by authenticating user {user} {from} port {port} [preauth]"
            ),
        ],
        Kind::Failed { known: false } => vec![
            format!("sshd[{pid}]: Invalid user {user} from {from} port {port}"),
            format!("sshd[{pid}]: pam_unix(sshd:auth): check pass; user unknown"),
            format!(
                "sshd[{pid}]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh \
                 ruser= rhost={from} "
            ),
            format!("sshd[{pid}]: Failed password for invalid user {user} from {from} port {port} ssh2"),
            format!("sshd[{pid}]: Connection closed by invalid user {user} {from} port {port} [preauth]"),
        ],
        Kind::Sudo => vec![
            format!(
                "sudo:     {user} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND=/usr/bin/apt update"
            ),
            format!("sudo: pam_unix(sudo:session): session opened for user root(uid=0) by {user}(uid={uid})"),
            "sudo: pam_unix(sudo:session): session closed for user root".to_owned(),
        ],
        Kind::Cron => vec![
            format!("CRON[{pid}]: pam_unix(cron:session): session opened for user {user}(uid=0) by (uid=0)"),
            format!("CRON[{pid}]: pam_unix(cron:session): session closed for user {user}"),
        ],
    }
}

/// auth.log.2, auth.log.1 and auth.log: each with its text and the time of its last line.
pub(crate) fn auth_logs() -> [(String, u64); 3] {
    let all = events();
    let mut logs = [const { (String::new(), 0) }; 3];
    for event in &all {
        let day = (event.time + offset(event.time) - FIRST_DAY) / DAY;
        let log = &mut logs[ROTATIONS.iter().filter(|&&first| day >= first).count()];
        for line in lines(event) {
            log.0 += &format!("{} {HOSTNAME} {line}\n", stamp(event.time));
        }
        log.1 = event.time;
    }
    logs
}

/// wtmp: sessions, and the restart of the upgrade between them. With the time of its last record.
pub(crate) fn wtmp() -> (Vec<u8>, u64) {
    let machine = |kind, user, host, time| utmp::Record {
        kind,
        pid: 0,
        line: "~",
        id: "~~",
        user,
        host,
        time,
        micros: 250_000,
    };
    let mut out = machine(utmp::BOOT_TIME, "reboot", KERNELS[0], FIRST_DAY + 1800).bytes();
    let mut restart = Some([
        machine(utmp::RUN_LVL, "shutdown", KERNELS[0], UPGRADED + 900),
        machine(utmp::BOOT_TIME, "reboot", KERNELS[1], UPGRADED + 940),
        machine(utmp::RUN_LVL, "runlevel", KERNELS[1], UPGRADED + 955),
    ]);
    let mut last = 0;
    for event in events() {
        if event.time > UPGRADED + 955 {
            for record in restart.take().into_iter().flatten() {
                out.extend(record.bytes());
            }
        }
        let (kind, user, from) = match event.kind {
            Kind::Accepted => (utmp::USER_PROCESS, event.user, event.from),
            Kind::Closed => (utmp::DEAD_PROCESS, "", ""),
            _ => continue,
        };
        let place = PEOPLE.iter().position(|person| person.name == event.user).unwrap_or(0);
        let (line, id) = (format!("pts/{place}"), format!("ts/{place}"));
        let record = utmp::Record {
            kind,
            pid: event.pid as i32,
            line: &line,
            id: &id,
            user,
            host: from,
            time: event.time,
            micros: (event.time * 7919 % 1_000_000) as i32,
        };
        out.extend(record.bytes());
        last = event.time;
    }
    (out, last)
}

/// btmp: the failed attempts since the first of the month. With the time of its last record.
pub(crate) fn btmp() -> (Vec<u8>, u64) {
    let mut out = Vec::new();
    let mut last = 0;
    for event in failed_since_rotation() {
        let record = utmp::Record {
            kind: utmp::LOGIN_PROCESS,
            pid: event.pid as i32,
            line: "ssh:notty",
            id: "",
            user: event.user,
            host: event.from,
            time: event.time,
            micros: 0,
        };
        out.extend(record.bytes());
        last = event.time;
    }
    (out, last)
}

fn failed_since_rotation() -> impl Iterator<Item = Event> {
    events().into_iter().filter(|event| matches!(event.kind, Kind::Failed { .. }) && event.time >= BTMP_SINCE)
}

/// lastlog's records with their offsets, and the time of the last.
pub(crate) fn lastlog() -> (Vec<(u64, Vec<u8>)>, u64) {
    let all = events();
    let mut records = Vec::new();
    let mut last = 0;
    for (place, person) in PEOPLE.iter().enumerate() {
        let latest = all.iter().rev().find(|e| e.kind == Kind::Accepted && e.user == person.name);
        if let Some(event) = latest {
            let record = utmp::lastlog(event.time, &format!("pts/{place}"), event.from);
            records.push((u64::from(person.uid) * utmp::LASTLOG_BYTES, record));
            last = last.max(event.time);
        }
    }
    (records, last)
}

/// What the logs must yield. Counts are of records: one failed attempt over SSH is one, although auth.log
/// has several lines about it and btmp another record.
pub(crate) fn expected() -> Value {
    let all = events();
    let count = |wanted: fn(&Event) -> bool| all.iter().filter(|event| wanted(event)).count();
    let accepted = count(|event| event.kind == Kind::Accepted);
    json!({
        "authlog": {
            "accepted": accepted,
            "accepted_password": count(|event| event.kind == Kind::Accepted && event.method == "password"),
            "failed": count(|event| matches!(event.kind, Kind::Failed { .. })),
            "failed_root": count(|event| matches!(event.kind, Kind::Failed { .. }) && event.user == "root"),
            "sudo_commands": count(|event| event.kind == Kind::Sudo),
            "failed_in_an_hour_that_exists_twice": count(|event| {
                matches!(event.kind, Kind::Failed { .. })
                    && (SUMMER_ENDS - 3600..SUMMER_ENDS + 3600).contains(&event.time)
            }),
            "first_failed": first_failed(&all),
        },
        "wtmp": {
            "login": accepted,
            "logout": count(|event| event.kind == Kind::Closed),
            "boot": 2,
            "shutdown": 1,
        },
        "btmp": { "failed": failed_since_rotation().count() },
        "lastlog": PEOPLE.len(),
    })
}

fn first_failed(all: &[Event]) -> Option<Value> {
    let event = all.iter().find(|event| matches!(event.kind, Kind::Failed { .. }))?;
    let (year, month, day) = civil(event.time / DAY);
    let of_day = event.time % DAY;
    let (hour, minute, second) = (of_day / 3600, of_day % 3600 / 60, of_day % 60);
    Some(json!({
        "time": format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000000000Z"),
        "user": event.user,
        "from": event.from,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_in_one_log_and_each_log_in_order() {
        let logs = auth_logs();
        let count = |needle: &str| logs.iter().map(|(text, _)| text.matches(needle).count()).sum::<usize>();
        let expected = expected();
        assert_eq!(expected["authlog"]["accepted"], count("]: Accepted "));
        assert_eq!(expected["authlog"]["failed"], count("]: Failed password for "));
        assert_eq!(expected["authlog"]["failed_in_an_hour_that_exists_twice"], 1);
        assert!(logs[0].0.starts_with("Oct 20 "));
        assert!(logs[1].0.starts_with("Oct 27 "));
        assert!(logs[2].0.starts_with("2025-11-03T"));
        assert!(logs[0].0.contains("Oct 26 02:17:09 "));
        assert!(logs.windows(2).all(|pair| pair[0].1 < pair[1].1));
    }

    #[test]
    fn records_are_whole_and_stay_apart() {
        assert_eq!(wtmp().0.len() % 384, 0);
        assert_eq!(btmp().0.len() as u64 / 384, expected()["btmp"]["failed"].as_u64().unwrap());
        let (records, _) = lastlog();
        assert_eq!(records.len(), PEOPLE.len());
        assert!(records.last().unwrap().0 > 20 << 20, "lastlog reaches far past its data");
    }

    #[test]
    fn days_have_their_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(stamp(SUMMER_ENDS - 1), "Oct 26 02:59:59");
        assert_eq!(stamp(SUMMER_ENDS), "Oct 26 02:00:00");
    }
}
