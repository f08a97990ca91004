//! The table of E8.1, row by row: what each answer to a write leads to, in the run that gets it and in the next one.

use std::sync::{Arc, Mutex};

use syncline_core::{FieldName, Instant, Object, ObjectName, Reason, RecordId, Schema, Side, Standing, Value};
use syncline_runner::{
    BoxFuture, CheckReport, Connector, Container, Created, Failure, Fault, GetAnswer, MemberList, Outcome, Page,
    Progress, ReadRequest, RunOutcome, Table, Target, Violation, WriteAnswer, WriteRequest,
};
use syncline_simulation::{Manner, Simulation, default_rules, text};

const HOUR_MS: u64 = 60 * 60 * 1000;

/// What the application does with the first write that it gets.
#[derive(Clone)]
enum Says {
    /// Fails the call as a whole; with `true` after it was carried out.
    Fault(Fault, bool),
    /// This of the first record, and the others are written; with `true` the first one as well.
    Of(Outcome, bool),
}

/// An application that says something else than it does, once.
struct Scripted {
    inner: Arc<dyn Connector>,
    says: Mutex<Option<Says>>,
    writes: Mutex<u32>,
}

impl Scripted {
    async fn answer(&self, request: WriteRequest) -> Result<WriteAnswer, Fault> {
        *self.writes.lock().expect("a number") += 1;
        let says = self.says.lock().expect("a script").take();
        match says {
            None => self.inner.write(request).await,
            Some(Says::Fault(fault, is_done)) => {
                if is_done {
                    self.inner.write(request).await?;
                }
                Err(fault)
            }
            Some(Says::Of(outcome, is_done)) => {
                let mut rest = request;
                let first = rest.operations.remove(0);
                if is_done {
                    let alone = WriteRequest { operations: vec![first], ..rest.clone() };
                    self.inner.write(alone).await?;
                }
                let mut answer = self.inner.write(rest).await?;
                answer.outcomes.insert(0, outcome);
                Ok(answer)
            }
        }
    }
}

impl Connector for Scripted {
    fn check(&self) -> BoxFuture<'_, Result<CheckReport, Fault>> {
        self.inner.check()
    }
    fn objects(&self) -> BoxFuture<'_, Result<Vec<Object>, Fault>> {
        self.inner.objects()
    }
    fn containers(&self, object: ObjectName) -> BoxFuture<'_, Result<Vec<Container>, Fault>> {
        self.inner.containers(object)
    }
    fn lists(&self, target: Target) -> BoxFuture<'_, Result<Vec<MemberList>, Fault>> {
        self.inner.lists(target)
    }
    fn describe(&self, target: Target) -> BoxFuture<'_, Result<Schema, Fault>> {
        self.inner.describe(target)
    }
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<Page, Fault>> {
        self.inner.read(request)
    }
    fn get(
        &self,
        target: Target,
        ids: Vec<RecordId>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<GetAnswer, Fault>> {
        self.inner.get(target, ids, fields)
    }
    fn find(
        &self,
        target: Target,
        key: FieldName,
        values: Vec<Value>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Table, Fault>> {
        self.inner.find(target, key, values, fields)
    }
    fn members(
        &self,
        target: Target,
        members_of: String,
        cursor: Option<String>,
    ) -> BoxFuture<'_, Result<(Vec<RecordId>, Progress), Fault>> {
        self.inner.members(target, members_of, cursor)
    }
    fn field_times(
        &self,
        target: Target,
        ids: Vec<RecordId>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Vec<Vec<Option<Instant>>>, Fault>> {
        self.inner.field_times(target, ids, fields)
    }
    fn prepare(&self, target: Target) -> BoxFuture<'_, Result<(), Fault>> {
        self.inner.prepare(target)
    }
    fn write(&self, request: WriteRequest) -> BoxFuture<'_, Result<WriteAnswer, Fault>> {
        Box::pin(self.answer(request))
    }
    fn find_created(
        &self,
        target: Target,
        keys: Vec<String>,
        columns: Vec<FieldName>,
        hints: Vec<Vec<Option<Value>>>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Created, Fault>> {
        self.inner.find_created(target, keys, columns, hints, fields)
    }
}

/// Two people in step, of whom both were edited on the left.
struct Play {
    simulation: Simulation,
    ids: [RecordId; 2],
    application: Arc<Scripted>,
}

impl Play {
    fn of(says: Says) -> Play {
        let mut simulation = Simulation::new(1, Manner::PLAIN, Manner::PLAIN, default_rules());
        let mut ids = ["ada@x", "eda@x"]
            .map(|email| simulation.stage.lock().person_creates(Side::Left, &[("email", email), ("name", "before")]));
        // The one that stands first in a batch comes first.
        ids.reverse();
        simulation.run().expect("nothing goes wrong yet");
        simulation.settle().expect("and all is quiet");
        let inner = Arc::clone(&simulation.setup.right.connector);
        let application = Arc::new(Scripted { inner, says: Mutex::new(Some(says)), writes: Mutex::new(0) });
        simulation.setup.right.connector = Arc::clone(&application) as Arc<dyn Connector>;
        let play = Play { simulation, ids, application };
        play.pass(10 * 60 * 1000);
        for id in &play.ids {
            play.simulation.stage.lock().person_edits(Side::Left, id, "name", "after");
        }
        play
    }

    fn pass(&self, time_ms: i64) {
        self.simulation.stage.lock().now += time_ms;
    }

