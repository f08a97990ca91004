//! Runs with nothing changed, and with one record in a hundred changed.

use crate::accounts::Accounts;
use crate::child::Used;
use crate::installation::Installation;
use crate::{Figure, Outcome, Results, Scale};

/// Measures.
pub(crate) async fn measure(scale: Scale, results: Results) -> Outcome<()> {
    for contacts in [200, scale.of(20_000)] {
        let accounts = Accounts::start(contacts, contacts).await?;
        let installation = Installation::new(&accounts.config(), scale.engine)?;
        let figure = |what: &str| Figure::new("quiet", format!("{contacts} contacts a side, {what}"));
        accounts.reset();
        let first = installation.run(&["run", "--yes"])?;
        results.add(&figure("first run").used(first.used).requests(accounts.requests()))?;

        installation.settle()?;
        let mut quiet: Option<Used> = None;
        let mut requests = [0.0; 2];
        for _ in 0..scale.repeats() * 2 {
            accounts.reset();
            let ran = installation.run(&["run", "--yes"])?;
            quiet = Some(quiet.map_or(ran.used, |before| before.least(ran.used)));
            requests = accounts.requests();
        }
        if let Some(used) = quiet {
            results.add(&figure("nothing changed").used(used).requests(requests))?;
        }

        let mut changed: Option<(usize, Used, [f64; 2])> = None;
        for round in 1..=scale.repeats() {
            let edited = accounts.edit_one_percent(round)?;
            accounts.reset();
            let used = installation.run(&["run", "--yes"])?.used;
            let requests = accounts.requests();
            changed = Some((edited, changed.map_or(used, |(_, before, _)| before.least(used)), requests));
            installation.settle()?;
        }
        if let Some((edited, used, requests)) = changed {
            results.add(&figure(&format!("{edited} changed")).used(used).requests(requests))?;
        }
        accounts.stop().await;
    }
    Ok(())
}
