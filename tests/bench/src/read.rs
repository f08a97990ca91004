//! Reading many contacts into the durable replica, beside the floor.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use syncline_cli::session::{Folders, Session};
use syncline_core::Lane;
use syncline_runner::{Silent, Stop};

use crate::accounts::Accounts;
use crate::child::{Used, run};
use crate::installation::Installation;
use crate::{Figure, Outcome, Results, Scale, floor, ratio};

/// Measures.
pub(crate) async fn measure(scale: Scale, results: Results) -> Outcome<()> {
    let contacts = scale.of(20_000);
    let accounts = Accounts::start(contacts, 0).await?;
    let installation = Installation::new(&accounts.config(), scale.engine)?;
    let mut least: Option<[Used; 4]> = None;
    // Turn by turn, so that what else runs on the machine meets all of them alike.
    for _ in 0..scale.repeats() {
        let url = accounts.left.base_url();
        let floor = run(Command::new(std::env::current_exe()?).args(["floor", &url]), &[0])?;
        expect_records(&floor.stdout, contacts)?;
        let python = run(&floor::in_python(&url), &[0])?;
        expect_records(&python.stdout, contacts)?;
        installation.forget()?;
        let read = installation.run_self(&["pull"])?;
        expect_records(&read.stdout, contacts)?;
        installation.forget()?;
        let plan = installation.run(&["plan"])?;
        let now = [floor.used, python.used, read.used, plan.used];
        least = Some(least.map_or(now, |before| [0, 1, 2, 3].map(|at| before[at].least(now[at]))));
    }
    accounts.stop().await;
    let Some([floor, python, read, plan]) = least else { return Ok(()) };
    let figure = |what: &str| Figure::new("read", format!("{contacts} contacts, {what}"));
    let figures = [
        figure("floor").used(floor),
        figure("floor in Python").used(python),
        figure("into the replica").used(read),
        figure("read, matched and planned").used(plan),
        ratio(figure("ratio to the floor"), read, floor),
        ratio(figure("ratio to the floor in Python"), read, python),
    ];
    figures.iter().try_for_each(|figure| results.add(figure))
}

fn expect_records(printed: &str, expected: u64) -> Outcome<()> {
    if printed.trim() == expected.to_string() {
        return Ok(());
    }
    Err(format!("{expected} records were to be read, not {printed}").into())
}

/// Reads both sides of the configured sync into their replicas and stops there: the first step of `syncline plan` from
/// the start of the process to the closed store. Returns how many records there were.
pub(crate) async fn pull() -> Outcome<u64> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from).ok_or(format!("{name} is not set"));
    let folders = Folders { config: folder("SYNCLINE_CONFIG")?, data: folder("SYNCLINE_DATA")? };
    let session = Session::open(&folders, Arc::new(Silent), Stop::default())?;
    let mut records = 0;
    for sync in session.chosen(None)? {
        let setup = session.setup(&sync, Lane::Incremental).await?;
        let report = syncline_runner::read(&session.context, &setup).await?;
        records += report.record.tally.left.read + report.record.tally.right.read;
    }
    session.context.store.close().await?;
    Ok(records)
}
