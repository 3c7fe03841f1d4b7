//! Who works on what: a pure state machine. Time is passed in; nothing here waits or locks.
//!
//! A task is ready, leased or gone. A lease is named by its task, its worker and its epoch, which counts up
//! each time the task is leased; only the current epoch can renew, complete or fail. A lease that is not
//! renewed in time goes back to the queue, and both that and a reported failure cost the task one of its
//! tries: a task that kills its workers must not go round for ever.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// A task's number, never used twice by one coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// A granted lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The task.
    pub task: TaskId,
    /// Who holds it.
    pub worker: String,
    /// Which lease of the task this is, from 1.
    pub epoch: u64,
}

/// The lease is another's now, or its task is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// What becomes of a task whose lease ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// It is ready again.
    Again,
    /// Its tries are used up: it is gone from here.
    Quarantined,
}

/// Where in the queue a new task goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before all others: somebody waits for it.
    Front,
    /// Behind all others.
    Back,
}

#[derive(Debug)]
struct Task {
    tries_left: u32,
    epoch: u64,
    /// Who holds it until when; none: it is in the queue.
    holder: Option<(String, Instant)>,
}

/// All tasks that are not done.
#[derive(Debug)]
pub struct Leases {
    lease_time: Duration,
    tasks: HashMap<TaskId, Task>,
    /// Tasks that are ready; may name some that are gone or leased meanwhile.
    queue: VecDeque<TaskId>,
}

impl Leases {
    /// No tasks; a lease lasts `lease_time` from its grant or last renewal.
    pub fn new(lease_time: Duration) -> Self {
        Self { lease_time, tasks: HashMap::new(), queue: VecDeque::new() }
    }

    /// Adds a task that may be tried `tries` times.
    pub fn add(&mut self, task: TaskId, tries: u32, place: Place) {
        self.tasks.insert(task, Task { tries_left: tries.max(1), epoch: 0, holder: None });
        match place {
            Place::Front => self.queue.push_front(task),
            Place::Back => self.queue.push_back(task),
        }
    }

    /// Leases the next ready task to `worker`.
    pub fn grant(&mut self, worker: &str, now: Instant) -> Option<Lease> {
        while let Some(id) = self.queue.pop_front() {
            let Some(task) = self.tasks.get_mut(&id).filter(|task| task.holder.is_none()) else { continue };
            task.epoch += 1;
            task.holder = Some((worker.to_owned(), now + self.lease_time));
            return Some(Lease { task: id, worker: worker.to_owned(), epoch: task.epoch });
        }
        None
    }

    /// Whether `lease` is the current one of its task.
    pub fn check(&self, lease: &Lease) -> Result<(), Lost> {
        let task = self.tasks.get(&lease.task).ok_or(Lost)?;
        let held = task.holder.as_ref().is_some_and(|(worker, _)| *worker == lease.worker);
        if held && task.epoch == lease.epoch { Ok(()) } else { Err(Lost) }
    }

    /// Makes the lease last from now on. One that has run out but was not noticed yet counts as kept.
    pub fn renew(&mut self, lease: &Lease, now: Instant) -> Result<(), Lost> {
        self.check(lease)?;
        if let Some((_, until)) = self.tasks.get_mut(&lease.task).and_then(|task| task.holder.as_mut()) {
            *until = now + self.lease_time;
        }
        Ok(())
    }

    /// Ends the lease and its task.
    pub fn complete(&mut self, lease: &Lease) -> Result<(), Lost> {
        self.check(lease)?;
        self.tasks.remove(&lease.task);
        Ok(())
    }

    /// Ends the lease without a result; `retry`: another try may help.
    pub fn fail(&mut self, lease: &Lease, retry: bool) -> Result<Setback, Lost> {
        self.check(lease)?;
        Ok(self.set_back(lease.task, retry))
    }

    /// Takes back every lease that has run out: its task, the worker that lost it, what becomes of the task.
    pub fn expire(&mut self, now: Instant) -> Vec<(TaskId, String, Setback)> {
        let mut late: Vec<(TaskId, String)> = Vec::new();
        for (id, task) in &self.tasks {
            if let Some((worker, until)) = &task.holder
                && *until <= now
            {
                late.push((*id, worker.clone()));
            }
        }
        late.sort();
        late.into_iter().map(|(id, worker)| (id, worker, self.set_back(id, true))).collect()
    }

    /// Drops a task, ready or leased: its lease is lost.
    pub fn remove(&mut self, task: TaskId) {
        self.tasks.remove(&task);
    }

    /// Whether the task is still ready or leased.
    pub fn holds(&self, task: TaskId) -> bool {
        self.tasks.contains_key(&task)
    }

    /// Whether somebody works on the task.
    pub fn is_leased(&self, task: TaskId) -> bool {
        self.tasks.get(&task).is_some_and(|task| task.holder.is_some())
    }

