//! Rows of packages and logins: which of them a question wants.

use super::scope::Names;
use coldread_model::{
    LoginEvent, LoginKind, LoginSource, Package, PackageType, Timestamp,
    version::{FilterError, VersionFilter},
};
use coldread_proto::{ServiceError, v1};

/// A word of a closed list, none where there is no word.
pub(super) fn word<T>(
    text: &str,
    what: &str,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ServiceError> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || ServiceError::Invalid(format!("{:?} is not {what}", crate::limits::cut(text)));
    from_name(text).map(Some).ok_or_else(wrong)
}

/// Which packages are wanted.
pub(crate) struct PackageFilter {
    names: Names,
    kind: Option<PackageType>,
    versions: Option<VersionFilter>,
    roots: Names,
    all: bool,
}

impl PackageFilter {
    /// Reads a question.
    pub(crate) fn new(request: &v1::PackagesRequest) -> Result<Self, ServiceError> {
        let kind = word(&request.r#type, "a type of package", PackageType::from_name)?;
        let versions = match request.version.trim() {
            "" => None,
            text => Some(text.parse().map_err(|error: FilterError| {
                ServiceError::Invalid(crate::limits::cut(&error.to_string()))
            })?),
        };
        let (names, roots) = (Names::new(&request.name)?, Names::new(&request.root)?);
        Ok(Self { names, kind, versions, roots, all: request.all })
    }

    /// Whether the package is wanted.
    pub(crate) fn wants(&self, package: &Package) -> bool {
        (self.all || package.state.is_installed())
            && self.kind.is_none_or(|kind| kind == package.kind)
            && self.names.matches(&package.name)
            && self.roots.matches(&package.root)
            && self.versions.as_ref().is_none_or(|versions| versions.takes(package.kind, &package.version))
    }
}

/// Which login events are wanted.
pub(crate) struct LoginFilter {
    failed: bool,
    users: Option<Names>,
    /// Events from then on.
    pub(super) since: Option<Timestamp>,
    /// Events before then.
    pub(super) until: Option<Timestamp>,
    source: Option<LoginSource>,
    roots: Names,
    all: bool,
}

impl LoginFilter {
    /// Reads a question.
    pub(crate) fn new(request: &v1::LoginsRequest) -> Result<Self, ServiceError> {
        let time = |time: Option<v1::Time>| time.map(Timestamp::try_from).transpose();
        Ok(Self {
            failed: request.failed,
            users: Names::some(&request.user)?,
            since: time(request.since)?,
            until: time(request.until)?,
            source: word(&request.source, "a source of logins", LoginSource::from_name)?,
            roots: Names::new(&request.root)?,
            all: request.all,
        })
    }

    /// Whether the event is wanted. One without a time is outside every span.
    pub(crate) fn wants(&self, event: &LoginEvent) -> bool {
        let usual = matches!(
            event.kind,
            LoginKind::Login | LoginKind::Logout | LoginKind::Failed | LoginKind::Boot | LoginKind::Shutdown
        );
        let kind = if self.failed { event.kind == LoginKind::Failed } else { self.all || usual };
        let user = |names: &Names| event.user.as_deref().is_some_and(|user| names.matches(user));
        let tells = |source| event.source == source || event.evidence.iter().any(|one| one.source == source);
        kind && self.users.as_ref().is_none_or(user)
            && self.source.is_none_or(tells)
            && self.roots.matches(&event.root)
            && self.since.is_none_or(|since| event.time.is_some_and(|time| time >= since))
            && self.until.is_none_or(|until| event.time.is_some_and(|time| time < until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::Evidence;

    #[test]
    fn packages_are_chosen_by_version() {
        let filter = |version: &str| {
            PackageFilter::new(&v1::PackagesRequest { version: version.to_owned(), ..Default::default() })
        };
        let origin = coldread_model::PackageOrigin { volume: String::new(), path: Vec::new(), sha256: None };
        let package = |version: &str| Package::new(PackageType::Deb, "openssl", version, origin.clone());
        let old = filter("< 3.0.2, >= 1.1").unwrap();
        assert!(old.wants(&package("3.0.2~beta1-1")) && old.wants(&package("1.1.1n-0")));
        assert!(!old.wants(&package("3.0.10-1")) && !old.wants(&package("1:1.0")));
        assert!(filter("").unwrap().wants(&package("9")));
        let elsewhere = v1::PackagesRequest { root: "/srv/*".to_owned(), ..Default::default() };
        assert!(!PackageFilter::new(&elsewhere).unwrap().wants(&package("9")));
        assert!(filter("older than 3").is_err());
    }

    #[test]
    fn logins_are_chosen_by_kind_user_and_time() {
        let event = |kind, user: Option<&str>, time: Option<i64>| LoginEvent {
            user: user.map(Into::into),
            ..LoginEvent::new(LoginSource::Wtmp, kind, time.map(|seconds| Timestamp::new(seconds, 0)), "", 0)
        };
        let wants =
            |request: v1::LoginsRequest, event: &LoginEvent| LoginFilter::new(&request).unwrap().wants(event);
        let login = event(LoginKind::Login, Some("root"), Some(10));
        let sudo = event(LoginKind::Privilege, Some("root"), None);
        assert!(wants(v1::LoginsRequest::default(), &login));
        assert!(!wants(v1::LoginsRequest::default(), &sudo));
        assert!(wants(v1::LoginsRequest { all: true, ..Default::default() }, &sudo));
        assert!(!wants(v1::LoginsRequest { failed: true, ..Default::default() }, &login));
        assert!(wants(v1::LoginsRequest { user: "ro*".to_owned(), ..Default::default() }, &login));
        assert!(!wants(v1::LoginsRequest { user: "a*".to_owned(), ..Default::default() }, &login));
        let at = |seconds| Some(v1::Time { seconds, nanos: 0 });
        assert!(wants(v1::LoginsRequest { since: at(10), until: at(11), ..Default::default() }, &login));
        assert!(!wants(v1::LoginsRequest { until: at(10), ..Default::default() }, &login));
        assert!(!wants(v1::LoginsRequest { since: at(0), all: true, ..Default::default() }, &sudo));
        let evidence = Evidence { source: LoginSource::Journal, origin: "".into(), offset: 0 };
        let joined = LoginEvent { evidence: vec![evidence], ..login };
        for (source, root, wanted) in
            [("wtmp", "/", true), ("journal", "", true), ("btmp", "", false), ("wtmp", "/srv/*", false)]
        {
            let (source, root) = (source.to_owned(), root.to_owned());
            assert_eq!(wants(v1::LoginsRequest { source, root, ..Default::default() }, &joined), wanted);
        }
        let strange = v1::LoginsRequest { source: "rumour".to_owned(), ..Default::default() };
        assert!(LoginFilter::new(&strange).is_err());
    }
}
