//! Standard error: progress bars on a terminal, a line at the start and end of each source elsewhere, and logs
//! that do not tear the bars.

use crate::output::{about, counted, human_size, plain};
use coldread_proto::v1::{ScanState, scan_state::Phase};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal, Write},
    sync::LazyLock,
    time::Duration,
};

/// All bars of this process.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Says a line on standard error, above the bars.
pub fn say(text: &str) {
    BARS.suspend(|| {
        // Nobody listens to standard error: then nobody can be told.
        let _ = writeln!(io::stderr(), "{text}");
    });
}

/// Where logs go.
#[derive(Debug, Default)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// How far the scan of one source is.
pub struct ScanProgress {
    name: String,
    bar: Option<ProgressBar>,
}

impl ScanProgress {
    /// Starts to show it; `name` is the source as the user gave it.
    pub fn start(name: &str) -> Self {
        let name = plain(name).into_owned();
        if !io::stderr().is_terminal() {
            say(&format!("{name}: scanning"));
            return Self { name, bar: None };
        }
        let bar = BARS.add(ProgressBar::new(1));
        let template = "{spinner} {prefix} [{bar:24}] {pos}/{len} tasks  {elapsed}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { name, bar: Some(bar) }
    }

    /// Shows a new state.
    pub fn update(&self, state: &ScanState) {
        let Some(bar) = &self.bar else { return };
        bar.set_length(u64::from(state.tasks_known.max(1)));
        bar.set_position(u64::from(state.tasks_done));
        bar.set_message(format!("{} read  {}", human_size(state.bytes_read), plain(&state.activity)));
    }

    /// Shows that no worker has begun it yet, at the coordinator `url`.
    pub fn waits_for_worker(&self, url: &str) {
        let url = plain(url);
        say(&format!(
            "{}: waits for a worker; if none runs: `coldread worker --coordinator {url}`",
            self.name
        ));
    }

    /// Shows that nobody tells of it now.
    pub fn away(&self) {
        match &self.bar {
            Some(bar) => bar.set_message("waiting for the coordinator"),
            None => say(&format!("{}: waiting for the coordinator", self.name)),
        }
    }

    /// Ends it with the last state or what went wrong.
    pub fn end(self, outcome: Result<&ScanState, &str>) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            BARS.remove(bar);
        }
        let failed = |reason: &str| format!("failed: {}", about(&self.name, reason));
        say(&match outcome {
            Ok(state) if state.phase() == Phase::Done => {
                let (files, gaps) = state.summary.as_ref().map_or((None, 0), |one| (one.files, one.gaps));
                let files = files.map(|files| counted(files, "file") + ", ").unwrap_or_default();
                let mut line = format!(
                    "{}: done, {files}{}, {} read",
                    self.name,
                    counted(gaps, "gap"),
                    human_size(state.bytes_read)
                );
                if !state.reader.is_empty() {
                    line = format!("{line}, {}", plain(&state.reader));
                }
                line
            }
            Ok(state) => failed(&state.error),
            Err(reason) => failed(reason),
        });
    }
}
