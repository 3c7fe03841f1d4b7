//! Small databases for tests, and those in which containerd keeps what its snapshots lie on.
//!
//! Sources: bbolt, `page.go`, `bucket.go`, `db.go`; containerd, `snapshots/storage/bolt.go` (as documentation).

const PAGE: usize = 4096;
const PAGE_HEADER: usize = 16;
const ELEMENT: usize = 16;
const LEAF: u16 = 2;
const IS_BUCKET: u32 = 1;

/// What a bucket of a database to be made holds.
pub(crate) enum Node {
    Value(Vec<u8>),
    Bucket(Vec<(Vec<u8>, Node)>),
}

/// A leaf page of these elements, without its number.
fn leaf(elements: &[(Vec<u8>, Node)]) -> Vec<u8> {
    let mut page = vec![0; 8];
    page.extend(LEAF.to_le_bytes());
    page.extend((elements.len() as u16).to_le_bytes());
    page.extend([0; 4]);
    let mut contents = Vec::new();
    for (index, (key, node)) in elements.iter().enumerate() {
        let (flags, value) = match node {
            Node::Value(value) => (0, value.clone()),
            Node::Bucket(within) => (IS_BUCKET, [vec![0; 16], leaf(within)].concat()),
        };
        let place = (elements.len() - index) * ELEMENT + contents.len();
        for word in [flags, place as u32, key.len() as u32, value.len() as u32] {
            page.extend(word.to_le_bytes());
        }
        contents.extend_from_slice(key);
        contents.extend(value);
    }
    page.extend(contents);
    page
}

fn meta(number: u64, transaction: u64, root: u64) -> Vec<u8> {
    let mut page = number.to_le_bytes().to_vec();
    page.extend([4, 0, 0, 0, 0, 0, 0, 0]);
    for word in [0xed0c_daed, 2, PAGE as u32, 0] {
        page.extend(word.to_le_bytes());
    }
    for word in [root, 0, 2, 99, transaction] {
        page.extend(word.to_le_bytes());
    }
    let sum = fnv(&page[PAGE_HEADER..]);
    page.extend(sum.to_le_bytes());
    page.resize(PAGE, 0);
    page
}

/// FNV-1a of 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A database: a root bucket, in two leaves below a branch where it has more than one element.
pub(crate) fn database(mut elements: Vec<(Vec<u8>, Node)>) -> Vec<u8> {
    let mut bytes = [meta(0, 8, 3), meta(1, 7, 77), vec![0; PAGE]].concat();
    let rest = elements.split_off(elements.len().min(1));
    let mut branch = 3_u64.to_le_bytes().to_vec();
    branch.extend([1, 0, 2, 0, 0, 0, 0, 0]);
    let mut leaves = Vec::new();
    for elements in [elements, rest] {
        let number = 4 + leaves.len() / PAGE;
        for word in [0_u32, 0] {
            branch.extend(word.to_le_bytes());
        }
        branch.extend((number as u64).to_le_bytes());
        let mut page = leaf(&elements);
        let pages = page.len().div_ceil(PAGE);
        page[..8].copy_from_slice(&(number as u64).to_le_bytes());
        page[12..16].copy_from_slice(&(pages as u32 - 1).to_le_bytes());
        page.resize(pages * PAGE, 0);
        leaves.extend(page);
    }
    branch.resize(PAGE, 0);
    bytes.extend(branch);
    bytes.extend(leaves);
    bytes
}

/// A database of containerd's snapshots: the name of each, its number as a varint, and the name of the one that it lies
/// on, if it does.
pub(crate) fn snapshots(all: &[(&str, &[u8], &str)]) -> Vec<u8> {
    let value = |key: &str, value: &[u8]| (key.as_bytes().to_vec(), Node::Value(value.to_vec()));
    let bucket = |key: &str, held| (key.as_bytes().to_vec(), Node::Bucket(held));
    let snapshots = all.iter().map(|(name, id, parent)| {
        let parent = Some(parent).filter(|parent| !parent.is_empty());
        let parent = parent.map(|parent| value("parent", parent.as_bytes()));
        bucket(name, [value("id", id), value("kind", &[3])].into_iter().chain(parent).collect())
    });
    let snapshots = bucket("snapshots", snapshots.collect());
    database(vec![bucket("v1", vec![snapshots]), value("version", &[1])])
}
