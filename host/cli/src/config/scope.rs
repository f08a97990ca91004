//! `filter`, `list`, `lists` and `leave`: which records a sync is about, and what becomes of those that leave (E5).

use std::ops::Range;

use syncline_core::{
    Direction, FilterError, FilterFault, InclusionList, Leave, ListId, Object, Operator, ParsedFilter, Schema, Scope,
    Side,
};
use syncline_runner::SideSetup;
use toml::Spanned;
use toml::de::DeValue;

use super::Sync;
use super::mistake::{Mistake, listed, neighbour, shown};
use super::read::{Entry, Item, Reader, Section};
use super::schedule::{self, Every};

/// Which records a sync is about.
#[derive(Clone, Debug, Default)]
pub struct ScopeConfig {
    /// The filter of the left side.
    pub left: Option<FilterConfig>,
    /// The filter of the right side.
    pub right: Option<FilterConfig>,
    /// The inclusion list.
    pub list: Option<Spanned<InclusionList>>,
    /// What becomes of what leaves, and where that stands.
    pub leave: Option<Spanned<Leave>>,
    /// How often the lists are read anew.
    pub lists: Option<Every>,
}

/// A filter and where it stands.
#[derive(Clone, Debug)]
pub struct FilterConfig {
    parsed: ParsedFilter,
    place: Place,
}

impl FilterConfig {
    /// Returns the lists that it asks for, and where.
    pub(super) fn lists(&self) -> Vec<(ListId, Range<usize>)> {
        self.parsed.lists().into_iter().map(|(list, place)| (list, self.place.within(&place))).collect()
    }
}

/// Where the text of a filter stands.
#[derive(Clone, Debug)]
struct Place {
    whole: Range<usize>,
    /// Where its first byte stands, unless escapes move what follows.
    start: Option<usize>,
}

/// The words of `leave`.
pub const LEAVES: [(&str, Leave); 4] =
    [("freeze", Leave::Freeze), ("final-update", Leave::FinalUpdate), ("tag", Leave::Tag), ("unpair", Leave::Unpair)];

impl ScopeConfig {
    /// True if it asks who is in a list.
    pub fn asks_for_lists(&self) -> bool {
        let mut filters = [&self.left, &self.right].into_iter().flatten();
        self.list.is_some() || filters.any(|filter| !filter.parsed.lists().is_empty())
    }

    /// Returns how often the lists are read anew.
    pub fn lists_every(&self) -> Every {
        self.lists.unwrap_or(Every { every_ms: SideSetup::LISTS_EVERY_MS.unsigned_abs() })
    }

    /// Returns the filter of `side`.
    pub fn filter(&self, side: Side) -> Option<&FilterConfig> {
        side.pick(self.left.as_ref(), self.right.as_ref())
    }

    /// Returns the policy for what leaves.
    pub fn leave(&self) -> Leave {
        self.leave.as_ref().map_or(Leave::default(), |leave| *leave.get_ref())
    }

    /// Makes the scope that `decide` reads; filters that do not fit their schema are left out.
    pub fn scope(&self, left: &Schema, right: &Schema) -> Scope {
        let typed = |filter: &Option<FilterConfig>, schema| filter.as_ref().and_then(|it| it.parsed.typed(schema).ok());
        Scope {
            left: typed(&self.left, left),
            right: typed(&self.right, right),
            list: self.list.as_ref().map(|list| list.get_ref().clone()),
        }
    }
}

impl Place {
    fn of(item: &Item<'_>, text: &str) -> Place {
        let whole = item.span();
        // One or three quotes on either side; anything else means that characters are escaped.
        let quotes = whole.len().saturating_sub(text.len());
        let is_plain = matches!(item.get_ref(), DeValue::String(text) if matches!(text, std::borrow::Cow::Borrowed(_)));
        let start = (is_plain && matches!(quotes, 2 | 6)).then_some(whole.start + quotes / 2);
        Place { whole, start }
    }

