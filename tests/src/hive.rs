//! Registry hives of a few keys, and a SAM of a few users.
//!
//! Sources: "Windows registry file format specification" (M. Suhanov): base block, hive bins, cells `nk`, `vk`, `li`;
//! RegRipper `samparse.pl` (as documentation of the `F`, `V` and `C` values); [MS-SAMR] section 2.2.1.12.

/// A key to be.
#[derive(Debug, Default)]
pub struct Key {
    name: String,
    /// Name, type and data of each value.
    values: Vec<(String, u32, Vec<u8>)>,
    children: Vec<Key>,
}

impl Key {
    /// A root key.
    pub fn root() -> Self {
        Self { name: "ROOT".to_owned(), ..Self::default() }
    }

    /// The key at a path below, made where it is not there.
    pub fn key(&mut self, path: &str) -> &mut Self {
        path.split('\\').fold(self, |node, name| {
            let at = node.children.iter().position(|child| child.name == name).unwrap_or_else(|| {
                node.children.push(Self { name: name.to_owned(), ..Self::default() });
                node.children.len() - 1
            });
            &mut node.children[at]
        })
    }

    /// Adds a value of bytes (REG_BINARY), more than four.
    pub fn bytes(&mut self, name: &str, bytes: Vec<u8>) -> &mut Self {
        assert!(bytes.len() > 4, "{name}: short values are kept elsewhere");
        self.values.push((name.to_owned(), 3, bytes));
        self
    }

