//! Arguments that several commands share.

use crate::{
    failure::{Failure, Result},
    output::Format,
    tls::{ClientFiles, ClientTlsArgs},
};
use clap::Args;
use coldread_proto::v1;
use std::{env, ffi::OsString, path::PathBuf};

/// Where the answers come from.
#[derive(Clone, Debug, Args)]
pub struct PlaceArgs {
    /// Directory of the embedded store [env: COLDREAD_STORE] [default: $XDG_DATA_HOME/coldread or
    /// ~/.local/share/coldread]
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    store: Option<PathBuf>,
    /// A coordinator to ask instead, e.g. `http://127.0.0.1:7700` or `https://scans.example.org:7700`
    /// [env: COLDREAD_SERVER, which goes before COLDREAD_STORE]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    tls: ClientTlsArgs,
}

/// A store of our own, or a coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The directory of a store.
    Store(PathBuf),
    /// A coordinator.
    Server(Server),
}

/// A coordinator, and the certificates for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its URL, as it was given.
    pub url: String,
    /// PEM files.
    pub tls: ClientFiles,
}

impl PlaceArgs {
    /// What the arguments, then the environment, then the defaults say.
    pub fn place(&self) -> Result<Place> {
        self.place_with(|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn place_with(&self, env: impl Fn(&str) -> Option<OsString>) -> Result<Place> {
        let at = |url| Ok(Place::Server(Server { url, tls: self.tls.files(&env) }));
        if let Some(server) = &self.server {
            return at(server.clone());
        }
        let server = env("COLDREAD_SERVER").filter(|_| self.store.is_none());
        if let Some(server) = server {
            return at(server.into_string().map_err(|_| Failure::usage("COLDREAD_SERVER is not a URL"))?);
        }
        if self.tls.is_given() {
            return Err(Failure::usage("certificates are for a coordinator: name it with --server"));
        }
        store_dir(self.store.clone(), env).map(Place::Store)
    }
}

/// The store's directory: as given, as the environment says, or the default.
pub fn store_dir(given: Option<PathBuf>, env: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let under = |name: &str, rest: &str| {
        // The XDG specification: a relative path is to be ignored.
        let base = env(name).map(PathBuf::from).filter(|base| base.is_absolute());
        base.map(|base| base.join(rest))
    };
    given
        .or_else(|| env("COLDREAD_STORE").map(PathBuf::from))
        .or_else(|| under("XDG_DATA_HOME", "coldread"))
        .or_else(|| under("HOME", ".local/share/coldread"))
        .ok_or_else(|| Failure::usage("neither --store nor COLDREAD_STORE, XDG_DATA_HOME or HOME is set"))
}

/// Which snapshots are asked about.
#[derive(Clone, Debug, Args)]
pub struct ScopeArgs {
    /// Only assets whose name matches, e.g. 'web-*'
    #[arg(long, value_name = "GLOB", default_value = "", hide_default_value = true)]
    asset: String,
    /// This snapshot instead of each asset's newest: its id, or the first 8 digits of it or more
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    snapshot: String,
}

impl ScopeArgs {
    /// The scope as services understand it.
    pub fn scope(self) -> v1::Scope {
        v1::Scope { asset: self.asset, snapshot: self.snapshot }
    }
}

/// Which trees of an asset are asked about.
#[derive(Clone, Debug, Args)]
pub struct RootArgs {
    /// Only what belongs to a matching tree: / is the host's own, others are the paths of containers and chroots
    #[arg(long, value_name = "GLOB", default_value = "", hide_default_value = true)]
    pub root: String,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, Args)]
pub struct OutputArgs {
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    pub output: Format,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_go_before_the_environment_and_that_before_defaults() {
        let args = |store: Option<&str>, server: Option<&str>| PlaceArgs {
            store: store.map(Into::into),
            server: server.map(Into::into),
            tls: ClientTlsArgs::default(),
        };
        let env = |set: &'static [(&'static str, &'static str)]| {
            move |name: &str| set.iter().find(|(one, _)| *one == name).map(|(_, value)| OsString::from(value))
        };
        let both = &[("COLDREAD_STORE", "/s"), ("COLDREAD_SERVER", "http://s"), ("HOME", "/h")];
        let store = |path: &str| Place::Store(path.into());
        let server = |url: &str| Place::Server(Server { url: url.to_owned(), tls: ClientFiles::default() });
        assert_eq!(args(Some("/a"), None).place_with(env(both)).unwrap(), store("/a"));
        assert_eq!(args(None, Some("http://a")).place_with(env(both)).unwrap(), server("http://a"));
        assert_eq!(args(None, None).place_with(env(both)).unwrap(), server("http://s"));
        assert_eq!(args(None, None).place_with(env(&both[..1])).unwrap(), store("/s"));
        let xdg = &[("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(args(None, None).place_with(env(xdg)).unwrap(), store("/x/coldread"));
        let odd = &[("XDG_DATA_HOME", "x"), ("HOME", "/h")];
        assert_eq!(args(None, None).place_with(env(odd)).unwrap(), store("/h/.local/share/coldread"));
        assert!(args(None, None).place_with(env(&[])).is_err());
        let secured = &[("COLDREAD_SERVER", "https://s"), ("COLDREAD_TLS_CA", "/ca")];
        let Place::Server(found) = args(None, None).place_with(env(secured)).unwrap() else {
            panic!("a store")
        };
        assert!(!found.tls.is_none());
    }
}
