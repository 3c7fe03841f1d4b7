//! Who takes part: Coldread, fsparse by itself, the peers that are installed, and fio as the limit.

use super::{
    Task,
    limit::{self, Limit},
    measure::{Temperature, timed},
};
use crate::{
    alone::Pass,
    host::{self, Failure, Mounted},
    images::Kind,
};
use serde::Serialize;
use std::{cell::RefCell, path::Path, process::Command, rc::Rc, time::Duration};

/// Passes of fsparse alone in one process, of which the last counts, where all is warm.
const WARM_PASSES: usize = 4;

/// What a contender's time stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// `coldread scan`, the whole process, stored.
    Ours,
    /// A part of ours, by itself.
    Part,
    /// Another program that does the work, or some of it.
    Peer,
    /// What the disk needs for the bytes.
    Limit,
}

/// What a contender told of its runs.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Facts {
    /// In words.
    pub(super) text: String,
    /// Inodes handled, where a rate of them is asked for.
    pub(super) inodes: Option<u64>,
}

type SharedFacts = Rc<RefCell<Facts>>;
type Run<'a> = Box<dyn FnMut() -> Result<Duration, Failure> + 'a>;

/// One that takes part.
pub(super) struct Contender<'a> {
    /// Its name in the report.
    pub(super) name: String,
    /// What its time stands for.
    pub(super) role: Role,
    /// Version, or the command.
    pub(super) what: String,
    only: Option<Temperature>,
    facts: SharedFacts,
    run: Run<'a>,
}

impl<'a> Contender<'a> {
    /// A peer, unless said otherwise.
    pub(super) fn new(name: &str, run: impl FnMut() -> Result<Duration, Failure> + 'a) -> Self {
        let (name, facts, run) = (name.to_owned(), SharedFacts::default(), Box::new(run));
        Self { name, role: Role::Peer, what: String::new(), only: None, facts, run }
    }

    /// Takes part in these runs alone.
    pub(super) fn only(mut self, temperature: Temperature) -> Self {
        self.only = Some(temperature);
        self
    }

    fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    fn what(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    fn with_facts(mut self, facts: SharedFacts) -> Self {
        self.facts = facts;
        self
    }

    /// Whether it takes part.
    pub(super) fn runs(&self, temperature: Temperature) -> bool {
        self.only.is_none_or(|only| only == temperature)
    }

    /// Runs it once.
    pub(super) fn once(&mut self) -> Result<Duration, Failure> {
        (self.run)()
    }

    /// What it told last.
    pub(super) fn facts(&self) -> Facts {
        self.facts.borrow().clone()
    }
}

/// One kind of work on one image.
pub(super) struct Stage<'a> {
    pub(super) kind: Kind,
    pub(super) image: &'a Path,
    pub(super) task: Task,
    /// Names that a mount shows.
    pub(super) entries: u64,
    /// The program.
    pub(super) coldread: &'a Path,
    /// This program, which runs parts and crates in processes of their own.
    pub(super) harness: &'a Path,
    /// For stores and logs.
    pub(super) scratch: &'a Path,
}

