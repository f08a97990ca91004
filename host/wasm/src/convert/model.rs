//! Discovery: objects, containers, fields, and how a check went.

use syncline_core::{
    Abilities, ChoiceOption, ContainerId, CreatePromise, Field, FieldName, FieldType, ListId, Object, ObjectName,
    Schema, Traits,
};
use syncline_runner::{Account, CheckItem, CheckReport, Container, ListKind, MemberList, Verdict};

use super::{Nonsense, checked_name, distinct, field_name, quoted, shown};
use crate::bindings::connector::exports::syncline::connector::discovery;
use crate::bindings::connector::syncline::values::model;

pub(crate) fn check_report(report: discovery::CheckReport) -> Result<CheckReport, Nonsense> {
    let item = |item: discovery::CheckItem| CheckItem {
        name: shown(&item.name),
        verdict: match item.verdict {
            discovery::Verdict::Pass => Verdict::Pass,
            discovery::Verdict::Fail => Verdict::Fail,
            discovery::Verdict::CannotTell => Verdict::CannotTell,
        },
        detail: shown(&item.detail),
    };
    let account = Account { id: checked_name("account id", report.account.id)?, label: shown(&report.account.label) };
    Ok(CheckReport { account, items: report.items.into_iter().map(item).collect() })
}

pub(crate) fn objects(objects: Vec<model::Object>) -> Result<Vec<Object>, Nonsense> {
    let objects: Vec<Object> = objects.into_iter().map(object).collect::<Result<_, _>>()?;
    distinct("object", objects.iter().map(|object| object.name.as_str()))?;
    Ok(objects)
}

pub(crate) fn containers(containers: Vec<discovery::Container>) -> Result<Vec<Container>, Nonsense> {
    let container = |container: discovery::Container| {
        let id = ContainerId::new(checked_name("container id", container.id)?);
        Ok(Container { id, label: shown(&container.label), writable: container.writable })
    };
    let containers: Vec<Container> = containers.into_iter().map(container).collect::<Result<_, _>>()?;
    distinct("container", containers.iter().map(|container| container.id.as_str()))?;
    Ok(containers)
}

pub(crate) fn lists(lists: Vec<discovery::MemberList>) -> Result<Vec<MemberList>, Nonsense> {
    let list = |list: discovery::MemberList| {
        let kind = match list.kind {
            discovery::ListKind::Dynamic => ListKind::Dynamic,
            discovery::ListKind::Fixed => ListKind::Fixed,
        };
        Ok(MemberList { id: ListId::new(checked_name("list id", list.id)?), label: shown(&list.label), kind })
    };
    let lists: Vec<MemberList> = lists.into_iter().map(list).collect::<Result<_, _>>()?;
    distinct("list", lists.iter().map(|list| list.id.as_str()))?;
    Ok(lists)
}

pub(crate) fn schema(schema: model::Schema) -> Result<Schema, Nonsense> {
    let fields: Vec<Field> = schema.fields.into_iter().map(field).collect::<Result<_, _>>()?;
    distinct("field", fields.iter().map(|field| field.name.as_str()))?;
    Ok(Schema { fields, fingerprint: checked_name("fingerprint", schema.fingerprint)? })
}

fn object(object: model::Object) -> Result<Object, Nonsense> {
    let key = |key: Vec<String>| key.into_iter().map(field_name).collect::<Result<Vec<FieldName>, _>>();
    Ok(Object {
        name: ObjectName::new(checked_name("object name", object.name)?),
        label: shown(&object.label),
        kind: object.kind,
        abilities: abilities(object.abilities),
        promise: match object.promise {
            model::CreatePromise::Native => CreatePromise::Native,
            model::CreatePromise::Lookup => CreatePromise::Lookup,
            model::CreatePromise::NoPromise => CreatePromise::None,
        },
        link_field: object.link_field.map(field_name).transpose()?,
        needs_container: object.needs_container,
        default_keys: object.default_keys.into_iter().map(key).collect::<Result<_, _>>()?,
        // A page or batch of none would never end.
        read_page_max: object.read_page_max.max(1),
        get_batch_max: object.get_batch_max.max(1),
        write_batch_max: object.write_batch_max.max(1),
        visibility_window_ms: object.visibility_window_ms.min(super::DELAY_MS_MAX),
    })
}

fn abilities(given: model::Abilities) -> Abilities {
    Abilities {
        changes: given.contains(model::Abilities::CHANGES),
        change_deletes: given.contains(model::Abilities::CHANGE_DELETES),
        ids: given.contains(model::Abilities::IDS),
        get: given.contains(model::Abilities::GET),
        members: given.contains(model::Abilities::MEMBERS),
        field_times: given.contains(model::Abilities::FIELD_TIMES),
        create: given.contains(model::Abilities::CREATE),
        update: given.contains(model::Abilities::UPDATE),
        delete: given.contains(model::Abilities::DELETE),
        archive: given.contains(model::Abilities::ARCHIVE),
        restore: given.contains(model::Abilities::RESTORE),
        tag: given.contains(model::Abilities::TAG),
        version_guard: given.contains(model::Abilities::VERSION_GUARD),
        ordered_versions: given.contains(model::Abilities::ORDERED_VERSIONS),
    }
}

