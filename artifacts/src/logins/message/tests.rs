use super::*;
use proptest::prelude::*;

fn shown(program: &str, message: &str) -> Option<String> {
    let told = tell(program.as_bytes(), message.as_bytes())?;
    let text = |field: Option<&[u8]>| {
        field.map_or("-".to_owned(), |field| String::from_utf8_lossy(field).into_owned())
    };
    Some(format!(
        "{} {} {} {} {} {}{}{}",
        told.kind,
        text(told.texts.user),
        text(told.texts.from),
        text(told.texts.tty),
        text(told.texts.session),
        text(told.texts.method),
        told.texts.target.map_or(String::new(), |target| format!(" >{}", String::from_utf8_lossy(target))),
        if told.step == Step::End { " !" } else { "" }
    ))
}

#[test]
fn each_message_by_its_meaning() {
    for (program, message, expected) in [
        (
            "sshd",
            "Accepted publickey for fred from 192.0.2.60 port 60594 ssh2: RSA SHA256:5xy from",
            "login fred 192.0.2.60 - - publickey",
        ),
        (
            "sshd-session",
            "Accepted keyboard-interactive/pam for a from 2001:db8::1 port 4 ssh2",
            "login a 2001:db8::1 - - keyboard-interactive/pam",
        ),
        (
            "sshd",
            "Failed password for root from 188.124.3.41 port 32889 ssh2",
            "failed root 188.124.3.41 - - password",
        ),
        (
            "sshd",
            "Failed password for invalid user x from y from 10.0.0.1 port 1 ssh2",
            "failed x from y 10.0.0.1 - - password",
        ),
        ("sshd", "Failed none for invalid user  from 10.0.0.1 port 1 ssh2", "other - 10.0.0.1 - - none"),
        ("sshd", "Invalid user bob from 10.0.0.1 port 5", "other bob 10.0.0.1 - - -"),
        (
            "sshd",
            "Connection closed by invalid user bob 10.0.0.1 port 5 [preauth]",
            "other bob 10.0.0.1 - - - !",
        ),
        (
            "sshd",
            "Disconnected from authenticating user root 10.0.0.1 port 5 [preauth]",
            "other root 10.0.0.1 - - - !",
        ),
        ("sshd", "Disconnected from user al 10.0.0.1 port 5", "other al 10.0.0.1 - - -"),
        (
            "sshd",
            "error: maximum authentication attempts exceeded for root from 1.1.1.1 port 2 ssh2 [preauth]",
            "other root 1.1.1.1 - - -",
        ),
        (
            "sshd",
            "User al from 1.1.1.1 not allowed because not listed in AllowUsers",
            "other al 1.1.1.1 - - -",
        ),
        (
            "sshd",
            "pam_unix(sshd:session): session opened for user al(uid=1000) by (uid=0)",
            "other al - - - sshd",
        ),
        ("sshd", "pam_unix(sshd:session): session closed for user al", "logout al - - - sshd"),
        (
            "sshd",
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4  user=root",
            "other root 1.2.3.4 ssh - sshd",
        ),
        (
            "vsftpd",
            "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=bob rhost=1.2.3.4",
            "failed bob 1.2.3.4 ftp - vsftpd",
        ),
        (
            "login",
            "pam_unix(login:session): session opened for user test by LOGIN(uid=0)",
            "login test - - - login",
        ),
        ("CRON", "pam_unix(cron:session): session opened for user root by (uid=0)", "other root - - - cron"),
        (
            "gdm-password]",
            "pam_unix(gdm-password:session): session opened for user al(uid=1) by (uid=0)",
            "login al - - - gdm-password",
        ),
        (
            "sshd",
            "pam_faillock(sshd:auth): Consecutive login failures for user al account temporarily locked",
            "lock al - - - sshd",
        ),
        ("passwd", "pam_unix(passwd:chauthtok): password changed for al", "account-change al - - - passwd"),
        (
            "sudo",
            "   al : TTY=pts/0 ; PWD=/home/al ; USER=root ; COMMAND=/bin/x TTY=evil",
            "privilege al - pts/0 - sudo >root",
        ),
        (
            "sudo",
            "al : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/x",
            "failed al - pts/0 - sudo >root",
        ),
        (
            "sudo",
            "al : user NOT in sudoers ; TTY=tty1 ; PWD=/ ; USER=root ; COMMAND=/bin/x",
            "failed al - tty1 - sudo >root",
        ),
        ("su", "(to root) al on pts/1", "privilege al - pts/1 - su >root"),
        ("su", "FAILED SU (to root) al on pts/1", "failed al - pts/1 - su >root"),
        ("su", "Successful su for root by al", "privilege al - - - su >root"),
        ("su", "FAILED su for root by al", "failed al - - - su >root"),
        ("su", "+ /dev/pts/0 al:root", "privilege al - pts/0 - su >root"),
        ("su", "- pts/0 al:root", "failed al - pts/0 - su >root"),
        (
            "login",
            "FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure",
            "failed root - tty1 - login",
        ),
        ("login", "FAILED LOGIN 1 FROM tty2 FOR al, Authentication failure", "failed al - tty2 - login"),
        ("login", "LOGIN ON tty1 BY al FROM host", "other al host tty1 - login"),
        ("login", "ROOT LOGIN ON tty1", "other root - tty1 - login"),
        ("login", "ROOT LOGIN  on '/dev/tty1'", "other root - tty1 - login"),
        ("systemd-logind", "New session 4 of user al.", "other al - - 4 -"),
        (
            "systemd-logind",
            "New session '4' of user 'al' with class 'user' and type 'tty'.",
            "other al - - 4 -",
        ),
        ("systemd-logind", "Removed session c12.", "other - - - c12 -"),
        ("systemd-logind", "System is rebooting.", "shutdown - - - - -"),
        (
            "useradd",
            "new user: name=al, UID=1000, GID=1000, home=/home/al, shell=/bin/sh, from=/dev/pts/1",
            "account-change al - pts/1 - useradd",
        ),
        ("usermod", "add 'al' to group 'sudo'", "account-change al - - - usermod"),
        ("usermod", "lock user 'al' password", "lock al - - - usermod"),
        ("userdel", "delete user 'al'", "account-change al - - - userdel"),
        ("groupadd", "group added to /etc/group: name=dev, GID=1001", "account-change dev - - - groupadd"),
        ("useradd", "failed adding user 'al', exit code: 9", "other al - - - useradd"),
        ("gpasswd", "user al added by root to group sudo", "account-change al - - - gpasswd"),
        ("chage", "changed password expiry for al", "account-change al - - - chage"),
    ] {
        assert_eq!(shown(program, message).as_deref(), Some(expected), "{message}");
    }
}

