//! .NET's packages: `*.deps.json` beside an application and its runtime, what NuGet keeps for a user, and its lock files.
//!
//! Sources: .NET SDK documentation, "Runtime Configuration Files" (`[appname].deps.json`); Microsoft Learn, ".nuspec
//! reference", "Managing the global packages and cache folders", "Package references in project files" (lock files).

mod deps;
pub mod nuget;

use super::{
    json,
    rows::{Rows, vendor},
};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{Package, PackageState, PackageType, Part, Parts};

/// The largest file that is read; those of large applications have some hundred kilobytes.
const LIMIT: u64 = 4 << 20;

/// Reads what applications of .NET are made of.
#[derive(Debug)]
pub struct Dotnet;

impl Extractor for Dotnet {
    fn name(&self) -> &'static str {
        "dotnet"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want::windows("/**/*.deps.json", Reading::Whole { limit: LIMIT })];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let bytes = match input.view.read_all(LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => return out.gap(place.view_gap("deps.json", &error)),
        };
        let mut rows = Rows::installed(PackageType::Nuget, "deps.json", place, out);
        if let Err(error) = deps::read(&bytes, &mut rows) {
            rows.gap(error.gap_kind(), error);
        }
        rows.finish();
    }
}

#[cfg(test)]
mod tests;
