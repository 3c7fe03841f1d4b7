//! Timing: processes from start to end, alternating, and medians.

use super::contenders::Contender;
use crate::host::{self, Failure};
use serde::Serialize;
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Whether the page cache is empty before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Temperature {
    /// Dropped before each run.
    Cold,
    /// As the runs before left it.
    Warm,
}

/// A warm run that takes less is run twice, and the second counts: while slower contenders run, a machine may take the
/// page cache of the faster ones away. It is more than any crate takes without the page cache: else one that has lost it
/// would not be short, and its cold run would count.
pub(super) const SHORT: Duration = Duration::from_secs(5);

impl Temperature {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }
}

/// Takes the index, name and time of a counted run.
type Take<'a> = dyn FnMut(usize, &str, Result<Duration, Failure>) + 'a;

/// Calls `take` with each counted run.
pub(super) fn alternate(
    contenders: &mut [Contender<'_>],
    runs: u32,
    temperature: Temperature,
    take: &mut Take<'_>,
) {
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    order.retain(|&index| contenders[index].runs(temperature));
    if temperature == Temperature::Warm {
        for &index in &order {
            // Its failure shows again in the runs that count.
            drop(contenders[index].once());
        }
    }
    for _ in 0..runs {
        for &index in &order {
            let dropped = if temperature == Temperature::Cold { host::drop_caches() } else { Ok(()) };
            let mut result = dropped.and_then(|()| contenders[index].once());
            if temperature == Temperature::Warm && result.as_ref().is_ok_and(|took| *took < SHORT) {
                result = contenders[index].once();
            }
            take(index, &contenders[index].name, result);
        }
        order.reverse();
    }
}

/// Runs a program to its end with its output thrown away or, if `keep`, handed back.
pub(super) fn timed(command: &mut Command, good: &[i32], keep: bool) -> Result<(Duration, String), Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command.stdout(if keep { Stdio::piped() } else { Stdio::null() });
    let started = Instant::now();
    let output = command.output().map_err(|error| Failure(format!("{name}: {error}")))?;
    let took = started.elapsed();
    if output.status.code().is_some_and(|code| good.contains(&code)) {
        return Ok((took, String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or_default().to_owned();
    Err(Failure(format!("{name} failed ({}): {last}", output.status)))
}

/// The middle of the times, or the mean of the two in the middle.
pub(super) fn median(times: &[f64]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    if sorted.len() % 2 == 1 { Some(*upper) } else { Some(f64::midpoint(sorted[middle - 1], *upper)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::RefCell, rc::Rc};

    #[test]
    fn medians_of_odd_and_even_and_no_times() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_order_turns_round_and_the_first_warm_runs_do_not_count() {
        let ran = Rc::new(RefCell::new(Vec::new()));
        let contender = |name: &str| {
            let (ran, own) = (Rc::clone(&ran), name.to_owned());
            Contender::new(name, move || {
                ran.borrow_mut().push(own.clone());
                if own == "b" { Err(Failure("no".to_owned())) } else { Ok(Duration::ZERO) }
            })
        };
        let mut contenders = [contender("a"), contender("b"), contender("limit").only(Temperature::Cold)];
        let mut counted = Vec::new();
        alternate(&mut contenders, 3, Temperature::Warm, &mut |index, name, result| {
            counted.push((index, name.to_owned(), result.is_ok()));
        });
        assert_eq!(ran.borrow().concat(), "abaabbaaaab");
        let names: String = counted.iter().map(|(_, name, _)| name.as_str()).collect();
        assert_eq!(names, "abbaab");
        assert!(
            counted
                .iter()
                .all(|(index, name, good)| (*index == 0) == (name == "a") && *good == (name == "a"))
        );
    }

    #[test]
    fn who_has_lost_the_page_cache_is_run_again() {
        // As rust-fs-xfs and the ntfs crate, without the page cache and with it.
        let (cold, warm) = (Duration::from_millis(1300), Duration::from_millis(130));
        let mut times = [cold, cold, warm].into_iter();
        let mut contenders = [Contender::new("a", || times.next().ok_or(Failure("once more".to_owned())))];
        let mut counted = Vec::new();
        alternate(&mut contenders, 1, Temperature::Warm, &mut |_, _, result| counted.push(result.unwrap()));
        assert_eq!(counted, [warm]);
    }

    #[test]
    fn a_program_that_fails_is_no_time() {
        let mut shell = Command::new("sh");
        let failed =
            timed(shell.args(["-c", "echo out; echo first >&2; echo why >&2; exit 4"]), &[0, 3], true);
        assert!(failed.unwrap_err().0.ends_with(": why"));
        let mut shell = Command::new("sh");
        assert_eq!(timed(shell.args(["-c", "echo out; exit 3"]), &[0, 3], true).unwrap().1, "out\n");
    }
}
