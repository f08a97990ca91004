//! Makes a history that breaks a promise as small as it goes.
//!
//! A cut takes one thing away. A history is named by its seed and its cuts, in order: that is enough to play it again.

use std::fmt;
use std::str::FromStr;

use crate::application::Manner;
use crate::history::play;
use crate::one_way;
use crate::script::Script;

/// Takes one thing out of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing goes wrong by chance.
    Faults,
    /// The fault that every history has is left out.
    Fault,
    /// The power does not fail.
    Crash,
    /// Nobody is at work during runs.
    People,
    /// Nobody deletes.
    Deletes,
    /// No automation argues with another one.
    Fight,
    /// Nobody takes anything back or decides a conflict.
    Orders,
    /// No delete waits for a person.
    Strict,
    /// Nobody says anything about deletes that wait.
    Replies,
    /// The run with this number, counted from 1, and what comes before it is left out.
    Run(usize),
    /// Nobody changes the rules.
    Rules,
    /// It goes both ways all the time.
    OneWay,
    /// Only so many records are there at the beginning.
    Records(usize),
    /// The happening with this number does not happen.
    Happening(u64),
    /// One trait of the left application, by its number, is plain.
    Left(usize),
    /// One trait of the right application, by its number, is plain.
    Right(usize),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Faults => write!(f, "faults"),
            Cut::Fault => write!(f, "fault"),
            Cut::Crash => write!(f, "crash"),
            Cut::People => write!(f, "people"),
            Cut::Deletes => write!(f, "deletes"),
            Cut::Fight => write!(f, "fight"),
            Cut::Orders => write!(f, "orders"),
            Cut::Strict => write!(f, "strict"),
            Cut::Replies => write!(f, "replies"),
            Cut::Run(number) => write!(f, "run:{number}"),
            Cut::Rules => write!(f, "rules"),
            Cut::OneWay => write!(f, "one-way"),
            Cut::Records(count) => write!(f, "records:{count}"),
            Cut::Happening(number) => write!(f, "happening:{number}"),
            Cut::Left(number) => write!(f, "left:{number}"),
            Cut::Right(number) => write!(f, "right:{number}"),
        }
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, number) = text.split_once(':').unwrap_or((text, "0"));
        let unknown = || format!("`{text}` is no cut; a failing run prints its cuts");
        let number: usize = number.parse().map_err(|_| unknown())?;
        Ok(match word {
            "faults" => Cut::Faults,
            "fault" => Cut::Fault,
            "crash" => Cut::Crash,
            "people" => Cut::People,
            "deletes" => Cut::Deletes,
            "fight" => Cut::Fight,
            "orders" => Cut::Orders,
            "strict" => Cut::Strict,
            "replies" => Cut::Replies,
            "run" => Cut::Run(number),
            "rules" => Cut::Rules,
            "one-way" => Cut::OneWay,
            "records" => Cut::Records(number),
            "happening" => Cut::Happening(number as u64),
            "left" => Cut::Left(number),
            "right" => Cut::Right(number),
            _ => return Err(unknown()),
        })
    }
}

/// What can be made plain in a manner.
const PLAINLY: [fn(&mut Manner); 20] = [
    |it| it.restore = Manner::PLAIN.restore,
    |it| it.promise = Manner::PLAIN.promise,
    |it| it.lag_ms = Manner::PLAIN.lag_ms,
    |it| it.rewrites = Manner::PLAIN.rewrites,
    |it| it.timed = Manner::PLAIN.timed,
    |it| it.ordered = Manner::PLAIN.ordered,
    |it| it.guard = Manner::PLAIN.guard,
    |it| it.feed = Manner::PLAIN.feed,
    |it| it.feed_deletes = Manner::PLAIN.feed_deletes,
    |it| it.overlap = Manner::PLAIN.overlap,
    |it| it.ids = Manner::PLAIN.ids,
    |it| it.field_times = Manner::PLAIN.field_times,
    |it| it.page_max = Manner::PLAIN.page_max,
    |it| it.batch_max = Manner::PLAIN.batch_max,
    |it| it.unique_email = Manner::PLAIN.unique_email,
    |it| it.findable_email = Manner::PLAIN.findable_email,
    |it| it.answers_with_rows = Manner::PLAIN.answers_with_rows,
    |it| it.validates = Manner::PLAIN.validates,
    |it| it.complete = Manner::PLAIN.complete,
    |it| it.slips = Manner::PLAIN.slips,
];

