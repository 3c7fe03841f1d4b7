//! Which snapshots a question is about.

use crate::{error, limits};
use coldread_model::{SnapshotManifest, manifest::Head};
use coldread_proto::{ServiceError, v1};
use coldread_store::{Pattern, PatternOptions, Snapshot, Store};

/// Digits that a snapshot's id can be cut to.
const MIN_PREFIX_DIGITS: usize = 8;

/// A pattern on names; an empty one matches all.
#[derive(Debug)]
pub(crate) struct Names(Option<Pattern>);

impl Names {
    /// Reads a pattern.
    pub(crate) fn new(pattern: &str) -> Result<Self, ServiceError> {
        Self::compile(pattern, false)
    }

    /// Reads a pattern for letters in either case.
    pub(crate) fn in_any_case(pattern: &str) -> Result<Self, ServiceError> {
        Self::compile(pattern, true)
    }

    /// Reads a pattern on what may be absent: none matches what is absent too.
    pub(crate) fn some(pattern: &str) -> Result<Option<Self>, ServiceError> {
        if pattern.is_empty() { Ok(None) } else { Self::new(pattern).map(Some) }
    }

    fn compile(pattern: &str, any_case: bool) -> Result<Self, ServiceError> {
        if pattern.is_empty() {
            return Ok(Self(None));
        }
        let options = PatternOptions { any_case, ..PatternOptions::default() };
        Pattern::new(pattern, options).map(|pattern| Self(Some(pattern))).map_err(error::of_store)
    }

    /// Whether `name` matches.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|glob| glob.is_match(name))
    }
}

/// The prefix of a snapshot's id, checked; none for the newest.
fn prefix(text: &str) -> Result<Option<String>, ServiceError> {
    let digits = text.len() >= MIN_PREFIX_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.is_empty() {
        Ok(None)
    } else if digits {
        Ok(Some(text.to_ascii_lowercase()))
    } else {
        let shown = limits::cut(text);
        Err(ServiceError::Invalid(format!(
            "{shown:?} is not a snapshot: {MIN_PREFIX_DIGITS} hex digits or more"
        )))
    }
}

/// The one snapshot of an asset whose id starts with `prefix`.
fn by_prefix(store: &Store, asset: &str, prefix: &str) -> Result<Option<Snapshot>, ServiceError> {
    let mut found: Option<Head> = None;
    for head in store.snapshots(asset).map_err(error::of_store)? {
        if !head.manifest.to_string().starts_with(prefix) {
            continue;
        }
        match &found {
            Some(other) if other.manifest != head.manifest => {
                return Err(ServiceError::Invalid(format!(
                    "more than one snapshot of {asset} starts with {prefix}"
                )));
            }
            Some(_) => {}
            None => found = Some(head),
        }
    }
    let with_manifest = |head: Head| -> Result<Snapshot, ServiceError> {
        let manifest: SnapshotManifest = store.manifest(head.manifest).map_err(error::of_store)?;
        Ok(Snapshot { head, manifest })
    };
    found.map(with_manifest).transpose()
}

/// The snapshot of one asset, by its exact name. `NotFound` names what is missing.
pub(crate) fn one(store: &Store, asset: &str, snapshot: &str) -> Result<Snapshot, ServiceError> {
    let newest = known(store, asset)?;
    match prefix(snapshot)? {
        None => store.snapshot(newest).map_err(error::of_store),
        Some(prefix) => by_prefix(store, asset, &prefix)?
            .ok_or_else(|| ServiceError::NotFound(format!("no snapshot {prefix} of {asset}"))),
    }
}

/// Hands each snapshot in `scope` to `each`, by the assets' names. A name that stands for one asset and is not
/// there, or an id that none has, is an error: nothing found is never nothing looked at.
pub(crate) fn each(
    store: &Store,
    scope: Option<v1::Scope>,
    mut each: impl FnMut(Snapshot) -> Result<(), ServiceError>,
) -> Result<(), ServiceError> {
    let scope = scope.unwrap_or_default();
    if is_known(store, &scope.asset)? || !is_pattern(&scope.asset) {
        return each(one(store, &scope.asset, &scope.snapshot)?);
    }
    let (names, prefix) = (Names::new(&scope.asset)?, prefix(&scope.snapshot)?);
    let mut found = false;
    let mut damage = Damage::default();
    for head in store.assets(None) {
        let head = head.map_err(error::of_store)?;
        if !names.matches(&head.asset) {
            continue;
        }
        let asset = head.asset.clone();
        let snapshot = match &prefix {
            None => store.snapshot(head).map(Some).map_err(error::of_store),
            Some(prefix) => by_prefix(store, &asset, prefix),
        };
        let done = snapshot.and_then(|snapshot| {
            found |= snapshot.is_some();
            snapshot.map_or(Ok(()), &mut each)
        });
        damage.pass(&asset, done)?;
    }
    damage.told()?;
    match prefix {
        Some(prefix) if !found => Err(ServiceError::NotFound(format!("no snapshot {prefix}"))),
        _ => Ok(()),
    }
}

/// What of a store could not be read while many assets were looked at: it is no reason to say nothing of the others,
/// and is told once they have been.
#[derive(Default)]
struct Damage {
    first: Option<String>,
    assets: u64,
}

impl Damage {
    /// Notes that the store failed over an asset; any other error ends the question.
    fn pass(&mut self, asset: &str, done: Result<(), ServiceError>) -> Result<(), ServiceError> {
        if let Err(ServiceError::Internal(reason)) = done {
            tracing::warn!(asset, reason, "an asset cannot be read from the store");
            self.assets += 1;
            self.first.get_or_insert_with(|| format!("asset {asset}: {reason}"));
            return Ok(());
        }
        done
    }

    fn told(self) -> Result<(), ServiceError> {
        match (self.first, self.assets) {
            (None, _) => Ok(()),
            (Some(first), 1) => Err(ServiceError::Internal(first)),
            (Some(first), assets) => {
                Err(ServiceError::Internal(format!("{assets} assets cannot be read; the first: {first}")))
            }
        }
    }
}

/// The newest head of an asset, by its exact name.
fn known(store: &Store, asset: &str) -> Result<Head, ServiceError> {
    let head = store.newest_head(asset).map_err(error::of_store)?;
    head.ok_or_else(|| ServiceError::NotFound(format!("no asset {:?}", limits::cut(asset))))
}

fn is_known(store: &Store, asset: &str) -> Result<bool, ServiceError> {
    Ok(!asset.is_empty() && store.newest_head(asset).map_err(error::of_store)?.is_some())
}

/// Whether a name may stand for several.
pub(super) fn is_pattern(name: &str) -> bool {
    name.is_empty() || name.contains(['*', '?', '[', '{', '\\'])
}

/// Hands every asset's name in `scope` to `each`.
pub(crate) fn each_asset(
    store: &Store,
    pattern: &str,
    mut each: impl FnMut(&str) -> Result<(), ServiceError>,
) -> Result<(), ServiceError> {
    if is_known(store, pattern)? || !is_pattern(pattern) {
        return each(&known(store, pattern)?.asset);
    }
    let names = Names::new(pattern)?;
    let mut damage = Damage::default();
    for head in store.assets(None) {
        let head = head.map_err(error::of_store)?;
        if names.matches(&head.asset) {
            damage.pass(&head.asset, each(&head.asset))?;
        }
    }
    damage.told()
}
