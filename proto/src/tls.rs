//! Who a coordinator is, and whom it serves: certificates for what goes over a network.

use std::{fmt, time::Duration};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// Whoever has not shown who he is by then is gone.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A coordinator's certificate, and whose clients it serves.
#[derive(Clone)]
pub struct ServerTls(pub(crate) ServerTlsConfig);

impl ServerTls {
    /// From PEM: a certificate with those that lead to its authority, and its key. With `clients`, the certificate of an
    /// authority, only who shows one that it signed is served, by whatever method; without it, everybody is.
    pub fn new(chain: &[u8], key: &[u8], clients: Option<&[u8]>) -> Self {
        let config = ServerTlsConfig::new().identity(Identity::from_pem(chain, key)).timeout(HANDSHAKE);
        Self(match clients {
            Some(authority) => config.client_ca_root(Certificate::from_pem(authority)),
            None => config,
        })
    }
}

impl fmt::Debug for ServerTls {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// By whom a coordinator's certificate must be signed, and what is shown to it.
#[derive(Clone)]
pub struct ClientTls(pub(crate) ClientTlsConfig);

impl ClientTls {
    /// From PEM: the certificate of the coordinator's authority, and a certificate and its key of our own.
    pub fn new(authority: &[u8], own: Option<(&[u8], &[u8])>) -> Self {
        let config =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority)).timeout(HANDSHAKE);
        Self(match own {
            Some((chain, key)) => config.identity(Identity::from_pem(chain, key)),
            None => config,
        })
    }
}

impl fmt::Debug for ClientTls {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}
