//! What extractors say of files in a root, put into its place in the asset.

use super::roots::Root;
use coldread_artifacts::{
    Output,
    identity::boot::{BootDefault, BootEntry},
    logins::logged::Logged,
    output::{InstallTime, Mark},
};
use coldread_model::{
    Account, Gap, Kernel, Key, LogWindow, LoginEvent, Origin, Package, Setting, SystemIdentity, Text,
};

/// Takes what one extractor says of one file.
pub(super) struct Placed<'p, 'a> {
    root: &'p Root<'a>,
    /// The root's name for events.
    name: Text,
    /// The volume that holds the file.
    volume: &'p str,
    /// The last path of an event in the root, and in the asset's tree.
    origin: Option<(Origin, Origin)>,
    out: &'p mut dyn Output,
}

impl<'p, 'a> Placed<'p, 'a> {
    /// Passes on to `out` what is said of a file of `root` on `volume`.
    pub(super) fn new(root: &'p Root<'a>, volume: &'p str, out: &'p mut dyn Output) -> Self {
        Self { root, name: root.name.as_str().into(), volume, origin: None, out }
    }

    fn root(&self, root: &mut String) {
        root.clone_from(&self.root.name);
    }

    /// An event's path in the root as one in the asset's tree; `None` where it is the same. An extractor shares one path
    /// among its events.
    fn origin(&mut self, path: &Origin) -> Option<&Origin> {
        if self.root.path.is_empty() {
            return None;
        }
        if self.origin.as_ref().is_none_or(|(last, _)| last != path) {
            let mut whole = path.to_vec();
            self.path(&mut whole);
            self.origin = Some((path.clone(), whole.into()));
        }
        self.origin.as_ref().map(|(_, whole)| whole)
    }

    fn move_origin(&mut self, path: &mut Origin) {
        if let Some(whole) = self.origin(path) {
            *path = whole.clone();
        }
    }

    /// A path in the root as one in the asset's tree.
    fn path(&self, path: &mut Vec<u8>) {
        if !self.root.path.is_empty() && path.first() == Some(&b'/') {
            path.splice(0..0, self.root.path.iter().copied());
        }
    }
}

impl Output for Placed<'_, '_> {
    fn package(&mut self, mut package: Package) {
        self.root(&mut package.root);
        self.volume.clone_into(&mut package.origin.volume);
        self.path(&mut package.origin.path);
        self.out.package(package);
    }
    fn login(&mut self, mut event: LoginEvent) {
        event.root.clone_from(&self.name);
        self.move_origin(&mut event.origin);
        for evidence in &mut event.evidence {
            self.move_origin(&mut evidence.origin);
        }
        self.out.login(event);
    }
    fn logged(&mut self, event: &Logged<'_>) {
        let moved = self.origin(event.origin).cloned();
        let origin = moved.as_ref().unwrap_or(event.origin);
        self.out.logged(&Logged { origin, root: &self.name, ..*event });
    }
    fn mark(&mut self) -> Mark {
        self.out.mark()
    }
    fn take_back(&mut self, to: Mark) {
        self.out.take_back(to);
    }
    fn window(&mut self, mut window: LogWindow) {
        self.root(&mut window.root);
        self.path(&mut window.origin);
        self.out.window(window);
    }
    fn account(&mut self, mut account: Account) {
        self.root(&mut account.root);
        self.path(&mut account.origin);
        self.out.account(account);
    }
    fn key(&mut self, mut key: Key) {
        self.root(&mut key.root);
        self.path(&mut key.origin);
        self.out.key(key);
    }
    fn setting(&mut self, mut setting: Setting) {
        self.root(&mut setting.root);
        self.path(&mut setting.origin);
        self.out.setting(setting);
    }
    /// The asset's identity is the host's; that of a container would be a lie about it.
    fn system(&mut self, part: SystemIdentity) {
        if self.root.is_host() {
            self.out.system(part);
        }
    }
    fn kernel(&mut self, kernel: Kernel) {
        if self.root.is_host() {
            self.out.kernel(kernel);
        }
    }
    fn boot_entry(&mut self, entry: BootEntry) {
        if self.root.is_host() {
            self.out.boot_entry(entry);
        }
    }
    fn boot_default(&mut self, default: BootDefault) {
        if self.root.is_host() {
            self.out.boot_default(default);
        }
    }
    fn owned(&mut self, owner: &str, path: &[u8]) {
        let mut path = path.to_vec();
        self.path(&mut path);
        self.out.owned(owner, &path);
    }
    fn install_time(&mut self, mut time: InstallTime) {
        self.root(&mut time.root);
        self.out.install_time(time);
    }
    fn gap(&mut self, mut gap: Gap) {
        self.volume.clone_into(&mut gap.volume);
        if let Some(path) = &mut gap.path {
            self.path(path);
        }
        self.out.gap(gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::namespace::Namespace;
    use coldread_model::{Evidence, Findings, LoginKind, LoginSource};

    #[test]
    fn an_event_and_its_evidence_lie_under_the_root() {
        let namespace = Namespace::new(Vec::new(), &[]);
        let root = Root { name: "/srv/box".to_owned(), path: b"/srv/box".to_vec(), world: 0, namespace };
        let mut found = Findings::default();
        let log = || Origin::from("/var/log/auth.log");
        let evidence = vec![Evidence { source: LoginSource::Authlog, origin: log(), offset: 7 }];
        let event = LoginEvent::new(LoginSource::Authlog, LoginKind::Failed, None, log(), 80);
        Placed::new(&root, "p1", &mut found).login(LoginEvent { evidence, ..event });
        let [event] = &found.logins[..] else { panic!("{} events", found.logins.len()) };
        assert_eq!(event.root, "/srv/box");
        assert_eq!(event.origin, b"/srv/box/var/log/auth.log");
        assert_eq!(event.evidence[0].origin, event.origin);
    }
}
