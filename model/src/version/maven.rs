//! Sources: Maven's POM reference, "Version Order Specification"; maven-artifact 3.8, `ComparableVersion` (as
//! documentation).

use super::numeric;
use std::cmp::Ordering;

/// Qualifiers with a meaning, in their order; the empty one is the release.
const QUALIFIERS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
const RELEASE: usize = 5;

/// Lists in lists: a bound for hostile versions. What is deeper is put into the innermost list.
const MAX_DEPTH: usize = 64;

/// A part of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Number(Vec<u8>),
    Text(String),
    List(Vec<Item>),
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    lists(&parse(left), &parse(right))
}

/// Splits at dots, at dashes and between digits and letters. The latter two begin a list within the list.
fn parse(version: &str) -> Vec<Item> {
    let version = version.to_lowercase();
    let mut lists: Vec<Vec<Item>> = vec![Vec::new()];
    let mut start = 0;
    let mut is_digit = false;
    for (at, char) in version.char_indices() {
        let part = &version[start..at];
        match char {
            '.' | '-' => {
                let item =
                    if part.is_empty() { Item::Number(vec![b'0']) } else { item(is_digit, part, false) };
                push(&mut lists, item);
                start = at + 1;
                if char == '-' {
                    deeper(&mut lists);
                }
            }
            _ if char.is_ascii_digit() != is_digit || part.is_empty() => {
                if !part.is_empty() {
                    if !is_digit {
                        qualify(&mut lists);
                    }
                    push(&mut lists, item(is_digit, part, !is_digit));
                    start = at;
                    deeper(&mut lists);
                }
                is_digit = char.is_ascii_digit();
            }
            _ => {}
        }
    }
    if start < version.len() {
        if !is_digit {
            qualify(&mut lists);
        }
        push(&mut lists, item(is_digit, &version[start..], false));
    }
    while lists.len() > 1 {
        let mut inner = lists.pop().unwrap_or_default();
        normalize(&mut inner);
        push(&mut lists, Item::List(inner));
    }
    let mut whole = lists.pop().unwrap_or_default();
    normalize(&mut whole);
    whole
}

fn push(lists: &mut [Vec<Item>], item: Item) {
    if let Some(list) = lists.last_mut() {
        list.push(item);
    }
}

/// A qualifier after a dot, before a digit or the end, is as one after a dash.
fn qualify(lists: &mut Vec<Vec<Item>>) {
    if lists.last().is_some_and(|list| !list.is_empty()) {
        deeper(lists);
    }
}

fn deeper(lists: &mut Vec<Vec<Item>>) {
    if lists.len() < MAX_DEPTH {
        lists.push(Vec::new());
    }
}

fn item(is_digit: bool, part: &str, before_digit: bool) -> Item {
    if is_digit {
        return Item::Number(part.as_bytes().to_vec());
    }
    let text = match part {
        "a" if before_digit => "alpha",
        "b" if before_digit => "beta",
        "m" if before_digit => "milestone",
        "ga" | "final" | "release" => "",
        "cr" => "rc",
        other => other,
    };
    Item::Text(text.to_owned())
}

/// Drops what adds nothing at the end: zeros, release qualifiers, empty lists.
fn normalize(list: &mut Vec<Item>) {
    for index in (0..list.len()).rev() {
        if list[index].is_null() {
            list.remove(index);
        } else if !matches!(list[index], Item::List(_)) {
            break;
        }
    }
}

/// Known qualifiers by their place, others after them by their letters.
fn qualifier(text: &str) -> String {
    match QUALIFIERS.iter().position(|known| *known == text) {
        Some(place) => place.to_string(),
        None => format!("{}-{text}", QUALIFIERS.len()),
    }
}

impl Item {
    fn is_null(&self) -> bool {
        match self {
            Self::Number(digits) => digits.iter().all(|digit| *digit == b'0'),
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
        }
    }

    /// Against nothing.
    fn order_alone(&self) -> Ordering {
        match self {
            Self::Number(digits) => numeric(digits, b"0"),
            Self::Text(text) => qualifier(text).cmp(&RELEASE.to_string()),
            Self::List(items) => {
                items.iter().map(Self::order_alone).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => numeric(left, right),
            (Self::Text(left), Self::Text(right)) => qualifier(left).cmp(&qualifier(right)),
            (Self::List(left), Self::List(right)) => lists(left, right),
            (Self::Number(_), _) | (Self::List(_), Self::Text(_)) => Ordering::Greater,
            (_, Self::Number(_)) | (Self::Text(_), Self::List(_)) => Ordering::Less,
        }
    }
}

fn lists(left: &[Item], right: &[Item]) -> Ordering {
    (0..left.len().max(right.len()))
        .map(|index| match (left.get(index), right.get(index)) {
            (Some(left), Some(right)) => left.order(right),
            (Some(left), None) => left.order_alone(),
            (None, right) => right.map_or(Ordering::Equal, |right| right.order_alone().reverse()),
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}
