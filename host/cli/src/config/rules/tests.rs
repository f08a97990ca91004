use std::path::Path;

use syncline_core::{
    Abilities, CreatePromise, Field, FieldName, FieldType, KeyForm, Object, Rules, Schema, Traits, Writable,
};

use super::{Facts, rules};
use crate::config::{self, Mistake};

/// Fields as `name:type[=meaning][<list][!]`, where `!` is read-only; `keys` are the object's default keys.
fn side(fields: &str, keys: &[&[&str]]) -> (Object, Schema) {
    let field = |word: &str| {
        let (word, read_only) = word.strip_suffix('!').map_or((word, false), |word| (word, true));
        let (word, slot_of) = word.split_once('<').map_or((word, None), |(word, list)| (word, Some(list)));
        let (word, meaning) = word.split_once('=').map_or((word, None), |(word, meaning)| (word, Some(meaning)));
        let (name, kind) = word.split_once(':').expect("name:type");
        let kinds = [("text", FieldType::Text), ("texts", FieldType::Texts), ("bool", FieldType::Boolean)];
        let kind = kinds.iter().find(|(word, _)| *word == kind).expect("a type").1;
        Field {
            name: name.into(),
            label: name.to_owned(),
            kind,
            traits: Traits { read_only, ..Traits::default() },
            options: Vec::new(),
            length_max: None,
            group: None,
            meaning: meaning.map(str::to_owned),
            slot_of: slot_of.map(FieldName::from),
        }
    };
    let object = Object {
        name: "contacts".into(),
        label: "Contacts".to_owned(),
        kind: "contact".to_owned(),
        abilities: Abilities { create: true, update: true, delete: true, ..Abilities::default() },
        promise: CreatePromise::None,
        link_field: None,
        needs_container: false,
        default_keys: keys.iter().map(|key| key.iter().map(|name| FieldName::from(*name)).collect()).collect(),
        read_page_max: 1,
        get_batch_max: 1,
        write_batch_max: 1,
        visibility_window_ms: 0,
    };
    (object, Schema { fields: fields.split_whitespace().map(field).collect(), fingerprint: String::new() })
}

fn made(sync: &str, left: &(Object, Schema), right: &(Object, Schema)) -> Result<Rules, Vec<Mistake>> {
    let text = format!(
        "[connections.a]\nconnector = \"x\"\n[syncs.s]\nleft = {{ connection = \"a\", object = \"l\" }}\n\
         right = {{ connection = \"a\", object = \"r\" }}\n{sync}"
    );
    let config = config::parse(text, Path::new("syncline.toml")).expect("parses");
    let facts = |side: &'_ (Object, Schema)| (side.0.clone(), side.1.clone());
    let (left, right) = (facts(left), facts(right));
    let of = |choice: &super::TransformChoice| choice.with_options(&choice.options.values);
    rules(
        &config.syncs[0],
        Facts { object: &left.0, schema: &left.1 },
        Facts { object: &right.0, schema: &right.1 },
        &of,
    )
}

fn mapped(rules: &Rules) -> Vec<String> {
    rules.mappings.iter().map(|mapping| format!("{} {:?} {}", mapping.left, mapping.rule, mapping.right)).collect()
}

#[test]
fn e10_5_defaults_join_equal_meanings_where_both_sides_can_write() {
    let left =
        side("mail:text=email first:text=name.given id:text=id! vip:bool=vip tags:text=tag other:text", &[&["mail"]]);
    let right = side(
        "emails:texts email:text=email<emails given:text=name.given! key:text=id! vip:text=vip tag:texts=tag",
        &[],
    );
    let rules = made("", &left, &right).expect("fits");
    assert_eq!(mapped(&rules), ["mail TwoWay email", "first ToLeft given"]);
    assert!(rules.mappings.iter().all(|mapping| mapping.default));
    assert_eq!(rules.mappings[1].right_writable, Writable::Never);
    let key = &rules.matching.tuples[0];
    assert_eq!((key.left[0].field.as_str(), key.right[0].field.as_str()), ("mail", "email"));
    assert_eq!((key.left[0].form, key.right[0].form), (KeyForm::Email, KeyForm::Email));
    let one_way = made("direction = \"to-right\"\ndefaults_off = [\"vip\", \"tag\"]", &left, &right).expect("fits");
    assert_eq!(mapped(&one_way), ["mail ToRight email"]);
}

