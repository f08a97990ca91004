//! What accounts have used up of their budgets of calls, kept over a restart.
//!
//! Invariant: connections that are known to reach one account go by one budget (E7). Until a connection was checked for
//! the first time it has one of its own.

use serde::{Deserialize, Serialize};

use crate::{Batch, Key, Space, Store, StoreError, StoreTable, codec};

/// The account that a connection reached when it was last checked.
#[derive(Serialize, Deserialize)]
struct Reached {
    address: String,
    account: String,
}

/// Whose budget it is: an account's, or that of a connection whose account is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BudgetOwner(String);

/// Keeps what each account has used up, in the form that the network gives it.
pub async fn keep_budgets(store: &dyn Store, spent: Vec<(BudgetOwner, String)>) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    for (owner, text) in spent {
        codec::put(&mut batch, key(&owner.0), &text);
    }
    if !batch.writes.is_empty() {
        store.commit(batch).await?;
    }
    Ok(())
}

/// Returns what an account had used up.
pub async fn kept_budget(store: &dyn Store, owner: &BudgetOwner) -> Result<Option<String>, StoreError> {
    codec::load(store, key(&owner.0)).await
}

/// Returns whose budget a connection goes by; at another `address` than it was checked at, it is not known which account
/// it reaches.
pub async fn budget_owner(
    store: &dyn Store,
    connection: &str,
    address: Option<&str>,
) -> Result<BudgetOwner, StoreError> {
    let reached: Option<Reached> = codec::load(store, key(&reached_by(connection))).await?;
    let reached = reached.filter(|reached| address.is_none_or(|address| origin(address) == reached.address));
    Ok(BudgetOwner(match reached {
        Some(Reached { address, account }) => format!("account\u{1f}{address}\u{1f}{account}"),
        None => format!("connection\u{1f}{connection}"),
    }))
}

/// Notes which account a connection reaches.
pub(crate) fn note_account(batch: &mut Batch, connection: &str, address: &str, account: &str) {
    let reached = Reached { address: origin(address).to_owned(), account: account.to_owned() };
    codec::put(batch, key(&reached_by(connection)), &reached);
}

fn reached_by(connection: &str) -> String {
    format!("reached\u{1f}{connection}")
}

/// Everything at one server counts together, wherever in it a connection begins.
fn origin(address: &str) -> &str {
    let host = address.find("://").map_or(0, |place| place + 3);
    let end = address[host..].find('/').map_or(address.len(), |place| host + place);
    &address[..end]
}

fn key(id: &str) -> Key {
    Key::new(Space::HOST, StoreTable::Budget, id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_account_is_one_wherever_a_connection_begins() {
        for (address, expected) in [
            ("https://dav.example.com/ada/", "https://dav.example.com"),
            ("https://dav.example.com", "https://dav.example.com"),
            ("http://[::1]:80/x/y", "http://[::1]:80"),
            ("", ""),
        ] {
            assert_eq!(origin(address), expected);
        }
    }
}