    /// Runs, and returns the word for how it went: a run that fails says so by its record.
    fn run(&self) -> RunOutcome {
        match self.simulation.run() {
            Ok(report) => report.record.outcome.expect("it has ended"),
            Err(failure) => {
                assert!(matches!(*failure, Failure::Connector { .. }), "{failure}");
                RunOutcome::Failed { why: failure.to_string() }
            }
        }
    }

    /// Where the two stand, the one whom the script is about and the other one.
    fn stand(&self) -> [Standing; 2] {
        [0, 1].map(|place| self.simulation.pair_of(Side::Left, &self.ids[place]).expect("it has a pair").standing())
    }

    fn arrived(&self) -> usize {
        let state = self.simulation.stage.lock();
        let ids = state.ids(Side::Right);
        ids.iter().filter(|id| state.value(Side::Right, id, "name") == Some(text("after"))).count()
    }

    fn writes(&self) -> u32 {
        std::mem::take(&mut *self.application.writes.lock().expect("a number"))
    }
}

fn words(text: &str) -> String {
    text.to_owned()
}

/// What each answer leads to: how the run goes, where the two records stand after it, and how many writes the next run
/// makes while nothing has changed.
#[test]
fn e8_1_each_class_of_answers_to_a_write_has_its_treatment() {
    use Standing::{Failed, Held, InSync, Rejected};
    let invalid = Outcome::Invalid(vec![Violation { field: None, code: words("no"), message: words("no") }]);
    let day = |reason: &str| Outcome::Quota { after_ms: 6 * HOUR_MS, reason: words(reason) };
    let both = [InSync, InSync];
    let table = [
        ("transient", Says::Fault(Fault::Transient(words("reset before it was sent")), false), "ok", both, 0),
        (
            "transient: a burst",
            Says::Of(Outcome::RetryLater { after_ms: 10_000, reason: words("burst") }, false),
            "ok",
            both,
            0,
        ),
        ("uncertain, applied", Says::Fault(Fault::Interrupted(words("cut")), true), "ok", both, 0),
        ("uncertain, not applied", Says::Fault(Fault::Interrupted(words("cut")), false), "ok", both, 0),
        ("uncertain, one of them", Says::Of(Outcome::Unknown(words("5xx")), true), "ok", both, 0),
        ("budget", Says::Of(day("daily"), false), "waiting", [Held(Reason::ProviderBudget), InSync], 0),
        (
            "budget, whole call",
            Says::Fault(Fault::RetryLater { after_ms: 6 * HOUR_MS, reason: words("daily") }, false),
            "waiting",
            [Held(Reason::ProviderBudget); 2],
            0,
        ),
        (
            "permission",
            Says::Of(Outcome::Permission(words("403")), false),
            "partial",
            [Failed(Reason::Permission), InSync],
            0,
        ),
        ("validation", Says::Of(invalid, false), "ok-with-rejects", [Rejected(Reason::Validation), InSync], 0),
        ("precondition", Says::Of(Outcome::VersionConflict(None), false), "ok", both, 0),
        ("gone, and it is not", Says::Of(Outcome::NotFound, false), "ok", both, 0),
        (
            "duplicate",
            Says::Of(Outcome::DuplicateOf(None), false),
            "ok-with-rejects",
            [Rejected(Reason::Duplicate), InSync],
            0,
        ),
        ("schema", Says::Fault(Fault::Schema(words("unknown field")), false), "ok", both, 0),
        ("component, applied", Says::Fault(Fault::Component(words("trap")), true), "ok", both, 0),
        ("component, not applied", Says::Fault(Fault::Component(words("trap")), false), "ok", both, 0),
    ];
    let mut wrong = Vec::new();
    for (class, says, outcome, standings, writes_after) in table {
        let play = Play::of(says);
        let found = (play.run().word(), play.stand());
        play.writes();
        play.pass(5 * 60 * 1000);
        let next = play.run();
        let found = (found.0, found.1, play.writes());
        if found != (outcome, standings, writes_after) {
            wrong.push(format!("{class}: {found:?}, not {:?}; then {next:?}", (outcome, standings, writes_after)));
        }
        let in_step = standings.iter().filter(|standing| **standing == InSync).count();
        if play.arrived() != in_step {
            wrong.push(format!("{class}: {} have arrived", play.arrived()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn e8_1_a_refused_credential_ends_the_run_and_nothing_is_lost() {
    let play = Play::of(Says::Fault(Fault::Auth(words("401")), false));
    assert_eq!(play.run().word(), "failed");
    play.pass(60 * 1000);
    assert_eq!((play.run().word(), play.arrived()), ("ok", 2));
}

#[test]
fn e7_a_budget_that_is_waited_for_is_no_failed_attempt_and_goes_on_after_the_reset() {
    let play = Play::of(Says::Of(Outcome::Quota { after_ms: 6 * HOUR_MS, reason: words("daily") }, false));
    let RunOutcome::Waiting { until, reason, .. } = play.run() else { panic!("it waits") };
    let now = play.simulation.stage.lock().now;
    assert_eq!((reason, (until - now) / 60_000), (Reason::ProviderBudget, 6 * 60));
    let pair = play.simulation.pair_of(Side::Left, &play.ids[0]).expect("it has a pair");
    assert_eq!(pair.trouble.expect("it waits").attempts, 0, "however often: a day's budget never makes a record dead");
    play.writes();
    play.pass(5 * 60 * 60 * 1000);
    play.run();
    assert_eq!(play.writes(), 0, "not before the reset");
    play.pass(60 * 60 * 1000);
    assert_eq!((play.run().word(), play.arrived()), ("ok", 2));
}
