//! `coldread keys`.

use super::listing::ListingArgs;
use crate::{connect::Services, failure::Result};
use coldread_model::{KeyKind, Part, Parts};
use coldread_proto::v1::KeysRequest;

/// List SSH keys: which open accounts, which prove machines, and private keys that lie about
///
/// Keys are told by their fingerprint, as ssh-keygen -l shows it. Of a private key it says whether a passphrase
/// protects it, never the key.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread keys --asset web-1\n  \
    coldread keys --kind private -o wide\n  \
    coldread keys --fingerprint SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDryQhEBDBLTDTRjAo\n  \
    coldread keys -o ndjson | jq 'select(.encrypted == false)'")]
pub struct Keys {
    /// Only keys of users whose name matches, e.g. root or 'adm*'
    #[arg(long, value_name = "GLOB", default_value = "", hide_default_value = true)]
    user: String,
    /// Only keys of this kind
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<String>,
    /// Only the key with this fingerprint: where else is it?
    #[arg(long, value_name = "SHA256:…", value_parser = fingerprint)]
    fingerprint: Option<String>,
    #[command(flatten)]
    listing: ListingArgs,
}

/// The kinds that there are.
fn kinds() -> clap::builder::PossibleValuesParser {
    KeyKind::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().into()
}

/// A whole fingerprint as ssh-keygen shows it: any other text would find nothing, and tell nothing by that.
fn fingerprint(text: &str) -> std::result::Result<String, String> {
    let digest = text.strip_prefix("SHA256:").unwrap_or(text).trim_end_matches('=');
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if digest.len() == 43 && digest.bytes().all(is_base64) {
        Ok(format!("SHA256:{digest}"))
    } else {
        Err("not the SHA-256 of a key as ssh-keygen -l shows it: SHA256: and 43 characters".to_owned())
    }
}

impl Keys {
    pub async fn run(self) -> Result<()> {
        let request = KeysRequest {
            scope: Some(self.listing.scope()),
            user: self.user,
            kind: self.kind.unwrap_or_default(),
            fingerprint: self.fingerprint.unwrap_or_default(),
            root: self.listing.root(),
        };
        let ask = async |services: Services| services.query().keys(request).await;
        self.listing.print(Parts::of(Part::Keys), ask, |batch| batch.keys).await
    }
}
