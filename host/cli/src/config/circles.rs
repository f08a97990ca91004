//! Syncs in a circle (E6.5): what one writes, the next reads, until it is back where it began.
//!
//! Endpoints are places and each sync is a way, or two where it goes both ways. A circle of several syncs is refused unless
//! one of them is a `hub`: somebody knows of it. Two syncs over the same two endpoints are a circle too.
//! Invariant: a value does not travel for ever in a circle either. A write is planned only where the target does not hold
//! the value, and each side has its own base, so a value that comes back to where it began agrees with what is there.
//! If it was edited there again meanwhile, what comes round is known for its own older value, and is no edit: the runs of
//! these syncs keep where values came from.

use std::collections::{BTreeMap, VecDeque};

use syncline_core::{Endpoint, Side};

use super::Sync;
use super::mistake::{Mistake, shown};

/// Notes each sync that closes a circle with those before it.
pub(super) fn mistakes(syncs: &[Sync]) -> Vec<Mistake> {
    let count = |sync: &&Sync| sync.active && !sync.hub;
    let syncs: Vec<&Sync> = syncs.iter().filter(count).collect();
    let closes = |(number, sync): (usize, &&Sync)| {
        let way = ways(sync).find_map(|(from, to)| Some((from, path(&syncs[..number], to, from)?)));
        way.map(|(from, back)| mistake(sync, from, &back))
    };
    syncs.iter().enumerate().filter_map(closes).collect()
}

/// True if other syncs lead back to where this one takes its values from; hubs do as well.
pub(super) fn has(syncs: &[Sync], sync: &Sync) -> bool {
    let others: Vec<&Sync> = syncs.iter().filter(|other| other.active && other.name() != sync.name()).collect();
    ways(sync).any(|(from, to)| path(&others, to, from).is_some())
}

/// The ways that values take through a sync.
fn ways(sync: &Sync) -> impl Iterator<Item = (&Endpoint, &Endpoint)> {
    let written = [Side::Right, Side::Left].into_iter().filter(|side| sync.direction.writes(*side));
    written.map(|side| (sync.endpoint(side.other()), sync.endpoint(side)))
}

/// Returns the shortest way from one endpoint to another: each sync with the endpoint that it leads to.
fn path<'a>(syncs: &[&'a Sync], from: &'a Endpoint, to: &Endpoint) -> Option<Vec<(&'a Sync, &'a Endpoint)>> {
    let mut reached: BTreeMap<&Endpoint, Vec<(&Sync, &Endpoint)>> = BTreeMap::from([(from, Vec::new())]);
    let mut next = VecDeque::from([from]);
    while let Some(at) = next.pop_front() {
        let so_far = reached.get(at).cloned().unwrap_or_default();
        if at == to {
            return Some(so_far);
        }
        for (sync, end) in syncs.iter().flat_map(|sync| ways(sync).map(move |way| (*sync, way))) {
            if end.0 == at && !reached.contains_key(end.1) {
                reached.insert(end.1, so_far.iter().copied().chain([(sync, end.1)]).collect());
                next.push_back(end.1);
            }
        }
    }
    None
}

