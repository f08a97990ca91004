//! What is merged as one (E2.5), and which policy decides conflicts about it (E3.1).

use std::collections::BTreeMap;

use crate::{ConflictPolicy, MappingRule, Rules, Side, Writable};

/// Returns the mappings that are merged as one: each group together, every other mapping alone, in order.
///
/// Only members that go both ways can disagree: where one side is the source, that side decides, alone, each time.
pub(super) fn units(rules: &Rules) -> Vec<Vec<usize>> {
    let mut units: Vec<Vec<usize>> = Vec::new();
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, mapping) in rules.mappings.iter().enumerate() {
        let both_ways = mapping.rule == MappingRule::TwoWay
            && Side::BOTH
                .into_iter()
                .all(|side| rules.direction.writes(side) && mapping.writable(side) == Writable::Always);
        let group = if rules.record_atomic { Some("the record") } else { mapping.group.as_deref() };
        match group.filter(|_| both_ways && mapping.rule != MappingRule::Off) {
            Some(group) => match groups.get(group) {
                Some(&unit) => units[unit].push(index),
                None => {
                    groups.insert(group, units.len());
                    units.push(vec![index]);
                }
            },
            None => units.push(vec![index]),
        }
    }
    units
}

/// Returns the policy for conflicts about mappings that are merged as one.
pub(super) fn policy<'a>(rules: &'a Rules, unit: &[usize]) -> &'a ConflictPolicy {
    unit.iter().find_map(|&index| rules.mappings[index].conflict.as_ref()).unwrap_or(&rules.conflict)
}

impl Rules {
    /// Returns the policy for conflicts about mapping number `index`: its own, or that of its group, or the sync's.
    pub fn conflict_policy(&self, index: usize) -> &ConflictPolicy {
        let unit = units(self).into_iter().find(|unit| unit.contains(&index));
        policy(self, &unit.unwrap_or_default())
    }
}
