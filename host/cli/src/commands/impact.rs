//! What a changed filter or list does, in words (E5.7).

use std::fmt::Write as _;

use syncline_runner::{Impact, Moved};

use crate::render::text::plain;

/// Returns a few lines for people.
pub fn text(impact: &Impact) -> String {
    let mut text = String::from("  the filter or list has changed; nothing is deleted or un-pairs for it:\n");
    let lines = [
        ("come in", &impact.enter),
        ("leave and stay as they are", &impact.leave),
        ("come in and have several possible counterparts", &impact.ambiguous),
        ("cannot be told yet and stay as they are", &impact.unknown),
    ];
    for (what, moved) in lines.into_iter().filter(|(_, moved)| moved.count > 0) {
        let _ = writeln!(text, "    {} {what}: {}", moved.count, examples(moved));
    }
    if lines.iter().all(|(_, moved)| moved.count == 0) {
        text.push_str("    no record that is known comes in or leaves\n");
    }
    text
}

fn examples(moved: &Moved) -> String {
    let names = moved.examples.iter().map(|pair| {
        let ids = [&pair.left, &pair.right].into_iter().flatten().map(|id| plain(id.as_str()).to_string());
        ids.collect::<Vec<_>>().join(" and ")
    });
    let more = if moved.count > moved.examples.len() as u64 { ", ..." } else { "" };
    format!("{}{more}", names.collect::<Vec<_>>().join(", "))
}
