//! Sealed secrets in a store, in the host's own space, by name.

use syncline_runner::{Batch, Key, Space, Store, StoreError, StoreTable};

use crate::seal::{Plaintext, Seal, SealError};

/// Names read at once.
const PAGE_ROWS: usize = 500;

/// Why a secret could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The seal failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Seals a secret and keeps it, in place of an earlier one of this name.
pub async fn put_secret(store: &dyn Store, seal: &Seal, name: &str, secret: &Plaintext) -> Result<(), SecretError> {
    let mut batch = Batch::default();
    batch.put(key(name), seal.seal(name, secret)?);
    store.commit(batch).await?;
    Ok(())
}

/// Returns the secret of this name; `None` when there is none.
pub async fn get_secret(store: &dyn Store, seal: &Seal, name: &str) -> Result<Option<Plaintext>, SecretError> {
    let found = store.get(vec![key(name)]).await?.into_iter().flatten().next();
    Ok(found.map(|sealed| seal.open(name, &sealed)).transpose()?)
}

/// Drops the secret of this name, if there is one. Its sealed bytes stay on the disk until the space is used again.
pub async fn delete_secret(store: &dyn Store, name: &str) -> Result<(), SecretError> {
    let mut batch = Batch::default();
    batch.delete(key(name));
    store.commit(batch).await?;
    Ok(())
}

/// Returns the names of the secrets, in order. It needs no key.
pub async fn secret_names(store: &dyn Store) -> Result<Vec<String>, SecretError> {
    let mut names = Vec::new();
    let mut after = Vec::new();
    loop {
        let page = store.scan(Space::HOST, StoreTable::Secret, after, PAGE_ROWS).await?;
        let Some((last, _)) = page.last() else { return Ok(names) };
        after = last.clone();
        names.extend(page.iter().map(|(id, _)| String::from_utf8_lossy(id).into_owned()));
        // An empty page after an id of no bytes would be the first page again.
        if page.len() < PAGE_ROWS {
            return Ok(names);
        }
    }
}

fn key(name: &str) -> Key {
    Key::new(Space::HOST, StoreTable::Secret, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    #[tokio::test]
    async fn secrets_are_kept_sealed_and_found_by_name() {
        let store = MemoryStore::new();
        let seal = Seal::from_text(&"ab".repeat(32)).expect("a key");
        for (name, secret) in [("left", "pat-old"), ("right", "password"), ("left", "pat-new")] {
            put_secret(&store, &seal, name, &Plaintext::new(secret)).await.expect("kept");
        }
        assert_eq!(secret_names(&store).await.expect("names"), ["left", "right"]);
        let found = get_secret(&store, &seal, "left").await.expect("opened").expect("there");
        assert_eq!(found.expose(), b"pat-new");
        let stored = store.get(vec![key("left")]).await.expect("read");
        assert!(!format!("{stored:?}").contains(&format!("{:?}", b"pat-new").replace(['[', ']'], "")));

        delete_secret(&store, "left").await.expect("dropped");
        assert!(get_secret(&store, &seal, "left").await.expect("read").is_none());
        let other = Seal::from_text(&"cd".repeat(32)).expect("a key");
        let error = get_secret(&store, &other, "right").await.expect_err("another key").to_string();
        assert!(error.contains("another key") && error.contains("\"right\""), "{error}");
    }
}
