//! Makes hives and their logs for tests.

use super::{BINS, base_block, marvin};

/// A key to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    name: String,
    /// FILETIME.
    pub(crate) written: u64,
    class: Option<String>,
    values: Vec<(String, u32, Vec<u8>)>,
    children: Vec<Node>,
}

/// UTF-16 with a NUL at its end.
pub(crate) fn utf16z(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

impl Node {
    /// A root key.
    pub(crate) fn root() -> Self {
        Self { name: "ROOT".to_owned(), ..Self::default() }
    }

    /// The key at a path below, made where it is not there.
    pub(crate) fn key(&mut self, path: &str) -> &mut Self {
        let mut node = self;
        for name in path.split('\\') {
            let at = node.children.iter().position(|child| child.name == name).unwrap_or_else(|| {
                node.children.push(Self { name: name.to_owned(), ..Self::default() });
                node.children.len() - 1
            });
            node = &mut node.children[at];
        }
        node
    }

    pub(crate) fn class(&mut self, class: &str) -> &mut Self {
        self.class = Some(class.to_owned());
        self
    }

    pub(crate) fn data(&mut self, name: &str, kind: u32, bytes: &[u8]) -> &mut Self {
        self.values.push((name.to_owned(), kind, bytes.to_vec()));
        self
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.data(name, 1, &utf16z(text))
    }

    pub(crate) fn number(&mut self, name: &str, number: u32) -> &mut Self {
        self.data(name, 4, &number.to_le_bytes())
    }

    /// A clean hive with this root.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut bins = Bins(vec![0; 32]);
        let root = bins.key(self);
        bins.0.resize(bins.0.len().next_multiple_of(4096), 0);
        let len = bins.0.len() as u32;
        bins.0[..4].copy_from_slice(b"hbin");
        bins.0[8..12].copy_from_slice(&len.to_le_bytes());
        let mut hive = header(0, 7, 7, root, len);
        hive.resize(BINS as usize, 0);
        hive.extend(bins.0);
        hive
    }
}

