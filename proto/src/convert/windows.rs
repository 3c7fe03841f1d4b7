//! What time login records cover.

use super::{ConvertError, time, word};
use crate::v1;
use coldread_model::{LogWindow, LoginSource};

impl v1::LogWindow {
    /// The message for a window of an asset.
    pub fn from_model(asset: &str, window: LogWindow) -> Self {
        let (since, until) = window.span.unzip();
        Self {
            asset: asset.to_owned(),
            source: window.source.name().to_owned(),
            root: window.root,
            origin: window.origin,
            since: since.map(Into::into),
            until: until.map(Into::into),
            records: window.records,
        }
    }

    /// The asset's name and its window.
    pub fn into_model(self) -> Result<(String, LogWindow), ConvertError> {
        let span = match (time::optional(self.since)?, time::optional(self.until)?) {
            (Some(since), Some(until)) if since <= until => Some((since, until)),
            (None, None) => None,
            _ => {
                return Err(ConvertError::new(
                    "until",
                    "it ends before it starts, or one of the two is missing",
                ));
            }
        };
        let window = LogWindow {
            source: word("source", &self.source, LoginSource::from_name)?,
            root: self.root,
            origin: self.origin,
            span,
            records: self.records,
        };
        Ok((self.asset, window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::Timestamp;

    #[test]
    fn a_window_comes_back_and_a_strange_one_is_refused() {
        let at = |seconds| Timestamp::new(seconds, 0);
        for span in [None, Some((at(5), at(5))), Some((at(-5), at(9)))] {
            let window = LogWindow {
                source: LoginSource::Btmp,
                root: "/".to_owned(),
                origin: b"/var/log/btmp".to_vec(),
                span,
                records: 3,
            };
            let message = v1::LogWindow::from_model("web", window.clone());
            assert_eq!(message.into_model(), Ok(("web".to_owned(), window)));
        }
        let time = |seconds| Some(v1::Time { seconds, nanos: 0 });
        for (since, until) in [(None, time(1)), (time(1), None), (time(2), time(1))] {
            let message = v1::LogWindow { source: "btmp".to_owned(), since, until, ..Default::default() };
            assert!(message.into_model().is_err());
        }
        assert!(v1::LogWindow { source: "rumour".to_owned(), ..Default::default() }.into_model().is_err());
    }
}
