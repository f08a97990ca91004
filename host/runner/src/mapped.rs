//! Between diff and decide: makes the values of one side as they would be on the other, step by step; the steps of
//! components in batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_core::{
    EditDelete, FieldName, Image, Mapping, MergeForm, PairState, Rules, Side, Step, TransformUse, Unfit, Value,
    references, too_many,
};

use crate::linked::{self, Wanted};
use crate::planning::Work;
use crate::setup::SyncSetup;
use crate::waiting::WaitingReference;
use crate::{Failure, Fault, Store, Transform};

/// Rows that one call of a transform takes at the most.
const TRANSFORM_ROWS_MAX: usize = 1_000;

/// One value on its way.
struct Carried<'a> {
    steps: &'a [Step],
    value: Value,
}

/// How far a value got.
enum Reached<'a> {
    End(Result<Value, Unfit>),
    Component(&'a TransformUse, Carried<'a>),
}

impl<'a> Carried<'a> {
    /// Takes the steps of the host until a component's turn or the end; a blank stays blank.
    fn advance(mut self) -> Reached<'a> {
        loop {
            let Some((step, rest)) = self.steps.split_first().filter(|_| !self.value.is_blank()) else {
                return Reached::End(Ok(self.value));
            };
            self.steps = rest;
            match step {
                Step::Transform(used) => return Reached::Component(used, self),
                Step::Convert(_) | Step::Options(_) => match step.apply(self.value) {
                    Some(Ok(value)) => self.value = value,
                    Some(Err(unfit)) => return Reached::End(Err(unfit)),
                    None => return Reached::End(Err(Unfit::invalid("a step that only a component can take"))),
                },
            }
        }
    }
}

/// Whose value it is, for which mapping and side.
#[derive(Clone, Copy)]
struct Place {
    work: usize,
    mapping: usize,
    target: Side,
}

/// The values that wait for one component.
type Waiting<'a> = BTreeMap<&'a TransformUse, Vec<(Place, Carried<'a>)>>;

/// Makes the images of a page of pairs.
pub(crate) struct Mapper<'a> {
    store: &'a dyn Store,
    setup: &'a SyncSetup,
}

impl<'a> Mapper<'a> {
    pub(crate) fn new(store: &'a dyn Store, setup: &'a SyncSetup) -> Self {
        Self { store, setup }
    }

