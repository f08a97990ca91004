//! Shows mistakes to people, with the line they are in, and to programs.

use serde_json::json;

use super::Mistakes;
use super::mistake::count;
use super::source::Source;

/// Columns of a source line that are shown around a mistake.
const COLUMNS_MAX: usize = 120;

/// Renders every mistake for people, in colour or without.
pub fn render(mistakes: &Mistakes, colour: bool) -> String {
    let paint = Paint { colour };
    let mut text = String::new();
    for mistake in &mistakes.list {
        text.push_str(&format!("{}: {}\n", paint.red("error"), paint.bold(&mistake.message)));
        excerpt(&mut text, &mistakes.source, &mistake.place, None, paint);
        if let Some((place, note)) = &mistake.also {
            excerpt(&mut text, &mistakes.source, place, Some(note), paint);
        }
        if let Some(mend) = &mistake.mend {
            text.push_str(&format!("  {} {mend}\n", paint.blue("=")));
        }
        text.push('\n');
    }
    text.push_str(&format!("{} in {}\n", count(mistakes.list.len()), mistakes.source.name()));
    text
}

/// Returns every mistake for programs.
pub fn to_json(mistakes: &Mistakes) -> serde_json::Value {
    let list: Vec<serde_json::Value> = mistakes
        .list
        .iter()
        .map(|mistake| {
            let position = mistakes.source.position(mistake.place.start);
            json!({
                "file": mistakes.source.name(),
                "line": position.line,
                "column": position.column,
                "message": mistake.message,
                "mend": mistake.mend,
            })
        })
        .collect();
    json!({ "mistakes": list })
}

fn excerpt(text: &mut String, source: &Source, place: &std::ops::Range<usize>, note: Option<&str>, paint: Paint) {
    let position = source.position(place.start);
    let number = position.line.to_string();
    let margin = " ".repeat(number.len());
    let bar = paint.blue("|");
    let arrow = if note.is_some() { ":::" } else { "-->" };
    text.push_str(&format!("{margin}{} {}:{}:{}\n", paint.blue(arrow), source.name(), position.line, position.column));
    let line: Vec<char> = source.shown_line(place.start).chars().collect();
    let fits = line.len() <= COLUMNS_MAX;
    let first = if fits { 0 } else { (position.column - 1).saturating_sub(COLUMNS_MAX / 2).min(line.len()) };
    let shown: String = line[first..].iter().take(COLUMNS_MAX).collect();
    let ahead = position.column - 1 - first;
    let end = source.position(place.end);
    let length = if end.line == position.line { end.column.saturating_sub(position.column) } else { line.len() };
    let length = length.min(shown.chars().count().saturating_sub(ahead)).max(1);
    let mark = if note.is_some() { paint.blue(&"-".repeat(length)) } else { paint.red(&"^".repeat(length)) };
    let note = note.map(|note| format!(" {note}")).unwrap_or_default();
    text.push_str(&format!("{} {bar} {}\n", paint.blue(&number), shown.trim_end()));
    text.push_str(&format!("{margin} {bar} {}{mark}{note}\n", " ".repeat(ahead)));
}

/// Colours, or none.
#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    fn blue(self, text: &str) -> String {
        self.wrap("34", text)
    }

    fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }
}
