//! What a run found, as Markdown, JSON and a chart.

use super::{
    Task, chart,
    contenders::{Contender, Facts, Role},
    measure::{SHORT, Temperature, median},
    missing::Missing,
    three::Readers,
};
use crate::{
    host::{Failure, Machine, at},
    images::Kind,
};
use serde::Serialize;
use std::{fmt::Write, fs, path::Path, time::Duration};

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// When it ended, UTC.
    pub(super) date: String,
    /// What `coldread --version` says.
    pub(super) coldread: String,
    /// The harness's commit, which is the program's unless that was given.
    pub(super) revision: String,
    /// Whether the harness, and with it fsparse alone and the crates, was built with optimisation.
    pub(super) optimised: bool,
    /// Where.
    pub(super) machine: Machine,
    /// Counted runs of each contender.
    pub(super) runs: u32,
    /// Each kind of work on each image.
    pub(super) works: Vec<Work>,
    /// The three readers.
    pub(super) readers: Option<Readers>,
    /// Peers that were not there.
    pub(super) missing: Vec<Missing>,
}

/// One kind of work on one image.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Work {
    /// The image's filesystem.
    pub(super) filesystem: Kind,
    /// The work.
    pub(super) content: Task,
    /// Names on it.
    pub(super) entries: u64,
    /// Everybody's times.
    pub(super) rows: Vec<Row>,
}

/// One contender's times.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    /// Its name.
    pub(super) name: String,
    /// What its time stands for.
    pub(super) role: Role,
    /// Version or command.
    pub(super) what: String,
    /// Seconds of each cold run.
    pub(super) cold: Vec<f64>,
    /// Seconds of each warm run.
    pub(super) warm: Vec<f64>,
    /// Why runs failed.
    pub(super) failures: Vec<String>,
    /// What it told of its runs.
    pub(super) facts: Facts,
}

impl Row {
    /// A contender that has not run.
    pub(super) fn of(contender: &Contender<'_>) -> Self {
        Self {
            name: contender.name.clone(),
            role: contender.role,
            what: contender.what.clone(),
            cold: Vec::new(),
            warm: Vec::new(),
            failures: Vec::new(),
            facts: Facts::default(),
        }
    }

    /// Takes a run in.
    pub(super) fn take(&mut self, temperature: Temperature, result: Result<Duration, Failure>) {
        match (result, temperature) {
            (Ok(took), Temperature::Cold) => self.cold.push(took.as_secs_f64()),
            (Ok(took), Temperature::Warm) => self.warm.push(took.as_secs_f64()),
            (Err(error), _) => {
                let text = error.to_string();
                if !self.failures.contains(&text) {
                    self.failures.push(text);
                }
            }
        }
    }

    /// The median of its runs; none where any run failed.
    pub(super) fn median(&self, temperature: Temperature) -> Option<f64> {
        let times = if temperature == Temperature::Cold { &self.cold } else { &self.warm };
        if self.failures.is_empty() { median(times) } else { None }
    }
}

impl Work {
    /// What it is, in words.
    pub(super) fn title(&self) -> String {
        let verb = self.content.verb();
        format!("{}: {verb} {} files and directories", self.filesystem.name(), self.entries)
    }

    fn ours(&self, temperature: Temperature) -> Option<f64> {
        self.rows.iter().find(|row| row.role == Role::Ours)?.median(temperature)
    }

