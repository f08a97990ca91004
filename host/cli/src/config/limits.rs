//! `limits`: what is put over the limits of a connector's manifest.

use syncline_net::{RateLimit, RateScope};
use syncline_registry::Limits;

use super::mistake::Mistake;
use super::read::{Entry, Item, Reader};

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut section) = reader.section(item, "`limits`") else { return limits };
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for name in Limits::NAMES {
        let Some(entry) = section.take(name) else { continue };
        if name == "rate" {
            limits.rate = rates(reader, entry.value);
        } else if let Some(place) = limits.number_mut(name) {
            *place =
                reader.whole(entry.value, &format!("`{name}`")).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        }
        entries.push(entry);
    }
    for (name, fault) in limits.faults() {
        if let Some(entry) = entries.iter().find(|entry| entry.key == name) {
            reader.wrong(Mistake::new(&entry.value.span(), format!("`{name}`: {fault}")));
        }
    }
    section.finish(reader, &[]);
    limits
}

fn rates(reader: &mut Reader, item: &Item<'_>) -> Vec<RateLimit> {
    let items = reader.list(item, "`rate`").unwrap_or_default();
    let mut rates = Vec::new();
    for item in items {
        let Some(mut section) = reader.section(item, "a window of `rate`") else { continue };
        let calls = section.need(reader, "calls", "{ calls = 100, per_ms = 10000 }");
        let per_ms = section.need(reader, "per_ms", "{ calls = 100, per_ms = 10000 }");
        let calls = calls.and_then(|entry| reader.whole(entry.value, "`calls`"));
        let per_ms = per_ms.and_then(|entry| reader.whole(entry.value, "`per_ms`"));
        let scope = section.take("scope").map(|entry| scope(reader, entry.value)).unwrap_or_default();
        section.finish(reader, &[]);
        if let (Some(calls), Some(per_ms)) = (calls, per_ms) {
            rates.push(RateLimit { calls: u32::try_from(calls).unwrap_or(u32::MAX), per_ms, scope });
        }
    }
    rates
}

fn scope(reader: &mut Reader, item: &Item<'_>) -> RateScope {
    let Some(mut section) = reader.section(item, "`scope`") else { return RateScope::default() };
    let mut text = |reader: &mut Reader, key: &'static str| {
        let text = section.take(key).and_then(|entry| reader.text(entry.value, &format!("`{key}`")));
        text.map(|text| text.into_inner())
    };
    let (method, path) = (text(reader, "method"), text(reader, "path"));
    section.finish(reader, &[]);
    RateScope { method, path }
}
