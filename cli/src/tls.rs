//! Certificates on the command line: PEM files, for what is spoken to over a network.

use crate::failure::{Failure, Result};
use clap::Args;
use coldread_proto::{ClientTls, ServerTls};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// What a client of a coordinator trusts, and what it shows.
#[derive(Clone, Debug, Default, Args)]
pub struct ClientTlsArgs {
    /// With https://: certificate of the authority that signed the coordinator's, in PEM [env: COLDREAD_TLS_CA]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    tls_ca: Option<PathBuf>,
    /// Certificate to show to a coordinator that asks for one, in PEM [env: COLDREAD_TLS_CERT]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    tls_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM [env: COLDREAD_TLS_KEY]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    tls_key: Option<PathBuf>,
}

/// The files that a client was told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    authority: Option<PathBuf>,
    chain: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl ClientTlsArgs {
    /// Whether any was given as an argument.
    pub fn is_given(&self) -> bool {
        self.tls_ca.is_some() || self.tls_cert.is_some() || self.tls_key.is_some()
    }

    /// The files of the arguments, and of the environment for those that are not given.
    pub fn files(&self, env: impl Fn(&str) -> Option<OsString>) -> ClientFiles {
        let or = |given: &Option<PathBuf>, name| given.clone().or_else(|| env(name).map(PathBuf::from));
        ClientFiles {
            authority: or(&self.tls_ca, "COLDREAD_TLS_CA"),
            chain: or(&self.tls_cert, "COLDREAD_TLS_CERT"),
            key: or(&self.tls_key, "COLDREAD_TLS_KEY"),
        }
    }
}

impl ClientFiles {
    /// Whether there are none: what has no certificates is spoken to in the clear.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Reads them.
    pub fn load(&self) -> Result<ClientTls> {
        let Some(authority) = &self.authority else {
            return Err(Failure::usage(
                "name the authority that signed the coordinator's certificate with --tls-ca",
            ));
        };
        let authority = read(authority)?;
        match (&self.chain, &self.key) {
            (None, None) => Ok(ClientTls::new(&authority, None)),
            (Some(chain), Some(key)) => Ok(ClientTls::new(&authority, Some((&read(chain)?, &read(key)?)))),
            _ => Err(Failure::usage("--tls-cert and --tls-key belong together")),
        }
    }

    /// The arguments that name them, to be copied; without those that the environment names to everybody.
    pub fn words(&self, env: impl Fn(&str) -> Option<OsString>) -> Vec<String> {
        let mut words = Vec::new();
        for (file, name, argument) in [
            (&self.authority, "COLDREAD_TLS_CA", "--tls-ca"),
            (&self.chain, "COLDREAD_TLS_CERT", "--tls-cert"),
            (&self.key, "COLDREAD_TLS_KEY", "--tls-key"),
        ] {
            if let Some(file) = file.as_ref().filter(|file| env(name).as_deref() != Some(file.as_os_str())) {
                words.extend([argument.to_owned(), file.to_string_lossy().into_owned()]);
            }
        }
        words
    }
}

/// What a coordinator shows, and whom it serves.
#[derive(Clone, Debug, Args)]
pub struct ServerTlsArgs {
    /// Serve TLS: the certificate to show, with those that lead to its authority, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve only workers and clients that show a certificate which this authority signed, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
}

impl ServerTlsArgs {
    /// Reads the files; none where all is to be in the clear.
    pub fn load(&self) -> Result<Option<ServerTls>> {
        let (Some(chain), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let clients = self.tls_client_ca.as_deref().map(read).transpose()?;
        Ok(Some(ServerTls::new(&read(chain)?, &read(key)?, clients.as_deref())))
    }

    /// Why whoever reaches the port is served, if that is so.
    pub fn openness(&self) -> Option<&'static str> {
        match (&self.tls_cert, &self.tls_client_ca) {
            (None, _) => Some("in the clear, see --tls-cert and --tls-client-ca"),
            (Some(_), None) => Some("see --tls-client-ca"),
            (Some(_), Some(_)) => None,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Failure::new(format!("cannot read {}", path.display())).because(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_go_before_the_environment_and_incomplete_ones_are_told() {
        let args = ClientTlsArgs { tls_cert: Some("mine".into()), ..ClientTlsArgs::default() };
        let env = |name: &str| ["COLDREAD_TLS_CA", "COLDREAD_TLS_CERT"].contains(&name).then(|| "env".into());
        let files = args.files(env);
        assert_eq!(
            files,
            ClientFiles { authority: Some("env".into()), chain: Some("mine".into()), key: None }
        );
        assert_eq!(files.words(env), ["--tls-cert", "mine"]);
        let none = ClientTlsArgs::default().files(|_| None);
        assert!(none.is_none() && !files.is_none());
        assert!(none.load().unwrap_err().line().contains("--tls-ca"));
        let here = ClientFiles { authority: Some(file!().into()), chain: Some(file!().into()), key: None };
        // The path is the workspace's; where it cannot be read that is told, else that the key is missing.
        let told = here.load().unwrap_err().line();
        assert!(told.contains("belong together") || told.contains("cannot read"), "{told}");
    }
}