    fn fastest_peer(&self, temperature: Temperature) -> Option<(&Row, f64)> {
        let peers = self.rows.iter().filter(|row| row.role == Role::Peer);
        let timed = peers.filter_map(|row| Some((row, row.median(temperature)?)));
        timed.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// What the figures say, in sentences.
    fn findings(&self) -> Vec<String> {
        let mut said = Vec::new();
        for temperature in [Temperature::Cold, Temperature::Warm] {
            if let (Some(ours), Some((peer, theirs))) =
                (self.ours(temperature), self.fastest_peer(temperature))
            {
                let (name, ratio) = (temperature.name(), theirs / ours);
                said.push(format!("{name}: coldread is **{ratio:.1} times** as fast as {}", peer.name));
            }
        }
        for limit in self.rows.iter().filter(|row| row.role == Role::Limit) {
            let Some(least) = limit.median(Temperature::Cold).filter(|least| *least > 0.0) else { continue };
            for row in self.rows.iter().filter(|row| matches!(row.role, Role::Ours | Role::Part)) {
                if let Some(took) = row.median(Temperature::Cold) {
                    let (ratio, share) = (took / least, least / took * 100.0);
                    let (row, limit) = (&row.name, &limit.name);
                    said.push(format!(
                        "cold: {row} takes {ratio:.2} times as long as {limit} ({share:.0} % of its rate)"
                    ));
                }
            }
        }
        for row in &self.rows {
            for temperature in [Temperature::Cold, Temperature::Warm] {
                if let (Some(inodes), Some(took)) = (row.facts.inodes, row.median(temperature)) {
                    let rate = inodes as f64 / took / 1e6;
                    said.push(format!(
                        "{}: {}: {rate:.2} million inodes a second",
                        temperature.name(),
                        row.name
                    ));
                }
            }
        }
        said
    }

    fn table(&self) -> Result<String, Failure> {
        let mut text = format!("### {}\n\n", self.title());
        text += "| | cold | of coldread's | warm | of coldread's | |\n|---|---:|---:|---:|---:|---|\n";
        for row in &self.rows {
            let name = if row.role == Role::Ours { format!("**{}**", row.name) } else { row.name.clone() };
            write!(text, "| {name} ")?;
            for temperature in [Temperature::Cold, Temperature::Warm] {
                match row.median(temperature) {
                    Some(took) => write!(text, "| {took:.3} s ")?,
                    None => text += "| ",
                }
                match (row.median(temperature), self.ours(temperature)) {
                    (Some(took), Some(ours)) => write!(text, "| {:.2} ", took / ours)?,
                    _ => text += "| ",
                }
            }
            let mut notes = vec![row.what.clone(), row.facts.text.clone()];
            notes.extend(row.failures.iter().map(|failure| format!("**failed**: {failure}")));
            notes.retain(|note| !note.is_empty());
            writeln!(text, "| {} |", notes.join("; ").replace('|', "\\|"))?;
        }
        text.push('\n');
        for finding in self.findings() {
            writeln!(text, "- {finding}")?;
        }
        text.push('\n');
        Ok(text)
    }
}

impl Readers {
    fn table(&self) -> Result<String, Failure> {
        let mut text = "### The three readers\n\n".to_owned();
        let mib = |which: usize| self.bytes[which] >> 20;
        writeln!(
            text,
            "{} MiB of the first image in order by 1 MiB, and {} MiB of it here and there by 4 KiB, 64 requests \
             under way; every 64th byte is looked at, as a map hands out what nobody has read yet. MB/s.\n",
            mib(0),
            mib(1)
        )?;
        text += "| | sequential cold | sequential warm | random cold | random warm |\n|---|---:|---:|---:|---:|\n";
        let mut names: Vec<&str> = Vec::new();
        for figure in &self.figures {
            if !names.contains(&figure.reader) {
                names.push(figure.reader);
            }
        }
        for name in names {
            write!(text, "| {name} ")?;
            for (which, order) in ["sequential", "random"].into_iter().enumerate() {
                for temperature in [Temperature::Cold, Temperature::Warm] {
                    let figure = self.figures.iter().find(|figure| {
                        figure.reader == name && figure.order == order && figure.temperature == temperature
                    });
                    let rate = |figure: &super::three::Figure| {
                        let rate = self.bytes[which] as f64 / figure.median()? / 1e6;
                        let by = if figure.served == name {
                            String::new()
                        } else {
                            format!(" ({})", figure.served)
                        };
                        Some(format!("{rate:.0}{by}"))
                    };
                    write!(text, "| {} ", figure.and_then(rate).unwrap_or_default())?;
                }
            }
            text += "|\n";
        }
        text.push('\n');
        Ok(text)
    }
}

impl Report {
    /// Writes report.md, report.json and chart.svg; gives the Markdown.
    pub(super) fn write(&self, folder: &Path) -> Result<String, Failure> {
        let markdown = self.markdown()?;
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            at(&path, fs::write(&path, text))
        };
        file("report.md", &markdown)?;
        file("report.json", &(serde_json::to_string_pretty(self)? + "\n"))?;
        file("chart.svg", &chart::draw(&self.works)?)?;
        Ok(markdown)
    }

