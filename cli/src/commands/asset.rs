//! `coldread asset show`.

use crate::{
    args::{OutputArgs, PlaceArgs},
    connect::{self, Need},
    eol::{EolArgs, Support},
    failure::{Failure, Result},
    output::{Format, Object, Printer, Row, Table, Value, human_size, plain, stdout},
    rows::KnownAsset,
};
use coldread_proto::v1::{AssetDetail, Kernel, ShowAssetRequest, System};
use serde::{Serialize, Serializer, ser::SerializeMap};
use std::io::Write;

/// Look at one asset
#[derive(Debug, clap::Args)]
pub struct Asset {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Show(Show),
}

/// Show all that is known of one asset: its system, source, volumes with their states, and coverage
///
/// json and ndjson print one object with everything; csv prints the volumes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread asset show web-1\n  \
    coldread asset show web-1 --snapshot 0123abcd -o json")]
struct Show {
    /// The asset's name
    #[arg(value_name = "ASSET")]
    asset: String,
    /// This snapshot instead of the newest: its id, or the first 8 digits of it or more
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    snapshot: String,
    #[command(flatten)]
    eol: EolArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Asset {
    pub async fn run(self) -> Result<()> {
        let Verb::Show(show) = self.verb;
        let (facts, day) = show.eol.load()?;
        let request = ShowAssetRequest { asset: show.asset, snapshot: show.snapshot };
        connect::with(&show.place.place()?, Need::Answers, async |services| {
            let detail = services.query().show_asset(request).await?.into_inner();
            let support = detail.system.as_ref().map(|system| facts.support(system, &day));
            print(&detail, support.as_ref(), show.output.output, stdout())
        })
        .await
    }
}

fn print(detail: &AssetDetail, support: Option<&Support>, format: Format, mut out: impl Write) -> Result<()> {
    let missing = || Failure::new("the coordinator's answer lacks the asset itself");
    // Of its support there is a field beside it.
    let asset = KnownAsset { asset: detail.asset.clone().ok_or_else(missing)?, support: None };
    let detail = Detail { asset: &asset, detail, support };
    match format {
        Format::Json | Format::Ndjson => {
            serde_json::to_writer(&mut out, &detail).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
        }
        Format::Csv => {
            let mut printer = Printer::new(Format::Csv, &mut out)?;
            for volume in &detail.detail.volumes {
                printer.push(volume)?;
            }
            printer.finish()?;
        }
        Format::Table | Format::Wide => detail.table(format == Format::Wide, &mut out)?,
    }
    out.flush()?;
    Ok(())
}

/// An asset and the details of it.
struct Detail<'a> {
    asset: &'a KnownAsset,
    detail: &'a AssetDetail,
    support: Option<&'a Support>,
}

/// The fields of a system, in the order they are shown.
fn system_fields(system: &System) -> [(&'static str, Value<'_>); 8] {
    [
        ("id", Value::text(system.id.as_ref())),
        ("version_id", Value::text(system.version_id.as_ref())),
        ("codename", Value::text(system.codename.as_ref())),
        ("pretty_name", Value::text(system.pretty_name.as_ref())),
        ("hostname", Value::text(system.hostname.as_ref())),
        ("timezone", Value::text(system.timezone.as_ref())),
        ("build", Value::text(system.build.as_ref())),
        ("edition", Value::text(system.edition.as_ref())),
    ]
}

impl Detail<'_> {
    fn table(&self, wide: bool, out: &mut impl Write) -> Result<()> {
        let Self { asset, detail, support } = self;
        let mut line = |name: &str, value: Value<'_>| {
            if value.is_absent() { Ok(()) } else { writeln!(out, "{name:<16}{}", value.cell(true)) }
        };
        for column in KnownAsset::COLUMNS.iter().take(3) {
            line(column.name, (column.get)(asset))?;
        }
        if let Some(system) = &detail.system {
            for (name, value) in system_fields(system) {
                line(name, value)?;
            }
            if !system.id_like.is_empty() {
                line("id_like", Value::Text(&system.id_like.join(" ")))?;
            }
            for kernel in &system.kernels {
                let default = if kernel.default == Some(true) { ", the default" } else { "" };
                let path = String::from_utf8_lossy(&kernel.path);
                let release = if kernel.release.is_empty() { "unknown" } else { &kernel.release };
                line("kernel", Value::Text(&format!("{release} ({path}{default})")))?;
            }
            if let Some(support) = support {
                line("end_of_life", Value::Text(&support.text()))?;
            }
        }
        line("source", Value::Text(&asset.asset.source))?;
        line("container", Value::filled(&detail.container))?;
        line("size", Value::Size(asset.asset.size))?;
        line("table_id", Value::text(detail.table_id.as_ref()))?;
        line("metadata_digest", Value::Text(&detail.metadata_digest))?;
        line("hashed", Value::Bool(detail.hashed))?;
        line("only", Value::filled(&detail.only))?;
        line("tool_version", Value::Text(&detail.tool_version))?;
        for column in KnownAsset::COLUMNS.iter().skip_while(|column| column.name != "files") {
            line(column.name, (column.get)(asset))?;
        }
        let mut volumes = Table::for_stdout(wide);
        writeln!(out)?;
        for volume in &detail.volumes {
            volumes.push(volume, out)?;
        }
        volumes.flush(out)?;
        let sums = detail.coverage.iter();
        let sums = sums.map(|total| format!("{} {}", plain(&total.class), human_size(total.bytes)));
        writeln!(out, "\ncoverage: {}", sums.collect::<Vec<_>>().join(", "))?;
        Ok(())
    }
}