#[test]
fn ports_keys_and_reasons() {
    let told = |program: &str, message: &str| {
        let told = tell(program.as_bytes(), message.as_bytes()).unwrap();
        let detail = told.texts.detail.map(|detail| String::from_utf8_lossy(detail).into_owned());
        (told.kind.name(), told.port.unwrap_or(0), detail.unwrap_or_default(), told.times)
    };
    let key = "RSA SHA256:5xyQ+PG1Z3CIiShclJ2iNya5TOdKDgE/HrOXr21IdOo";
    for (program, message, expected) in [
        ("sshd", format!("Accepted publickey for a from 192.0.2.60 port 60594 ssh2: {key}"), ("login", 60594, key, 1)),
        ("sshd", "Failed password for invalid user x from 1.2.3.4 port 5 ssh2".to_owned(), ("failed", 5, "invalid user", 1)),
        ("sshd", "Failed publickey for plaso from 001:db8:a0b:12f0::1 port 8759".to_owned(), ("failed", 8759, "", 1)),
        ("sshd", "Failed password for a from 1.2.3.4 port 70000 ssh2".to_owned(), ("failed", 0, "", 1)),
        ("sshd", "Connection reset by invalid user bob 10.0.0.1 port 5 [preauth]".to_owned(), ("other", 5, "", 1)),
        ("sshd", "User al not allowed because account is locked".to_owned(), ("other", 0, "account is locked", 1)),
        ("sshd", format!("Accepted key {key} found at /root/.ssh/authorized_keys:1"), ("key", 0, &format!("{key} found at /root/.ssh/authorized_keys:1"), 1)),
        ("sshd", "fatal: Timeout before authentication for 1.2.3.4 port 9".to_owned(), ("other", 9, "timeout before authentication", 1)),
        ("sshd", "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4  user=root".to_owned(), ("other", 0, "", 1)),
        ("vsftpd", "pam_unix(vsftpd:auth): 3 more authentication failures; logname= uid=0 ruser=a rhost=1.2.3.4".to_owned(), ("failed", 0, "", 3)),
        ("sshd(pam_unix)", "authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=1.2.3.4  user=root".to_owned(), ("failed", 0, "", 1)),
        ("sudo", "al : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/x".to_owned(), ("failed", 0, "3 incorrect password attempts", 1)),
        ("kernel", "[    0.000000] Linux version 6.1.0-28-amd64 (debian-kernel@lists.debian.org)".to_owned(), ("boot", 0, "6.1.0-28-amd64", 1)),
        ("dropbear", "Bad password attempt for 'root' from 192.0.2.1:4321".to_owned(), ("failed", 4321, "", 1)),
        ("dropbear", "Pubkey auth succeeded for 'root' with key md5 ab:cd from ::1:22".to_owned(), ("login", 22, "md5 ab:cd", 1)),
        ("vsftpd", "[al] OK LOGIN: Client \"192.0.2.1\"".to_owned(), ("login", 0, "", 1)),
        ("dovecot", "imap-login: Login: user=<al>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2".to_owned(), ("login", 0, "", 1)),
        ("dovecot", "imap-login: Disconnected (auth failed, 2 attempts in 5 secs): user=<al>, rip=192.0.2.1".to_owned(), ("failed", 0, "auth failed, 2 attempts in 5 secs", 1)),
    ] {
        let (kind, port, detail, times) = told(program, &message);
        assert_eq!((kind, port, detail.as_str(), times), expected, "{message}");
    }
}

