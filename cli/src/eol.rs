//! Until when a system is supported by those who make it.
//!
//! The facts are those of endoflife.date; the file that ships with the program (`data/os-eol.json`) says of which day.
//! `--eol FILE` takes another file of the same shape in its place.

use crate::failure::{Failure, Result};
use coldread_proto::v1::System;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What is read as facts.
const SHAPE: &str = "give a JSON object with `source`, `date` and `products`, each with a `title` and `releases` \
    (`releaseCycle`, `eol` and the like, as endoflife.date has them)";
const SHIPPED: &str = include_str!("../data/os-eol.json");

/// By which facts, and for which day, end of life is told.
#[derive(Clone, Debug, clap::Args)]
pub struct EolArgs {
    /// End-of-life dates of operating systems from this file (of endoflife.date's shape), instead of those that ship
    #[arg(long, value_name = "FILE")]
    eol: Option<PathBuf>,
    /// The day for which end of life is told [default: today]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    at: Option<jiff::civil::Date>,
}

/// A day, as people give it.
fn day(text: &str) -> std::result::Result<jiff::civil::Date, &'static str> {
    text.parse().map_err(|_| "not a day: give it as year, month and day, e.g. 2027-01-01")
}

impl EolArgs {
    /// The facts, and the day as `YYYY-MM-DD`.
    pub fn load(&self) -> Result<(Facts, String)> {
        let today = || jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        Ok((Facts::load(self.eol.as_deref())?, self.at.unwrap_or_else(today).to_string()))
    }
}

/// End-of-life dates of operating systems.
#[derive(Debug, Deserialize)]
pub struct Facts {
    source: String,
    /// The day they were true.
    date: String,
    /// By endoflife.date's name for the product.
    products: BTreeMap<String, Product>,
}

#[derive(Debug, Deserialize)]
struct Product {
    title: String,
    releases: Vec<Release>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Release {
    #[serde(alias = "cycle", alias = "name")]
    release_cycle: String,
    codename: Option<String>,
    eol: Option<End>,
    /// End of support that is extended, usually for money.
    #[serde(alias = "extendedSupport")]
    eoes: Option<End>,
    /// Of Windows: the build.
    latest: Option<String>,
}

/// When something ends, or whether it has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum End {
    Date(String),
    Has(bool),
}

/// What is known of a system's support at a date.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Support {
    /// `supported`, `eol` or `unknown`.
    pub state: &'static str,
    /// The release, as the facts name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The day on which support ends or ended, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The day on which extended support ends or ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended: Option<String>,
    /// The day that this was asked for.
    pub at: String,
    /// Who says so.
    pub source: String,
    /// The day that the facts are of.
    pub as_of: String,
}

impl Facts {
    /// The facts in `file`, or those that ship with the program.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file).map_err(|error| {
                Failure::new(format!("cannot read {}", file.display())).because(&error).next(SHAPE)
            })?,
            None => SHIPPED.to_owned(),
        };
        let facts: Self = serde_json::from_str(&text).map_err(|error| {
            let name = file.map_or("the facts that ship".to_owned(), |file| file.display().to_string());
            Failure::new(format!("{name}: no end-of-life dates of endoflife.date's shape: {error}"))
                .next(SHAPE)
        })?;
        Ok(facts)
    }

    /// How the system is supported on a day, as `YYYY-MM-DD`.
    pub fn support(&self, system: &System, day: &str) -> Support {
        let mut support = Support {
            state: "unknown",
            release: None,
            date: None,
            extended: None,
            at: day.to_owned(),
            source: self.source.clone(),
            as_of: self.date.clone(),
        };
        let product = product_of(system).and_then(|name| self.products.get(name));
        let Some((product, release)) = product.and_then(|product| Some((product, product.release(system)?)))
        else {
            return support;
        };
        support.release = Some(format!("{} {}", product.title, release.release_cycle));
        let date = |end: &Option<End>| match end {
            Some(End::Date(date)) => Some(date.clone()),
            _ => None,
        };
        support.date = date(&release.eol);
        support.extended = date(&release.eoes);
        // Dates of this form are in the order of their letters.
        support.state = match &release.eol {
            Some(End::Date(end)) if end.as_str() <= day => "eol",
            Some(End::Has(true)) => "eol",
            Some(_) => "supported",
            None => "unknown",
        };
        support
    }
}

impl Support {
    /// In words.
    pub fn text(&self) -> String {
        let text = match (self.state, &self.date) {
            ("eol", Some(date)) => format!("eol since {date}"),
            ("supported", Some(date)) => format!("supported until {date}"),
            (state, _) => state.to_owned(),
        };
        let extended = self.extended.as_ref().filter(|_| self.state == "eol").map(|extended| {
            let verb = if *extended <= self.at { "ended" } else { "until" };
            format!(", extended support {verb} {extended}")
        });
        let extended = extended.unwrap_or_default();
        format!("{text}{extended} (facts of {})", self.as_of)
    }
}

/// endoflife.date's name for the product.
fn product_of(system: &System) -> Option<&'static str> {
    let pretty = system.pretty_name.as_deref().unwrap_or_default();
    Some(match system.id.as_deref()? {
        "almalinux" => "almalinux",
        "alpine" => "alpine-linux",
        "amzn" => "amazon-linux",
        "centos" if pretty.contains("Stream") => "centos-stream",
        "centos" => "centos",
        "cos" => "cos",
        "debian" => "debian",
        "fedora" => "fedora",
        "freebsd" => "freebsd",
        "linuxmint" => "linuxmint",
        "ol" => "oracle-linux",
        "opensuse" | "opensuse-leap" => "opensuse",
        "rhel" => "rhel",
        "rocky" => "rocky-linux",
        "sles" | "sled" => "sles",
        "ubuntu" => "ubuntu",
        "windows" if pretty.contains("Server") => "windows-server",
        "windows" => "windows",
        _ => return None,
    })
}