    fn within(&self, inner: &Range<usize>) -> Range<usize> {
        match self.start {
            // What is missing at the end is shown at the closing quote.
            Some(start) => start + inner.start..start + inner.end.max(inner.start + 1),
            None => self.whole.clone(),
        }
    }
}

/// Takes its keys out of a sync.
pub(super) fn read(reader: &mut Reader, section: &mut Section<'_>, direction: Direction) -> ScopeConfig {
    let mut scope = ScopeConfig::default();
    if let Some(entry) = section.take("filter")
        && let Some(mut sides) = reader.section(entry.value, "`filter`")
    {
        scope.left = sides.take("left").and_then(|entry| filter(reader, &entry, Side::Left, direction));
        scope.right = sides.take("right").and_then(|entry| filter(reader, &entry, Side::Right, direction));
        sides.finish(reader, &[]);
    }
    scope.list = section.take("list").and_then(|entry| list(reader, &entry, direction));
    if let Some(entry) = section.take("lists") {
        scope.lists = schedule::read_every(reader, entry.value, "lists");
        if !scope.asks_for_lists() && reader.mistakes.is_empty() {
            let mistake = Mistake::new(&entry.key_place, "`lists` says how often lists are read, and there is none");
            reader.wrong(mistake.mend("add a `list` or a filter with `member of`, or take `lists` out"));
        }
    }
    if let Some(entry) = section.take("leave") {
        let leave = reader.word(entry.value, "policy for what leaves", &LEAVES);
        if scope.left.is_none() && scope.right.is_none() && scope.list.is_none() && reader.mistakes.is_empty() {
            let mistake = Mistake::new(&entry.key_place, "`leave` means something only with a `filter` or a `list`");
            reader.wrong(mistake.mend("add one, or take `leave` out"));
        }
        scope.leave = leave.map(|leave| Spanned::new(entry.value.span(), leave));
    }
    scope
}

fn filter(reader: &mut Reader, entry: &Entry<'_>, side: Side, direction: Direction) -> Option<FilterConfig> {
    let text = reader.text(entry.value, &format!("the filter of the {side}"))?;
    let place = Place::of(entry.value, text.get_ref());
    if !direction.writes(side.other()) {
        let message = format!("a filter of the {side} says nothing: this sync never reads from there");
        let mend = format!("filter the {}, or set `direction = \"both\"`", side.other());
        reader.wrong(Mistake::new(&entry.key_place, message).mend(mend));
    }
    match ParsedFilter::parse(text.get_ref()) {
        Ok(parsed) => Some(FilterConfig { parsed, place }),
        Err(error) => {
            reader.wrong(mistake(&place, &error, None));
            None
        }
    }
}

fn list(reader: &mut Reader, entry: &Entry<'_>, direction: Direction) -> Option<Spanned<InclusionList>> {
    let mut section = reader.section(entry.value, "`list`")?;
    let example = "list = { side = \"left\", id = \"42\" }";
    let side = section.need(reader, "side", example);
    let id = section.need(reader, "id", example);
    let creates = section.take("creates");
    section.finish(reader, &[]);
    let side = reader.word(side?.value, "side", &[("left", Side::Left), ("right", Side::Right)])?;
    let id = reader.text(id?.value, "the id of the list")?;
    let words = [("key-only", true), ("none", false)];
    let creates_key_only = match &creates {
        Some(entry) => reader.word(entry.value, "way to create records outside the list", &words)?,
        None => true,
    };
    if let Some(entry) = creates.filter(|_| !direction.writes(side)) {
        let mistake =
            Mistake::new(&entry.key_place, format!("nothing is ever created on the {side}, where the list is"));
        reader.wrong(mistake.mend("take `creates` out, or set `direction = \"both\"`"));
    }
    let list = InclusionList { side, id: ListId::new(id.get_ref().as_str()), creates_key_only };
    Some(Spanned::new(entry.value.span(), list))
}

