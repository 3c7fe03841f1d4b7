//! Rows in the formats that people and programs read. Each kind of row lists its columns once; every format is
//! made from that list.

mod json;
mod printer;
mod table;
mod text;
mod value;

pub use json::Object;
pub use printer::{Printer, stdout};
pub use table::Table;
pub use text::{about, counted, human_size, plain};
pub use value::Value;

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns that fit the terminal, sizes in words, ids cut short
    Table,
    /// A table of all columns, nothing cut
    Wide,
    /// One array of objects
    Json,
    /// One object a line
    Ndjson,
    /// Comma-separated values with a header; composed values are json
    Csv,
}

/// One field of a kind of row.
pub struct Column<R> {
    /// Its name, in json and in headers.
    pub name: &'static str,
    /// The name of the field that holds all bytes in hex, where text loses some.
    pub hex: Option<&'static str>,
    /// Whether `table` shows it; `wide` shows all.
    pub narrow: bool,
    /// Whether it gives way where a table is wider than the terminal.
    pub flexible: bool,
    /// Whether it is left out where the others would not fit otherwise, those further right first.
    pub spare: bool,
    /// Whether it lines up at the right, as numbers do.
    pub right: bool,
    /// Its value in a row.
    pub get: for<'a> fn(&'a R) -> Value<'a>,
}

impl<R> Column<R> {
    /// A column that every format shows.
    pub const fn new(name: &'static str, get: for<'a> fn(&'a R) -> Value<'a>) -> Self {
        Self { name, hex: None, narrow: true, flexible: false, spare: false, right: false, get }
    }

    /// Leaves it out of narrow tables.
    pub const fn wide(mut self) -> Self {
        self.narrow = false;
        self
    }

    /// Lets it give way in narrow tables.
    pub const fn flexible(mut self) -> Self {
        self.flexible = true;
        self
    }

    /// Lets it be left out of tables that are too narrow.
    pub const fn spare(mut self) -> Self {
        self.spare = true;
        self
    }

    /// Lines it up at the right.
    pub const fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// Text in bytes, with the field that holds them in hex where they are not UTF-8.
    pub const fn or_hex(mut self, name: &'static str) -> Self {
        self.hex = Some(name);
        self
    }
}

/// A kind of row.
pub trait Row: Sized + Send + 'static {
    /// What several of them are called.
    const NOUN: &'static str;
    /// Whether a cell that is too long is cut in a table, instead of taking several lines.
    const CUT: bool = true;
    /// Its columns, in the order in which all formats have them.
    const COLUMNS: &'static [Column<Self>];
}
