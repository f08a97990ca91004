//! The peak of memory of a first run, at few and at many records.

use crate::accounts::Accounts;
use crate::installation::Installation;
use crate::{Figure, Outcome, Results, Scale};

/// Measures at 1,000 contacts a side and at `many`.
pub(crate) async fn measure(scale: Scale, many: u64, results: Results) -> Outcome<()> {
    for contacts in [1_000, scale.of(many)] {
        let accounts = Accounts::start(contacts, contacts).await?;
        let installation = Installation::new(&accounts.config(), scale.engine)?;
        let figure = |what: &str| Figure::new("memory", format!("{contacts} contacts a side, {what}"));
        let plan = installation.run(&["plan"])?;
        results.add(&figure("first plan, matching included").used(plan.used))?;
        let first = installation.run(&["run", "--yes"])?;
        results.add(&figure("first run, after the plan").used(first.used).requests(accounts.requests()))?;
        accounts.stop().await;
    }
    Ok(())
}
