//! Packages.

use super::{ConvertError, bytes32, required, time, word};
use crate::v1;
use coldread_model::{Package, PackageOrigin, PackageState, PackageType, Sha256Digest};

impl v1::Package {
    /// The message for a package of an asset.
    pub fn from_model(asset: &str, package: Package) -> Self {
        Self {
            asset: asset.to_owned(),
            r#type: package.kind.name().to_owned(),
            name: package.name,
            version: package.version,
            arch: package.arch,
            state: package.state.name().to_owned(),
            source_name: package.source_name,
            source_version: package.source_version,
            purl: package.purl,
            root: package.root,
            installed: package.installed_at.map(Into::into),
            vendor: package.vendor,
            module: package.module,
            owner: package.owner,
            origin: Some(v1::PackageOrigin {
                volume: package.origin.volume,
                path: package.origin.path,
                sha256: package.origin.sha256.map(|digest| digest.0.to_vec()),
            }),
        }
    }

    /// The asset's name and its package.
    pub fn into_model(self) -> Result<(String, Package), ConvertError> {
        let origin = required("origin", self.origin)?;
        let package = Package {
            kind: word("type", &self.r#type, PackageType::from_name)?,
            name: self.name,
            version: self.version,
            arch: self.arch,
            state: word("state", &self.state, PackageState::from_name)?,
            source_name: self.source_name,
            source_version: self.source_version,
            purl: self.purl,
            root: self.root,
            installed_at: time::optional(self.installed)?,
            vendor: self.vendor,
            module: self.module,
            owner: self.owner,
            origin: PackageOrigin {
                volume: origin.volume,
                path: origin.path,
                sha256: origin.sha256.map(|bytes| bytes32("sha256", &bytes)).transpose()?.map(Sha256Digest),
            },
        };
        Ok((self.asset, package))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::Timestamp;

    #[test]
    fn a_package_comes_back_and_a_strange_one_is_refused() {
        let package = Package {
            kind: PackageType::Deb,
            name: "bash".to_owned(),
            version: "5.2-1".to_owned(),
            arch: Some("amd64".to_owned()),
            state: PackageState::ConfigFiles,
            source_name: None,
            source_version: Some("5".to_owned()),
            purl: "pkg:deb/debian/bash@5.2-1".to_owned(),
            root: "/".to_owned(),
            installed_at: Some(Timestamp::new(9, 0)),
            vendor: Some("Debian".to_owned()),
            module: None,
            owner: Some("deb:bash".to_owned()),
            origin: PackageOrigin {
                volume: "p1".to_owned(),
                path: b"/var/lib/dpkg/status".to_vec(),
                sha256: Some(Sha256Digest([1; 32])),
            },
        };
        let message = v1::Package::from_model("web", package.clone());
        assert_eq!(message.clone().into_model(), Ok(("web".to_owned(), package)));
        assert!(v1::Package { origin: None, ..message.clone() }.into_model().is_err());
        assert!(v1::Package { state: "gone".to_owned(), ..message }.into_model().is_err());
    }
}