    /// Adds a text (REG_SZ).
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.values.push((name.to_owned(), 1, utf16(&format!("{text}\0"))));
        self
    }

    /// Adds a number (REG_DWORD).
    pub fn number(&mut self, name: &str, number: u32) -> &mut Self {
        self.values.push((name.to_owned(), 4, number.to_le_bytes().to_vec()));
        self
    }

    /// A clean hive with this root.
    pub fn hive(&self) -> Vec<u8> {
        let mut bins = vec![0; 32];
        let root = self.put(&mut bins);
        bins.resize(bins.len().next_multiple_of(4096), 0);
        let len = bins.len() as u32;
        bins[..4].copy_from_slice(b"hbin");
        bins[8..12].copy_from_slice(&len.to_le_bytes());
        let mut hive = vec![0; 4096];
        hive[..4].copy_from_slice(b"regf");
        for (at, value) in [(4, 1), (8, 1), (20, 1), (24, 5), (32, 1), (36, root), (40, len), (44, 1u32)] {
            hive[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        let (words, _) = hive[..508].as_chunks::<4>();
        let sum = words.iter().fold(0, |sum, word| sum ^ u32::from_le_bytes(*word));
        hive[508..512].copy_from_slice(&sum.to_le_bytes());
        hive.extend(bins);
        hive
    }

    /// Puts the key and all below it into the bins; gives its cell.
    fn put(&self, bins: &mut Vec<u8>) -> u32 {
        let children: Vec<u32> = self.children.iter().map(|child| child.put(bins)).collect();
        let mut list = b"li".to_vec();
        list.extend((children.len() as u16).to_le_bytes());
        list.extend(children.iter().flat_map(|cell| cell.to_le_bytes()));
        let subkeys = if children.is_empty() { u32::MAX } else { cell(bins, &list) };
        let values: Vec<u8> = self
            .values
            .iter()
            .flat_map(|(name, kind, data)| {
                // Four bytes lie where else their place stands.
                let (len, place) = match data.first_chunk::<4>() {
                    Some(number) if data.len() == 4 => (4 | 1 << 31, u32::from_le_bytes(*number)),
                    _ => (data.len() as u32, cell(bins, data)),
                };
                let mut content = b"vk".to_vec();
                content.extend((name.len() as u16).to_le_bytes());
                content.extend([len, place, *kind].into_iter().flat_map(u32::to_le_bytes));
                // The name is in one byte a character.
                content.extend([1, 0, 0, 0]);
                content.extend(name.as_bytes());
                cell(bins, &content).to_le_bytes()
            })
            .collect();
        let list = if values.is_empty() { u32::MAX } else { cell(bins, &values) };
        let mut content = vec![0; 76];
        content[..4].copy_from_slice(&[b'n', b'k', 0x20, 0]);
        for (at, value) in [
            (20, children.len() as u32),
            (28, subkeys),
            (36, self.values.len() as u32),
            (40, list),
            (44, u32::MAX),
            (48, u32::MAX),
            (72, self.name.len() as u32),
        ] {
            content[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        content.extend(self.name.as_bytes());
        cell(bins, &content)
    }
}

fn cell(bins: &mut Vec<u8>, content: &[u8]) -> u32 {
    let at = bins.len();
    let len = (content.len() + 4).next_multiple_of(8);
    bins.extend((-(len as i32)).to_le_bytes());
    bins.extend(content);
    bins.resize(at + len, 0);
    at as u32
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A user of a SAM.
#[derive(Clone, Copy, Debug)]
pub struct SamUser<'a> {
    /// Its relative id.
    pub rid: u32,
    /// Its name.
    pub name: &'a str,
    /// The name for people.
    pub full_name: &'a str,
    /// The place of the NT hash, whole: header, salt and the encrypted hash.
    pub nt: &'a [u8],
    /// Flags of the account: 0x0001 disabled, 0x0010 an ordinary user, 0x0200 its password does not end.
    pub flags: u16,
    /// The last login, the last failed one, and when the password was set, in seconds since 1970; 0: never.
    pub times: [i64; 3],
    /// Logins with a wrong password since the last right one, and logins.
    pub counts: [u16; 2],
}

impl SamUser<'_> {
    fn fixed(&self) -> Vec<u8> {
        let mut bytes = vec![0; 80];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        // FILETIME: 100 ns since 1601.
        let time = |seconds: i64| if seconds == 0 { 0 } else { (seconds + 11_644_473_600) * 10_000_000 };
        for (at, seconds) in [8, 40, 24].into_iter().zip(self.times) {
            put(at, &time(seconds).to_le_bytes());
        }
        put(32, &i64::MAX.to_le_bytes());
        put(48, &self.rid.to_le_bytes());
        put(52, &513u32.to_le_bytes());
        put(56, &self.flags.to_le_bytes());
        put(64, &self.counts[0].to_le_bytes());
        put(66, &self.counts[1].to_le_bytes());
        bytes
    }

    fn variable(&self) -> Vec<u8> {
        let mut bytes = vec![0; 0xcc];
        let mut texts = Vec::new();
        for (at, content) in
            [(0x0c, utf16(self.name)), (0x18, utf16(self.full_name)), (0xa8, self.nt.to_vec())]
        {
            bytes[at..at + 4].copy_from_slice(&(texts.len() as u32).to_le_bytes());
            bytes[at + 4..at + 8].copy_from_slice(&(content.len() as u32).to_le_bytes());
            texts.extend(content);
            texts.resize(texts.len().next_multiple_of(4), 0);
        }
        bytes.extend(texts);
        bytes
    }
}

/// A SAM hive of the machine S-1-5-21-7-8-9: these users, passwords that are good for 42 days, and the group of
/// administrators with these members (relative ids).
pub fn sam(users: &[SamUser<'_>], administrators: &[u32]) -> Vec<u8> {
    const DAY: i64 = 864_000_000_000;
    let mut root = Key::root();
    let account = root.key("SAM\\Domains\\Account");
    let mut policy = vec![0; 240];
    policy[24..32].copy_from_slice(&(-42 * DAY).to_le_bytes());
    let machine: Vec<u8> = [7u32, 8, 9].into_iter().flat_map(u32::to_le_bytes).collect();
    account.bytes("F", policy).bytes("V", [vec![1; 52], machine].concat());
    for user in users {
        let key = account.key(&format!("Users\\{:08X}", user.rid));
        key.bytes("F", user.fixed()).bytes("V", user.variable());
    }
    let name = utf16("Administrators");
    let members: Vec<u8> = administrators
        .iter()
        .flat_map(|rid| {
            let header = [1, 5, 0, 0, 0, 0, 0, 5];
            header.into_iter().chain([21, 7, 8, 9, *rid].into_iter().flat_map(u32::to_le_bytes))
        })
        .collect();
    let mut alias = vec![0; 0x34];
    for (at, value) in
        [(0x14, name.len()), (0x28, name.len()), (0x2c, members.len()), (0x30, administrators.len())]
    {
        alias[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    }
    root.key("SAM\\Domains\\Builtin\\Aliases\\00000220").bytes("C", [alias, name, members].concat());
    root.hive()
}
