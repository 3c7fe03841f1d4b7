//! What a scan prints at its end.

use crate::{
    args::Place,
    failure::Result,
    output::{Object, Table, about, counted, human_size, plain, stdout},
};
use clap::ValueEnum;
use coldread_proto::v1::ScanSummary;
use serde::{Serialize, Serializer, ser::SerializeMap};
use std::{
    borrow::Cow,
    io::{self, Write},
};

/// How the summary is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table of volumes for each source
    Table,
    /// One array with an object for each source
    Json,
    /// One object a line for each source
    Ndjson,
}

/// What became of a source.
pub struct Outcome {
    /// As the user named it.
    pub source: String,
    /// The asset's name; empty where it came to none.
    pub asset: String,
    /// How far it came.
    pub scanned: Scanned,
}

/// How far a scan came.
pub enum Scanned {
    /// Submitted, and not followed.
    Queued {
        /// Its name on the cluster.
        scan_id: String,
    },
    /// Committed.
    Done {
        /// What was found.
        summary: ScanSummary,
        /// Which reader was chosen and why.
        reader: String,
    },
    /// The source could not be read at all.
    Failed {
        /// Why.
        error: String,
    },
}

/// Prints the outcomes to standard output, in the order of the sources.
pub fn print(outcomes: &[Outcome], format: Format, place: &Place) -> Result<()> {
    write(outcomes, format, place, &mut stdout())?;
    Ok(())
}

fn write(outcomes: &[Outcome], format: Format, place: &Place, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Table => {
            for (index, outcome) in outcomes.iter().enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                table(outcome, place, out)?;
            }
        }
        Format::Json => {
            serde_json::to_writer(&mut *out, outcomes)?;
            writeln!(out)?;
        }
        Format::Ndjson => {
            for outcome in outcomes {
                serde_json::to_writer(&mut *out, outcome)?;
                writeln!(out)?;
            }
        }
    }
    out.flush()
}

fn table(outcome: &Outcome, place: &Place, out: &mut impl Write) -> io::Result<()> {
    let source = plain(&outcome.source);
    match &outcome.scanned {
        Scanned::Queued { scan_id } => {
            writeln!(out, "{source}: queued as scan {} of asset {}", plain(scan_id), plain(&outcome.asset))
        }
        Scanned::Failed { error } => writeln!(out, "failed: {}", about(&outcome.source, error)),
        Scanned::Done { summary, .. } => {
            let snapshot = summary.snapshot.get(..16).unwrap_or(&summary.snapshot);
            writeln!(out, "{source}: asset {}, snapshot {}", plain(&summary.asset), plain(snapshot))?;
            if !summary.system.is_empty() {
                writeln!(out, "system: {}", plain(&summary.system))?;
            }
            writeln!(out)?;
            let mut volumes = Table::for_stdout(false);
            for volume in &summary.volumes {
                volumes.push(volume, out)?;
            }
            volumes.flush(out)?;
            let bytes = summary.volumes.iter().fold(0_u64, |sum, volume| sum.saturating_add(volume.bytes));
            // What was not asked for was not counted.
            let found = [
                (summary.packages, "package"),
                (summary.logins, "login event"),
                (summary.failed_logins, "failed login"),
                (summary.files, "file"),
            ];
            let found = found.into_iter().filter_map(|(count, noun)| Some(counted(count?, noun)));
            let found = found.collect::<Vec<_>>().join(", ");
            let found = if found.is_empty() { found } else { found + " in " };
            let volumes = counted(summary.volumes.len() as u64, "volume");
            writeln!(out, "\n{found}{volumes} ({})", human_size(bytes))?;
            match summary.gaps {
                0 => writeln!(out, "no gaps: everything asked for was read"),
                gaps => {
                    writeln!(out, "{}: run `{}`", counted(gaps, "gap"), gaps_command(&summary.asset, place))
                }
            }
        }
    }
}