    fn set_back(&mut self, id: TaskId, retry: bool) -> Setback {
        let Some(task) = self.tasks.get_mut(&id) else { return Setback::Quarantined };
        task.holder = None;
        task.tries_left -= 1;
        if retry && task.tries_left > 0 {
            self.queue.push_back(id);
            return Setback::Again;
        }
        self.tasks.remove(&id);
        Setback::Quarantined
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEASE: Duration = Duration::from_secs(10);

    #[test]
    fn a_lost_lease_goes_to_another_and_the_late_one_counts_for_nothing() {
        let start = Instant::now();
        let mut leases = Leases::new(LEASE);
        leases.add(TaskId(1), 3, Place::Back);
        leases.add(TaskId(2), 3, Place::Front);
        let other = leases.grant("a", start).unwrap();
        assert_eq!(other.task, TaskId(2));
        let first = leases.grant("a", start).unwrap();
        assert_eq!(leases.grant("b", start), None);
        assert_eq!(leases.renew(&other, start + LEASE / 2), Ok(()));
        assert_eq!(leases.expire(start + LEASE), [(TaskId(1), "a".to_owned(), Setback::Again)]);
        assert_eq!(leases.renew(&first, start), Err(Lost));
        let second = leases.grant("b", start + LEASE).unwrap();
        assert_eq!((second.task, second.epoch), (TaskId(1), 2));
        assert_eq!(leases.complete(&first), Err(Lost));
        let forged = Lease { worker: "a".to_owned(), ..second.clone() };
        assert_eq!(leases.complete(&forged), Err(Lost));
        assert_eq!(leases.complete(&second), Ok(()));
        assert_eq!(leases.complete(&second), Err(Lost));
        assert_eq!(leases.complete(&other), Ok(()));
    }

    #[test]
    fn a_task_is_tried_so_often_and_no_more() {
        let now = Instant::now();
        let mut leases = Leases::new(LEASE);
        leases.add(TaskId(7), 2, Place::Back);
        let lease = leases.grant("a", now).unwrap();
        assert_eq!(leases.fail(&lease, true), Ok(Setback::Again));
        assert_eq!(leases.fail(&lease, true), Err(Lost));
        leases.grant("a", now).unwrap();
        assert_eq!(leases.expire(now + LEASE), [(TaskId(7), "a".to_owned(), Setback::Quarantined)]);
        assert!(!leases.holds(TaskId(7)) && leases.grant("a", now).is_none());
        leases.add(TaskId(8), 3, Place::Back);
        let lease = leases.grant("a", now).unwrap();
        assert_eq!(leases.fail(&lease, false), Ok(Setback::Quarantined));
    }

    proptest! {
        /// Workers lease, renew, complete, fail and vanish in any order: at the end each task was completed once
        /// or quarantined once, and nothing is left.
        #[test]
        fn every_task_ends_exactly_once(
            tasks in 1_u64..8,
            steps in prop::collection::vec((0_usize..6, 0_usize..4, 0_usize..20), 0..200),
        ) {
            let mut now = Instant::now();
            let mut leases = Leases::new(LEASE);
            let mut ended: HashMap<TaskId, u32> = HashMap::new();
            let mut granted: Vec<Lease> = Vec::new();
            for task in 0..tasks {
                leases.add(TaskId(task), 3, Place::Back);
            }
            let mut end = |task| *ended.entry(task).or_default() += 1;
            for (what, worker, which) in steps {
                let chosen = granted.get(which % granted.len().max(1)).cloned();
                match (what, chosen) {
                    (0, _) => granted.extend(leases.grant(&worker.to_string(), now)),
                    (1, Some(lease)) => drop(leases.renew(&lease, now)),
                    (2, Some(lease)) => if leases.complete(&lease).is_ok() { end(lease.task) },
                    (3, Some(lease)) => if leases.fail(&lease, which % 3 > 0) == Ok(Setback::Quarantined) {
                        end(lease.task);
                    },
                    (4, _) => now += LEASE / 3,
                    _ => for (task, _, setback) in leases.expire(now) {
                        if setback == Setback::Quarantined { end(task) }
                    },
                }
            }
            // Whoever is left takes the rest.
            for _ in 0..100 {
                now += LEASE;
                for (task, _, setback) in leases.expire(now) {
                    if setback == Setback::Quarantined { end(task) }
                }
                if let Some(lease) = leases.grant("last", now) {
                    prop_assert_eq!(leases.complete(&lease), Ok(()));
                    end(lease.task);
                }
            }
            prop_assert_eq!(ended.len() as u64, tasks);
            prop_assert!(ended.values().all(|times| *times == 1));
            prop_assert!(leases.tasks.is_empty());
        }
    }
}
