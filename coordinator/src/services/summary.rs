//! What the logins of each user come to.

use super::{
    known::Known,
    scope::{self, Names},
    tally::Tally,
};
use crate::error;
use coldread_model::{Part, SnapshotManifest, Timestamp};
use coldread_proto::{ServiceError, v1};
use coldread_store::Store;
use std::collections::BTreeMap;

/// The host's own tree.
const HOST: &str = "/";
/// What is said of a snapshot whose scan was asked for other things alone.
const NOT_ASKED: &str = "the scan was not asked for logins";

/// What is to be summed up.
pub(crate) struct Question {
    users: Option<Names>,
    /// The one user who was asked for; empty if it was none or many.
    user: String,
    roots: Names,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Question {
    /// Reads a question.
    pub(crate) fn new(request: &v1::SumUpLoginsRequest) -> Result<Self, ServiceError> {
        let time = |time: Option<v1::Time>| time.map(Timestamp::try_from).transpose();
        Ok(Self {
            users: Names::some(&request.user)?,
            user: if scope::is_pattern(&request.user) { String::new() } else { request.user.clone() },
            roots: Names::new(&request.root)?,
            since: time(request.since)?,
            until: time(request.until)?,
        })
    }

    /// Hands out the rows of a snapshot, by tree and user. A tree in which nothing was found has a row too: it tells
    /// since when nothing happened. So has a snapshot that cannot know.
    pub(crate) fn answer(
        &self,
        store: &Store,
        manifest: &SnapshotManifest,
        mut each: impl FnMut(v1::UserLogins) -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        if !manifest.asked.contains(Part::Logins) {
            return each(v1::UserLogins {
                asset: manifest.asset.clone(),
                root: HOST.to_owned(),
                note: Some(NOT_ASKED.to_owned()),
                ..v1::UserLogins::default()
            });
        }
        let known = self.known(store, manifest)?;
        let mut tally = Tally::default();
        for root in known.keys() {
            tally.mention(root);
        }
        for event in store.logins(manifest, self.since, self.until) {
            let event = event.map_err(error::of_store)?;
            let within = |time: Timestamp| {
                self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
            };
            let in_time = event.time.map_or(self.since.is_none() && self.until.is_none(), within);
            let user = |names: &Names| event.user.as_deref().is_some_and(|user| names.matches(user));
            if in_time && self.users.as_ref().is_none_or(user) && self.roots.matches(&event.root) {
                tally.take(&event);
            }
        }
        let known_of = |root: &str| known.get(root).copied().unwrap_or_default();
        tally.rows(&manifest.asset, &self.user, known_of, each)
    }

    /// What the logs of each tree can have known. The host's tree is always there, if it was asked for.
    fn known(
        &self,
        store: &Store,
        manifest: &SnapshotManifest,
    ) -> Result<BTreeMap<String, Known>, ServiceError> {
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        if self.roots.matches(HOST) {
            known.insert(HOST.to_owned(), Known::default());
        }
        for window in store.log_windows(manifest) {
            let window = window.map_err(error::of_store)?;
            if self.roots.matches(&window.root) {
                known.entry(window.root.clone()).or_default().take(&window);
            }
        }
        Ok(known.into_iter().map(|(root, known)| (root, known.within(self.since, self.until))).collect())
    }
}
