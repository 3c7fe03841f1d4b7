//! A coordinator that shows a certificate and asks for one: whoever has none is served by no method.

#![allow(clippy::unwrap_used)]

use coldread_proto::{
    ClientTls,
    v1::{
        AssetsRequest, RegisterRequest, WatchRequest, query_client::QueryClient, scans_client::ScansClient,
        work_client::WorkClient,
    },
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tests::{
    program::{self, Running},
    sample,
};
use tonic::transport::Channel;

/// An authority that signs.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        (params(name).signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// The files of a coordinator, of one who belongs to it and of a stranger.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        for (name, authority) in [("ours", &ours), ("theirs", &theirs)] {
            fs::write(dir.path().join(format!("{name}.ca")), &authority.certificate).unwrap();
            for who in ["server", "client"] {
                let (certificate, key) = authority.sign(who);
                fs::write(dir.path().join(format!("{name}.{who}.pem")), certificate).unwrap();
                fs::write(dir.path().join(format!("{name}.{who}.key")), key).unwrap();
            }
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn coordinator(&self) -> Running {
        let mut command = program::coldread();
        command.args(["coordinator", "--listen", "127.0.0.1:0", "--store"]).arg(self.path("store"));
        command.arg("--tls-cert").arg(self.path("ours.server.pem"));
        command.arg("--tls-key").arg(self.path("ours.server.key"));
        Running::start(command.arg("--tls-client-ca").arg(self.path("ours.ca")))
    }

    /// A command of one who trusts the first authority and shows a certificate of the second.
    fn command(&self, trusted: &str, shown: &str) -> Command {
        let mut command = program::coldread();
        command.env("COLDREAD_TLS_CA", self.path(&format!("{trusted}.ca")));
        command.env("COLDREAD_TLS_CERT", self.path(&format!("{shown}.client.pem")));
        command.env("COLDREAD_TLS_KEY", self.path(&format!("{shown}.client.key")));
        command
    }
}

#[test]
fn with_certificates_of_both_sides_a_scan_is_as_any_other() {
    let files = Files::new();
    let mut coordinator = files.coordinator();
    let url = format!("https://{}", coordinator.address());
    let _worker = Running::start(files.command("ours", "ours").args(["worker", "--coordinator", &url]));
    let mut scan = files.command("ours", "ours");
    let image: &Path = &sample::compressed();
    program::run(scan.args(["scan", "--server", &url, "--wait"]).arg(image)).exits(0);
    // Without a scheme it is https, as there are certificates.
    let bare = url.trim_start_matches("https://");
    let ask = |mut command: Command, server: &str| {
        program::run(command.args(["assets", "-o", "ndjson", "--server", server]))
    };
    assert_eq!(ask(files.command("ours", "ours"), bare).exits(0).rows().len(), 1);
    // A stranger's certificate, none at all, a coordinator that a stranger's authority would have signed, in the clear.
    ask(files.command("ours", "theirs"), &url).exits(1);
    let mut none = files.command("ours", "ours");
    none.env_remove("COLDREAD_TLS_CERT").env_remove("COLDREAD_TLS_KEY");
    ask(none, &url).exits(1);
    ask(files.command("theirs", "ours"), &url).exits(1).says(&["cannot reach the coordinator"]);
    ask(program::coldread(), &format!("http://{bare}")).exits(1);
    ask(files.command("ours", "ours"), &format!("http://{bare}")).exits(2).says(&["in the clear"]);
    ask(program::coldread(), &url).exits(2).says(&["--tls-ca"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_method_answers_who_shows_no_certificate() {
    let files = Files::new();
    let mut coordinator = files.coordinator();
    let url = format!("https://{}", coordinator.address());
    let authority = fs::read(files.path("ours.ca")).unwrap();
    let endpoint = coldread_proto::endpoint_over(&url, &ClientTls::new(&authority, None)).unwrap();
    let channel = || -> Channel { endpoint.connect_lazy() };
    assert!(QueryClient::new(channel()).assets(AssetsRequest::default()).await.is_err());
    assert!(ScansClient::new(channel()).watch(WatchRequest::default()).await.is_err());
    let register = RegisterRequest { name: "w".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    assert!(WorkClient::new(channel()).register(register.clone()).await.is_err());
    // With one, the same call is answered.
    let [chain, key] = ["ours.client.pem", "ours.client.key"].map(|name| fs::read(files.path(name)).unwrap());
    let tls = ClientTls::new(&authority, Some((&chain, &key)));
    let channel = coldread_proto::endpoint_over(&url, &tls).unwrap().connect_lazy();
    WorkClient::new(channel).register(register).await.unwrap();
}

#[test]
fn what_is_no_certificate_is_told_before_anybody_is_served() {
    let files = Files::new();
    let mut command = program::coldread();
    command.args(["coordinator", "--listen", "127.0.0.1:0", "--store"]).arg(files.path("store"));
    let key = files.path("ours.server.key");
    let command = command.arg("--tls-cert").arg(&key).arg("--tls-key").arg(&key);
    program::run(command).exits(1).says(&["certificate"]);
    let mut missing = program::coldread();
    missing.args(["coordinator", "--listen", "127.0.0.1:0", "--tls-cert", "/nowhere", "--tls-key"]).arg(key);
    program::run(missing.arg("--store").arg(files.path("store"))).exits(1).says(&["/nowhere"]);
}