impl Cut {
    /// Makes the cut. Returns false, and changes nothing, if there is nothing to cut.
    pub fn apply(&self, script: &mut Script) -> bool {
        match self {
            Cut::Faults => std::mem::take(&mut script.fault_percent) > 0,
            Cut::People => std::mem::take(&mut script.people_percent) > 0,
            Cut::Deletes => std::mem::take(&mut script.deletes),
            Cut::Fight => script.fight.take().is_some(),
            Cut::Orders => script.visits.iter_mut().filter_map(|visit| visit.order.take()).count() > 0,
            Cut::Replies => script.visits.iter_mut().filter_map(|visit| visit.reply.take()).count() > 0,
            Cut::Strict => std::mem::take(&mut script.strict),
            Cut::Fault => script.visits.iter_mut().filter_map(|visit| visit.fault.take()).count() > 0,
            Cut::Crash => script.visits.iter_mut().filter_map(|visit| visit.crash.take()).count() > 0,
            Cut::Rules => script.visits.iter_mut().filter_map(|visit| visit.change.take()).count() > 0,
            Cut::OneWay => one_way::cut(script),
            Cut::Run(number) if (1..=script.visits.len()).contains(number) => {
                script.visits.remove(number - 1);
                true
            }
            Cut::Run(_) => false,
            Cut::Records(count) => {
                let fewer = *count < script.records;
                script.records = script.records.min(*count);
                fewer
            }
            Cut::Happening(number) => script.skipped.insert(*number),
            Cut::Left(number) => make_plain(&mut script.left, *number),
            Cut::Right(number) => make_plain(&mut script.right, *number),
        }
    }
}

fn make_plain(manner: &mut Manner, number: usize) -> bool {
    let before = manner.clone();
    if let Some(plain) = PLAINLY.get(number) {
        plain(manner);
    }
    *manner != before
}

/// Returns the cuts that leave a history which still breaks the promise that `script` breaks.
///
/// A promise is told by the rule that a breach begins with. Plays the history some hundred times.
pub fn shrink(script: &Script) -> (Script, Vec<Cut>) {
    let first = play(script);
    let Some(rule) = first.breaches.first().map(|breach| rule_of(breach)) else { return (script.clone(), Vec::new()) };
    let mut search = Search { best: script.clone(), happenings: first.happenings, cuts: Vec::new(), rule };
    loop {
        let before = search.cuts.len();
        search.coarse();
        search.fine();
        if search.cuts.len() == before {
            return (search.best, search.cuts);
        }
    }
}

fn rule_of(breach: &str) -> String {
    breach.split(": ").next().unwrap_or_default().to_owned()
}

struct Search {
    best: Script,
    happenings: u64,
    cuts: Vec<Cut>,
    rule: String,
}

impl Search {
    /// Keeps the cuts if the history still breaks its promise.
    fn try_cuts(&mut self, cuts: &[Cut]) -> bool {
        let mut script = self.best.clone();
        let cuts: Vec<Cut> = cuts.iter().filter(|cut| cut.apply(&mut script)).cloned().collect();
        if cuts.is_empty() {
            return false;
        }
        let history = play(&script);
        let still = history.breaches.iter().any(|breach| rule_of(breach) == self.rule);
        if still {
            self.best = script;
            self.happenings = history.happenings;
            self.cuts.extend(cuts);
        }
        still
    }

    fn coarse(&mut self) {
        for cut in [
            Cut::Faults,
            Cut::Fault,
            Cut::Crash,
            Cut::People,
            Cut::Deletes,
            Cut::Fight,
            Cut::Rules,
            Cut::OneWay,
            Cut::Orders,
            Cut::Strict,
            Cut::Replies,
        ] {
            self.try_cuts(&[cut]);
        }
        for number in (1..=self.best.visits.len()).rev() {
            self.try_cuts(&[Cut::Run(number)]);
        }
        for number in 0..PLAINLY.len() {
            self.try_cuts(&[Cut::Left(number)]);
            self.try_cuts(&[Cut::Right(number)]);
        }
        while self.best.records > 0 && self.try_cuts(&[Cut::Records(self.best.records - 1)]) {}
    }

    /// Leaves out happenings: all of them, halves, quarters, down to one.
    fn fine(&mut self) {
        let mut width = self.happenings.max(1);
        loop {
            let mut from = 1;
            while from <= self.happenings {
                let cuts: Vec<Cut> = (from..(from + width).min(self.happenings + 1)).map(Cut::Happening).collect();
                self.try_cuts(&cuts);
                from += width;
            }
            if width == 1 {
                return;
            }
            width = width.div_ceil(2).min(width - 1);
        }
    }
}