fn mistake(sync: &Sync, from: &Endpoint, back: &[(&Sync, &Endpoint)]) -> Mistake {
    let first = if ways(sync).next().is_some_and(|(start, _)| start == from) { Side::Right } else { Side::Left };
    let mut text =
        format!("{} closes a circle of syncs: {from} -> {}", shown(sync.name().as_str()), sync.endpoint(first));
    for (sync, end) in back {
        text.push_str(&format!(" -> {end} ({})", sync.name()));
    }
    let mend = "make one of them one-way so that nothing comes back, or write `hub = true` into one if that is meant";
    let mistake = Mistake::new(&sync.place(), text).mend(mend);
    back.iter().fold(mistake, |mistake, (sync, _)| mistake.also(&sync.place(), "part of the circle"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{parse, report};

    /// Each sync: left, right, direction, and what else stands in it.
    fn source(syncs: &[(&str, &str, &str, &str)]) -> String {
        let mut text = String::new();
        for name in ["a", "b", "c", "d"] {
            text.push_str(&format!("[connections.{name}]\nconnector = \"carddav\"\n"));
        }
        for (number, (left, right, direction, more)) in syncs.iter().enumerate() {
            text.push_str(&format!(
                "[syncs.s{number}]\nleft = {{ connection = \"{left}\", object = \"contacts\" }}\nright = {{ connection = \
                 \"{right}\", object = \"contacts\" }}\ndirection = \"{direction}\"\n{more}\n"
            ));
        }
        text
    }

    fn circles(syncs: &[(&str, &str, &str, &str)]) -> usize {
        let Err(mistakes) = parse(source(syncs), Path::new("syncline.toml")) else { return 0 };
        let shown = report::render(&mistakes, false);
        assert_eq!(shown.matches("closes a circle").count(), mistakes.list.len(), "{shown}");
        mistakes.list.len()
    }

    #[test]
    fn e6_5_circles_are_refused_unless_a_direction_breaks_them_or_a_hub_is_marked() {
        let both = "both";
        for (syncs, expected) in [
            (vec![("a", "b", both, ""), ("b", "c", both, "")], 0),
            (vec![("a", "b", both, ""), ("b", "c", both, ""), ("c", "a", both, "")], 1),
            (vec![("a", "b", both, ""), ("b", "c", both, ""), ("c", "a", both, "hub = true")], 0),
            (vec![("a", "b", both, "hub = true"), ("b", "c", both, ""), ("c", "a", both, "")], 0),
            (vec![("a", "b", both, ""), ("b", "c", both, ""), ("c", "a", both, "active = false")], 0),
            // One way round is a circle all the same; two ways that meet are none.
            (vec![("a", "b", "to-right", ""), ("b", "c", "to-right", ""), ("c", "a", "to-right", "")], 1),
            (vec![("a", "b", both, ""), ("b", "c", both, ""), ("c", "a", "to-right", "")], 1),
            (vec![("a", "b", "to-right", ""), ("b", "c", both, ""), ("a", "c", "to-right", "")], 0),
            // The same two endpoints.
            (vec![("a", "b", both, ""), ("b", "a", both, "")], 1),
            (vec![("a", "b", "to-right", ""), ("a", "b", "to-left", "")], 1),
            (vec![("a", "b", "to-right", ""), ("b", "a", "to-left", "")], 0),
            (vec![("a", "b", both, ""), ("b", "c", both, ""), ("c", "d", both, ""), ("d", "a", both, "")], 1),
        ] {
            assert_eq!(circles(&syncs), expected, "{syncs:?}");
        }
    }

    #[test]
    fn e6_5_a_sync_lies_in_a_circle_if_others_lead_its_values_back_to_it() {
        let both = "both";
        for (syncs, expected) in [
            (vec![("a", "b", both, ""), ("b", "c", both, "")], "no no"),
            (vec![("a", "b", both, ""), ("b", "c", both, ""), ("c", "a", both, "hub = true")], "yes yes yes"),
            (vec![("a", "b", both, ""), ("b", "c", both, ""), ("c", "a", both, "active = false")], "no no yes"),
            (vec![("a", "b", "to-right", ""), ("b", "c", "to-right", ""), ("a", "c", "to-right", "")], "no no no"),
            // What hangs on a circle is not in it.
            (
                vec![("a", "b", both, ""), ("b", "c", both, ""), ("c", "a", both, "hub = true"), ("a", "d", both, "")],
                "yes yes yes no",
            ),
            (vec![("a", "b", both, ""), ("b", "a", both, "hub = true")], "yes yes"),
        ] {
            let config = parse(source(&syncs), Path::new("syncline.toml")).expect("hubs make these fine");
            let lies = config.syncs.iter().map(|sync| if config.lies_in_a_circle(sync) { "yes" } else { "no" });
            assert_eq!(lies.collect::<Vec<_>>().join(" "), expected, "{syncs:?}");
        }
    }
}
