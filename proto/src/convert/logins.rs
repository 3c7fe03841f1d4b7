//! Login events.

use super::{ConvertError, time, word};
use crate::v1;
use coldread_model::{LoginEvent, LoginKind, LoginSource, Zone};

impl v1::Login {
    /// The message for an event on an asset.
    pub fn from_model(asset: &str, event: LoginEvent) -> Self {
        Self {
            asset: asset.to_owned(),
            source: event.source.name().to_owned(),
            kind: event.kind.name().to_owned(),
            user: event.user,
            from: event.from,
            tty: event.tty,
            time: event.time.map(Into::into),
            zone: event.zone.name().to_owned(),
            ambiguous: event.ambiguous,
            pid: event.pid,
            session: event.session,
            method: event.method,
            origin: event.origin,
            offset: event.offset,
        }
    }

    /// The asset's name and the event.
    pub fn into_model(self) -> Result<(String, LoginEvent), ConvertError> {
        let event = LoginEvent {
            time: time::optional(self.time)?,
            source: word("source", &self.source, LoginSource::from_name)?,
            kind: word("kind", &self.kind, LoginKind::from_name)?,
            user: self.user,
            from: self.from,
            tty: self.tty,
            zone: word("zone", &self.zone, Zone::from_name)?,
            ambiguous: self.ambiguous,
            pid: self.pid,
            session: self.session,
            method: self.method,
            origin: self.origin,
            offset: self.offset,
        };
        Ok((self.asset, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_back_and_a_strange_one_is_refused() {
        let event = LoginEvent {
            time: None,
            source: LoginSource::Btmp,
            kind: LoginKind::Failed,
            user: Some("root".to_owned()),
            from: Some("192.0.2.1".to_owned()),
            tty: None,
            zone: Zone::Log,
            ambiguous: true,
            pid: Some(4),
            session: None,
            method: Some("password".to_owned()),
            origin: b"/var/log/btmp".to_vec(),
            offset: 384,
        };
        let message = v1::Login::from_model("web", event.clone());
        assert_eq!(message.clone().into_model(), Ok(("web".to_owned(), event)));
        for bad in [
            v1::Login { kind: String::new(), ..message.clone() },
            v1::Login { zone: "mars".to_owned(), ..message.clone() },
            v1::Login { time: Some(v1::Time { seconds: 0, nanos: u32::MAX }), ..message },
        ] {
            assert!(bad.into_model().is_err());
        }
    }
}
