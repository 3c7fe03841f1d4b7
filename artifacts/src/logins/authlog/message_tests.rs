use super::*;
use proptest::prelude::*;

fn shown(program: &str, message: &str) -> Option<String> {
    let told = tell(program.as_bytes(), message.as_bytes())?;
    let text = |field: Option<&[u8]>| {
        field.map_or("-".to_owned(), |field| String::from_utf8_lossy(field).into_owned())
    };
    Some(format!(
        "{} {} {} {} {} {}{}",
        told.kind,
        text(told.user),
        text(told.from),
        text(told.tty),
        text(told.session),
        text(told.method),
        if told.unauthenticated_end { " !" } else { "" }
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
        ("sshd", "Failed none for invalid user  from 10.0.0.1 port 1 ssh2", "failed - 10.0.0.1 - - none"),
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
            "privilege al - pts/0 - sudo",
        ),
        (
            "sudo",
            "al : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/x",
            "failed al - pts/0 - sudo",
        ),
        (
            "sudo",
            "al : user NOT in sudoers ; TTY=tty1 ; PWD=/ ; USER=root ; COMMAND=/bin/x",
            "failed al - tty1 - sudo",
        ),
        ("su", "(to root) al on pts/1", "privilege al - pts/1 - su"),
        ("su", "FAILED SU (to root) al on pts/1", "failed al - pts/1 - su"),
        ("su", "Successful su for root by al", "privilege al - - - su"),
        ("su", "FAILED su for root by al", "failed al - - - su"),
        ("su", "+ /dev/pts/0 al:root", "privilege al - pts/0 - su"),
        ("su", "- pts/0 al:root", "failed al - pts/0 - su"),
        (
            "login",
            "FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure",
            "failed root - tty1 - login",
        ),
        ("login", "FAILED LOGIN 1 FROM tty2 FOR al, Authentication failure", "failed al - tty2 - login"),
        ("login", "LOGIN ON tty1 BY al FROM host", "other al host tty1 - login"),
        ("login", "ROOT LOGIN ON tty1", "other root - tty1 - login"),
        ("login", "ROOT LOGIN  on '/dev/tty1'", "other root - - - login"),
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