/// The command that lists an asset's gaps, to be copied.
fn gaps_command(asset: &str, place: &Place) -> String {
    let command = format!("coldread gaps --asset {}", quoted(&plain(asset)));
    match place {
        Place::Server(server) => {
            let words = server.tls.words(|name| std::env::var_os(name));
            let words = ["--server", &server.url].into_iter().chain(words.iter().map(String::as_str));
            words.fold(command, |command, word| format!("{command} {}", quoted(word)))
        }
        // The default store needs no mention.
        Place::Store(dir)
            if crate::args::store_dir(None, |name| std::env::var_os(name)).ok().as_ref() == Some(dir) =>
        {
            command
        }
        Place::Store(dir) => format!("{command} --store {}", quoted(&dir.to_string_lossy())),
    }
}

/// `text` as a shell reads it back.
fn quoted(text: &str) -> Cow<'_, str> {
    let harmless = |one: char| one.is_alphanumeric() || "-_./:@%+=,".contains(one);
    if !text.is_empty() && text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("source", &self.source)?;
        if !self.asset.is_empty() {
            map.serialize_entry("asset", &self.asset)?;
        }
        match &self.scanned {
            Scanned::Queued { scan_id } => map.serialize_entry("scan", scan_id)?,
            Scanned::Failed { error } => map.serialize_entry("error", error)?,
            Scanned::Done { summary, reader } => {
                map.serialize_entry("snapshot", &summary.snapshot)?;
                if !summary.system.is_empty() {
                    map.serialize_entry("system", &summary.system)?;
                }
                let found = [
                    ("files", summary.files),
                    ("packages", summary.packages),
                    ("logins", summary.logins),
                    ("failed_logins", summary.failed_logins),
                ];
                for (name, count) in found.into_iter().filter_map(|(name, count)| Some((name, count?))) {
                    map.serialize_entry(name, &count)?;
                }
                map.serialize_entry("gaps", &summary.gaps)?;
                map.serialize_entry("reader", reader)?;
                map.serialize_entry("volumes", &summary.volumes.iter().map(Object).collect::<Vec<_>>())?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_proto::v1::VolumeSummary;

    fn outcomes() -> Vec<Outcome> {
        let volume = VolumeSummary {
            name: "p1".to_owned(),
            content: "ext4".to_owned(),
            files: Some(7),
            bytes: 1 << 20,
            ..VolumeSummary::default()
        };
        let summary = ScanSummary {
            asset: "a b".to_owned(),
            snapshot: "0".repeat(64),
            gaps: 2,
            logins: Some(1),
            failed_logins: Some(0),
            volumes: vec![volume],
            ..ScanSummary::default()
        };
        vec![
            Outcome {
                source: "a b.img".to_owned(),
                asset: "a b".to_owned(),
                scanned: Scanned::Done { summary, reader: "pread".to_owned() },
            },
            Outcome {
                source: "gone".to_owned(),
                asset: String::new(),
                scanned: Scanned::Failed { error: "not\nthere".to_owned() },
            },
        ]
    }

    fn written(format: Format) -> String {
        let mut out = Vec::new();
        let tls = crate::tls::ClientTlsArgs::default().files(|_| None);
        let place = Place::Server(crate::args::Server { url: "http://h:1".to_owned(), tls });
        write(&outcomes(), format, &place, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_are_told_the_next_step() {
        let table = written(Format::Table);
        assert!(table.contains("2 gaps: run `coldread gaps --asset 'a b' --server http://h:1`"), "{table}");
        assert!(table.contains("failed: gone: not\\nthere\n"), "{table}");
        // Files and packages were not asked for.
        assert!(table.contains("\n1 login event, 0 failed logins in 1 volume (1.0 MiB)\n"), "{table}");
    }

    #[test]
    fn programs_get_one_object_for_each_source() {
        let array: serde_json::Value = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(array[0]["volumes"][0]["files"], 7);
        assert_eq!((array[0].get("packages"), &array[0]["failed_logins"]), (None, &serde_json::json!(0)));
        assert_eq!(array[1]["error"], "not\nthere");
        assert!(array[1].get("asset").is_none());
        assert_eq!(written(Format::Ndjson).lines().count(), 2);
    }

    #[test]
    fn names_are_quoted_for_a_shell() {
        assert_eq!(quoted("web-1"), "web-1");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
