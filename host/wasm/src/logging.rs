//! Lines of plugins for the log of the run: secrets removed, control characters escaped, floods cut.

use crate::call::Scene;

/// A line costs this much even if it is empty.
const LINE_BYTES_MIN: usize = 32;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// What one call has logged.
pub(crate) struct GuestLog {
    bytes_left: usize,
    bytes_max: usize,
    lines_dropped: u64,
    /// As the plugin wrote it; what nobody asks for is not looked through for secrets.
    last_error: Option<String>,
}

impl GuestLog {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_left: bytes_max, bytes_max, lines_dropped: 0, last_error: None }
    }

    /// Writes one line, unless the call has written enough.
    pub(crate) fn line(&mut self, scene: &Scene, level: Level, message: &str) {
        let cost = message.len().max(LINE_BYTES_MIN);
        let affordable = self.bytes_left > 0;
        self.bytes_left = self.bytes_left.saturating_sub(cost);
        // The last words before a crash are kept in any case.
        if level == Level::Error {
            self.last_error = Some(beginning(message).to_owned());
        }
        match affordable {
            true => emit(&scene.name, level, &scene.cleaned(beginning(message))),
            false => self.lines_dropped += 1,
        }
    }

    /// Returns the last line of level `error`, such as a panic's message.
    pub(crate) fn last_error(&self, scene: &Scene) -> Option<String> {
        self.last_error.as_deref().map(|message| scene.cleaned(message))
    }

    /// Says how much was cut.
    pub(crate) fn close(&self, connection: &str) {
        if self.lines_dropped > 0 {
            let (dropped, kib) = (self.lines_dropped, self.bytes_max / 1024);
            let text = format!("{dropped} more lines of this call were dropped; the limit is {kib} KiB in one call");
            emit(connection, Level::Warn, &text);
        }
    }
}

/// The part of a line that is worth looking through for secrets; far less of it is shown.
fn beginning(message: &str) -> &str {
    &message[..message.floor_char_boundary(64 * 1024)]
}

fn emit(connection: &str, level: Level, line: &str) {
    match level {
        Level::Trace => tracing::trace!(target: "syncline::plugin", connection, "{line}"),
        Level::Debug => tracing::debug!(target: "syncline::plugin", connection, "{line}"),
        Level::Info => tracing::info!(target: "syncline::plugin", connection, "{line}"),
        Level::Warn => tracing::warn!(target: "syncline::plugin", connection, "{line}"),
        Level::Error => tracing::error!(target: "syncline::plugin", connection, "{line}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{GuestLog, Level};
    use crate::call::{Scene, Urgency};

    #[test]
    fn the_last_words_are_kept_beyond_the_budget_and_cleaned_when_asked_for() {
        let scene = Scene {
            name: "rows".to_owned(),
            settings_json: String::new(),
            outlet: None,
            clock: Arc::new(|| 0),
            urgency: Urgency::default(),
        };
        let mut log = GuestLog::new(64);
        assert_eq!(log.last_error(&scene), None);
        for line in 0..9 {
            log.line(&scene, Level::Error, &format!("line {line}\u{1b}"));
        }
        log.line(&scene, Level::Warn, "a warning");
        assert_eq!(log.last_error(&scene).as_deref(), Some("line 8\\u{1b}"));
        assert_eq!(log.last_error.as_deref(), Some("line 8\u{1b}"), "nobody paid for looking through it");
        assert_eq!(log.lines_dropped, 8);
    }
}