fn field(field: model::Field) -> Result<Field, Nonsense> {
    let option = |option: model::ChoiceOption| ChoiceOption {
        code: option.code,
        label: shown(&option.label),
        active: option.active,
    };
    let object = |name: String| Ok(ObjectName::new(checked_name("object name", name)?));
    let refers_to: Vec<ObjectName> = field.refers_to.into_iter().map(object).collect::<Result<_, _>>()?;
    distinct("object that a field refers to", refers_to.iter().map(|name| name.as_str()))?;
    let has_values =
        matches!(field.kind, model::FieldType::References | model::FieldType::Choices | model::FieldType::Texts);
    if field.kind != model::FieldType::References && !refers_to.is_empty() {
        return Err(Nonsense::new(format!("field {} refers to objects and holds no references", quoted(&field.name))));
    }
    if !has_values && field.values_max.is_some() || field.values_max == Some(0) {
        return Err(Nonsense::new(format!("field {} cannot hold that many values", quoted(&field.name))));
    }
    Ok(Field {
        name: field_name(field.name)?,
        label: shown(&field.label),
        kind: field_type(field.kind),
        traits: traits(field.traits),
        options: field.options.into_iter().map(option).collect(),
        length_max: field.length_max,
        group: field.group,
        meaning: field.meaning,
        slot_of: field.slot_of.map(field_name).transpose()?,
        refers_to,
        values_max: field.values_max,
    })
}

fn traits(given: model::FieldTraits) -> Traits {
    Traits {
        required: given.contains(model::FieldTraits::REQUIRED),
        unique: given.contains(model::FieldTraits::UNIQUE),
        read_only: given.contains(model::FieldTraits::READ_ONLY),
        create_only: given.contains(model::FieldTraits::CREATE_ONLY),
        findable: given.contains(model::FieldTraits::FINDABLE),
        sensitive: given.contains(model::FieldTraits::SENSITIVE),
        unreported: given.contains(model::FieldTraits::UNREPORTED),
    }
}

fn field_type(kind: model::FieldType) -> FieldType {
    match kind {
        model::FieldType::Boolean => FieldType::Boolean,
        model::FieldType::Integer => FieldType::Integer,
        model::FieldType::Decimal => FieldType::Decimal,
        model::FieldType::Text => FieldType::Text,
        model::FieldType::Date => FieldType::Date,
        model::FieldType::Moment => FieldType::Moment,
        model::FieldType::Zoned => FieldType::Zoned,
        model::FieldType::Choice => FieldType::Choice,
        model::FieldType::Choices => FieldType::Choices,
        model::FieldType::References => FieldType::References,
        model::FieldType::Texts => FieldType::Texts,
        model::FieldType::Json => FieldType::Json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(kind: model::FieldType, refers_to: &[&str], values_max: Option<u32>) -> Result<Field, Nonsense> {
        field(model::Field {
            name: "employer".to_owned(),
            label: "Employer".to_owned(),
            kind,
            traits: model::FieldTraits::UNREPORTED,
            options: Vec::new(),
            length_max: None,
            group: None,
            meaning: None,
            slot_of: None,
            refers_to: refers_to.iter().map(|name| (*name).to_owned()).collect(),
            values_max,
        })
    }

    #[test]
    fn e10_1_a_field_says_what_it_refers_to_how_much_it_holds_and_what_no_feed_tells() {
        let field = given(model::FieldType::References, &["companies", "people"], Some(1)).expect("it is well");
        assert_eq!(field.refers_to, [ObjectName::from("companies"), ObjectName::from("people")]);
        assert_eq!((field.values_max, field.traits.unreported), (Some(1), true));
        for (kind, refers_to, values_max) in [
            (model::FieldType::Text, ["companies"].as_slice(), None),
            (model::FieldType::Text, &[], Some(2)),
            (model::FieldType::References, &["companies"], Some(0)),
            (model::FieldType::References, &["companies", "companies"], None),
            (model::FieldType::References, &[""], None),
        ] {
            assert!(given(kind, refers_to, values_max).is_err(), "{kind:?} {refers_to:?} {values_max:?}");
        }
    }

    #[test]
    fn e5_4_lists_say_how_records_come_into_them() {
        let list = |id: &str, kind| discovery::MemberList { id: id.to_owned(), label: "VIP\n".to_owned(), kind };
        let told = lists(vec![list("1", discovery::ListKind::Dynamic), list("2", discovery::ListKind::Fixed)]);
        let kinds: Vec<ListKind> = told.expect("they are well").into_iter().map(|list| list.kind).collect();
        assert_eq!(kinds, [ListKind::Dynamic, ListKind::Fixed]);
        let twice = vec![list("1", discovery::ListKind::Dynamic), list("1", discovery::ListKind::Fixed)];
        assert!(lists(twice).is_err());
    }
}
