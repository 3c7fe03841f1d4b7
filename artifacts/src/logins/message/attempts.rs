//! From what messages tell to events, with a memory of the attempts that are under way.

use super::Told;
use crate::logins::address;
use coldread_model::{LoginEvent, LoginKind, LoginSource};

/// Processes of sshd whose failures are remembered until their connections end.
const RECENT: usize = 256;

/// Knows which processes have failed of late, so that an attempt counts once.
pub(in crate::logins) struct Attempts {
    pids: [u32; RECENT],
    next: usize,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { pids: [0; RECENT], next: 0 }
    }
}

impl Attempts {
    /// The event that a process's message is, still without its time.
    pub(in crate::logins) fn event(
        &mut self,
        told: Told<'_>,
        pid: Option<u32>,
        source: LoginSource,
        path: &[u8],
        offset: u64,
    ) -> LoginEvent {
        let mut kind = told.kind;
        if let Some(pid) = pid.filter(|pid| *pid > 0) {
            if told.unauthenticated_end {
                // The number may be another process's from here on.
                match self.pids.iter_mut().find(|known| **known == pid) {
                    Some(known) => *known = 0,
                    None => kind = LoginKind::Failed,
                }
            } else if kind == LoginKind::Failed {
                self.remember(pid);
            }
        }
        let text = |field: Option<&[u8]>| field.map(|field| String::from_utf8_lossy(field).into_owned());
        LoginEvent {
            user: text(told.user),
            from: told.from.map(address::canonical),
            port: told.port,
            tty: text(told.tty),
            pid,
            session: text(told.session),
            method: text(told.method),
            target: text(told.target),
            detail: text(told.detail),
            ..LoginEvent::new(source, kind, None, path, offset)
        }
    }

    fn remember(&mut self, pid: u32) {
        if !self.pids.contains(&pid) {
            self.pids[self.next % RECENT] = pid;
            self.next = self.next.wrapping_add(1);
        }
    }
}
