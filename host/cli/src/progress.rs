//! Shows how a run is getting on: bars with rates and the time left on a terminal, a line now and then elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use syncline_runner::{Event, Listener};

use crate::render::text::count;
use crate::terminal::tell_line;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows the events of runs on standard error.
pub struct Progress {
    quiet: bool,
    terminal: bool,
    state: Mutex<State>,
}

struct State {
    bars: MultiProgress,
    shown: BTreeMap<String, ProgressBar>,
    last_line: Option<Instant>,
}

impl Progress {
    /// With `quiet` only what a person must know is shown.
    pub fn new(quiet: bool) -> Progress {
        let state = State { bars: MultiProgress::new(), shown: BTreeMap::new(), last_line: None };
        Progress { quiet, terminal: std::io::stderr().is_terminal(), state: Mutex::new(state) }
    }

    /// Takes the bars away, before a result is printed.
    pub fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for bar in std::mem::take(&mut state.shown).into_values() {
            bar.finish_and_clear();
        }
        state.last_line = None;
    }

    fn advance(&self, key: &str, name: &str, done: u64, total: Option<u64>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.terminal {
            let due = state.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY);
            if due {
                state.last_line = Some(Instant::now());
                match total {
                    Some(total) => tell_line(format_args!("{name}: {done} of {total}")),
                    None => tell_line(format_args!("{name}: {done}")),
                }
            }
            return;
        }
        let State { bars, shown, .. } = &mut *state;
        let bar = shown.entry(key.to_owned()).or_insert_with(|| bars.add(ProgressBar::no_length()));
        bar.set_message(name.to_owned());
        match total {
            Some(total) => {
                bar.set_style(style("{msg:28} {bar:24} {human_pos}/{human_len}  {per_sec}  {eta} left"));
                bar.set_length(total.max(done));
            }
            None => bar.set_style(style("{msg:28} {spinner} {human_pos}  {per_sec}")),
        }
        bar.set_position(done);
    }

    fn note(&self, text: &str) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.terminal {
            // A closed standard error is no reason to stop a run.
            true => drop(state.bars.println(text)),
            false => tell_line(text),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Listener for Progress {
    fn hear(&self, event: Event) {
        if let Event::Waiting { for_ms, reason } = &event
            && *for_ms >= 1_000
        {
            self.note(&format!("waiting {} s: {reason}", for_ms.div_ceil(1000)));
        }
        if self.quiet {
            return;
        }
        match event {
            Event::Read { endpoint, records, total } if records > 0 => {
                let name = format!("reading {endpoint}");
                self.advance(&name, &name, records, total);
            }
            Event::Read { .. } | Event::Waiting { .. } => {}
            Event::Rescan { endpoint, reason } => self.note(&format!("reading all of {endpoint}: {reason}")),
            Event::Planned { pairs, changes } => {
                self.advance("planning", &format!("planning ({})", count(changes, "change")), pairs, None);
            }
            Event::Written { done, total } => self.advance("writing", "writing", done, Some(total)),
        }
    }
}
