//! Which space of the store belongs to whom: endpoints and syncs by name, numbered once and for ever.

use syncline_core::{ConnectionName, ContainerId, Endpoint, ObjectName, SyncName};

use crate::{Batch, Expect, Space, Store, StoreError, StoreTable, codec};

/// Returns the space of an endpoint, giving it a number on first use.
pub async fn endpoint_space(store: &dyn Store, endpoint: &Endpoint) -> Result<Space, StoreError> {
    named(store, &format!("endpoint:{}", endpoint_name(endpoint))).await
}

/// Returns the space of a sync, giving it a number on first use.
pub async fn sync_space(store: &dyn Store, sync: &SyncName) -> Result<Space, StoreError> {
    named(store, &format!("sync:{sync}")).await
}

/// Returns the space of an endpoint that has been used before; gives out no number.
pub(crate) async fn known_endpoint_space(store: &dyn Store, endpoint: &Endpoint) -> Result<Option<Space>, StoreError> {
    known(store, &format!("endpoint:{}", endpoint_name(endpoint))).await
}

/// Returns the endpoints of an object that have been used before, one for each of its containers.
pub(crate) async fn known_endpoints(
    store: &dyn Store,
    connection: &ConnectionName,
    object: &ObjectName,
) -> Result<Vec<Endpoint>, StoreError> {
    let any = Endpoint { connection: connection.clone(), object: object.clone(), container: None };
    let prefix = codec::meta(Space::HOST, &format!("space:endpoint:{}", endpoint_name(&any))).id;
    let rows = codec::scan_prefix(store, Space::HOST, StoreTable::Meta, &prefix, None, codec::PAGE_ROWS).await?;
    let containers = rows.into_iter().map(|(id, _)| codec::text(&id, prefix.len()));
    Ok(containers
        .map(|name| Endpoint { container: (!name.is_empty()).then(|| ContainerId::new(name)), ..any.clone() })
        .collect())
}

/// Returns the space of a sync that has been used before; gives out no number.
pub(crate) async fn known_sync_space(store: &dyn Store, sync: &SyncName) -> Result<Option<Space>, StoreError> {
    known(store, &format!("sync:{sync}")).await
}

async fn known(store: &dyn Store, name: &str) -> Result<Option<Space>, StoreError> {
    let number: Option<u32> = codec::load(store, codec::meta(Space::HOST, &format!("space:{name}"))).await?;
    Ok(number.map(Space))
}

fn endpoint_name(endpoint: &Endpoint) -> String {
    let container = endpoint.container.as_ref().map_or("", |container| container.as_str());
    format!("{}\u{1f}{}\u{1f}{container}", endpoint.connection, endpoint.object)
}

async fn named(store: &dyn Store, name: &str) -> Result<Space, StoreError> {
    let key = codec::meta(Space::HOST, &format!("space:{name}"));
    loop {
        if let Some(number) = codec::load(store, key.clone()).await? {
            return Ok(Space(number));
        }
        let counter = codec::meta(Space::HOST, "next-space");
        let next: u32 = codec::load(store, counter.clone()).await?.unwrap_or(1);
        let mut batch = Batch { expect: vec![Expect::Absent(key.clone())], writes: Vec::new() };
        if next > 1 {
            batch.expect.push(Expect::Equals(counter.clone(), codec::encode(&next)));
        }
        codec::put(&mut batch, key.clone(), &next);
        codec::put(&mut batch, counter, &(next + 1));
        match store.commit(batch).await {
            // Somebody else was quicker; look again.
            Err(StoreError::Conflict(_)) => {}
            other => return other.map(|_| Space(next)),
        }
    }
}