impl Serialize for Detail<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { asset, detail, support } = self;
        let mut map = serializer.serialize_map(None)?;
        for column in KnownAsset::COLUMNS {
            // The system has a field of its own; volumes are all there.
            if matches!(column.name, "system" | "hostname" | "volumes") {
                continue;
            }
            let value = (column.get)(asset);
            if !value.is_absent() {
                map.serialize_entry(column.name, &value)?;
            }
        }
        map.serialize_entry("tool_version", &detail.tool_version)?;
        map.serialize_entry("container", &detail.container)?;
        if let Some(id) = &detail.table_id {
            map.serialize_entry("table_id", id)?;
        }
        map.serialize_entry("volume_ids", &detail.volume_ids)?;
        map.serialize_entry("metadata_digest", &detail.metadata_digest)?;
        map.serialize_entry("hashed", &detail.hashed)?;
        if !detail.only.is_empty() {
            map.serialize_entry("only", &detail.only)?;
        }
        map.serialize_entry("system", &SystemObject(detail.system.as_ref()))?;
        if let Some(support) = support {
            map.serialize_entry("end_of_life", support)?;
        }
        map.serialize_entry("volumes", &detail.volumes.iter().map(Object).collect::<Vec<_>>())?;
        map.serialize_entry("coverage", &detail.coverage.iter().map(Object).collect::<Vec<_>>())?;
        map.end()
    }
}

struct SystemObject<'a>(Option<&'a System>);

impl Serialize for SystemObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(system) = self.0 {
            for (name, value) in system_fields(system) {
                if !value.is_absent() {
                    map.serialize_entry(name, &value)?;
                }
            }
            if !system.id_like.is_empty() {
                map.serialize_entry("id_like", &system.id_like)?;
            }
            if let Some(entry) = &system.boot_entry {
                map.serialize_entry("boot_entry", entry)?;
            }
            if !system.kernels.is_empty() {
                let kernel = |kernel: &Kernel| {
                    let path = String::from_utf8_lossy(&kernel.path);
                    let release = Some(&kernel.release).filter(|release| !release.is_empty());
                    let (default, entry) = (kernel.default, &kernel.entry);
                    let all = [
                        ("release", release.map(|text| serde_json::json!(text))),
                        ("path", Some(serde_json::json!(path))),
                        ("default", default.map(|is| serde_json::json!(is))),
                        ("entry", entry.as_ref().map(|text| serde_json::json!(text))),
                    ];
                    let known = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
                    serde_json::Value::Object(known.collect())
                };
                map.serialize_entry("kernels", &system.kernels.iter().map(kernel).collect::<Vec<_>>())?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_proto::v1::{Asset, CoverageTotal, Volume};

    fn detail() -> AssetDetail {
        AssetDetail {
            asset: Some(Asset { asset: "web".to_owned(), files: Some(3), ..Asset::default() }),
            system: Some(System {
                id: Some("debian".to_owned()),
                kernels: vec![Kernel {
                    release: "6.1".to_owned(),
                    path: b"/boot/vmlinuz-6.1".to_vec(),
                    default: Some(true),
                    entry: Some("debian-6.1".to_owned()),
                }],
                ..System::default()
            }),
            volumes: vec![Volume { name: "p1".to_owned(), content: "ext4".to_owned(), ..Volume::default() }],
            coverage: vec![CoverageTotal { class: "free".to_owned(), bytes: 4096 }],
            ..AssetDetail::default()
        }
    }

    fn printed(format: Format) -> String {
        let mut out = Vec::new();
        print(&detail(), None, format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_object_holds_everything() {
        let value: serde_json::Value = serde_json::from_str(&printed(Format::Json)).unwrap();
        assert_eq!(value["asset"], "web");
        assert_eq!(value["system"]["id"], "debian");
        assert_eq!(value["volumes"][0]["content"], "ext4");
        assert_eq!(value["coverage"][0]["bytes"], 4096);
        assert_eq!(value["system"]["kernels"][0]["release"], "6.1");
        assert!(value.get("account").is_none());
    }

    #[test]
    fn people_see_the_volumes_and_csv_is_made_of_them() {
        let table = printed(Format::Table);
        assert!(table.contains("files           3\n") && table.contains("coverage: free 4.0 KiB"), "{table}");
        assert!(table.contains("kernel          6.1 (/boot/vmlinuz-6.1, the default)\n"), "{table}");
        assert!(table.contains("VOLUME"));
        assert!(printed(Format::Csv).lines().nth(1).unwrap().starts_with("p1,ext4,"));
    }

    #[test]
    fn an_answer_without_the_asset_is_an_error() {
        assert!(print(&AssetDetail::default(), None, Format::Json, Vec::new()).is_err());
    }
}