impl Product {
    fn release(&self, system: &System) -> Option<&Release> {
        if system.id.as_deref() == Some("windows") {
            return self.windows(system);
        }
        // 9.3 is a part of 9, 3.18.4 of 3.18.
        let mut version = system.version_id.as_deref().unwrap_or_default();
        while !version.is_empty() {
            if let Some(release) = self.releases.iter().find(|release| release.release_cycle == version) {
                return Some(release);
            }
            version = version.rsplit_once('.').map_or("", |(start, _)| start);
        }
        let codename = system.codename.as_deref().filter(|codename| !codename.is_empty());
        let codename = codename.filter(|_| system.version_id.is_none())?.to_lowercase();
        self.releases.iter().find(|release| {
            let known = release.codename.as_deref().unwrap_or_default().to_lowercase();
            known == codename || known.split(' ').next() == Some(&codename)
        })
    }

    /// By the build, and among several releases of one build by the edition.
    fn windows(&self, system: &System) -> Option<&Release> {
        let build = system.build.as_deref()?;
        let build = build.match_indices('.').nth(2).map_or(build, |(end, _)| &build[..end]);
        let of_build: Vec<&Release> =
            self.releases.iter().filter(|release| release.latest.as_deref() == Some(build)).collect();
        let edition = system.edition.as_deref().unwrap_or_default();
        let suffix = match edition {
            "IoTEnterpriseS" => "-iot-lts",
            _ if edition.ends_with('S') && edition.starts_with("Enterprise") => "-e-lts",
            _ if edition.contains("Enterprise") || edition.contains("Education") => "-e",
            _ => "-w",
        };
        match of_build.as_slice() {
            [only] => Some(only),
            several => {
                let mut fits = several.iter().filter(|release| release.release_cycle.ends_with(suffix));
                // Without the edition it is not known which of them it is.
                fits.next().copied().filter(|_| !edition.is_empty())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(id: &str, version: Option<&str>) -> System {
        System { id: Some(id.to_owned()), version_id: version.map(str::to_owned), ..System::default() }
    }

    #[test]
    fn the_facts_that_ship() {
        let facts = Facts::load(None).unwrap();
        let state = |system: &System, day: &str| {
            let support = facts.support(system, day);
            (support.state, support.date.unwrap_or_default())
        };
        assert_eq!(
            state(&system("debian", Some("12")), "2026-07-10"),
            ("supported", "2026-07-11".to_owned())
        );
        assert_eq!(state(&system("debian", Some("12")), "2026-07-11").0, "eol");
        assert_eq!(state(&system("rhel", Some("9.3")), "2026-01-01").0, "supported");
        assert_eq!(state(&system("alpine", Some("3.20.10")), "2026-05-01"), ("eol", "2026-04-01".to_owned()));
        assert_eq!(state(&system("amzn", Some("2018.03")), "2026-05-01").0, "eol");
        assert_eq!(state(&system("debian", None), "2026-05-01").0, "unknown");
        let trixie = System { codename: Some("trixie".to_owned()), ..system("debian", None) };
        assert_eq!(state(&trixie, "2026-05-01").0, "supported");
        assert_eq!(state(&system("haiku", Some("1")), "2026-05-01").0, "unknown");
        assert_eq!(facts.date, "2026-08-22");
    }

    #[test]
    fn windows_by_build_and_edition() {
        let facts = Facts::load(None).unwrap();
        let release = |pretty: &str, build: &str, edition: Option<&str>| {
            let system = System {
                build: Some(build.to_owned()),
                edition: edition.map(str::to_owned),
                pretty_name: Some(pretty.to_owned()),
                ..system("windows", Some("22H2"))
            };
            facts.support(&system, "2026-01-01").release
        };
        let named = |text: &str| Some(format!("Microsoft Windows {text}"));
        assert_eq!(release("Windows 10 Pro", "10.0.19045.3570", Some("Professional")), named("10-22h2"));
        assert_eq!(release("Windows 11 Pro", "10.0.22631.1", Some("Professional")), named("11-23h2-w"));
        assert_eq!(release("Windows 11 Enterprise", "10.0.22631.1", Some("Enterprise")), named("11-23h2-e"));
        assert_eq!(release("Windows 10 LTSC", "10.0.19044.1", Some("EnterpriseS")), named("10-21h2-e-lts"));
        assert_eq!(release("Windows 11", "10.0.22631.1", None), None);
        assert_eq!(
            release("Windows Server 2022", "10.0.20348.1", Some("ServerStandard")),
            named("Server 2022")
        );
    }

    #[test]
    fn another_file_of_the_shape() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eol.json");
        let text = r#"{"source":"s","date":"2030-01-01","products":{"debian":{"title":"D","releases":[
            {"cycle":"99","eol":true},{"cycle":"98","eol":false},{"cycle":"97","eol":"2029-01-01","eoes":"2031-01-01"}]}}}"#;
        std::fs::write(&path, text).unwrap();
        let facts = Facts::load(Some(&path)).unwrap();
        let words = |version| facts.support(&system("debian", Some(version)), "2030-05-05").text();
        assert_eq!(words("99"), "eol (facts of 2030-01-01)");
        assert_eq!(words("98"), "supported (facts of 2030-01-01)");
        assert_eq!(
            words("97"),
            "eol since 2029-01-01, extended support until 2031-01-01 (facts of 2030-01-01)"
        );
        std::fs::write(&path, "[]").unwrap();
        assert!(Facts::load(Some(&path)).is_err() && Facts::load(Some(&folder.path().join("none"))).is_err());
    }
}
