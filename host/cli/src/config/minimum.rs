//! What a connector demands of a sync that writes one of its objects: at least one of some fields is mapped (F04).

use syncline_core::{MappingRule, Rules, Side, Writable};
use syncline_registry::ObjectHint;

use super::Sync;
use super::mistake::{Mistake, listed, shown};

/// Returns a mistake for each group of fields of which `rules` write none; `objects` are those of the side's manifest.
pub fn validate(sync: &Sync, side: Side, objects: &[ObjectHint], rules: &Rules) -> Vec<Mistake> {
    let endpoint = sync.endpoint(side);
    let hint = objects.iter().find(|hint| hint.name == endpoint.object.as_str());
    let groups = hint.filter(|_| sync.direction.writes(side)).map(|hint| hint.minimum.as_slice()).unwrap_or_default();
    let is_written = |field: &String| {
        rules.mappings.iter().any(|mapping| {
            mapping.field(side).as_str() == field
                && mapping.rule != MappingRule::Off
                && mapping.writable(side) != Writable::Never
                && rules.flows_to(mapping, side)
        })
    };
    let missed = groups.iter().filter(|group| !group.iter().any(is_written));
    missed
        .map(|group| {
            let names = listed(group.iter().map(String::as_str));
            let message = format!("{endpoint} needs at least one of {names}, and no mapping writes any of them");
            let place = &side.pick(&sync.left, &sync.right).object_place;
            let example = group.first().map(|field| shown(field)).unwrap_or_default();
            Mistake::new(place, message).mend(format!("add a mapping to {example} on the {side}"))
        })
        .collect()
}
