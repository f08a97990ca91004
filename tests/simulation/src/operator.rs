//! The person who runs the sync: answers for deletes, decides conflicts, takes runs back, whenever it comes to his mind.

use std::collections::BTreeSet;

use syncline_core::{ChangeKind, Guards, RecordId, Share, Side};
use syncline_runner::{Answer, Failure, RunReport, StoreError, Undo, UndoReport, plan, planned_items, resolve, undo};

use crate::chance::Chance;
use crate::stage::{FIELDS, Simulation};
use crate::steps::wait;

/// Something that the person does before a run.
#[derive(Clone, Debug)]
pub enum Order {
    /// Takes a run back, or what it did to one record, or to one field; which ones follows from the number.
    Undo(u64),
    /// Decides a conflict, or flips a decision; which one follows from the number.
    Resolve(u64, Side),
}

/// What the person says when there are deletes to approve.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// Looks at the plan and agrees.
    Yes,
    /// Looks at the plan and refuses its deletes.
    No,
    /// Agrees to something that was never planned.
    Stale,
}

/// What the person agreed to so far.
#[derive(Debug, Default)]
pub(crate) struct Agreed {
    /// True while nothing is taken away that the person did not agree to.
    pub(crate) asks: bool,
    /// True while the sync does what the person ordered.
    pub(crate) ordered: bool,
    /// True while a run is taken back.
    pub(crate) takes_back: bool,
    /// True if a run was ever taken back.
    pub(crate) undid: bool,
    /// The records that may be taken away.
    records: BTreeSet<(Side, RecordId)>,
}

impl Agreed {
    /// True if a record may be taken away now.
    pub(crate) fn allows(&self, side: Side, id: &RecordId) -> bool {
        !self.asks || self.ordered || self.records.contains(&(side, id.clone()))
    }
}

/// Guards that ask about every delete, and stop at more than a few at a time.
pub(crate) fn strict() -> Guards {
    let few = Share { percent: 30, above: 2 };
    Guards { deletes: Some(few), auto_approve: false, ..lenient() }
}

/// Guards that let everything through.
pub(crate) fn lenient() -> Guards {
    Guards { empty_side: false, auto_approve: true, ..Guards::default() }
}

impl Order {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        match chance.percent(50) {
            true => Order::Undo(chance.next_number()),
            false => Order::Resolve(chance.next_number(), chance.pick(&Side::BOTH)),
        }
    }
}

impl Simulation {
    /// Carries an order out; that it is refused, or goes wrong, is told and no more.
    pub(crate) fn order(&self, order: &Order) {
        self.stage.lock().direction = self.setup.rules.direction;
        let done = match order {
            Order::Undo(number) => self.take_back(*number),
            Order::Resolve(number, keep) => self.decide_conflict(*number, *keep),
        };
        let mut state = self.stage.lock();
        if let Err(failure) = done {
            state.tell(format!("it is not done: {failure}"));
        }
    }

    fn take_back(&self, number: u64) -> Result<(), Box<Failure>> {
        let runs = self.written_runs_if_up().map_err(down)?;
        let mut chance = Chance::new(number);
        if runs.is_empty() {
            return Ok(());
        }
        let mut asked = Undo::run(chance.pick(&runs));
        if chance.percent(40) {
            let side = chance.pick(&Side::BOTH);
            let ids: Vec<RecordId> = self.stage.lock().app(side).entries.keys().cloned().collect();
            asked.record = (!ids.is_empty()).then(|| chance.pick(&ids));
        }
        if chance.percent(30) {
            asked.field = Some(chance.pick(&FIELDS).into());
        }
        self.stage.lock().tell(format!("somebody takes back {asked:?}"));
        let report = self.undo(&asked)?;
        self.stage.lock().tell(format!("it is taken back: {:?}, {:?}", report.plan, report.verified));
        Ok(())
    }

    /// Takes back what is asked for, as a person's order.
    pub fn undo(&self, asked: &Undo) -> Result<UndoReport, Box<Failure>> {
        {
            let agreed = &mut self.stage.lock().agreed;
            (agreed.ordered, agreed.takes_back, agreed.undid) = (true, true, true);
        }
        let report = wait(undo(&self.context, &self.setup, asked));
        let agreed = &mut self.stage.lock().agreed;
        (agreed.ordered, agreed.takes_back) = (false, false);
        report.map_err(Box::new)
    }

    fn decide_conflict(&self, number: u64, keep: Side) -> Result<(), Box<Failure>> {
        let numbers: Vec<u64> = self.conflicts_if_up().map_err(down)?.iter().map(|kept| kept.number).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        let number = Chance::new(number).pick(&numbers);
        self.stage.lock().tell(format!("somebody takes the {keep} of conflict {number}"));
        self.stage.lock().agreed.ordered = true;
        let decided = wait(resolve(&self.context, &self.setup, &[number], keep));
        self.stage.lock().agreed.ordered = false;
        let record = decided.map_err(Box::new)?;
        self.stage.lock().tell(format!("it is decided: {:?}", record.outcome));
        Ok(())
    }

    /// Runs the sync with an answer about its deletes, if there are any to answer for.
    pub(crate) fn run_with_reply(&self, reply: Reply) -> Result<RunReport, Box<Failure>> {
        let answer = self.answer(reply).unwrap_or_else(|failure| {
            self.stage.lock().tell(format!("the plan cannot be looked at: {failure}"));
            None
        });
        if let Some(answer) = &answer {
            self.stage.lock().tell(format!("somebody says {reply:?}: {}", answer.digest));
        }
        let is_stale = matches!(reply, Reply::Stale) && answer.is_some();
        let writes = self.stage.lock().writes.len();
        let report = self.run_with(answer);
        let mut state = self.stage.lock();
        // What came up while a first plan was carried out is held by itself.
        let stopped = report.as_ref().is_ok_and(|report| report.guarded.stops() && !report.guarded.is_later);
        if (is_stale || stopped) && state.writes.len() > writes {
            state.breaches.push(format!("E4.6: a plan was written although it was stopped: {report:?}"));
        }
        drop(state);
        report
    }

    /// Plans, and says what the person thinks of the deletes in it.
    fn answer(&self, reply: Reply) -> Result<Option<Answer>, Box<Failure>> {
        let (_, report) = wait(plan(&self.context, &self.setup)).map_err(Box::new)?;
        let guarded = report.guarded;
        let digest = match (&guarded.waiting, guarded.stops()) {
            (_, true) => guarded.digest.clone(),
            (Some(waiting), false) => waiting.digest.clone(),
            (None, false) => return Ok(None),
        };
        let is_yes = match reply {
            Reply::No => false,
            Reply::Stale => return Ok(Some(Answer { digest: "0".repeat(digest.len()), is_yes: true })),
            Reply::Yes => true,
        };
        if is_yes {
            let items = wait(planned_items(&self.context, &self.setup, 0)).map_err(Box::new)?;
            let changes = items.into_iter().flat_map(|(_, item)| item.changes);
            let deletes = changes.filter(|it| matches!(it.kind, ChangeKind::Delete | ChangeKind::Archive));
            let records = deletes.filter_map(|change| Some((change.side, change.record?)));
            self.stage.lock().agreed.records.extend(records);
        }
        Ok(Some(Answer { digest, is_yes }))
    }
}

fn down(error: StoreError) -> Box<Failure> {
    Box::new(error.into())
}
