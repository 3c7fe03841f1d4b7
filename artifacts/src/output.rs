//! Where extractors put what they find.

use crate::Context;
use coldread_model::{Findings, Gap, LoginEvent, Package};

/// Takes findings one by one, so that a caller may write them out as they come instead of keeping all.
pub trait Output {
    /// A package.
    fn package(&mut self, package: Package);
    /// A login event.
    fn login(&mut self, event: LoginEvent);
    /// Something that was there and could not be read.
    fn gap(&mut self, gap: Gap);
}

impl Output for Findings {
    fn package(&mut self, package: Package) {
        self.packages.push(package);
    }
    fn login(&mut self, event: LoginEvent) {
        self.logins.push(event);
    }
    fn gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }
}

/// Joins what extractors found in any order: with the context's identity and gaps, sorted, each row once.
pub fn finish(context: &Context, parts: impl IntoIterator<Item = Findings>) -> Findings {
    let mut all = Findings { system: context.system.clone(), ..Findings::default() };
    all.gaps.clone_from(&context.gaps);
    for part in parts {
        all.packages.extend(part.packages);
        all.logins.extend(part.logins);
        all.gaps.extend(part.gaps);
    }
    all.packages.sort_unstable();
    all.packages.dedup();
    // Equal rows are kept: a log may say the same twice, and each has its own offset or was repeated.
    all.logins.sort_unstable();
    all.gaps.sort_unstable();
    all.gaps.dedup();
    all
}
