//! What is installed on Windows, by its registry.

mod appx;
mod dotnet;
mod identity;
mod programs;
mod services;
#[cfg(test)]
mod tests;
mod updates;
mod zone;

use super::rows::oversized;
use crate::{
    Context, Extractor, Input, Output,
    hive::{LOGS, Records},
    packages::purl::purl_of,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageType, Part, Parts};

/// The SOFTWARE hive: programs, updates, Appx packages, .NET, and which Windows it is.
#[derive(Debug)]
pub struct Software;

/// The SYSTEM hive: services and drivers, the machine's name and zone.
#[derive(Debug)]
pub struct System;

/// Users' hives: programs that one user installed for himself.
#[derive(Debug)]
pub struct UserPrograms;

/// A user's hive is read with those of the machine that know its time zone, and their logs.
const fn user_hive(pattern: &'static str) -> Want {
    Want { elsewhere: zone::ELSEWHERE, ..hive(pattern) }
}

const fn hive(pattern: &'static str) -> Want {
    Want { companions: LOGS, ..Want::windows(pattern, Reading::Ranges) }
}

impl Extractor for Software {
    fn name(&self) -> &'static str {
        "windows-software"
    }

    fn version(&self) -> u32 {
        4
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] =
            &[Want { siblings: zone::BESIDE, ..hive("/Windows/System32/config/SOFTWARE") }];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        // Installers write the day of the machine's own clock.
        let told = zone::of_system(input.place(), "SYSTEM", &mut input.companions);
        let Some(mut records) = Records::open(input, out) else { return };
        let zone = told.by_year(&mut records).unwrap_or_else(|| context.zone.clone());
        let bits = identity::read(&mut records);
        programs::read(&mut records, "Microsoft", bits, &zone);
        programs::read(&mut records, "Wow6432Node\\Microsoft", Some("x86"), &zone);
        updates::read(&mut records);
        appx::of_machine(&mut records);
        dotnet::framework(&mut records);
        dotnet::runtimes(&mut records);
        records.finish();
    }
}

impl Extractor for System {
    fn name(&self) -> &'static str {
        "windows-system"
    }

    fn version(&self) -> u32 {
        3
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[hive("/Windows/System32/config/SYSTEM")];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let Some(mut records) = Records::open(input, out) else { return };
        if let Some(set) = services::control_set(&mut records) {
            identity::of_control_set(&mut records, &set);
            services::read(&mut records, &set);
        }
        records.finish();
    }
}

impl Extractor for UserPrograms {
    fn name(&self) -> &'static str {
        "windows-user"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            user_hive("/Users/*/NTUSER.DAT"),
            user_hive("/Documents and Settings/*/NTUSER.DAT"),
            user_hive("/Windows/ServiceProfiles/*/NTUSER.DAT"),
            user_hive("/Windows/System32/config/DEFAULT"),
            hive("/Users/*/AppData/Local/Microsoft/Windows/UsrClass.dat"),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let zone = zone::elsewhere(input.place(), &mut input.companions);
        let zone = zone.unwrap_or_else(|| context.zone.clone());
        let Some(mut records) = Records::open(input, out) else { return };
        programs::read(&mut records, "Software\\Microsoft", None, &zone);
        programs::read(&mut records, "Software\\Wow6432Node\\Microsoft", Some("x86"), &zone);
        appx::of_user(&mut records);
        records.finish();
    }
}

/// Tells a package, or that its texts are without end.
fn tell(records: &mut Records<'_, '_>, row: Package) {
    match oversized(&row) {
        Some(reason) => records.gap(GapKind::Limit, reason),
        None => records.package(row),
    }
}

/// A package with what its name and version make of a package URL. Windows' lists have no purl type of
/// their own: ECMA-427 has `generic` for such.
fn package(
    records: &Records<'_, '_>,
    kind: PackageType,
    name: String,
    version: String,
    arch: Option<&str>,
) -> Package {
    Package {
        purl: purl_of(kind, &name, &version, &[("arch", arch)]),
        arch: arch.map(str::to_owned),
        ..Package::new(kind, name, version, records.place.origin())
    }
}