fn header(kind: u32, primary: u32, secondary: u32, root: u32, bins: u32) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..4].copy_from_slice(b"regf");
    header[12..20].copy_from_slice(&133_000_000_000_000_000u64.to_le_bytes());
    for (at, value) in
        [(4, primary), (8, secondary), (20, 1), (24, 5), (28, kind), (32, 1), (36, root), (40, bins), (44, 1)]
    {
        header[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    seal(&mut header);
    header
}

/// Makes a header's checksum right.
pub(crate) fn seal(header: &mut [u8]) {
    let sum = base_block::checksum(header);
    header[508..512].copy_from_slice(&sum.to_le_bytes());
}

/// Raises a hive's first number: it was being written.
pub(crate) fn make_dirty(hive: &mut [u8]) {
    hive[4] += 1;
    seal(hive);
}

/// An empty log of the new format that begins with an entry of this number.
pub(crate) fn new_log(number: u32) -> Vec<u8> {
    header(6, number, number, 32, 4096)
}

/// A log of the old format that sets these sectors (numbers in the hive bins).
pub(crate) fn old_log(number: u32, root: u32, bins: u32, sectors: &[(u32, [u8; 512])]) -> Vec<u8> {
    let mut log = header(1, number, number, root, bins);
    let mut bitmap = vec![0; bins as usize / 512 / 8];
    for (sector, _) in sectors {
        bitmap[*sector as usize / 8] |= 1 << (sector % 8);
    }
    log.extend(b"DIRT");
    log.extend(bitmap);
    log.resize(log.len().next_multiple_of(512), 0);
    for (_, bytes) in sectors {
        log.extend(bytes);
    }
    log
}

/// Adds an entry that sets pages (places in the hive bins).
pub(crate) fn add_entry(log: &mut Vec<u8>, number: u32, bins: u32, pages: &[(u32, &[u8])]) {
    let mut entry = vec![0; 40];
    entry[..4].copy_from_slice(b"HvLE");
    for (at, page) in pages {
        entry.extend(at.to_le_bytes());
        entry.extend((page.len() as u32).to_le_bytes());
    }
    for (_, page) in pages {
        entry.extend(*page);
    }
    entry.resize(entry.len().next_multiple_of(512), 0);
    for (at, value) in [(4, entry.len() as u32), (12, number), (16, bins), (20, pages.len() as u32)] {
        entry[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    let of_pages = marvin::hash(&entry[40..]).to_le_bytes();
    entry[24..32].copy_from_slice(&of_pages);
    let of_header = marvin::hash(&entry[..32]).to_le_bytes();
    entry[32..40].copy_from_slice(&of_header);
    log.extend(entry);
}

/// Hive bins under construction: one bin, with room for its header.
struct Bins(Vec<u8>);

impl Bins {
    fn cell(&mut self, content: &[u8]) -> u32 {
        let at = self.0.len();
        let len = (content.len() + 4).next_multiple_of(8);
        self.0.extend((-(len as i32)).to_le_bytes());
        self.0.extend(content);
        self.0.resize(at + len, 0);
        at as u32
    }

    fn key(&mut self, node: &Node) -> u32 {
        let children: Vec<u32> = node.children.iter().map(|child| self.key(child)).collect();
        let subkeys = match children.len() {
            0 => u32::MAX,
            1..=3 => self.list(*b"li", &children),
            4..=300 => self.list(*b"lh", &children),
            _ => {
                let leaves: Vec<u32> = children.chunks(300).map(|chunk| self.list(*b"lf", chunk)).collect();
                self.list(*b"ri", &leaves)
            }
        };
        let values: Vec<u32> =
            node.values.iter().map(|(name, kind, data)| self.value(name, *kind, data)).collect();
        let list: Vec<u8> = values.iter().flat_map(|cell| cell.to_le_bytes()).collect();
        let list = if values.is_empty() { u32::MAX } else { self.cell(&list) };
        let class: Vec<u8> =
            node.class.iter().flat_map(|class| class.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let class_cell = if class.is_empty() { u32::MAX } else { self.cell(&class) };
        let (name, flag) = encode(&node.name, 0x20);
        let mut content = vec![0; 76];
        content[..2].copy_from_slice(b"nk");
        content[2..4].copy_from_slice(&flag.to_le_bytes());
        content[4..12].copy_from_slice(&node.written.to_le_bytes());
        for (at, value) in [
            (20, children.len() as u32),
            (28, subkeys),
            (36, values.len() as u32),
            (40, list),
            (44, u32::MAX),
            (48, class_cell),
        ] {
            content[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        content[72..74].copy_from_slice(&(name.len() as u16).to_le_bytes());
        content[74..76].copy_from_slice(&(class.len() as u16).to_le_bytes());
        content.extend(name);
        self.cell(&content)
    }

    fn list(&mut self, kind: [u8; 2], cells: &[u32]) -> u32 {
        let mut content = kind.to_vec();
        content.extend((cells.len() as u16).to_le_bytes());
        for cell in cells {
            content.extend(cell.to_le_bytes());
            if kind == *b"lf" || kind == *b"lh" {
                content.extend([0; 4]);
            }
        }
        self.cell(&content)
    }

    fn value(&mut self, name: &str, kind: u32, data: &[u8]) -> u32 {
        let size = data.len() as u32;
        let (size, place) = if data.len() <= 4 {
            let mut resident = [0; 4];
            resident[..data.len()].copy_from_slice(data);
            (size | 1 << 31, u32::from_le_bytes(resident))
        } else if data.len() > 16_344 {
            let segments: Vec<u32> = data.chunks(16_344).map(|segment| self.cell(segment)).collect();
            let list: Vec<u8> = segments.iter().flat_map(|cell| cell.to_le_bytes()).collect();
            let list = self.cell(&list);
            let mut record = b"db".to_vec();
            record.extend((segments.len() as u16).to_le_bytes());
            record.extend(list.to_le_bytes());
            record.extend([0; 4]);
            (size, self.cell(&record))
        } else {
            (size, self.cell(data))
        };
        let (name, flag) = encode(name, 1);
        let mut content = b"vk".to_vec();
        content.extend((name.len() as u16).to_le_bytes());
        for field in [size, place, kind] {
            content.extend(field.to_le_bytes());
        }
        content.extend(flag.to_le_bytes());
        content.extend([0; 2]);
        content.extend(name);
        self.cell(&content)
    }
}

fn encode(name: &str, compressed: u16) -> (Vec<u8>, u16) {
    let narrow: Result<Vec<u8>, _> = name.chars().map(|one| u8::try_from(u32::from(one))).collect();
    match narrow {
        Ok(bytes) => (bytes, compressed),
        Err(_) => (name.encode_utf16().flat_map(u16::to_le_bytes).collect(), 0),
    }
}
