use std::path::Path;

use syncline_core::{
    Abilities, ChoiceOption, Conversion, CreatePromise, Field, FieldName, FieldType, KeyForm, MergeForm, Object,
    ObjectName, OnInvalid, Rules, Schema, Side, Step, SyncName, TargetDrift, Traits, Way, Writable,
};

use super::{Facts, rules};
use crate::config::{self, Mistake};

/// Fields as `name:type[=meaning][<list][!]`, where `!` is read-only and a type may be `ref|companies` or `one|companies`; `keys` are the object's default keys.
fn side(fields: &str, keys: &[&[&str]]) -> (Object, Schema) {
    let field = |word: &str| {
        let (word, read_only) = word.strip_suffix('!').map_or((word, false), |word| (word, true));
        let (word, slot_of) = word.split_once('<').map_or((word, None), |(word, list)| (word, Some(list)));
        let (word, meaning) = word.split_once('=').map_or((word, None), |(word, meaning)| (word, Some(meaning)));
        let (name, kind) = word.split_once(':').expect("name:type");
        let (kind, options) = kind.split_once('|').map_or((kind, ""), |(kind, options)| (kind, options));
        let words = || options.split(',').filter(|code| !code.is_empty());
        let (word, values_max) = (kind, (kind == "one").then_some(1));
        let option = |code: &str| ChoiceOption { code: code.to_owned(), label: code.to_owned(), active: true };
        let kinds = [
            ("text", FieldType::Text),
            ("texts", FieldType::Texts),
            ("bool", FieldType::Boolean),
            ("json", FieldType::Json),
            ("date", FieldType::Date),
            ("moment", FieldType::Moment),
            ("int", FieldType::Integer),
            ("decimal", FieldType::Decimal),
            ("choice", FieldType::Choice),
            ("ref", FieldType::References),
            ("one", FieldType::References),
        ];
        let kind = kinds.iter().find(|(known, _)| *known == word).expect("a type").1;
        let is_reference = kind == FieldType::References;
        Field {
            traits: Traits { read_only, ..Traits::default() },
            options: words().filter(|_| !is_reference).map(option).collect(),
            meaning: meaning.map(str::to_owned),
            slot_of: slot_of.map(FieldName::from),
            refers_to: words().filter(|_| is_reference).map(ObjectName::from).collect(),
            values_max,
            ..Field::new(name, kind)
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

fn parsed(sync: &str) -> config::Config {
    let text = format!(
        "[connections.a]\nconnector = \"x\"\n[syncs.s]\nleft = {{ connection = \"a\", object = \"l\" }}\n\
         right = {{ connection = \"a\", object = \"r\" }}\n{sync}"
    );
    config::parse(text, Path::new("syncline.toml")).expect("parses")
}

fn made(sync: &str, left: &(Object, Schema), right: &(Object, Schema)) -> Result<Rules, Vec<Mistake>> {
    let config = parsed(sync);
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

#[test]
fn f13_b09_only_fields_that_a_connector_tells_of_and_can_write_are_targets() {
    let left = side("mail:text=email n:int=score", &[&["mail"]]);
    let right = side("mail:text=email score:int=score!", &[]);
    assert_eq!(mapped(&made("", &left, &right).expect("fits")), ["mail TwoWay mail", "n ToLeft score"]);
    let off = "defaults_off = [\"n\"]\n";
    let written = told(made(&format!("{off}{}", own("n", "score", "")), &left, &right));
    assert!(written.contains("can only be read on the right"), "F13: {written}");
    let custom = told(made(&own("n", "custom", ""), &left, &right));
    assert!(custom.contains("custom"), "B09: {custom}");
}

fn own(left: &str, right: &str, more: &str) -> String {
    format!("[[syncs.s.mappings]]\nleft = \"{left}\"\nright = \"{right}\"\n{more}\n")
}

/// A mistake in its own words, with its mend.
fn told(result: Result<Rules, Vec<Mistake>>) -> String {
    let mistakes = result.expect_err("it does not fit");
    mistakes.iter().map(|one| format!("{} = {}", one.message, one.mend.as_deref().unwrap_or_default())).collect()
}

#[test]
fn e2_6_types_are_checked_and_converted() {
    let left = side("mail:text=email n:int born:date=birthday note:text raw:json tags:texts", &[&["mail"]]);
    let right = side("mail:text=email n:decimal born:moment=birthday t:text raw:text", &[]);
    let rules = made(&format!("zone = \"Europe/Paris\"\n{}", own("n", "n", "")), &left, &right).expect("fits");
    assert_eq!(mapped(&rules), ["mail TwoWay mail", "born TwoWay born", "n TwoWay n"]);
    let zone = || "Europe/Paris".to_owned();
    assert_eq!(rules.mappings[1].to_right, [Step::Convert(Conversion::ToMoment { zone: zone() })], "E2.8");
    assert_eq!(rules.mappings[1].to_left, [Step::Convert(Conversion::ToDate { zone: zone() })], "E2.8");
    assert_eq!(rules.mappings[2].to_right, [Step::Convert(Conversion::ToDecimal)]);
    // a.8: a number into text goes one way only, and the message says which.
    let lossy = told(made(&own("n", "t", ""), &left, &right));
    assert!(lossy.contains("values go from `n` to `t` only = set `rule = \"to-right\"`"), "{lossy}");
    let rules = made(&own("n", "t", "rule = \"to-right\""), &left, &right).expect("fits");
    assert_eq!(rules.mappings[2].to_right, [Step::Convert(Conversion::ToText)]);
    let wrong_way = told(made(&own("n", "t", "rule = \"to-left\""), &left, &right));
    assert!(wrong_way.contains("values go the other way only: set `rule = \"to-right\"`"), "{wrong_way}");
    // F14: a type that nothing carries is told with its name.
    let unsupported = told(made(&own("raw", "raw", ""), &left, &right));
    assert!(unsupported.contains("`raw` is of type json"), "{unsupported}");
    let lists = told(made(&own("tags", "t", "rule = \"to-right\""), &left, &right));
    assert!(lists.contains("the one cannot become the other"), "{lists}");
}

#[test]
fn e2_6_options_of_enumerations() {
    let left = side("mail:text=email stage:choice|new,won,lost", &[&["mail"]]);
    let right = side("mail:text=email stage:choice|1,won,3 other:choice|x,y", &[]);
    let rules = made(&own("stage", "stage", "options = { new = \"1\" }"), &left, &right).expect("fits");
    let map = |steps: &[Step]| match steps {
        [Step::Options(map)] => map.iter().map(|(one, other)| format!("{one}>{other}")).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(map(&rules.mappings[1].to_right), ["new>1", "won>won"]);
    assert_eq!(map(&rules.mappings[1].to_left), ["1>new", "won>won"]);
    let unknown = told(made(&own("stage", "stage", "options = { now = \"1\" }"), &left, &right));
    assert!(unknown.contains("`stage` has no option `now` = did you mean `new`?"), "{unknown}");
    let none = told(made(&own("stage", "other", ""), &left, &right));
    assert!(none.contains("have no option in common"), "{none}");
    let needless = told(made(&own("mail", "mail", "options = { a = \"b\" }"), &left, &right));
    assert!(needless.contains("`options` mean nothing for this mapping"), "{needless}");
}

#[test]
fn e2_mappings_say_how_they_are_merged() {
    let left =
        side("mail:text=email first:text=name.given last:text=name.family a:text b:text tags:texts", &[&["mail"]]);
    let keys = "group = \"g\"\ntarget_drift = \"error\"\nmerge = \"replace\"\non_invalid = \"drop-field\"";
    let file = format!(
        "record_atomic = true\ntarget_drift = \"revert\"\n{}{}",
        own("a", "a", keys),
        own("b", "b", "transform = { to_right = [\"one\", \"two\"], to_left = \"two\" }")
    );
    let rules = made(&file, &left, &left).expect("fits");
    assert!(rules.record_atomic);
    let [mail, first, last, a, b] = &rules.mappings[..] else { panic!("{rules:?}") };
    assert_eq!(
        (mail.group.as_deref(), first.group.as_deref(), last.group.as_deref()),
        (None, Some("name"), Some("name"))
    );
    assert_eq!(
        (mail.target_drift, mail.merge, mail.on_invalid),
        (TargetDrift::Revert, MergeForm::Set, OnInvalid::RejectRecord)
    );
    assert_eq!((a.target_drift, a.merge, a.on_invalid), (TargetDrift::Error, MergeForm::Replace, OnInvalid::DropField));
    assert_eq!(a.group.as_deref(), Some("g"));
    let names = |side| b.transforms_to(side).map(|used| used.name.as_str()).collect::<Vec<_>>();
    assert_eq!((names(Side::Right), names(Side::Left)), (vec!["one", "two"], vec!["two"]));
}

#[test]
fn f04_a_minimum_of_mapped_fields() {
    let left = side("mail:text=email name:text=name", &[&["mail"]]);
    let right = side("email:text=email sms:text name:text=name", &[&["email"]]);
    let hint: syncline_registry::ObjectHint =
        serde_json::from_str("{ \"name\": \"r\", \"minimum\": [[\"email\", \"sms\"]] }").expect("a hint");
    let missed = |sync: &str| {
        let rules = made(sync, &left, &right).expect("fits");
        crate::config::minimum::validate(&parsed(sync).syncs[0], Side::Right, std::slice::from_ref(&hint), &rules)
    };
    assert_eq!(missed(""), []);
    let without = missed("match = \"none\"\ndefaults_off = [\"mail\"]\n");
    assert!(without[0].message.contains("needs at least one of `email`, `sms`"), "{without:?}");
    assert_eq!(missed("match = \"none\"\ndefaults_off = [\"mail\"]\ndirection = \"to-left\"\n"), []);
}

/// Another sync of the file, between the same connection's objects.
fn other(name: &str, left: &str, right: &str, more: &str) -> String {
    format!(
        "[syncs.{name}]\nleft = {{ connection = \"a\", object = \"{left}\" }}\n\
         right = {{ connection = \"b\", object = \"{right}\" }}\n{more}\n"
    )
}

/// The first sync of a file in which contacts of `a` and people of `b` refer to companies and orgs.
fn made_beside(
    sync: &str,
    others: &str,
    left: &str,
    right: &str,
) -> (Result<Rules, Vec<Mistake>>, Vec<super::Unrouted>) {
    let text = format!(
        "[connections.a]\nconnector = \"x\"\n[connections.b]\nconnector = \"x\"\n{}{others}",
        other("s", "contacts", "people", sync)
    );
    let config = config::parse(text, Path::new("syncline.toml")).expect("parses");
    let (left, right) = (side(left, &[&["mail"]]), side(right, &[]));
    let of = |choice: &super::TransformChoice| choice.with_options(&choice.options.values);
    let facts = [&left, &right].map(|(object, schema)| Facts { object, schema });
    let made = rules(&config.syncs[0], facts[0], facts[1], &of);
    (made, super::unrouted_defaults(&config.syncs[0], &left.1, &right.1))
}

const LEFT: &str = "mail:text=email links:ref|companies=company more:ref|companies loose:ref";
const RIGHT: &str = "mail:text=email org:one|orgs=company more:ref|orgs note:text";

#[test]
fn e10_1_references_go_through_the_one_sync_that_pairs_what_they_lead_to() {
    let through = |made: Result<Rules, Vec<Mistake>>, index: usize| {
        let mapping = made.expect("fits").mappings.swap_remove(index);
        let [route] = &mapping.routes[..] else { panic!("{mapping:?}") };
        (format!("{} {} {:?}", route.left, route.right, route.way), mapping.merge)
    };
    let way = |sync: &str, left_is| format!("companies orgs {:?}", Way::Pairs { sync: SyncName::from(sync), left_is });
    let pairing = other("firms", "companies", "orgs", "");
    let (made, off) = made_beside("", &pairing, LEFT, RIGHT);
    assert_eq!(through(made, 1), (way("firms", Side::Left), MergeForm::Replace), "a field that holds one");
    assert_eq!(off, []);
    let (made, _) = made_beside(&own("more", "more", ""), &pairing, LEFT, RIGHT);
    assert_eq!(through(made, 2), (way("firms", Side::Left), MergeForm::Set));
    // The other way round in the file is the same pairing.
    let turned = "[syncs.firms]\nleft = { connection = \"b\", object = \"orgs\" }\n\
                  right = { connection = \"a\", object = \"companies\" }\n";
    let (made, _) = made_beside("", turned, LEFT, RIGHT);
    assert_eq!(through(made, 1).0, way("firms", Side::Right));
    let two = format!("{pairing}{}", other("old", "companies", "orgs", "active = false"));
    let (made, _) = made_beside("", &two, LEFT, RIGHT);
    assert_eq!(through(made, 1).0, way("firms", Side::Left), "a draft pairs nothing");
    // A field that does not say where it leads is told by the sync.
    let (made, _) = made_beside(&own("loose", "more", "through = \"firms\""), &pairing, LEFT, RIGHT);
    assert_eq!(through(made, 2).0, way("firms", Side::Left));
    let (made, _) = made_beside(&own("more", "more", "by = \"domain\""), &pairing, LEFT, RIGHT);
    let by = through(made, 2).0;
    assert!(by.contains("Key") && by.contains("domain"), "{by}");
}

#[test]
fn e10_1_raw_ids_are_never_copied() {
    let (made, off) = made_beside("", "", LEFT, RIGHT);
    assert_eq!(mapped(&made.expect("fits")), ["mail TwoWay mail"]);
    let [off] = &off[..] else { panic!("{off:?}") };
    assert_eq!((off.left.as_str(), off.right.as_str()), ("links", "org"));
    assert_eq!(off.why, "no sync pairs what `links` and `org` refer to: companies of a and orgs of b");
    let (_, off) = made_beside("defaults_off = [\"org\"]", "", LEFT, RIGHT);
    assert_eq!(off, [], "a user who switched it off need not be told");
    let none = told(made_beside(&own("more", "more", ""), "", LEFT, RIGHT).0);
    assert!(none.contains("no sync pairs what") && none.contains("by = \"email\""), "{none}");
    let loose = told(made_beside(&own("loose", "more", ""), "", LEFT, RIGHT).0);
    assert!(loose.contains("`loose` does not say which records it refers to = add through ="), "{loose}");
    let pairing =
        format!("{}{}", other("one", "companies", "orgs", ""), other("two", "companies", "orgs", "hub = true"));
    let several = told(made_beside(&own("more", "more", ""), &pairing, LEFT, RIGHT).0);
    assert!(several.contains("several syncs pair what `more` and `more` refer to: one, two"), "{several}");
    assert!(several.contains("through = \"one\""), "{several}");
    let text = told(made_beside(&own("more", "note", "rule = \"to-right\""), "", LEFT, RIGHT).0);
    assert!(text.contains("`more` is of type references and `note` is of type text"), "{text}");
}
