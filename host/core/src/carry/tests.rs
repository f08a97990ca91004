use super::*;

fn zoned(local: &str, zone: &str) -> Value {
    Value::Zoned { local: local.to_owned(), zone: zone.to_owned() }
}

fn date(day: &str) -> Value {
    Value::Date(day.to_owned())
}

fn at(text: &str) -> Value {
    Value::Moment(text.parse::<jiff::Timestamp>().expect("a timestamp").as_millisecond())
}

fn into(to: FieldType, zone: &str, value: Value) -> Result<Value, Unfit> {
    let step = Step::Convert(Conversion::into_type(to, zone).expect("there is one"));
    step.apply(value).expect("the host does it")
}

/// E2.8: a day is 00:00 in the sync's zone, a point in time is the day in the sync's zone.
#[test]
fn e2_8_days_and_points_in_time() {
    let paris = "Europe/Paris";
    let cases = [
        (FieldType::Moment, paris, date("2026-07-14"), at("2026-07-13T22:00:00Z")),
        (FieldType::Moment, paris, date("2026-01-14"), at("2026-01-13T23:00:00Z")),
        (FieldType::Moment, "UTC", date("2026-01-14"), at("2026-01-14T00:00:00Z")),
        (FieldType::Date, paris, at("2026-07-13T22:00:00Z"), date("2026-07-14")),
        (FieldType::Date, paris, at("2026-07-13T21:59:59Z"), date("2026-07-13")),
        (FieldType::Date, "America/Lima", at("2026-07-14T04:59:59Z"), date("2026-07-13")),
        // Midnight of this day does not exist there.
        (FieldType::Moment, "America/Sao_Paulo", date("2018-11-04"), at("2018-11-04T03:00:00Z")),
        (FieldType::Date, "America/Sao_Paulo", at("2018-11-04T03:00:00Z"), date("2018-11-04")),
        (FieldType::Zoned, paris, date("2026-07-14"), zoned("2026-07-14T00:00:00", paris)),
        (FieldType::Zoned, paris, at("2026-07-14T10:00:00Z"), zoned("2026-07-14T12:00:00", paris)),
        (FieldType::Moment, paris, zoned("2026-07-14T12:00:00", "Asia/Tokyo"), at("2026-07-14T03:00:00Z")),
        (FieldType::Date, paris, zoned("2026-07-14T02:00:00", "Asia/Tokyo"), date("2026-07-13")),
    ];
    for (to, zone, value, expected) in cases {
        assert_eq!(into(to, zone, value.clone()), Ok(expected), "{value:?} into {to:?} in {zone}");
    }
    assert!(into(FieldType::Moment, "Mars/Olympus", date("2026-07-14")).is_err());
    assert!(into(FieldType::Moment, paris, zoned("2026-07-14T02:00:00", "Mars/Olympus")).is_err());
    assert!(into(FieldType::Date, paris, Value::Moment(i64::MAX)).is_err());
    assert!(is_zone(paris) && is_zone("UTC") && !is_zone("Mars/Olympus"));
}

/// a.8: numbers both ways, everything else into text.
#[test]
fn a_8_numbers_and_texts() {
    let decimal = |text: &str| Value::Decimal(text.to_owned());
    let text = |text: &str| Ok(Value::Text(text.to_owned()));
    assert_eq!(into(FieldType::Decimal, "UTC", Value::Integer(-7)), Ok(decimal("-7")));
    assert_eq!(into(FieldType::Integer, "UTC", decimal("-7")), Ok(Value::Integer(-7)));
    let refused = into(FieldType::Integer, "UTC", decimal("2.5")).expect_err("it has a fraction");
    assert_eq!(refused.reason, Reason::Validation);
    assert!(into(FieldType::Integer, "UTC", decimal("9223372036854775808")).is_err());
    assert_eq!(into(FieldType::Text, "UTC", Value::Boolean(true)), text("yes"));
    assert_eq!(into(FieldType::Text, "UTC", at("2026-07-14T03:00:00Z")), text("2026-07-14T03:00:00Z"));
    assert_eq!(into(FieldType::Text, "UTC", Value::Choices(vec!["a".into(), "b".into()])), text("a, b"));
    assert_eq!(into(FieldType::Text, "UTC", Value::Clear), Ok(Value::Clear));
    let wrong = into(FieldType::Decimal, "UTC", Value::Boolean(true)).expect_err("no number");
    assert_eq!(wrong.reason, Reason::UnsupportedType);
}

/// E2.6: an option without counterpart is told as such, and no other is taken for it.
#[test]
fn e2_6_options_are_looked_up() {
    let options = Step::Options([("a".to_owned(), "x".to_owned()), ("b".to_owned(), "x".to_owned())].into());
    let of = |value| options.apply(value).expect("the host does it");
    assert_eq!(of(Value::Choice("a".into())), Ok(Value::Choice("x".into())));
    assert_eq!(of(Value::Choices(vec!["a".into(), "b".into()])), Ok(Value::Choices(vec!["x".into()])));
    assert_eq!(of(Value::Clear), Ok(Value::Clear));
    let unmapped = of(Value::Choices(vec!["a".into(), "c".into()])).expect_err("there is no c");
    assert_eq!(unmapped.reason, Reason::UnmappedOption);
    assert_eq!(of(Value::Text("a".into())).expect_err("no option").reason, Reason::UnsupportedType);
}

#[test]
fn steps_follow_each_other_until_a_component_is_needed() {
    let options = Step::Options([("a".to_owned(), "Alpha".to_owned())].into());
    let steps = [options, Step::Convert(Conversion::ToText)];
    let choice = |code: &str| Value::Choice(code.to_owned());
    assert_eq!(carried(&steps, &choice("a")), Some(Ok(Value::Text("Alpha".into()))));
    assert!(matches!(carried(&steps, &choice("b")), Some(Err(_))));
    let component = Step::Transform(TransformUse { name: "t".to_owned(), options: String::new() });
    assert_eq!(carried(&[component], &choice("a")), None);
    assert_eq!(carried(&[], &choice("a")), Some(Ok(choice("a"))));
}