impl<'a> Stage<'a> {
    /// All that can take part on this machine.
    pub(super) fn contenders(&'a self) -> Result<Vec<Contender<'a>>, Failure> {
        let mut all = vec![self.coldread()];
        match self.task {
            Task::None => {
                all.extend(self.alone());
                all.extend(self.listing_peers());
            }
            Task::Packages => all.extend(self.dissect(self.task)),
            Task::Hash => all.extend(self.hashing_peers()),
        }
        if host::find("fio").is_some() {
            for (what, made) in self.limits() {
                all.push(fio(what, made(self.image, self.scratch)?));
            }
        }
        Ok(all)
    }

    /// What fio reads, and how that is found out.
    fn limits(&self) -> &'static [(&'static str, limit::Find)] {
        match self.task {
            Task::None => &[("the same bytes", limit::of_listing)],
            // So little is read that fio's own start would be what is measured.
            Task::Packages => &[],
            Task::Hash => &[("content", limit::of_content), ("metadata and content", limit::of_everything)],
        }
    }

    /// `coldread scan`; the first run's store is asked whether it holds what there is.
    fn coldread(&'a self) -> Contender<'a> {
        let facts = SharedFacts::default();
        let told = Rc::clone(&facts);
        let mut checked = false;
        let run = move || {
            let store = tempfile::tempdir_in(self.scratch)?;
            let mut scan = Command::new(self.coldread);
            scan.arg("scan").arg(self.image).args(["--asset", "disk"]).args(self.task.options());
            // 3: finished with gaps. What they may hide shows in the count.
            let (took, _) = timed(scan.arg("--store").arg(store.path()), &[0, 3], false)?;
            if !checked {
                told.borrow_mut().text = self.check(store.path())?;
                checked = true;
            }
            Ok(took)
        };
        let what = format!("scan {}, the whole process, stored", self.task.options().join(" "));
        Contender::new("coldread", run).role(Role::Ours).what(what).with_facts(facts)
    }

    /// Asks a store for what was to be found; what it holds, in words.
    fn check(&self, store: &Path) -> Result<String, Failure> {
        let question = if self.task == Task::Packages { "packages" } else { "files" };
        let mut ask = Command::new(self.coldread);
        ask.args([question, "--asset", "disk", "-o", "ndjson", "--store"]).arg(store);
        let (_, rows) = timed(&mut ask, &[0], true)?;
        let rows = rows.lines().filter(|row| !row.contains("\"stream\":")).count() as u64;
        if self.task == Task::Packages {
            return Ok(format!("{rows} packages"));
        }
        // Names that only a mount has, like lost ones of a live /usr, may differ by a thousandth.
        if rows < self.entries - self.entries / 1000 {
            let entries = self.entries;
            return Err(Failure(format!("the store lists {rows} files, the mount {entries}")));
        }
        Ok(String::new())
    }

    /// fsparse without store and start-up, each run in a process of its own. Warm, the last of some passes counts, as
    /// a worker reads one disk after the other: memory that is new to a process, and slow where a host lends it, is
    /// part of its start.
    fn alone(&'a self) -> Vec<Contender<'a>> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let one = |name: &str, io: &'static str, threads: usize, passes: usize| {
            let facts = SharedFacts::default();
            let told = Rc::clone(&facts);
            let run = move || {
                let mut command = Command::new(self.harness);
                command.arg("alone").arg(self.image).args(["--io", io]);
                command.args(["--threads", &threads.to_string(), "--times", &passes.to_string()]);
                let (_, said) = timed(&mut command, &[0], true)?;
                let passes = said.lines().map(serde_json::from_str).collect::<Result<Vec<Pass>, _>>()?;
                let first = passes.first().ok_or_else(|| Failure("no pass was told of".to_owned()))?;
                let last = passes.last().unwrap_or(first);
                *told.borrow_mut() = facts_of(last, (passes.len() > 1).then_some(first));
                Ok(last.total())
            };
            let what = "probe, survey, join, rows; without store and start-up";
            Contender::new(name, run).role(Role::Part).what(what).with_facts(facts)
        };
        vec![
            one(&format!("fsparse alone, io_uring, {cores} threads"), "uring", cores, 1)
                .only(Temperature::Cold),
            one("fsparse alone, pread, 1 thread", "pread", 1, WARM_PASSES).only(Temperature::Warm),
            one("fsparse alone, mmap, 1 thread", "mmap", 1, WARM_PASSES).only(Temperature::Warm),
        ]
    }

    fn listing_peers(&'a self) -> Vec<Contender<'a>> {
        let mut peers = Vec::new();
        if host::find("find").is_some() {
            let what = match self.kind {
                Kind::Ntfs => first_line("ntfs-3g", &["--version"]),
                Kind::Ext4 | Kind::Xfs => first_line("find", &["--version"]),
            };
            let run = move || {
                self.mounted(|point| {
                    let mut find = Command::new("find");
                    find.arg(point).args(["-xdev", "-printf", "%p %i %s %m %U %G %T@ %C@\\n"]);
                    find
                })
            };
            peers.push(Contender::new(&self.mount_name("find"), run).what(what));
        }
        if host::find("fls").is_some() && self.kind != Kind::Xfs {
            let run = move || {
                let mut fls = Command::new("fls");
                Ok(timed(fls.args(["-r", "-p", "-l"]).arg(self.image), &[0], false)?.0)
            };
            peers.push(Contender::new("fls -r -p -l", run).what(first_line("fls", &["-V"])));
        }
        #[cfg(feature = "peers")]
        peers.push(self.crate_peer());
        peers.extend(self.dissect(self.task));
        peers
    }

    /// dissect, asked for the files or for the packages of dpkg.
    fn dissect(&'a self, task: Task) -> Option<Contender<'a>> {
        let program = host::find("target-query")?;
        let function = if task == Task::Packages { "dpkg.status" } else { "walkfs" };
        let what = format!("{function}; {}", dissect_version(&program));
        let run = move || {
            let mut query = Command::new(&program);
            Ok(timed(query.args(["-q", "-f", function]).arg(self.image), &[0], false)?.0)
        };
        Some(Contender::new("dissect target-query", run).what(what))
    }

    /// The Rust crate that reads this filesystem, run by this program in a process of its own.
    #[cfg(feature = "peers")]
    fn crate_peer(&'a self) -> Contender<'a> {
        let peer = super::peers::of(self.kind);
        let facts = SharedFacts::default();
        let told = Rc::clone(&facts);
        let run = move || {
            let mut command = Command::new(self.harness);
            let (took, said) = timed(command.arg("peer").arg(self.kind.name()).arg(self.image), &[0], true)?;
            told.borrow_mut().text = format!("{} entries", said.trim());
            Ok(took)
        };
        Contender::new(peer.name, run).what(peer.what()).with_facts(facts)
    }

    fn hashing_peers(&'a self) -> Vec<Contender<'a>> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let hashers: [(&str, &str, &[&str]); 2] =
            [("sha256sum", "sha256sum", &["--version"]), ("openssl", "openssl dgst -sha256", &["version"])];
        let there = hashers.into_iter().filter(|(program, ..)| host::find(program).is_some());
        there
            .map(|(program, command, version)| {
                let script = format!("find \"$1\" -xdev -type f -print0 | xargs -0 -P{cores} {command}");
                let run = move || {
                    self.mounted(|point| {
                        let mut shell = Command::new("sh");
                        shell.args(["-c", &script, "sh"]).arg(point);
                        shell
                    })
                };
                let name = self.mount_name(&format!("xargs -P{cores} {command}"));
                Contender::new(&name, run).what(first_line(program, version))
            })
            .collect()
    }

    fn mount_name(&self, command: &str) -> String {
        let mount = if self.kind == Kind::Ntfs { "an ntfs-3g mount" } else { "a kernel mount" };
        format!("{command} on {mount}")
    }

    /// Times a command on a fresh mount, which is made before and undone after its time.
    fn mounted(&self, command: impl FnOnce(&Path) -> Command) -> Result<Duration, Failure> {
        let mounted = Mounted::new(self.kind.name(), self.image, true)?;
        let result = timed(&mut command(mounted.point()), &[0], false);
        mounted.unmount()?;
        Ok(result?.0)
    }
}

fn facts_of(pass: &Pass, first: Option<&Pass>) -> Facts {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let before = first.map_or(String::new(), |first| {
        format!("; the last of {WARM_PASSES} passes of a process, the first took {:.0} ms", ms(first.total()))
    });
    let text = format!(
        "{} inodes; probe {:.0}, survey {:.0}, join {:.0}, rows {:.0} ms in the last run (encoding for the store, not \
         counted, {:.0}){before}; {} rounds, {} requests, {:.1} MiB; at most {} MiB of memory",
        pass.inodes,
        ms(pass.probe),
        ms(pass.survey),
        ms(pass.join),
        ms(pass.rows),
        ms(pass.encoding),
        pass.rounds,
        pass.requests,
        pass.bytes as f64 / f64::from(1 << 20),
        pass.peak_kib >> 10,
    );
    Facts { text, inodes: Some(pass.inodes) }
}

/// fio, which replays reads.
fn fio<'a>(what: &str, limit: Limit) -> Contender<'a> {
    let facts = Facts { text: limit.facts.clone(), inodes: None };
    let fio = Contender::new(&format!("fio: {what}"), move || limit.replay());
    let fio = fio.role(Role::Limit).only(Temperature::Cold).what(first_line("fio", &["--version"]));
    fio.with_facts(Rc::new(RefCell::new(facts)))
}

/// The first line of what a program says of its version, on whichever stream.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let path = host::find(program).unwrap_or_else(|| program.into());
    let Ok(output) = Command::new(path).args(arguments).output() else { return String::new() };
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned()
}

/// The version of dissect.target in the Python whose program this is.
fn dissect_version(program: &Path) -> String {
    let python = program.with_file_name("python3");
    let ask = "import importlib.metadata as m; print('dissect.target', m.version('dissect.target'))";
    first_line(&python.to_string_lossy(), &["-c", ask])
}
