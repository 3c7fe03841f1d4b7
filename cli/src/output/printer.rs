//! A stream of rows to a writer, in one of the formats.

use super::{Format, Object, Row, Table};
use std::io::{self, BufWriter, Write};

/// Standard output, locked, written in large pieces.
pub fn stdout() -> BufWriter<io::StdoutLock<'static>> {
    BufWriter::with_capacity(256 << 10, io::stdout().lock())
}

/// Rows on their way out. Nothing is kept but a table's block.
pub struct Printer<R, W: Write> {
    sink: Sink<R, W>,
    rows: u64,
}

enum Sink<R, W: Write> {
    Table(Table<R>, W),
    Json(W),
    Ndjson(W),
    /// RFC 4180, with a plain line feed at the end of a line.
    Csv(Box<csv::Writer<W>>),
}

impl<R: Row, W: Write> Printer<R, W> {
    /// Prints to `out`; a table fits the terminal at standard output, if there is one.
    pub fn new(format: Format, out: W) -> io::Result<Self> {
        let sink = match format {
            Format::Table => Sink::Table(Table::for_stdout(false), out),
            Format::Wide => Sink::Table(Table::for_stdout(true), out),
            Format::Json => Sink::Json(out),
            Format::Ndjson => Sink::Ndjson(out),
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(out);
                csv.write_record(
                    R::COLUMNS.iter().flat_map(|column| [Some(column.name), column.hex]).flatten(),
                )?;
                Sink::Csv(Box::new(csv))
            }
        };
        Ok(Self { sink, rows: 0 })
    }

    /// Prints a row.
    pub fn push(&mut self, row: &R) -> io::Result<()> {
        match &mut self.sink {
            Sink::Table(table, out) => table.push(row, out)?,
            Sink::Json(out) => {
                out.write_all(if self.rows == 0 { b"[" } else { b",\n" })?;
                serde_json::to_writer(out, &Object(row))?;
            }
            Sink::Ndjson(out) => {
                serde_json::to_writer(&mut *out, &Object(row))?;
                out.write_all(b"\n")?;
            }
            Sink::Csv(csv) => {
                for column in R::COLUMNS {
                    let value = (column.get)(row);
                    csv.write_field(&*value.csv())?;
                    if column.hex.is_some() {
                        csv.write_field(&*value.lossless().map(|all| all.csv()).unwrap_or_default())?;
                    }
                }
                csv.write_record(None::<&[u8]>)?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Prints what waits, and gives the number of rows.
    pub fn finish(self) -> io::Result<u64> {
        match self.sink {
            Sink::Table(mut table, mut out) => {
                table.flush(&mut out)?;
                out.flush()?;
            }
            Sink::Json(mut out) => {
                out.write_all(if self.rows == 0 { b"[]\n" } else { b"]\n" })?;
                out.flush()?;
            }
            Sink::Ndjson(mut out) => out.flush()?,
            Sink::Csv(mut csv) => csv.flush()?,
        }
        Ok(self.rows)
    }
}
