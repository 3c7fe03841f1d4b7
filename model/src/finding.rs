//! What extractors make of files.

use crate::{gap::Gap, login::LoginEvent, package::Package};
use serde::{Deserialize, Serialize};

/// What system a disk holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemIdentity {
    /// os-release ID, e.g. `debian`.
    pub id: Option<String>,
    /// os-release ID_LIKE, split.
    pub id_like: Vec<String>,
    /// os-release VERSION_ID.
    pub version_id: Option<String>,
    /// os-release VERSION_CODENAME.
    pub codename: Option<String>,
    /// os-release PRETTY_NAME.
    pub pretty_name: Option<String>,
    /// The machine's own name for itself (/etc/hostname).
    pub hostname: Option<String>,
    /// Its zone (the target of /etc/localtime or /etc/timezone).
    pub timezone: Option<String>,
}

/// A user account by number, as /etc/passwd lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Login name.
    pub name: String,
}

/// Everything that the extractors found on one asset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// The system.
    pub system: SystemIdentity,
    /// Packages, sorted.
    pub packages: Vec<Package>,
    /// Login events, sorted.
    pub logins: Vec<LoginEvent>,
    /// Databases and logs that were there and could not be read, whole or in part.
    pub gaps: Vec<Gap>,
}
