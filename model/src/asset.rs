//! Assets' names.

/// Endings that say how a disk is stored, not whose it is.
const STORED_AS: [&str; 11] =
    [".gz", ".zst", ".xz", ".img", ".raw", ".dd", ".bin", ".qcow2", ".vmdk", ".vhd", ".vhdx"];

/// The asset's name where none was given: the source's last component without what says how it is stored,
/// or for a device the device's name. Empty where the source has no last component.
pub fn name_of_source(source: &str) -> &str {
    let mut name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    for suffix in STORED_AS {
        name = name.strip_suffix(suffix).filter(|rest| !rest.is_empty()).unwrap_or(name);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::name_of_source;

    #[test]
    fn assets_are_named_after_their_source() {
        for (source, name) in [
            ("/images/web-1.img", "web-1"),
            ("/images/web.2.raw.zst", "web.2"),
            ("disk.qcow2", "disk"),
            ("/dev/nvme0n1", "nvme0n1"),
            ("/images/.img", ".img"),
            ("/", ""),
        ] {
            assert_eq!(name_of_source(source), name);
        }
    }
}
