//! Login events.

use super::{ConvertError, time, word};
use crate::v1;
use coldread_model::{Evidence, LoginEvent, LoginKind, LoginSource, SessionEnd, Text, Zone};

impl v1::Login {
    /// The message for an event on an asset.
    pub fn from_model(asset: &str, event: LoginEvent) -> Self {
        Self {
            asset: asset.to_owned(),
            source: event.source.name().to_owned(),
            kind: event.kind.name().to_owned(),
            user: text(event.user),
            from: text(event.from),
            tty: text(event.tty),
            time: event.time.map(Into::into),
            zone: event.zone.name().to_owned(),
            ambiguous: event.ambiguous,
            pid: event.pid,
            session: text(event.session),
            method: text(event.method),
            origin: event.origin.into(),
            offset: event.offset,
            host: text(event.host),
            port: event.port.map(u32::from),
            target: text(event.target),
            detail: text(event.detail),
            until: event.until.map(Into::into),
            ended: event.ended.map(|ended| ended.name().to_owned()),
            evidence: event.evidence.into_iter().map(Into::into).collect(),
            root: event.root.into(),
        }
    }

    /// The asset's name and the event.
    pub fn into_model(self) -> Result<(String, LoginEvent), ConvertError> {
        let event = LoginEvent {
            time: time::optional(self.time)?,
            source: word("source", &self.source, LoginSource::from_name)?,
            kind: word("kind", &self.kind, LoginKind::from_name)?,
            user: self.user.map(Text::from),
            from: self.from.map(Text::from),
            tty: self.tty.map(Text::from),
            zone: word("zone", &self.zone, Zone::from_name)?,
            ambiguous: self.ambiguous,
            pid: self.pid,
            session: self.session.map(Text::from),
            method: self.method.map(Text::from),
            origin: self.origin.into(),
            offset: self.offset,
            host: self.host.map(Text::from),
            port: self.port.map(port).transpose()?,
            target: self.target.map(Text::from),
            detail: self.detail.map(Text::from),
            until: time::optional(self.until)?,
            ended: self.ended.map(|ended| word("ended", &ended, SessionEnd::from_name)).transpose()?,
            evidence: self.evidence.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            root: self.root.into(),
        };
        Ok((self.asset, event))
    }
}

fn text(text: Option<Text>) -> Option<String> {
    text.map(String::from)
}

fn port(number: u32) -> Result<u16, ConvertError> {
    u16::try_from(number).map_err(|_| ConvertError::new("port", format!("{number} is not a port")))
}

impl From<Evidence> for v1::Evidence {
    fn from(evidence: Evidence) -> Self {
        Self {
            source: evidence.source.name().to_owned(),
            origin: evidence.origin.into(),
            offset: evidence.offset,
        }
    }
}

impl TryFrom<v1::Evidence> for Evidence {
    type Error = ConvertError;

    fn try_from(evidence: v1::Evidence) -> Result<Self, ConvertError> {
        let source = word("source", &evidence.source, LoginSource::from_name)?;
        Ok(Self { source, origin: evidence.origin.into(), offset: evidence.offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::Timestamp;

    #[test]
    fn an_event_comes_back_and_a_strange_one_is_refused() {
        let event = LoginEvent {
            user: Some("root".into()),
            from: Some("192.0.2.1".into()),
            port: Some(50_022),
            ambiguous: true,
            pid: Some(4),
            method: Some("password".into()),
            until: Some(Timestamp::new(9, 1)),
            ended: Some(SessionEnd::Crash),
            evidence: vec![Evidence {
                source: LoginSource::Journal,
                origin: "/var/log/journal/system.journal".into(),
                offset: 7,
            }],
            ..LoginEvent::new(LoginSource::Btmp, LoginKind::Failed, None, "/var/log/btmp", 384)
        };
        let message = v1::Login::from_model("web", event.clone());
        assert_eq!(message.clone().into_model(), Ok(("web".to_owned(), event)));
        for bad in [
            v1::Login { kind: String::new(), ..message.clone() },
            v1::Login { zone: "mars".to_owned(), ..message.clone() },
            v1::Login { port: Some(65_536), ..message.clone() },
            v1::Login { ended: Some("never".to_owned()), ..message.clone() },
            v1::Login { time: Some(v1::Time { seconds: 0, nanos: u32::MAX }), ..message },
        ] {
            assert!(bad.into_model().is_err());
        }
    }
}
