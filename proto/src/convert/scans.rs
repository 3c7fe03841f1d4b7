//! What a scan is asked to do.

use super::ConvertError;
use crate::v1;
use coldread_model::{
    Part, Parts,
    task::{ContentMode, IoMode, Share},
};

impl From<ContentMode> for v1::Content {
    fn from(mode: ContentMode) -> Self {
        match mode {
            ContentMode::None => Self::None,
            ContentMode::Hash => Self::Hash,
        }
    }
}

impl TryFrom<v1::Content> for ContentMode {
    type Error = ConvertError;

    fn try_from(content: v1::Content) -> Result<Self, ConvertError> {
        match content {
            v1::Content::None => Ok(Self::None),
            v1::Content::Hash => Ok(Self::Hash),
            v1::Content::Unspecified => Err(ConvertError::new("content", "not specified")),
        }
    }
}

impl From<IoMode> for v1::Io {
    fn from(mode: IoMode) -> Self {
        match mode {
            IoMode::Auto => Self::Auto,
            IoMode::Uring => Self::Uring,
            IoMode::Pread => Self::Pread,
            IoMode::Mmap => Self::Mmap,
        }
    }
}

impl TryFrom<v1::Io> for IoMode {
    type Error = ConvertError;

    fn try_from(io: v1::Io) -> Result<Self, ConvertError> {
        match io {
            v1::Io::Auto => Ok(Self::Auto),
            v1::Io::Uring => Ok(Self::Uring),
            v1::Io::Pread => Ok(Self::Pread),
            v1::Io::Mmap => Ok(Self::Mmap),
            v1::Io::Unspecified => Err(ConvertError::new("io", "not specified")),
        }
    }
}

impl v1::SubmitRequest {
    /// The share of files that another library reads too; more than all of them is an error.
    pub fn cross_check_share(&self) -> Result<Share, ConvertError> {
        let millionths = self.cross_check_millionths;
        Share::of_millionths(millionths).ok_or_else(|| {
            ConvertError::new("cross_check_millionths", format!("{millionths} is more than all"))
        })
    }

    /// What of the content is wanted; a number that is no mode is an error.
    pub fn content_mode(&self) -> Result<ContentMode, ConvertError> {
        v1::Content::try_from(self.content)
            .map_err(|_| ConvertError::new("content", format!("{} is not a mode", self.content)))?
            .try_into()
    }

    /// What is asked for; a word that names no part is an error.
    pub fn asked(&self) -> Result<Parts, ConvertError> {
        if self.only.is_empty() {
            return Ok(Parts::ALL);
        }
        let part = |word: &String| {
            Part::from_name(word).ok_or_else(|| ConvertError::new("only", format!("{word:?} is no part")))
        };
        self.only.iter().map(part).collect()
    }

    /// How the source is read; a number that is no mode is an error.
    pub fn io_mode(&self) -> Result<IoMode, ConvertError> {
        v1::Io::try_from(self.io)
            .map_err(|_| ConvertError::new("io", format!("{} is not a mode", self.io)))?
            .try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_asked_for_by_their_words() {
        let asked = |only: &[&str]| {
            let only = only.iter().map(|word| (*word).to_owned()).collect();
            v1::SubmitRequest { only, ..Default::default() }.asked()
        };
        assert_eq!(asked(&[]), Ok(Parts::ALL));
        assert_eq!(asked(&["logins", "files"]), Ok([Part::Files, Part::Logins].into_iter().collect()));
        assert!(asked(&["logins", "everything"]).is_err());
    }

    #[test]
    fn modes_come_back_and_unknown_numbers_are_refused() {
        for mode in [IoMode::Auto, IoMode::Uring, IoMode::Pread, IoMode::Mmap] {
            let request = v1::SubmitRequest { io: v1::Io::from(mode).into(), ..Default::default() };
            assert_eq!(request.io_mode(), Ok(mode));
        }
        for mode in [ContentMode::None, ContentMode::Hash] {
            let request = v1::SubmitRequest { content: v1::Content::from(mode).into(), ..Default::default() };
            assert_eq!(request.content_mode(), Ok(mode));
        }
        let strange = v1::SubmitRequest { content: 7, io: -1, ..Default::default() };
        assert!(strange.content_mode().is_err() && strange.io_mode().is_err());
        let silent = v1::SubmitRequest::default();
        assert!(silent.content_mode().is_err() && silent.io_mode().is_err());
    }
}
