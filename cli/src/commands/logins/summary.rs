//! `coldread logins summary`.

use super::listing::{self, ListingArgs};
use crate::{
    connect::{self, Need, Services},
    failure::Result,
    output::{Format, Row, Value, counted, plain, stdout},
    progress,
    time::{self, PointInTime},
};
use coldread_model::Parts;
use coldread_proto::v1::{LogWindowsRequest, SumUpLoginsRequest, Time, UserLogins};
use std::io::Write;

/// Sum up each user's logins and failures, and say since when they can be known
///
/// Logs are rotated away, so that no failure is no news without a time. The table is followed by what time each login
/// record covers, and by a line for each tree (the host, a container, a chroot): how many failures and logins there
/// were, since when. In the other formats each row says it: `logins_since` and `failures_since` are the first time of
/// a log that would tell of the one or the other, `since` the later of both, `until` the last time of any; where they
/// are absent, no such log was found, and a count of 0 tells nothing. A tree in which nobody was found has a row too.
///
/// TIME is RFC 3339, a date or a span ago such as 7d, as in `coldread logins`.
///
/// Counts are of what the records hold: what several of them tell of is counted once. Of an asset, 16 MiB of names
/// and addresses are held for users who only failed and as much for those who logged in, and 10,000 addresses of a
/// user; where that is not enough, all is counted and the row has a `note`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    coldread logins summary --asset web-1\n  \
    coldread logins summary --user root --since 30d\n  \
    coldread logins summary -o ndjson | jq 'select(.failures > 100 and .logins > 0)'")]
pub struct Summary {
    /// Only users whose name matches, e.g. root or 'adm*'
    #[arg(long, value_name = "GLOB", default_value = "", hide_default_value = true)]
    user: String,
    /// Only events at this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<PointInTime>,
    /// Only events before this time
    #[arg(long, value_name = "TIME")]
    until: Option<PointInTime>,
    #[command(flatten)]
    listing: ListingArgs,
}

impl Summary {
    pub async fn run(self) -> Result<()> {
        time::check_span(self.since, self.until)?;
        let ListingArgs { output, place, .. } = &self.listing;
        let (scope, root, format) = (self.listing.scope(), self.listing.root(), output.output);
        let windows =
            LogWindowsRequest { scope: Some(scope.clone()), root: root.clone(), ..Default::default() };
        let whom = if self.user.is_empty() { String::new() } else { format!(" of {}", plain(&self.user)) };
        let request = SumUpLoginsRequest {
            scope: Some(scope.clone()),
            user: self.user,
            root,
            since: self.since.map(Into::into),
            until: self.until.map(Into::into),
        };
        if !matches!(format, Format::Table | Format::Wide) {
            let ask = async |services: Services| services.query().sum_up_logins(request).await;
            let about = Some((Parts::NONE, scope));
            return listing::print(place, format, about, ask, |batch| batch.users).await;
        }
        connect::with(&place.place()?, Need::Answers, async |services| {
            let mut trees = Trees::default();
            let users = services.query().sum_up_logins(request).await?;
            let shown = listing::print_rows(users.into_inner(), format, |batch| {
                batch.users.iter().for_each(|row| trees.take(row));
                batch.users.into_iter().filter(is_somebody)
            })
            .await?;
            if shown > 0 {
                writeln!(stdout())?;
            }
            let windows = services.query().log_windows(windows).await?;
            let windows = listing::print_rows(windows.into_inner(), format, |batch| batch.windows).await?;
            let mut out = stdout();
            if windows > 0 && !trees.0.is_empty() {
                writeln!(out)?;
            }
            for tree in &trees.0 {
                writeln!(out, "{}", line(tree, &whom))?;
            }
            out.flush()?;
            if trees.0.is_empty()
                && let Some(why) = listing::nobody(&services, &scope).await?
            {
                progress::say(&format!("no {}: {why}", UserLogins::NOUN));
            }
            Ok(())
        })
        .await
    }
}

