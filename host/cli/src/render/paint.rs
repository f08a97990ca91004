//! Colours, or none.

use syncline_runner::report::Class;

/// What is painted how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// Names and headings.
    Bold,
    /// What matters less.
    Dim,
    /// Fine.
    Green,
    /// Waits for somebody.
    Yellow,
    /// Went wrong.
    Red,
}

impl Style {
    /// Returns how a standing is painted.
    pub fn of(class: Class) -> Self {
        match class {
            Class::InSync => Style::Green,
            Class::Pending | Class::Excluded | Class::Ended => Style::Plain,
            Class::Ambiguous | Class::Held => Style::Yellow,
            Class::Rejected | Class::Failed | Class::Uncertain => Style::Red,
        }
    }

    /// Returns how the word for a run's end is painted.
    pub fn of_outcome(word: Option<&str>) -> Self {
        match word {
            Some("ok") => Style::Green,
            Some("failed") => Style::Red,
            _ => Style::Yellow,
        }
    }
}

/// Paints, or does not.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// True: in colour.
    pub colour: bool,
}

impl Paint {
    /// Paints `text`.
    pub fn paint(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Green => "32",
            Style::Yellow => "33",
            Style::Red => "31",
        };
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
