//! Systems and volumes, as an asset's details show them.

use super::{ConvertError, time, word};
use crate::v1;
use coldread_model::{Kernel, SystemIdentity, VolumeManifest, VolumeState};

impl From<SystemIdentity> for v1::System {
    fn from(system: SystemIdentity) -> Self {
        Self {
            id: system.id,
            id_like: system.id_like,
            version_id: system.version_id,
            codename: system.codename,
            pretty_name: system.pretty_name,
            hostname: system.hostname,
            timezone: system.timezone,
            build: system.build,
            edition: system.edition,
            installed: system.installed_at.map(Into::into),
            boot_entry: system.boot_entry,
            kernels: system.kernels.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Kernel> for v1::Kernel {
    fn from(kernel: Kernel) -> Self {
        Self { release: kernel.release, path: kernel.path, default: kernel.default, entry: kernel.entry }
    }
}

impl From<v1::Kernel> for Kernel {
    fn from(kernel: v1::Kernel) -> Self {
        Self { release: kernel.release, path: kernel.path, default: kernel.default, entry: kernel.entry }
    }
}

impl TryFrom<v1::System> for SystemIdentity {
    type Error = ConvertError;

    fn try_from(system: v1::System) -> Result<Self, ConvertError> {
        Ok(Self {
            id: system.id,
            id_like: system.id_like,
            version_id: system.version_id,
            codename: system.codename,
            pretty_name: system.pretty_name,
            hostname: system.hostname,
            timezone: system.timezone,
            build: system.build,
            edition: system.edition,
            installed_at: time::optional(system.installed)?,
            boot_entry: system.boot_entry,
            kernels: system.kernels.into_iter().map(Into::into).collect(),
        })
    }
}

impl From<&VolumeManifest> for v1::Volume {
    fn from(volume: &VolumeManifest) -> Self {
        Self {
            name: volume.name.clone(),
            start: volume.range.start,
            length: volume.range.len,
            content: volume.content.clone(),
            label: volume.label.clone(),
            uuid: volume.uuid.clone(),
            mount: volume.mount.clone(),
            state: volume.state.map(|state| state.name().to_owned()),
            reason: volume.reason.clone(),
            files: Some(volume.rows),
        }
    }
}

impl v1::Volume {
    /// The state of the volume's journal, if a filesystem was read.
    pub fn volume_state(&self) -> Result<Option<VolumeState>, ConvertError> {
        self.state.as_deref().map(|state| word("state", state, VolumeState::from_name)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::{ByteRange, Timestamp};

    #[test]
    fn a_system_comes_back_and_a_volume_keeps_its_state() {
        let system = SystemIdentity {
            id: Some("debian".to_owned()),
            id_like: vec!["x".to_owned()],
            version_id: Some("13".to_owned()),
            codename: Some("trixie".to_owned()),
            pretty_name: None,
            hostname: Some("web".to_owned()),
            timezone: Some("Europe/Paris".to_owned()),
            build: Some("10.0.19045.3570".to_owned()),
            edition: None,
            installed_at: Some(Timestamp::new(5, 0)),
            kernels: vec![Kernel {
                release: "6.1".to_owned(),
                path: b"/boot/vmlinuz-6.1".to_vec(),
                default: Some(true),
                entry: Some("debian".to_owned()),
            }],
            boot_entry: Some("debian*".to_owned()),
        };
        assert_eq!(SystemIdentity::try_from(v1::System::from(system.clone())), Ok(system));
        let volume = VolumeManifest {
            name: "p1".to_owned(),
            range: ByteRange::new(512, 1024),
            content: "ext4".to_owned(),
            label: None,
            uuid: Some("u".to_owned()),
            mount: Some("/".to_owned()),
            state: Some(VolumeState::Replayed),
            reason: "r".to_owned(),
            chunks: Vec::new(),
            rows: 3,
        };
        let message = v1::Volume::from(&volume);
        assert_eq!((message.start, message.length, message.files), (512, 1024, Some(3)));
        assert_eq!(message.volume_state(), Ok(Some(VolumeState::Replayed)));
        assert!(v1::Volume { state: Some("odd".to_owned()), ..message }.volume_state().is_err());
    }
}
