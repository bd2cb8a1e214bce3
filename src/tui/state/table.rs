//! A list that is filtered, sorted, marked and walked through. It goes by the keys of its rows, so that what
//! comes in anew does not move the cursor off its row.

use std::collections::BTreeSet;

use crate::tui::theme::Tone;

/// One cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// What it shows.
    pub text: String,
    /// What it is sorted by; without one, its text.
    pub number: Option<i64>,
    /// What it means.
    pub tone: Tone,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), number: None, tone: Tone::Plain }
    }

    /// A number with what is shown for it.
    pub fn number(number: i64, shown: impl Into<String>) -> Self {
        Self { text: shown.into(), number: Some(number), tone: Tone::Plain }
    }

    /// The same with a meaning.
    #[must_use]
    pub const fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

/// One row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// What it is known by.
    pub key: String,
    /// Its cells, one per column.
    pub cells: Vec<Cell>,
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Its width in characters; 0: what is left.
    pub width: u16,
    /// Whether it stands to the right: numbers.
    pub right: bool,
}

/// A column of words.
pub const fn words(title: &'static str, width: u16) -> Column {
    Column { title, width, right: false }
}

/// A column of numbers.
pub const fn numbers(title: &'static str, width: u16) -> Column {
    Column { title, width, right: true }
}

/// The list.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Its columns.
    pub columns: &'static [Column],
    rows: Vec<Row>,
    /// Rows that match, in the order in which they are shown.
    shown: Vec<usize>,
    /// The row under the cursor, among those shown.
    cursor: usize,
    marks: BTreeSet<String>,
    filter: String,
    /// The column that it is sorted by, and whether the largest comes first; none: as it came.
    sort: Option<(usize, bool)>,
}