#[test]
fn what_is_no_login_is_passed_over() {
    for (program, message) in [
        ("sshd", "Server listening on 0.0.0.0 port 22."),
        ("sshd", "Connection from 188.124.3.41 port 32889"),
        ("sshd", "Received disconnect from 1.2.3.4 port 5:11: Bye"),
        ("sshd", "Connection closed by 1.2.3.4 port 22 [preauth]"),
        ("sudo", "pam_unix(sudo:auth): conversation failed"),
        ("sudo", "al : problem with defaults entries ; TTY=pts/0 ; PWD=/ ;"),
        ("kernel", "Failed password for root from 1.2.3.4 port 5 ssh2"),
        ("systemd-logind", "Session 4 logged out. Waiting for processes to exit."),
        ("useradd", "nothing"),
    ] {
        assert_eq!(shown(program, message), None, "{message}");
    }
}

#[test]
fn repetitions() {
    let inner = &b"Failed password for root from 1.2.3.4 port 5 ssh2"[..];
    let message = [b"message repeated 3 times: [ ", inner, b"]"].concat();
    assert_eq!(repeated(&message), Some((3, inner)));
    assert_eq!(repeated(b"message repeated x times: [ y]"), None);
    assert_eq!(last_repeated(b"last message repeated 12 times"), Some(12));
    assert_eq!(last_repeated(b"last message repeated 99999999999 times"), None);
}

proptest! {
    #[test]
    fn any_message_is_told_or_not(
        program in prop::sample::select(vec!["sshd", "sudo", "su", "login", "systemd-logind", "useradd", "x"]),
        parts in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..6),
            prop::sample::select(vec!["Failed ", "Accepted ", " for ", " from ", "pam_unix(", ":", ")", "): ", "'", " BY ",
                "session opened for user ", "(to ", ") ", " on ", "FAILED SU ", "FAILED LOGIN ", " FOR ", "New session ",
                " of user ", " : ", "COMMAND=", "TTY=", "name=", ",", "Disconnected from user ", " port ", "+ ", "ROOT LOGIN "])
                .prop_map(|text| text.as_bytes().to_vec()),
        ], 0..8),
    ) {
        let message = parts.concat();
        let _ = (tell(program.as_bytes(), &message), repeated(&message), last_repeated(&message));
    }
}
