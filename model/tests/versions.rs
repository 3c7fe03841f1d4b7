//! The order of versions against the tools of the ecosystems, over thousands of pairs: one process a tool.
#![allow(clippy::unwrap_used)] // a test may

use coldread_model::{PackageType as Type, version::compare};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::{
    cmp::Ordering,
    io::Write,
    process::{Command, Stdio},
};

const PAIRS: usize = 4000;

/// Pairs of versions put together from pieces, many of them alike.
fn pairs(base: &str, pieces: &[&'static str], longest: usize) -> Vec<(String, String)> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let version = prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..longest);
    let pair =
        (version.clone(), version.clone(), version, any::<bool>()).prop_map(|(start, left, right, alike)| {
            let start = if alike { start.concat() } else { String::new() };
            (format!("{base}{start}{}", left.concat()), format!("{base}{start}{}", right.concat()))
        });
    (0..PAIRS).map(|_| pair.new_tree(&mut runner).unwrap().current()).collect()
}

/// What a program says of each pair: a line with -1, 0 or 1. Pairs go to its standard input, a line each, with a tab
/// between. A line of anything else is a pair that it refuses.
fn oracle(program: &str, arguments: &[&str], pairs: &[(String, String)]) -> Option<Vec<Option<Ordering>>> {
    let child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: {program}: {error}");
            return None;
        }
    };
    let mut input = child.stdin.take().unwrap();
    let text = pairs.iter().fold(String::new(), |text, (left, right)| text + left + "\t" + right + "\n");
    let writer = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let said: Vec<_> =
        said.lines().map(|line| line.trim().parse::<i64>().ok().map(|number| number.cmp(&0))).collect();
    if said.len() != pairs.len() {
        println!("skipped: {program}: {} answers: {}", said.len(), String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(said)
}

fn agree(kind: Type, pairs: &[(String, String)], said: &[Option<Ordering>]) {
    let mut compared = 0;
    let mut differ = Vec::new();
    for ((left, right), said) in pairs.iter().zip(said) {
        let Some(said) = said else { continue };
        compared += 1;
        let ours = compare(kind, left, right);
        if ours != *said {
            differ.push(format!("{left} {right}: {ours:?}, {said:?} to the tool"));
        }
    }
    println!("{kind}: {compared} pairs");
    assert!(compared > PAIRS / 4, "{compared} pairs of {kind}");
    assert!(
        differ.is_empty(),
        "{kind}: {} of {compared}:\n{}",
        differ.len(),
        differ[..differ.len().min(12)].join("\n")
    );
}

fn against(kind: Type, pieces: &[&'static str], longest: usize, program: &str, arguments: &[&str]) {
    let base = if kind == Type::Npm { "1.0.1" } else { "1" };
    let pairs = pairs(base, pieces, longest);
    if let Some(said) = oracle(program, arguments, &pairs) {
        agree(kind, &pairs, &said);
    }
}

#[test]
fn deb_as_dpkg() {
    let script = r#"while IFS="$(printf '\t')" read -r a b; do
        if dpkg --compare-versions "$a" lt "$b" 2>/dev/null; then echo -1
        elif dpkg --compare-versions "$a" eq "$b" 2>/dev/null; then echo 0
        else echo 1; fi; done"#;
    // Two processes a pair: fewer of them, and libdpkg's own order through perl where it is there.
    let perl = "use Dpkg::Version; while (<STDIN>) { chomp; my ($a, $b) = split /\\t/, $_, -1; \
                my ($x, $y) = map { Dpkg::Version->new($_) } ($a, $b); \
                print $x->is_valid && $y->is_valid ? version_compare($a, $b) : 'invalid', \"\\n\" }";
    let pieces =
        ["0", "1", "9", "10", "00", "a", "b", "rc", "~", "+", ".", "-", ":", "~~", "dfsg", "-0", "+b1"];
    against(Type::Deb, &pieces, 6, "perl", &["-e", perl]);
    let few = pairs("1", &pieces[..14], 5)[..150].to_vec();
    if let Some(said) = oracle("sh", &["-c", script], &few) {
        let bad = |version: &str| version.contains(':') || version.ends_with('-');
        for ((left, right), said) in
            few.iter().zip(said).filter(|((left, right), _)| !bad(left) && !bad(right))
        {
            assert_eq!(Some(compare(Type::Deb, left, right)), said, "{left} {right}");
        }
    }
}

#[test]
fn rpm_as_rpm() {
    let pieces = ["0", "1", "9", "10", "00", "a", "b", "rc", "~", "^", ".", "_", "+", "..", "git"];
    let pairs = pairs("1", &pieces, 7);
    let list: Vec<_> = pairs.iter().map(|(left, right)| format!("{{\"{left}\",\"{right}\"}},")).collect();
    let list = list.concat();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("compare.lua");
    std::fs::write(
        &script,
        format!("for _, p in ipairs({{{list}}}) do print(rpm.vercmp(p[1], p[2]) .. \"\\n\") end"),
    )
    .unwrap();
    let eval = format!("%{{lua: dofile(\"{}\")}}", script.display());
    if let Some(said) = rpm_lines(&eval) {
        agree(Type::Rpm, &pairs, &said);
    }
}

/// rpm's lua prints into the expansion, a line a pair.
fn rpm_lines(eval: &str) -> Option<Vec<Option<Ordering>>> {
    let output = Command::new("rpm").args(["--eval", eval]).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: Vec<_> = said
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.parse::<i64>().ok().map(|n| n.cmp(&0)))
        .collect();
    if said.len() != PAIRS {
        println!("skipped: rpm: {} answers", said.len());
        return None;
    }
    Some(said)
}

#[test]
fn pacman_as_vercmp() {
    let script = r#"while IFS="$(printf '\t')" read -r a b; do vercmp "$a" "$b" || echo missing; done"#;
    let pieces = ["0", "1", "9", "10", "00", "a", "b", "rc", ".", "_", "+", "..", "-1", "-2", "git"];
    let pairs = pairs("1", &pieces, 6)[..1500].to_vec();
    if let Some(said) = oracle("sh", &["-c", script], &pairs) {
        if said.iter().all(Option::is_none) {
            println!("skipped: vercmp is missing");
            return;
        }
        agree(Type::Pacman, &pairs, &said);
    }
}

#[test]
fn npm_as_node_semver() {
    let script = "const m = require('child_process').execSync('npm root -g').toString().trim();\
                  const s = require(m + '/npm/node_modules/semver');\
                  for (const l of require('fs').readFileSync(0, 'utf8').split('\\n').slice(0, -1)) {\
                  const [a, b] = l.split('\\t');\
                  console.log(s.valid(a) && s.valid(b) ? s.compare(a, b) : 'invalid'); }";
    let pieces = [
        ".0.0", ".2.3", ".10.0", "0.0.1", "-alpha", "-alpha.1", "-rc.10", "-1", ".beta", "+b", "-x-y", "-0a",
    ];
    against(Type::Npm, &pieces, 3, "node", &["-e", script]);
}

#[test]
fn pypi_as_packaging() {
    let script = "import sys\nfrom packaging.version import Version, InvalidVersion\n\
                  for line in sys.stdin:\n a, b = line.rstrip('\\n').split('\\t')\n try:\n  x, y = Version(a), Version(b)\n  \
                  print((x > y) - (x < y))\n except InvalidVersion:\n  print('invalid')\n";
    let pieces = [
        ".0",
        ".1",
        ".10",
        "a1",
        "b",
        "rc2",
        ".dev1",
        ".post2",
        "-3",
        "+local",
        "+1.a",
        "-alpha",
        ".preview.4",
        "!2",
        "_beta_1",
        "c1",
        ".r5",
        "-rev",
        "dev",
        "+a-1_2",
    ];
    for python in ["python3", "/usr/bin/python3"] {
        let pairs = pairs("1", &pieces, 4);
        if let Some(said) = oracle(python, &["-c", script], &pairs) {
            agree(Type::Pypi, &pairs, &said);
            return;
        }
    }
}

#[test]
fn gem_as_rubygems() {
    let script = "STDIN.each_line { |l| a, b = l.chomp.split(\"\\t\", -1); \
                  puts Gem::Version.correct?(a) && Gem::Version.correct?(b) ? (Gem::Version.new(a) <=> Gem::Version.new(b)) : 'invalid' }";
    let pieces = [".0", ".1", ".10", ".a", ".b2", "-1", ".rc", ".pre", "0", "a", "-x86", ".00", "-0"];
    against(Type::Gem, &pieces, 5, "ruby", &["-e", script]);
}

#[test]
fn maven_as_maven_artifact() {
    let jar = ["/usr/share/maven/lib/maven-artifact-3.x.jar", "/usr/share/java/maven3-artifact.jar"]
        .into_iter()
        .find(|jar| std::path::Path::new(jar).exists());
    let Some(jar) = jar else {
        println!("skipped: no maven-artifact");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("Compare.java");
    let program = "import org.apache.maven.artifact.versioning.ComparableVersion;\n\
        public class Compare { public static void main(String[] x) throws Exception {\n\
        var in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in)); String l;\n\
        while ((l = in.readLine()) != null) { var p = l.split(\"\\t\", -1);\n\
        System.out.println(Integer.signum(new ComparableVersion(p[0]).compareTo(new ComparableVersion(p[1])))); } } }\n";
    std::fs::write(&source, program).unwrap();
    let lang = "/usr/share/java/commons-lang3.jar";
    let path = format!("{jar}:{lang}");
    let pieces = [
        ".0",
        ".1",
        ".10",
        "-alpha",
        "-a1",
        "b2",
        "-rc",
        "-SNAPSHOT",
        "-ga",
        ".final",
        "-sp",
        "-1",
        "-0",
        "x",
        ".RELEASE",
        "-m3",
        "-jre",
        "+5",
        "--",
    ];
    against(Type::Maven, &pieces, 4, "java", &["-cp", &path, &source.to_string_lossy()]);
}