/// Whether a row tells of events: that of a tree without any is said in words.
fn is_somebody(row: &UserLogins) -> bool {
    row.logins + row.failures > 0
}

/// The trees, each as the row of its first user with the counts of all. Rows of one tree follow each other.
#[derive(Default)]
struct Trees(Vec<UserLogins>);

impl Trees {
    fn take(&mut self, row: &UserLogins) {
        match self.0.last_mut() {
            Some(tree) if tree.asset == row.asset && tree.root == row.root => {
                tree.logins += row.logins;
                tree.failures += row.failures;
            }
            _ => self.0.push(UserLogins { addresses: Vec::new(), ..row.clone() }),
        }
    }
}

/// `web-1: 3 failed logins since …; 0 logins since …; last record …`
fn line(tree: &UserLogins, whom: &str) -> String {
    let root = if tree.root == "/" { String::new() } else { format!(" {}", plain(&tree.root)) };
    let what = match &tree.note {
        // A row of nobody has a note where nobody looked.
        Some(note) if !is_somebody(tree) => plain(note).into_owned(),
        _ if !is_somebody(tree) && tree.failures_since.or(tree.logins_since).is_none() => {
            format!("logins and failed logins{whom} {UNKNOWN}")
        }
        _ => {
            let failures = clause(tree.failures, "failed login", whom, tree.failures_since);
            let logins = clause(tree.logins, "login", whom, tree.logins_since);
            let last = match Value::time(tree.until) {
                Value::Absent => String::new(),
                until => format!("; last record {}", until.cell(false)),
            };
            format!("{failures}; {logins}{last}")
        }
    };
    format!("{}{root}: {what}", plain(&tree.asset))
}

/// What is said where 0 would tell nothing.
const UNKNOWN: &str = "unknown, as no log was found that would tell of them";

/// How many of something since when, as far as that can be known.
fn clause(count: u64, noun: &str, whom: &str, since: Option<Time>) -> String {
    let known = format!("{}{whom}", counted(count, noun));
    match (count, Value::time(since)) {
        (0, Value::Absent) => format!("{noun}s{whom} {UNKNOWN}"),
        (_, Value::Absent) => format!("{known}, since when is unknown"),
        (_, since) => format!("{known} since {}", since.cell(false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(asset: &str, root: &str, counts: (u64, u64), since: Option<i64>) -> UserLogins {
        let time = |seconds| Time { seconds, nanos: 0 };
        UserLogins {
            asset: asset.to_owned(),
            root: root.to_owned(),
            failures: counts.0,
            logins: counts.1,
            failures_since: since.map(time),
            logins_since: since.map(|seconds| time(seconds + 60)),
            until: since.map(|seconds| time(seconds + 86_400)),
            ..UserLogins::default()
        }
    }

    #[test]
    fn each_tree_is_told_with_since_when() {
        let mut trees = Trees::default();
        for row in [
            row("a", "/", (0, 1), Some(0)),
            row("a", "/", (3, 1), Some(0)),
            row("b", "/", (0, 0), Some(86_400)),
            row("b", "/srv/jail", (0, 0), None),
            row("c", "/", (1, 0), None),
            UserLogins { note: Some("nobody looked".to_owned()), ..row("d", "/", (0, 0), None) },
        ] {
            trees.take(&row);
        }
        let lines: Vec<_> = trees.0.iter().map(|tree| line(tree, " of root")).collect();
        assert_eq!(
            lines,
            [
                "a: 3 failed logins of root since 1970-01-01 00:00:00; 2 logins of root since 1970-01-01 00:01:00; \
                 last record 1970-01-02 00:00:00",
                "b: 0 failed logins of root since 1970-01-02 00:00:00; 0 logins of root since 1970-01-02 00:01:00; \
                 last record 1970-01-03 00:00:00",
                &format!("b /srv/jail: logins and failed logins of root {UNKNOWN}"),
                &format!("c: 1 failed login of root, since when is unknown; logins of root {UNKNOWN}"),
                "d: nobody looked",
            ]
        );
    }
}
