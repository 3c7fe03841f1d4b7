//! Every line of the corpus's index (`INDEX.tsv`) that is of login records, logs, journals, event logs and hives: each
//! file is as the index says, and holds what the index says that it holds.
//!
//! A line has tabs between its fields: category, file, SHA-256, bytes, source, path, licence, and in words what is
//! known of the file. Counts are taken from these words; what else they say is checked by the file's name.

mod event_logs;
mod hives;
mod records;

use crate::support::corpus;
use std::path::{Path, PathBuf};

/// A file of the corpus.
struct Stated {
    name: String,
    file: PathBuf,
    bytes: u64,
    /// What is known of it.
    words: String,
}

impl Stated {
    fn of_line(root: &Path, line: &str) -> (String, Self) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [category, name, _, bytes, .., words] = &fields[..] else {
            panic!("a line of the index: {line}")
        };
        let (file, bytes) = (root.join(category).join(name), bytes.parse().unwrap());
        ((*category).to_owned(), Self { name: (*name).to_owned(), file, bytes, words: (*words).to_owned() })
    }

    /// Its bytes, unpacked where its name ends so.
    fn read(&self) -> Vec<u8> {
        let bytes = std::fs::read(&self.file).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        assert_eq!(bytes.len() as u64, self.bytes, "{}", self.name);
        if self.file.extension().is_none_or(|end| end != "xz") {
            return bytes;
        }
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut liblzma::read::XzDecoder::new(&bytes[..]), &mut plain).unwrap();
        plain
    }

    /// The number that stands before the first of these nouns, in the singular or plural.
    fn count(&self, nouns: &[&str]) -> Option<usize> {
        let words: Vec<&str> =
            self.words.split([' ', '/', ';', ',']).filter(|word| !word.is_empty()).collect();
        words.windows(2).find_map(|pair| {
            let noun = pair[1].trim_matches(|sign: char| !sign.is_alphanumeric());
            let fits = nouns
                .iter()
                .any(|one| noun == *one || noun.strip_suffix('s').is_some_and(|noun| noun == *one));
            fits.then(|| pair[0].parse().ok())?
        })
    }
}

#[test]
fn every_line_of_the_index_holds() {
    let Some(root) = corpus("") else { return };
    let index = std::fs::read_to_string(root.join("INDEX.tsv")).unwrap();
    let mut checked = 0;
    for line in index.lines().skip(1) {
        let (category, stated) = Stated::of_line(&root, line);
        match category.as_str() {
            "utmp" => records::utmp(&stated),
            "syslog" => records::log(&stated),
            "journal" => records::journal(&stated),
            "evtx" => event_logs::check(&stated),
            "registry" => hives::check(&stated),
            // The others have tests of their own.
            _ => continue,
        }
        println!("{category}/{}: holds", stated.name);
        checked += 1;
    }
    assert!(checked > 0, "{} names no file", root.display());
}

#[test]
fn counts_are_found_in_words() {
    let of = |words: &str, noun: &str| {
        let line = format!("c\tn\t0\t0\ts\tp\tl\t{words}");
        Stated::of_line(Path::new("/"), &line).1.count(&[noun])
    };
    assert_eq!(of("1160 records 0 errors [source test]", "record"), Some(1160));
    assert_eq!(of("4 recs: 4624x3 4625x1", "rec"), Some(4));
    assert_eq!(of("CORRUPT: 2 good records", "record"), None);
    assert_eq!(of("5 keys/1 value after", "value"), Some(1));
}
