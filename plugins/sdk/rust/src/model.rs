//! Objects and fields, as a connector describes them.

pub use crate::bindings::connector::syncline::values::model::{
    Abilities, ChoiceOption, CreatePromise, Field, FieldTraits, FieldType, Object, Schema,
};

impl Abilities {
    /// Tells whether all of `others` are among these.
    pub fn contains(self, others: Self) -> bool {
        self & others == others
    }
}

impl FieldTraits {
    /// Tells whether all of `others` are among these.
    pub fn contains(self, others: Self) -> bool {
        self & others == others
    }
}

impl Object {
    /// Returns an object that can do nothing yet, with pages of 100 records and batches of one.
    pub fn new(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            label: label.into(),
            kind: String::new(),
            abilities: Abilities::empty(),
            promise: CreatePromise::NoPromise,
            link_field: None,
            needs_container: false,
            default_keys: Vec::new(),
            read_page_max: 100,
            get_batch_max: 1,
            write_batch_max: 1,
            visibility_window_ms: 0,
        }
    }

    /// Says what it is, from the published list: `contact`.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    /// Says what can be done with it.
    pub fn abilities(mut self, abilities: Abilities) -> Self {
        self.abilities = abilities;
        self
    }

    /// Says how creates are kept single.
    pub fn promise(mut self, promise: CreatePromise) -> Self {
        self.promise = promise;
        self
    }

    /// Names the field that `prepare` adds to hold the create key.
    pub fn link_field(mut self, field: impl Into<String>) -> Self {
        self.link_field = Some(field.into());
        self
    }

    /// Says that its records live in containers.
    pub fn in_containers(mut self) -> Self {
        self.needs_container = true;
        self
    }

    /// Adds a key tuple that matches the same record elsewhere, after those already there.
    pub fn default_key(mut self, fields: &[&str]) -> Self {
        self.default_keys.push(fields.iter().map(|&field| field.to_owned()).collect());
        self
    }

    /// Sets how many records a page of `read`, one `get` or `find`, and one `write` take at the most.
    pub fn pages(mut self, read_page_max: u32, get_batch_max: u32, write_batch_max: u32) -> Self {
        self.read_page_max = read_page_max;
        self.get_batch_max = get_batch_max;
        self.write_batch_max = write_batch_max;
        self
    }

    /// Says how long a write may stay invisible to reads.
    pub fn visible_after_ms(mut self, window_ms: u64) -> Self {
        self.visibility_window_ms = window_ms;
        self
    }
}

impl Field {
    /// Returns a writable field whose label is its name.
    pub fn new(name: impl Into<String>, kind: FieldType) -> Self {
        let name = name.into();
        Self {
            label: name.clone(),
            name,
            kind,
            traits: FieldTraits::empty(),
            options: Vec::new(),
            length_max: None,
            group: None,
            meaning: None,
            slot_of: None,
            refers_to: Vec::new(),
            values_max: None,
        }
    }

    /// Says what people call it.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds traits to those it has.
    pub fn traits(mut self, traits: FieldTraits) -> Self {
        self.traits = self.traits | traits;
        self
    }

    /// Adds an option that new values may have.
    pub fn option(self, code: impl Into<String>, label: impl Into<String>) -> Self {
        self.push_option(code.into(), label.into(), true)
    }

    /// Adds an option that only old records have.
    pub fn retired_option(self, code: impl Into<String>, label: impl Into<String>) -> Self {
        self.push_option(code.into(), label.into(), false)
    }

    /// Limits the length of its text, in characters.
    pub fn length_max(mut self, characters: u32) -> Self {
        self.length_max = Some(characters);
        self
    }

    /// Puts it in a group of fields that are merged as one.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Says what it means, from the published list: `email`.
    pub fn meaning(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = Some(meaning.into());
        self
    }

    /// Names the list field of which this one is a slot.
    pub fn slot_of(mut self, list: impl Into<String>) -> Self {
        self.slot_of = Some(list.into());
        self
    }

    /// Names an object that its references lead to.
    pub fn refers_to(mut self, object: impl Into<String>) -> Self {
        self.refers_to.push(object.into());
        self
    }

    /// Limits how many values it holds.
    pub fn values_max(mut self, values: u32) -> Self {
        self.values_max = Some(values);
        self
    }

    fn push_option(mut self, code: String, label: String, active: bool) -> Self {
        self.options.push(ChoiceOption { code, label, active });
        self
    }
}

impl Schema {
    /// Returns a schema whose fingerprint is a hash of its fields.
    pub fn of(fields: Vec<Field>) -> Self {
        let mut hash = FNV_OFFSET;
        for field in &fields {
            hash = fnv(hash, &format!("{field:?}"));
        }
        Self { fields, fingerprint: format!("{hash:016x}") }
    }
}

// The standard library's hashes may change with the compiler, and a changed fingerprint costs the user a re-read.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn fnv(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_changes_with_every_part_of_a_field() {
        let field = || Field::new("city", FieldType::Choice);
        let schemas = [
            vec![],
            vec![field()],
            vec![field().label("Town")],
            vec![field().traits(FieldTraits::UNIQUE)],
            vec![field().option("p", "Paris")],
            vec![field().retired_option("p", "Paris")],
            vec![field().length_max(7)],
            vec![field().group("address")],
            vec![field().meaning("address.city")],
            vec![field().slot_of("cities")],
            vec![field().refers_to("places")],
            vec![field().refers_to("places").refers_to("towns")],
            vec![field().values_max(7)],
            vec![field().traits(FieldTraits::UNREPORTED)],
            vec![Field::new("city", FieldType::Text)],
        ];
        let mut prints: Vec<_> = schemas.into_iter().map(|fields| Schema::of(fields).fingerprint).collect();
        prints.sort();
        let count = prints.len();
        prints.dedup();
        assert_eq!(prints.len(), count);
        assert_eq!(Schema::of(vec![field()]), Schema::of(vec![field()]));
    }

    #[test]
    fn traits_add_up() {
        let field = Field::new("id", FieldType::Text).traits(FieldTraits::UNIQUE).traits(FieldTraits::READ_ONLY);
        assert!(field.traits.contains(FieldTraits::UNIQUE | FieldTraits::READ_ONLY));
        assert!(!field.traits.contains(FieldTraits::REQUIRED));
        assert!((Abilities::GET | Abilities::IDS).contains(Abilities::IDS));
    }
}