    /// Fills in the images of `works`, for the fields that changed on either side.
    pub(crate) async fn map(&self, works: &mut [Work]) -> Result<(), Failure> {
        let rules = &self.setup.rules;
        let mut waiting = Waiting::new();
        let mut referring: BTreeMap<usize, Vec<Place>> = BTreeMap::new();
        for (index, work) in works.iter_mut().enumerate() {
            work.images.to_left = vec![None; rules.mappings.len()];
            work.images.to_right = vec![None; rules.mappings.len()];
            for (mapping_index, target) in needed(rules, work) {
                let mapping = &rules.mappings[mapping_index];
                let source = work.record(target.other()).and_then(|record| record.get(mapping.field(target.other())));
                let Some(value) = source.cloned() else { continue };
                let place = Place { work: index, mapping: mapping_index, target };
                if mapping.joins_references() {
                    referring.entry(mapping_index).or_default().push(place);
                    continue;
                }
                let carried = Carried { steps: mapping.steps_to(target), value };
                if let Some(image) = go_on(place, carried, &mut waiting) {
                    set(work, place, mapping, image);
                }
            }
        }
        for (mapping, places) in referring {
            self.refer(works, mapping, places).await?;
        }
        // Each round takes one component further; chains are as long as the configuration says.
        while let Some((used, wanted)) = waiting.pop_first() {
            let mut wanted = wanted.into_iter();
            loop {
                let chunk: Vec<(Place, Carried<'a>)> = wanted.by_ref().take(TRANSFORM_ROWS_MAX).collect();
                if chunk.is_empty() {
                    break;
                }
                let values = chunk.iter().map(|(_, carried)| carried.value.clone()).collect();
                let answers = apply(self.setup, used, values).await?;
                for ((place, carried), answer) in chunk.into_iter().zip(answers) {
                    let image = match answer {
                        Ok(value) => go_on(place, Carried { value, ..carried }, &mut waiting),
                        Err(unfit) => Some(Err(unfit)),
                    };
                    if let Some(image) = image {
                        set(&mut works[place.work], place, &self.setup.rules.mappings[place.mapping], image);
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes the images of the references of one mapping, and notes which of them wait (E10.1).
    async fn refer(&self, works: &mut [Work], index: usize, places: Vec<Place>) -> Result<(), Failure> {
        let mapping = &self.setup.rules.mappings[index];
        let wanted: Wanted = places.iter().flat_map(|place| referred_to(&works[place.work], mapping)).collect();
        let links = linked::find(self.store, mapping, &wanted).await?;
        for place in places {
            let (work, origin) = (&mut works[place.work], place.target.other());
            let value = |side: Side| work.record(side).and_then(|record| record.get(mapping.field(side)));
            let Some(source) = value(origin) else { continue };
            let keeps = mapping.merge == MergeForm::Set;
            let image = links.image(place.target, source, value(place.target), keeps);
            let waits = links.waiting(origin, source).into_iter().map(|reference| WaitingReference {
                mapping: u32::try_from(index).expect("a sync has fewer mappings than that"),
                side: origin,
                reference: reference.clone(),
            });
            let waits: Vec<WaitingReference> = waits.collect();
            work.waiting.extend(waits);
            set(work, place, mapping, image);
            if !work.images.links.contains_key(&index) {
                let own = links.only(referred_to(work, mapping));
                work.images.links.insert(index, own);
            }
        }
        Ok(())
    }
}

/// Returns every reference that a merge of one mapping looks at: what both sides have, and what they agreed on.
fn referred_to(work: &Work, mapping: &Mapping) -> Wanted {
    let of = |side: Side| {
        let now = work.record(side).and_then(|record| record.get(mapping.field(side)));
        let base = work.pair.base.of(mapping).map(|cell| cell.value(side));
        let all = now.into_iter().chain(base).flat_map(references);
        all.map(move |reference| (side, reference.clone()))
    };
    Side::BOTH.into_iter().flat_map(of).collect()
}

/// Takes a value as far as the host can; without an answer it waits for a component.
fn go_on<'a>(place: Place, carried: Carried<'a>, waiting: &mut Waiting<'a>) -> Option<Result<Value, Unfit>> {
    match carried.advance() {
        Reached::End(image) => Some(image),
        Reached::Component(used, carried) => {
            waiting.entry(used).or_default().push((place, carried));
            None
        }
    }
}

/// Calls a component once.
async fn apply(
    setup: &SyncSetup,
    used: &TransformUse,
    values: Vec<Value>,
) -> Result<Vec<Result<Value, Unfit>>, Failure> {
    let failed = |source| Failure::Transform { name: used.name.clone(), source };
    let Some(transform): Option<&Arc<dyn Transform>> = setup.transforms.get(used) else {
        return Err(failed(Fault::Unsupported("it is not loaded".to_owned())));
    };
    let count = values.len();
    let rows = values.into_iter().map(|value| vec![Some(value)]).collect();
    let columns = vec![FieldName::from("value")];
    let answers = transform.apply(used.options.clone(), columns, rows).await.map_err(failed)?;
    if answers.len() != count {
        return Err(failed(Fault::Protocol(format!("{count} rows in, {} rows out", answers.len()))));
    }
    let images = answers.into_iter().map(|answer| match answer.map(|cells| cells.into_iter().next()) {
        Ok(Some(Some(value))) => Ok(value),
        Ok(_) => Err(Unfit::invalid("the transform gave no value")),
        Err(reason) => Err(Unfit::invalid(reason)),
    });
    Ok(images.collect())
}

/// Makes one value as it would be on `target`.
pub(crate) async fn one(
    store: &dyn Store,
    setup: &SyncSetup,
    mapping: &Mapping,
    target: Side,
    value: Value,
) -> Result<Value, Failure> {
    if mapping.joins_references() {
        return referred(store, mapping, target, &value).await;
    }
    let mut carried = Carried { steps: mapping.steps_to(target), value };
    loop {
        match carried.advance() {
            Reached::End(Ok(value)) => return Ok(value),
            Reached::End(Err(unfit)) => return Err(Failure::Request(unfit.detail)),
            Reached::Component(used, waits) => {
                let answer = apply(setup, used, vec![waits.value.clone()]).await?.pop();
                match answer {
                    Some(Ok(value)) => carried = Carried { value, ..waits },
                    Some(Err(unfit)) => return Err(Failure::Request(unfit.detail)),
                    None => return Err(Failure::Request("the transform gave no value".to_owned())),
                }
            }
        }
    }
}

/// Makes references as `target` would have them; none may wait.
async fn referred(store: &dyn Store, mapping: &Mapping, target: Side, value: &Value) -> Result<Value, Failure> {
    let origin = target.other();
    let wanted: Wanted = references(value).iter().map(|reference| (origin, reference.clone())).collect();
    let links = linked::find(store, mapping, &wanted).await?;
    match links.waiting(origin, value).first() {
        None => links.image(target, value, None, false).map_err(|unfit| Failure::Request(unfit.detail)),
        Some(waiting) => {
            let (field, id) = (mapping.field(origin), &waiting.id);
            Err(Failure::Request(format!(
                "{field}: {id} of the {origin} side has no counterpart yet; run the sync again"
            )))
        }
    }
}

/// Keeps an image, unless it is more than the field can hold.
fn set(work: &mut Work, place: Place, mapping: &Mapping, image: Result<Value, Unfit>) {
    let image: Image = Some(image.and_then(|image| match too_many(mapping, place.target, &image) {
        Some(unfit) => Err(unfit),
        None => Ok(image),
    }));
    place.target.pick(&mut work.images.to_left, &mut work.images.to_right)[place.mapping] = image;
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
        (Some(_), None) => towards(&[Side::Right], &|index| is_needed_alone(rules, work, Side::Right, index)),
        (None, Some(_)) => towards(&[Side::Left], &|index| is_needed_alone(rules, work, Side::Left, index)),
        (None, None) => Vec::new(),
    }
}

/// True if it matters what a record without counterpart would be over there: it may be created, or what was never agreed on
/// may be an edit that keeps it (E3.6).
fn is_needed_alone(rules: &Rules, work: &Work, target: Side, index: usize) -> bool {
    may_create(rules, work, target) || work.pair.base.of(&rules.mappings[index]).is_none()
}

fn may_create(rules: &Rules, work: &Work, target: Side) -> bool {
    work.known(target).is_none()
        || matches!(work.pair.state, PairState::Tombstone { .. })
        || rules.edit_delete == EditDelete::EditWins
}
