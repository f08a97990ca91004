//! The budgets of calls: whose they are, and how they outlive this process (E7).

use std::collections::BTreeMap;
use std::time::Duration;

use syncline_core::{Caller, ConnectionName, Lane};
use syncline_net::{BudgetState, Outlet};
use syncline_runner::{BudgetOwner, Failure, budget_owner, keep_budgets, kept_budget};

use super::{Session, SessionError, lock};

/// How often budgets are kept while a command is at work: what is sent in between is forgotten when it is killed.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// How fast the calls of a sync's two sides may follow each other.
pub struct Pace {
    outlets: [Outlet; 2],
    /// The requests that were made before.
    before: [u64; 2],
    is_one_connection: bool,
    is_one_budget: bool,
    caller: Caller,
}

impl Pace {
    /// When the last of so many more calls on the left and on the right could leave, from now.
    pub fn last_call(&self, calls: [u64; 2]) -> Duration {
        let [left, right] = &self.outlets;
        match self.is_one_budget {
            true => left.last_of(calls[0] + calls[1], self.caller),
            false => left.last_of(calls[0], self.caller).max(right.last_of(calls[1], self.caller)),
        }
    }

    /// Returns how many requests each side has made since; those of a connection that is both sides count on the left.
    pub fn made(&self) -> [u64; 2] {
        let made = [0, 1].map(|side| self.outlets[side].counters().requests.saturating_sub(self.before[side]));
        if self.is_one_connection { [made[0], 0] } else { made }
    }
}

impl Session {
    /// Returns how fast the calls of two connections that are open may follow each other.
    pub fn pace(&self, connections: [&ConnectionName; 2], lane: Lane) -> Pace {
        let ways = lock(&self.outlets);
        let [left, right] = connections.map(|name| ways.get(name).expect("a sync that is ready has opened both"));
        let outlets = [left.outlet.clone(), right.outlet.clone()];
        Pace {
            before: [0, 1].map(|side| outlets[side].counters().requests),
            outlets,
            is_one_connection: connections[0] == connections[1],
            is_one_budget: left.owner == right.owner,
            caller: Caller { lane, is_retry: false },
        }
    }

    /// Does something that sends, and keeps what it uses up meanwhile and at its end.
    pub async fn keeping_budgets<T>(&self, doing: impl Future<Output = T>) -> Result<T, SessionError> {
        let mut doing = std::pin::pin!(doing);
        loop {
            let done = tokio::time::timeout(KEEP_EVERY, &mut doing).await;
            self.keep_budgets().await?;
            if let Ok(done) = done {
                return Ok(done);
            }
        }
    }

    /// Keeps what the accounts have used up of their budgets, so that a restart does not forget it.
    pub async fn keep_budgets(&self) -> Result<(), SessionError> {
        // Connections of one account tell the same.
        let spent: BTreeMap<BudgetOwner, BudgetState> =
            lock(&self.outlets).values().map(|way| (way.owner.clone(), way.outlet.budget())).collect();
        let spent = spent.into_iter().map(|(owner, state)| (owner, serde_json::json!(state).to_string())).collect();
        Ok(keep_budgets(self.context.store.as_ref(), spent).await.map_err(Failure::from)?)
    }

    /// Returns whose budget a connection goes by, as far as is known.
    pub(super) async fn budget_owner(&self, name: &ConnectionName) -> Result<BudgetOwner, SessionError> {
        let address = self.admitted.connections[name].reach.base_url.as_ref().map(ToString::to_string);
        let owner = budget_owner(self.context.store.as_ref(), name.as_str(), address.as_deref()).await;
        Ok(owner.map_err(Failure::from)?)
    }

    /// Lets an outlet go by a budget that is in use, or that was kept.
    pub(super) async fn take_up_budget(&self, outlet: &Outlet, owner: &BudgetOwner) -> Result<(), SessionError> {
        let other = lock(&self.outlets).values().find(|way| way.owner == *owner).map(|way| way.outlet.clone());
        if let Some(other) = other {
            outlet.share(&other);
            return Ok(());
        }
        let kept = kept_budget(self.context.store.as_ref(), owner).await.map_err(Failure::from)?;
        // What an older version wrote in another form is no reason to refuse to run.
        if let Some(state) = kept.and_then(|text| serde_json::from_str(&text).ok()) {
            outlet.take_over(&state);
        }
        Ok(())
    }

    /// Lets connections whose account has become known go by its budget.
    pub(super) async fn join_accounts(&self) -> Result<(), SessionError> {
        let ways: Vec<_> = lock(&self.outlets).iter().map(|(name, way)| (name.clone(), way.clone())).collect();
        for (name, way) in ways {
            let owner = self.budget_owner(&name).await?;
            if owner != way.owner {
                self.take_up_budget(&way.outlet, &owner).await?;
                lock(&self.outlets).entry(name).and_modify(|way| way.owner = owner);
            }
        }
        Ok(())
    }
}
