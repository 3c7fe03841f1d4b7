//! opkg's database, of OpenWrt and other small systems: the same stanzas as dpkg's.
//!
//! Source: opkg's `libopkg/pkg_parse.c` (as documentation of its fields).

use super::{LIMIT, database};
use crate::{
    Context, Extractor, Input, Output,
    packages::purl::PurlBuilder,
    wants::{Reading, Want},
};
use coldread_model::{PackageType, Part, Parts};

/// Reads opkg's status.
#[derive(Debug)]
pub struct Opkg;

impl Extractor for Opkg {
    fn name(&self) -> &'static str {
        "opkg"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/usr/lib/opkg/status", Reading::Whole { limit: LIMIT }),
            Want::new("/var/lib/opkg/status", Reading::Whole { limit: LIMIT }),
        ];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let purl = PurlBuilder::of(PackageType::Opkg, &context.system);
        database(input, (PackageType::Opkg, false, purl), out);
    }
}
