//! Columns that line up, whatever script their text is in.

use unicode_width::UnicodeWidthStr;

use super::paint::{Paint, Style};

/// One cell of a table.
#[derive(Clone, Debug)]
pub struct Entry {
    text: String,
    style: Style,
    right: bool,
}

impl From<String> for Entry {
    fn from(text: String) -> Self {
        Entry { text, style: Style::Plain, right: false }
    }
}

impl From<&str> for Entry {
    fn from(text: &str) -> Self {
        Entry::from(text.to_owned())
    }
}

impl From<u64> for Entry {
    fn from(number: u64) -> Self {
        Entry { right: true, ..Entry::from(number.to_string()) }
    }
}

impl Entry {
    /// A painted cell.
    pub fn painted(style: Style, text: impl Into<String>) -> Self {
        Entry { style, ..Entry::from(text.into()) }
    }
}

/// Rows under an optional heading.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<Entry>>,
}

impl Table {
    /// A table with a heading.
    pub fn with_heading(names: &[&str]) -> Self {
        Self { rows: vec![names.iter().map(|name| Entry::painted(Style::Dim, *name)).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.rows.push(entries.into_iter().collect());
    }

    /// Draws it, each line after `indent` spaces; columns without any text are left out.
    pub fn draw(&self, paint: Paint, indent: usize) -> String {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let has_heading = self.rows.first().is_some_and(|row| row.iter().all(|entry| entry.style == Style::Dim));
        let body = &self.rows[usize::from(has_heading && self.rows.len() > 1)..];
        let filled = |column: usize| body.iter().any(|row| row.get(column).is_some_and(|entry| !entry.text.is_empty()));
        let columns: Vec<usize> = (0..count).filter(|column| filled(*column)).collect();
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(Entry::width).max();
        let widths: Vec<usize> = columns.iter().map(|column| width(*column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(indent);
            let mut gap = 0;
            for (column, width) in columns.iter().zip(&widths) {
                let Some(entry) = row.get(*column) else { continue };
                let pad = width.saturating_sub(entry.width());
                let (before, after) = if entry.right { (pad, 0) } else { (0, pad) };
                line.push_str(&" ".repeat(gap + before));
                line.push_str(&paint.paint(entry.style, &entry.text));
                gap = after + 2;
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

impl Entry {
    fn width(&self) -> usize {
        self.text.width()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_ones_go() {
        let mut table = Table::with_heading(&["N", "EMPTY", "NAME", "MORE"]);
        table.row([Entry::from(7), "".into(), "山田".into(), "x".into()]);
        table.row([Entry::from(12), "".into(), "Ada".into()]);
        let drawn = table.draw(Paint { colour: false }, 2);
        assert_eq!(drawn, "  N   NAME  MORE\n   7  山田  x\n  12  Ada\n");
    }
}
