//! Why a command failed, what to do next, and the code it exits with.

use crate::output::plain;
use coldread_proto::ServiceError;
use std::{error::Error, fmt, io, process::ExitCode};
use tonic::Status;

/// What a command ends with when it does not end well.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// Causes, the outermost first.
    causes: Vec<String>,
    /// What to do next.
    next: Option<String>,
    code: u8,
    quiet: bool,
}

/// The result of most of this crate.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

const LISTS_SNAPSHOTS: &str = "`coldread snapshots` lists them, with their ids";

impl Failure {
    /// A failure with its message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), next: None, code: 1, quiet: false }
    }

    /// A command line that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        let next = "for how to use it: coldread --help, or --help after a command";
        Self { code: 2, ..Self::new(message).next(next) }
    }

    /// A question that makes no sense to who is asked.
    fn refused(text: &str) -> Self {
        let failure = Self { code: 2, ..Self::new(text) };
        if text.starts_with("pattern ") {
            failure.next(
                "a pattern is a glob: * is any text, ? one character, [a-z] one of these, {a,b} either; a bracket is [[]",
            )
        } else if text.contains(" snapshot") {
            failure.next(LISTS_SNAPSHOTS)
        } else {
            failure
        }
    }

    /// That something is not there, and what lists such things.
    fn missing(text: &str) -> Self {
        Self::new(text).next(if text.starts_with("no snapshot ") {
            LISTS_SNAPSHOTS
        } else if text.starts_with("no volume ") {
            "`coldread asset show ASSET` lists an asset's volumes"
        } else if text.starts_with("the scan of ") {
            "scan it again, without --only or with files in it"
        } else {
            "`coldread assets` lists what was scanned, `coldread files` what is in it"
        })
    }

    /// Nobody reads what we print any more: an end like any other.
    fn unread() -> Self {
        Self { code: 0, quiet: true, ..Self::new("nobody reads the output") }
    }

    /// The user asked for an end.
    pub fn interrupted() -> Self {
        Self { code: 130, ..Self::new("interrupted") }
    }

    /// Adds a cause and its own causes.
    pub fn because(mut self, cause: &(dyn Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let text = error.to_string();
            // Transparent layers say the same again, and some say it with their own words before it.
            if self.causes.last().is_none_or(|last| !last.ends_with(&text)) && !text.is_empty() {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Says what to do next.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The message with its causes, in one line.
    pub fn line(&self) -> String {
        let mut parts = vec![self.message.as_str()];
        parts.extend(self.causes.iter().map(String::as_str));
        plain(&parts.join(": ")).into_owned()
    }

    /// Tells it on standard error, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if !self.quiet {
            crate::progress::say(&self.to_string());
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", plain(&self.message))?;
        for cause in &self.causes {
            write!(f, "\n  because: {}", plain(cause))?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  next: {}", plain(next))?;
        }
        Ok(())
    }
}

impl From<io::Error> for Failure {
    /// An error of standard output; errors of other files name the file.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::unread(),
            _ => Self::new("cannot write to standard output").because(&error),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let mut failure = match ServiceError::from(status.clone()) {
            ServiceError::NotFound(text) => Self::missing(&text),
            ServiceError::Unreadable(text) => {
                Self::new(text).next("`coldread gaps` lists what else could not be read")
            }
            ServiceError::Unavailable(text) => {
                Self::new(text).next("see whether the coordinator and a worker run, then try again")
            }
            ServiceError::Invalid(text) => Self::refused(&text),
            other => Self::new(other.to_string()),
        };
        // What the transport says lies beneath; a status that a service sent has nothing there.
        if let Some(source) = status.source() {
            failure = failure.because(source);
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_next() {
        let cause = io::Error::new(io::ErrorKind::NotFound, "no \x1b[2J file");
        let failure = Failure::new("cannot open").because(&cause).next("give another");
        assert_eq!(
            failure.to_string(),
            "error: cannot open\n  because: no \\u{1b}[2J file\n  next: give another"
        );
        assert_eq!(failure.line(), "cannot open: no \\u{1b}[2J file");
        let outer = io::Error::other("/x: gone");
        let twice = Failure::new("cannot open").because(&outer).because(&io::Error::other("gone"));
        assert_eq!(twice.line(), "cannot open: /x: gone");
    }

    #[test]
    fn what_makes_no_sense_to_the_service_is_wrong_usage() {
        for (error, code, next) in [
            (ServiceError::Invalid("pattern \"[\": unclosed".to_owned()), 2, "glob"),
            (
                ServiceError::Invalid("\"x\" is not a snapshot: 8 hex digits".to_owned()),
                2,
                "coldread snapshots",
            ),
            (ServiceError::Invalid("\"x\" is not a kind".to_owned()), 2, ""),
            (ServiceError::NotFound("no asset \"x\"".to_owned()), 1, "coldread assets"),
            (ServiceError::NotFound("no snapshot 0123".to_owned()), 1, "coldread snapshots"),
            (ServiceError::NotFound("no volume \"p9\"".to_owned()), 1, "coldread asset show"),
            (ServiceError::NotFound("the scan of x was asked for logins only".to_owned()), 1, "--only"),
            (ServiceError::Internal("damaged".to_owned()), 1, ""),
        ] {
            let failure = Failure::from(Status::from(error));
            let told = failure.next.as_deref().unwrap_or_default();
            assert_eq!((failure.code, told.is_empty()), (code, next.is_empty()), "{failure}");
            assert!(told.contains(next), "{failure}");
        }
    }

    #[test]
    fn a_broken_pipe_is_a_quiet_success() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code, failure.quiet), (0, true));
        let failure = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!((failure.code, failure.quiet), (1, false));
    }
}