impl Table {
    /// An empty list with these columns.
    pub fn new(columns: &'static [Column]) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Shows these rows from now on; cursor and marks stay with theirs.
    pub fn set(&mut self, rows: Vec<Row>) {
        let at = self.current().map(|row| row.key.clone());
        self.rows = rows;
        let known: BTreeSet<&String> = self.rows.iter().map(|row| &row.key).collect();
        self.marks.retain(|mark| known.contains(mark));
        self.arrange(at.as_deref());
    }

    fn arrange(&mut self, at: Option<&str>) {
        let (inverse, wanted) = match self.filter.strip_prefix('!') {
            Some(rest) => (true, rest.to_lowercase()),
            None => (false, self.filter.to_lowercase()),
        };
        let matches = |row: &Row| {
            wanted.is_empty()
                || row.cells.iter().any(|cell| cell.text.to_lowercase().contains(&wanted))
                    != inverse
        };
        self.shown = (0..self.rows.len()).filter(|n| matches(&self.rows[*n])).collect();
        if let Some((column, largest_first)) = self.sort {
            let rows = &self.rows;
            self.shown.sort_by(|a, b| {
                let (a, b) = (rows[*a].cells.get(column), rows[*b].cells.get(column));
                let order = a
                    .and_then(|cell| cell.number)
                    .cmp(&b.and_then(|cell| cell.number))
                    .then_with(|| a.map(|cell| &cell.text).cmp(&b.map(|cell| &cell.text)));
                if largest_first { order.reverse() } else { order }
            });
        }
        let found = at.and_then(|key| self.shown.iter().position(|n| self.rows[*n].key == key));
        self.cursor = found.unwrap_or(self.cursor).min(self.shown.len().saturating_sub(1));
    }

    fn again(&mut self) {
        let at = self.current().map(|row| row.key.clone());
        self.arrange(at.as_deref());
    }

    /// Shows only rows with this in a cell; with `!` before it, only the others; nothing: all.
    pub fn filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter);
        self.again();
    }

    /// What is filtered by.
    pub fn filtered_by(&self) -> &str {
        &self.filter
    }

    /// Sorts by the next column: the smallest first, then the largest first, then as it came.
    pub fn sort_next(&mut self) {
        self.sort = match self.sort {
            None => Some((0, false)),
            Some((column, false)) => Some((column, true)),
            Some((column, true)) if column + 1 < self.columns.len() => Some((column + 1, false)),
            Some(_) => None,
        };
        self.again();
    }

    /// What it is sorted by, and whether the largest comes first.
    pub const fn sorted_by(&self) -> Option<(usize, bool)> {
        self.sort
    }

    /// Moves the cursor by so many rows.
    pub fn walk(&mut self, steps: isize) {
        let last = self.shown.len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(steps).min(last);
    }

    /// Sets the cursor on this row of those shown.
    pub fn go(&mut self, row: usize) {
        self.cursor = row.min(self.shown.len().saturating_sub(1));
    }

    /// Where the cursor is, among the rows shown.
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// The row under the cursor.
    pub fn current(&self) -> Option<&Row> {
        self.shown.get(self.cursor).map(|n| &self.rows[*n])
    }

    /// Whether the cursor is on the last row.
    pub fn is_at_end(&self) -> bool {
        self.cursor + 1 >= self.shown.len()
    }

    /// Marks the row under the cursor, or takes its mark away, and goes on to the next.
    pub fn mark(&mut self) {
        let Some(key) = self.current().map(|row| row.key.clone()) else { return };
        if !self.marks.remove(&key) {
            self.marks.insert(key);
        }
        self.walk(1);
    }

    /// Marks all rows that are shown.
    pub fn mark_all(&mut self) {
        let all = self.shown.iter().map(|n| self.rows[*n].key.clone());
        self.marks.extend(all);
    }

    /// Takes all marks away.
    pub fn unmark(&mut self) {
        self.marks.clear();
    }

    /// How many rows are marked.
    pub fn marked(&self) -> usize {
        self.marks.len()
    }

    /// Whether this row is marked.
    pub fn is_marked(&self, row: &Row) -> bool {
        self.marks.contains(&row.key)
    }

    /// The marked rows' keys in the order shown; without marks, the row under the cursor.
    pub fn chosen(&self) -> Vec<String> {
        if self.marks.is_empty() {
            return self.current().map(|row| row.key.clone()).into_iter().collect();
        }
        let marked = self.rows.iter().filter(|row| self.marks.contains(&row.key));
        marked.map(|row| row.key.clone()).collect()
    }

    /// The rows shown, in order.
    pub fn visible(&self) -> impl ExactSizeIterator<Item = &Row> {
        self.shown.iter().map(|n| &self.rows[*n])
    }

    /// How many rows there are in all.
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[words("name", 0), numbers("n", 5)];

    fn table(rows: &[(&str, i64)]) -> Table {
        let mut table = Table::new(COLUMNS);
        table.set(rows.iter().map(|(name, n)| row(name, *n)).collect());
        table
    }

    fn row(name: &str, n: i64) -> Row {
        Row { key: name.to_owned(), cells: vec![Cell::text(name), Cell::number(n, n.to_string())] }
    }

    fn shown(table: &Table) -> Vec<&str> {
        table.visible().map(|row| row.key.as_str()).collect()
    }

    #[test]
    fn the_cursor_stays_on_its_row_whatever_comes() {
        let mut table = table(&[("a", 1), ("b", 2), ("c", 3)]);
        table.walk(1);
        table.set(vec![row("x", 0), row("a", 1), row("b", 9)]);
        assert_eq!(table.current().unwrap().key, "b");
        table.set(vec![row("a", 1)]);
        assert_eq!(table.current().unwrap().key, "a", "a row that is gone leaves it in range");
        table.set(vec![]);
        assert!(table.current().is_none());
        table.walk(-1);
        table.mark();
        assert_eq!(table.chosen(), Vec::<String>::new());
    }

    #[test]
    fn filters_match_any_cell_and_can_be_turned_round() {
        let mut table = table(&[("order.created", 17), ("payment", 2), ("Ordered", 3)]);
        table.filter("ORDER");
        assert_eq!(shown(&table), ["order.created", "Ordered"]);
        table.filter("!order");
        assert_eq!(shown(&table), ["payment"]);
        table.filter("17");
        assert_eq!(shown(&table), ["order.created"]);
        table.filter("");
        assert_eq!(table.visible().len(), 3);
    }

    #[test]
    fn sorting_goes_through_columns_both_ways_and_back() {
        let mut table = table(&[("b", 10), ("a", 9), ("c", 100)]);
        let mut orders = vec![];
        for _ in 0..5 {
            table.sort_next();
            orders.push(shown(&table).join(""));
        }
        assert_eq!(orders, ["abc", "cba", "abc", "cba", "bac"]);
        table.sort_next();
        table.sort_next();
        table.sort_next();
        assert_eq!(shown(&table).join(""), "abc", "numbers by value: 9, 10, 100");
    }

    #[test]
    fn marks_stay_with_their_rows_and_go_with_them() {
        let mut table = table(&[("a", 1), ("b", 2), ("c", 3)]);
        assert_eq!(table.chosen(), ["a"], "without marks, the row under the cursor");
        table.mark();
        table.mark();
        assert_eq!(table.chosen(), ["a", "b"]);
        table.set(vec![row("b", 2), row("c", 3)]);
        assert_eq!(table.chosen(), ["b"]);
        table.filter("c");
        table.mark_all();
        assert_eq!(table.marked(), 2);
        table.unmark();
        assert_eq!(table.chosen(), ["c"]);
    }
}
