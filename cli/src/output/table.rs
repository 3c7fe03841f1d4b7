//! Tables that fit the terminal. Rows are laid out in blocks, so a listing of millions starts at once and needs
//! little memory; the first block decides the widths of all.

use super::{Row, Value};
use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, TableStyle, Width,
};
use std::{
    io::{self, Write},
    marker::PhantomData,
};

/// Rows laid out together.
const BLOCK_ROWS: usize = 1000;
/// A column that gives way keeps at least so much.
const MIN_WIDTH: usize = 8;
/// Between two columns: one space of padding and the style's junction.
const GAP: usize = 2;
/// The padding of that.
const PADDING: usize = 1;
/// A rule under the header, nothing else: lines are for the data.
const STYLE: TableStyle = TableStyle::new()
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .header_lines(ContentLineStyle::none().junction(' '))
    .content_lines(ContentLineStyle::none().junction(' '));

/// A table that is being printed.
pub struct Table<R> {
    columns: Vec<usize>,
    wide: bool,
    /// The terminal's width; none where there is no terminal, and nothing is cut.
    terminal: Option<usize>,
    /// Widths of the columns' contents, once the first block is laid out.
    widths: Option<Vec<usize>>,
    block: Vec<Vec<String>>,
    row: PhantomData<fn(&R)>,
}

impl<R: Row> Table<R> {
    /// A table for standard output.
    pub fn for_stdout(wide: bool) -> Self {
        Self::new(wide, comfy_table::Table::new().width().map(usize::from))
    }

    /// A table for a terminal of a width, or for something that takes any. A wide table is never cut.
    pub fn new(wide: bool, terminal: Option<usize>) -> Self {
        let shown = |(_, column): &(usize, &super::Column<R>)| wide || column.narrow;
        Self {
            columns: R::COLUMNS.iter().enumerate().filter(shown).map(|(index, _)| index).collect(),
            wide,
            terminal: terminal.filter(|_| !wide),
            widths: None,
            block: Vec::new(),
            row: PhantomData,
        }
    }

    /// Adds a row; prints a block once it is full.
    pub fn push(&mut self, row: &R, out: &mut impl Write) -> io::Result<()> {
        let cell = |&index: &usize| {
            let value: Value<'_> = (R::COLUMNS[index].get)(row);
            value.cell(self.wide)
        };
        self.block.push(self.columns.iter().map(cell).collect());
        if self.block.len() >= BLOCK_ROWS { self.flush(out) } else { Ok(()) }
    }