    fn markdown(&self) -> Result<String, Failure> {
        let Machine { processor, cores, memory_mib, kernel, system, storage } = &self.machine;
        let mut text = format!(
            "# Side by side\n\n{}, harness at {}, {}. {processor}, {cores} cores, {:.1} GiB of memory, Linux {kernel}, \
             {system}; images on {storage}.\n\n",
            self.coldread,
            self.revision,
            self.date,
            *memory_mib as f64 / 1024.0,
        );
        writeln!(
            text,
            "Medians of {} runs of each, one after the other in an order that turns round every time; cold: the page \
             cache is dropped before each run; warm: after a run that is not counted, and what takes less than {} \
             seconds right after another; mounting is not counted. \"Of coldread's\": the time divided by coldread's \
             in the same run.\n",
            self.runs,
            SHORT.as_secs()
        )?;
        if !self.optimised {
            text += "**The harness is a debug build**: the times of fsparse alone and of Rust crates mean nothing.\n\n";
        }
        text += "![cold runs](chart.svg)\n\n";
        for work in &self.works {
            text += &work.table()?;
        }
        if let Some(readers) = &self.readers {
            text += &readers.table()?;
        }
        if !self.missing.is_empty() {
            text += "### Missing peers\n\n";
            for lack in &self.missing {
                writeln!(text, "- {}: {}", lack.name, lack.install)?;
            }
        }
        Ok(text.trim_end().to_owned() + "\n")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::compare) fn work() -> Work {
        let row = |name: &str, role, cold: &[f64], warm: &[f64]| Row {
            name: name.to_owned(),
            role,
            what: "a | b".to_owned(),
            cold: cold.to_vec(),
            warm: warm.to_vec(),
            failures: Vec::new(),
            facts: Facts::default(),
        };
        let mut alone = row("alone", Role::Part, &[0.2], &[]);
        alone.facts.inodes = Some(1_000_000);
        let mut broken = row("broken", Role::Peer, &[0.01, 0.01], &[0.01]);
        broken.take(Temperature::Cold, Err(Failure("no such file".to_owned())));
        Work {
            filesystem: Kind::Xfs,
            content: Task::None,
            entries: 7,
            rows: vec![
                row("coldread", Role::Ours, &[0.5, 0.4, 9.0], &[0.1]),
                alone,
                row("slow", Role::Peer, &[60.0], &[50.0]),
                row("find", Role::Peer, &[4.0], &[0.3]),
                broken,
                row("fio: all", Role::Limit, &[0.1], &[]),
                row("fio: some", Role::Limit, &[0.2], &[]),
            ],
        }
    }

    #[test]
    fn ratios_are_of_medians_and_a_peer_that_failed_has_none() {
        let work = work();
        assert_eq!(
            work.findings(),
            [
                "cold: coldread is **8.0 times** as fast as find",
                "warm: coldread is **3.0 times** as fast as find",
                "cold: coldread takes 5.00 times as long as fio: all (20 % of its rate)",
                "cold: alone takes 2.00 times as long as fio: all (50 % of its rate)",
                "cold: coldread takes 2.50 times as long as fio: some (40 % of its rate)",
                "cold: alone takes 1.00 times as long as fio: some (100 % of its rate)",
                "cold: alone: 5.00 million inodes a second",
            ]
        );
        let table = work.table().unwrap();
        assert!(table.contains("| **coldread** | 0.500 s | 1.00 | 0.100 s | 1.00 | a \\| b |\n"), "{table}");
        assert!(table.contains("| slow | 60.000 s | 120.00 | 50.000 s | 500.00 |"), "{table}");
        assert!(table.contains("| broken | | | | | a \\| b; **failed**: no such file |"), "{table}");
        assert!(table.contains("| fio: all | 0.100 s | 0.20 | | |"), "{table}");
    }
}
