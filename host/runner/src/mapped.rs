//! Between diff and decide: makes the values of one side as they would be on the other, in batches through the
//! transform components.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_core::{EditDelete, FieldName, Image, Mapping, PairState, Rules, Side, TransformUse, Value};

use crate::planning::Work;
use crate::setup::SyncSetup;
use crate::{Failure, Fault, Transform};

/// Rows that one call of a transform takes at the most.
const TRANSFORM_ROWS_MAX: usize = 1_000;

/// One value that a transform is to change: whose, for which mapping and side.
struct Wanted {
    work: usize,
    mapping: usize,
    target: Side,
    value: Value,
}

/// Makes the images of a page of pairs.
pub(crate) struct Mapper<'a> {
    setup: &'a SyncSetup,
}

impl<'a> Mapper<'a> {
    pub(crate) fn new(setup: &'a SyncSetup) -> Self {
        Self { setup }
    }

    /// Fills in the images of `works`, for the fields that changed on either side.
    pub(crate) async fn map(&self, works: &mut [Work]) -> Result<(), Failure> {
        let rules = &self.setup.rules;
        let mut wanted: BTreeMap<&TransformUse, Vec<Wanted>> = BTreeMap::new();
        for (index, work) in works.iter_mut().enumerate() {
            work.images.to_left = vec![None; rules.mappings.len()];
            work.images.to_right = vec![None; rules.mappings.len()];
            for (mapping_index, target) in needed(rules, work) {
                let mapping = &rules.mappings[mapping_index];
                let source = work.record(target.other()).and_then(|record| record.get(mapping.field(target.other())));
                let Some(value) = source.cloned() else { continue };
                match mapping.transform_to(target).filter(|_| !value.is_blank()) {
                    None => set(work, target, mapping_index, Some(Ok(value))),
                    Some(transform) => {
                        wanted.entry(transform).or_default().push(Wanted {
                            work: index,
                            mapping: mapping_index,
                            target,
                            value,
                        });
                    }
                }
            }
        }
        for (transform, wanted) in wanted {
            for chunk in wanted.chunks(TRANSFORM_ROWS_MAX) {
                self.apply(transform, chunk, works).await?;
            }
        }
        Ok(())
    }

    async fn apply(&self, used: &TransformUse, wanted: &[Wanted], works: &mut [Work]) -> Result<(), Failure> {
        let failed = |source| Failure::Transform { name: used.name.clone(), source };
        let Some(transform): Option<&Arc<dyn Transform>> = self.setup.transforms.get(used) else {
            return Err(failed(Fault::Unsupported("it is not loaded".to_owned())));
        };
        let rows = wanted.iter().map(|wanted| vec![Some(wanted.value.clone())]).collect();
        let columns = vec![FieldName::from("value")];
        let answers = transform.apply(used.options.clone(), columns, rows).await.map_err(failed)?;
        if answers.len() != wanted.len() {
            let text = format!("{} rows in, {} rows out", wanted.len(), answers.len());
            return Err(failed(Fault::Protocol(text)));
        }
        for (wanted, answer) in wanted.iter().zip(answers) {
            let image = match answer.map(|cells| cells.into_iter().next()) {
                Ok(Some(Some(value))) => Ok(value),
                Ok(_) => Err("the transform gave no value".to_owned()),
                Err(reason) => Err(reason),
            };
            set(&mut works[wanted.work], wanted.target, wanted.mapping, Some(image));
        }
        Ok(())
    }
}

/// Makes one value through a transform.
pub(crate) async fn one(setup: &SyncSetup, used: &TransformUse, value: Value) -> Result<Value, Failure> {
    let failed = |source| Failure::Transform { name: used.name.clone(), source };
    let Some(transform) = setup.transforms.get(used) else {
        return Err(failed(Fault::Unsupported("it is not loaded".to_owned())));
    };
    let rows = vec![vec![Some(value)]];
    let answer = transform.apply(used.options.clone(), vec![FieldName::from("value")], rows).await.map_err(failed)?;
    match answer.into_iter().next().map(|row| row.map(|cells| cells.into_iter().next().flatten())) {
        Some(Ok(Some(value))) => Ok(value),
        Some(Err(reason)) => Err(Failure::Request(reason)),
        Some(Ok(None)) | None => Err(failed(Fault::Protocol("it gave no value".to_owned()))),
    }
}

fn set(work: &mut Work, target: Side, mapping: usize, image: Image) {
    target.pick(&mut work.images.to_left, &mut work.images.to_right)[mapping] = image;
}

/// Returns which mappings are needed towards which side.
fn needed(rules: &Rules, work: &Work) -> Vec<(usize, Side)> {
    let flows = |mapping: &Mapping, target: Side| rules.flows_to(mapping, target);
    let towards = |targets: &[Side], wants: &dyn Fn(usize) -> bool| {
        let mut needed = Vec::new();
        for (index, mapping) in rules.mappings.iter().enumerate().filter(|(index, _)| wants(*index)) {
            needed.extend(targets.iter().filter(|target| flows(mapping, **target)).map(|target| (index, *target)));
        }
        needed
    };
    match (work.record(Side::Left), work.record(Side::Right)) {
        (Some(_), Some(_)) => {
            let touched = work.touched(rules);
            towards(&Side::BOTH, &|index| touched[index].any())
        }
        (Some(_), None) if may_create(rules, work, Side::Right) => towards(&[Side::Right], &|_| true),
        (None, Some(_)) if may_create(rules, work, Side::Left) => towards(&[Side::Left], &|_| true),
        _ => Vec::new(),
    }
}

fn may_create(rules: &Rules, work: &Work, target: Side) -> bool {
    work.known(target).is_none()
        || matches!(work.pair.state, PairState::Tombstone { .. })
        || rules.edit_delete == EditDelete::EditWins
}