#[test]
fn e10_2_a_default_list_takes_the_place_of_its_slots() {
    let both = side("emails:texts=emails email:text=email<emails", &[&["email"]]);
    let rules = made("", &both, &both).expect("fits");
    assert_eq!(mapped(&rules), ["emails TwoWay emails"]);
    assert_eq!(rules.matching.tuples.len(), 1, "a key works although its mapping is off");
}

#[test]
fn b07_a_default_mapping_can_only_be_switched_off() {
    let both = side("email:text=email phone:text=phone.work", &[&["email"]]);
    let own = "[[syncs.s.mappings]]\nleft = \"phone\"\nright = \"phone\"\nrule = \"fill-blank-to-left\"\n";
    let edited = made(own, &both, &both).expect_err("a default is edited");
    assert_eq!(edited.len(), 1, "{edited:?}");
    assert!(edited[0].message.contains("can only be switched off"), "{edited:?}");
    assert!(edited[0].mend.as_ref().is_some_and(|mend| mend.contains("defaults_off = [\"phone\"]")), "{edited:?}");
    let off = own.replace("fill-blank-to-left", "off");
    assert!(made(&off, &both, &both).is_err(), "a default is deleted");
    let rules = made("defaults_off = [\"phone\"]\n", &both, &both).expect("fits");
    assert_eq!(mapped(&rules), ["email TwoWay email"]);
    // B08: where the default is off, the user's own takes its place.
    let rules = made(&format!("defaults_off = [\"phone\"]\n{own}"), &both, &both).expect("fits");
    assert_eq!(mapped(&rules), ["email TwoWay email", "phone FillBlankToLeft phone"]);
    assert!(!rules.mappings[1].default);
}

#[test]
fn keys_that_do_not_fit_are_a_mistake_and_not_a_guess() {
    let left = side("mail:text=email", &[&["mail"]]);
    let right = side("name:text=name", &[&["name"]]);
    let mistakes = made("", &left, &right).expect_err("no key");
    assert!(mistakes[0].message.contains("keys"), "{mistakes:?}");
    assert!(made("match = \"none\"", &left, &right).expect("fits").matching.tuples.is_empty());
    let by = made("match = { by = [{ left = \"mail\", right = \"name\" }] }", &left, &right).expect("fits");
    assert_eq!(by.matching.tuples[0].right[0].form, KeyForm::Email);
}

#[test]
fn what_an_object_cannot_do_is_a_mistake_with_its_place() {
    let both = side("email:text=email", &[&["email"]]);
    let mut fixed = side("email:text=email", &[&["email"]]);
    fixed.0.abilities = Abilities { delete: true, ..Abilities::default() };
    let deletes = "deletes = { to_right = \"archive\" }";
    let mistakes = made(deletes, &both, &both).expect_err("it cannot archive");
    assert!(mistakes[0].message.contains("cannot archive a record"), "{mistakes:?}");
    assert!(mistakes[0].mend.as_ref().is_some_and(|mend| mend.contains("`delete`")), "{mistakes:?}");
    assert_eq!(mistakes[0].place.len(), "\"archive\"".len());
    assert!(made("deletes = { to_right = \"delete\" }", &both, &both).is_ok());
    let mistakes = made("", &both, &fixed).expect_err("it can only be read");
    assert!(mistakes[0].message.contains("can only be read"), "{mistakes:?}");
    assert!(made("direction = \"to-left\"", &both, &fixed).is_ok());
}