/// Returns what the schemas show to be wrong with the filters of `sync`.
pub(super) fn validate_filters(sync: &Sync, left: &Schema, right: &Schema) -> Vec<Mistake> {
    let sides = Side::BOTH.into_iter().filter_map(|side| Some((side, sync.scope.filter(side)?)));
    let mistakes = sides.flat_map(|(side, filter)| {
        let schema = side.pick(left, right);
        let errors = filter.parsed.typed(schema).err().unwrap_or_default();
        errors.into_iter().map(|error| mistake(&filter.place, &error, Some((side, schema)))).collect::<Vec<_>>()
    });
    mistakes.collect()
}

/// Returns what `sync` asks of its two objects about lists and tags that they cannot do.
pub(super) fn validate_abilities(sync: &Sync, left: &Object, right: &Object) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for side in Side::BOTH {
        let object = side.pick(left, right);
        let named =
            sync.scope.filter(side).into_iter().flat_map(|filter| filter.lists().into_iter().map(|(_, place)| place));
        let inclusion = sync.scope.list.iter().filter(|list| list.get_ref().side == side).map(Spanned::span);
        for place in named.chain(inclusion).filter(|_| !object.abilities.members) {
            let message = format!("{} does not tell who is in a list", sync.endpoint(side));
            mistakes.push(Mistake::new(&place, message).mend("filter by fields instead"));
        }
    }
    if let Some(leave) = sync.scope.leave.as_ref().filter(|leave| *leave.get_ref() == Leave::Tag) {
        let cannot = Side::BOTH
            .into_iter()
            .find(|side| sync.direction.writes(*side) && !side.pick(left, right).abilities.tag && follows(sync, *side));
        if let Some(side) = cannot {
            let message = format!("{} cannot tag a record", sync.endpoint(side));
            mistakes.push(Mistake::new(&leave.span(), message).mend("use `freeze`, `final-update` or `unpair`"));
        }
    }
    mistakes
}

/// True if records of `side` may be tagged when a pair leaves.
fn follows(sync: &Sync, side: Side) -> bool {
    let decides = |side: Side| {
        sync.scope.filter(side).is_some() || sync.scope.list.as_ref().is_some_and(|list| list.get_ref().side == side)
    };
    !decides(side) || decides(side.other()) || !sync.direction.writes(side.other())
}

/// Says what is wrong with a filter at its place, and what may have been meant.
fn mistake(place: &Place, error: &FilterError, schema: Option<(Side, &Schema)>) -> Mistake {
    let message = match (place.start, schema) {
        (_, Some((side, _))) if matches!(error.fault, FilterFault::NoField(_)) => format!("{error} on the {side}"),
        (None, _) => format!("{error}, at byte {} of the filter", error.place.start + 1),
        _ => error.to_string(),
    };
    let mistake = Mistake::new(&place.within(&error.place), message);
    match (&error.fault, schema) {
        (FilterFault::NoField(field), Some((_, schema))) => {
            let names = schema.fields.iter().map(|field| field.name.as_str());
            mistake.mend(neighbour(field.as_str(), names, "there are"))
        }
        (FilterFault::Unsuited { kind, .. }, _) => {
            let suits = Operator::ALL.into_iter().filter(|operator| operator.suits(*kind)).map(Operator::word);
            mistake.mend(format!("there are {}", listed(suits)))
        }
        (FilterFault::NoOption { value, known, .. }, _) => {
            mistake.mend(neighbour(value.trim_matches('\''), known.iter().map(String::as_str), "there are"))
        }
        (FilterFault::Operand { expected, .. }, _) => mistake.mend(format!("a {expected} is wanted")),
        (FilterFault::NothingExact { .. }, _) => mistake.mend("take `exact` out"),
        (FilterFault::OpenQuote, _) => mistake.mend("close it; a quote within a text is doubled"),
        (FilterFault::Syntax { .. }, _) => mistake.mend(format!("for example {}", shown("city = 'Paris' and vip"))),
        _ => mistake,
    }
}