    /// The rows that wait, below the header if they are the first.
    fn laid_out(&self) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.force_no_tty().load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
        if self.widths.is_none() {
            let titles = self.columns.iter().map(|&index| Cell::new(title(R::COLUMNS[index].name)));
            table.set_header(lines::<R>(comfy_table::Row::from(titles.collect::<Vec<_>>())));
        }
        for cells in &self.block {
            let cells: Vec<_> = cells.iter().map(Cell::new).collect();
            table.add_row(lines::<R>(comfy_table::Row::from(cells)));
        }
        table
    }

    /// Leaves spare columns out, as long as the others do not fit the terminal with those that give way at their least.
    /// The first rows decide; tells whether any was.
    fn leave_out(&mut self, first: &comfy_table::Table) -> bool {
        let (Some(terminal), None) = (self.terminal, &self.widths) else { return false };
        let least = |(&index, width): (&usize, u16)| {
            let width = usize::from(width);
            if R::COLUMNS[index].flexible { width.min(MIN_WIDTH) } else { width }
        };
        let mut widths: Vec<usize> =
            self.columns.iter().zip(first.column_max_content_widths()).map(least).collect();
        let before = widths.len();
        while widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1) > terminal {
            let spare = self.columns.iter().rposition(|&index| R::COLUMNS[index].spare);
            let Some(place) = spare else { break };
            widths.remove(place);
            self.columns.remove(place);
            for cells in &mut self.block {
                cells.remove(place);
            }
        }
        widths.len() < before
    }

    /// Prints the rows that wait. A table without rows prints nothing.
    pub fn flush(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let mut table = self.laid_out();
        if self.leave_out(&table) {
            table = self.laid_out();
        }
        self.block.clear();
        let content = table.column_max_content_widths().into_iter().map(usize::from).collect();
        let widths = &*self.widths.get_or_insert_with(|| {
            let flexible: Vec<bool> = self.columns.iter().map(|&index| R::COLUMNS[index].flexible).collect();
            match self.terminal {
                Some(terminal) => fit(content, &flexible, terminal),
                None => content,
            }
        });
        let last = self.columns.len().saturating_sub(1);
        for (place, (&index, &width)) in self.columns.iter().zip(widths).enumerate() {
            let Some(column) = table.column_mut(place) else { continue };
            let padding = if place == last { 0 } else { PADDING };
            column.set_padding((0, padding as u16));
            if R::COLUMNS[index].right {
                column.set_cell_alignment(CellAlignment::Right);
            }
            let width = Width::Fixed(u16::try_from(width + padding).unwrap_or(u16::MAX));
            column.set_constraint(if self.terminal.is_some() {
                ColumnConstraint::Absolute(width)
            } else {
                ColumnConstraint::LowerBoundary(width)
            });
        }
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A row of one line, where cells are cut.
fn lines<R: Row>(mut row: comfy_table::Row) -> comfy_table::Row {
    if R::CUT {
        row.max_height(1);
    }
    row
}

fn title(name: &str) -> String {
    name.replace('_', " ").to_uppercase()
}

/// Widths that fit a terminal: the widest column that gives way is cut first, down to the next, and so on; where
/// that is not enough, the others are too.
fn fit(mut widths: Vec<usize>, flexible: &[bool], terminal: usize) -> Vec<usize> {
    let gaps = GAP * widths.len().saturating_sub(1);
    for soft in [true, false] {
        loop {
            let total = widths.iter().sum::<usize>() + gaps;
            let Some(excess) = total.checked_sub(terminal).filter(|excess| *excess > 0) else {
                return widths;
            };
            let mut candidates: Vec<usize> =
                (0..widths.len()).filter(|&i| flexible[i] == soft && widths[i] > MIN_WIDTH).collect();
            candidates.sort_by_key(|&i| std::cmp::Reverse(widths[i]));
            let Some(&widest) = candidates.first() else { break };
            let floor = candidates.get(1).map_or(MIN_WIDTH, |&i| widths[i]).min(widths[widest] - 1);
            widths[widest] = widths[widest].saturating_sub(excess).max(floor);
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    type Column = crate::output::Column<Pair>;

    struct Pair(String, u64);

    impl Row for Pair {
        const NOUN: &'static str = "pairs";
        const COLUMNS: &'static [Column] = &[
            Column::new("long_name", |pair| Value::Text(&pair.0)).flexible(),
            Column::new("count", |pair| Value::Number(pair.1)).right(),
            Column::new("hidden", |_| Value::Text("x")).wide(),
        ];
    }

    fn printed(wide: bool, terminal: Option<usize>, rows: &[Pair]) -> String {
        let (mut table, mut out) = (Table::new(wide, terminal), Vec::new());
        for row in rows {
            table.push(row, &mut out).unwrap();
        }
        table.flush(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_line_up_and_wide_shows_all() {
        let rows = [Pair("a".to_owned(), 5), Pair("bcd".to_owned(), 1234)];
        let narrow = "LONG NAME  COUNT\n────────────────\na              5\nbcd         1234\n";
        assert_eq!(printed(false, None, &rows), narrow);
        assert!(printed(true, Some(10), &rows).contains("HIDDEN"));
        assert_eq!(printed(false, None, &[]), "");
    }

    #[test]
    fn a_terminal_cuts_what_gives_way_and_a_pipe_nothing() {
        let rows = [Pair("x".repeat(100), 1), Pair("y z ".repeat(30), 2)];
        for line in printed(false, Some(30), &rows).lines() {
            assert!(line.chars().count() <= 30, "{line:?}");
        }
        assert_eq!(printed(false, Some(30), &rows).lines().count(), 4);
        assert!(printed(false, None, &rows).contains(&"x".repeat(100)));
    }

    #[test]
    fn later_blocks_keep_the_widths_of_the_first() {
        let rows: Vec<Pair> =
            (0..2500).map(|n| Pair(format!("{:0>1$}", n, 4 + n / 2000), n as u64)).collect();
        let shown = printed(false, Some(80), &rows);
        assert_eq!(shown.lines().count(), 2502);
        let widths: std::collections::BTreeSet<usize> =
            shown.lines().skip(2).map(|line| line.chars().count()).collect();
        assert_eq!(widths.len(), 1);
    }

    #[test]
    fn the_widest_gives_way_first() {
        assert_eq!(fit(vec![10, 40, 20], &[false, true, true], 54), [10, 20, 20]);
        assert_eq!(fit(vec![10, 40, 20], &[false, true, true], 44), [10, 15, 15]);
        assert_eq!(fit(vec![30, 4], &[false, false], 20), [14, 4]);
        assert_eq!(fit(vec![5, 5], &[true, true], 80), [5, 5]);
    }
}
