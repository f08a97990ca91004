//! The language of filters: what each comparison says, what is wrong with a text, and that printing reads back.

use proptest::prelude::*;
use syncline_core::{
    ChoiceOption, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, Field, FieldName, FieldType, Filter, FilterFault, ListId,
    Members, Operator, ParsedFilter, Reference, Schema, Test, Truth, Value,
};

const FIELDS: [(&str, FieldType); 14] = [
    ("city", FieldType::Text),
    ("street", FieldType::Text),
    ("vip", FieldType::Boolean),
    ("age", FieldType::Integer),
    ("score", FieldType::Decimal),
    ("born", FieldType::Date),
    ("seen", FieldType::Moment),
    ("begins", FieldType::Zoned),
    ("stage", FieldType::Choice),
    ("tags", FieldType::Choices),
    ("emails", FieldType::Texts),
    ("company", FieldType::References),
    ("extra", FieldType::Json),
    ("not a word", FieldType::Text),
];

fn schema() -> Schema {
    let options = ["lead", "customer"].map(|code| ChoiceOption {
        code: code.to_owned(),
        label: code.to_uppercase() + "!",
        active: true,
    });
    let field = |(name, kind): (&str, FieldType)| Field {
        options: if kind == FieldType::Choice { options.to_vec() } else { Vec::new() },
        ..Field::new(name, kind)
    };
    Schema { fields: FIELDS.map(field).into(), fingerprint: String::new() }
}

fn filter(text: &str) -> Filter {
    let parsed = ParsedFilter::parse(text).unwrap_or_else(|error| panic!("{text}: {error} at {:?}", error.place));
    parsed.typed(&schema()).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// A record with a value in every field that is compared, none in `not a word`.
fn value(field: &FieldName) -> Option<Value> {
    Some(match field.as_str() {
        "city" => text("Saint-Étienne"),
        "vip" => Value::Boolean(true),
        "age" => Value::Integer(9),
        "score" => Value::Decimal("-10.25".to_owned()),
        "born" => Value::Date("1815-12-10".to_owned()),
        "seen" => Value::Moment(1_000),
        "begins" => Value::Zoned { local: "2026-01-31T08:00:00".to_owned(), zone: "Europe/Paris".to_owned() },
        "stage" => Value::Choice("lead".to_owned()),
        "tags" => Value::Choices(texts(&["a", "b"])),
        "emails" => Value::Texts(texts(&["Ada@x", "ada@work"])),
        "company" => Value::References(vec![Reference { target: "companies".to_owned(), id: "7".to_owned() }]),
        "street" => text("Groß Straße"),
        "extra" => Value::Clear,
        _ => return None,
    })
}

fn holds(text: &str) -> Truth {
    let filter = filter(text);
    let fields = filter.fields();
    let values: Vec<Option<Value>> = fields.iter().map(value).collect();
    let value = |field: &FieldName| values[fields.iter().position(|known| known == field)?].as_ref();
    filter.holds(&value, &Members([(ListId::from("in"), true), (ListId::from("out"), false)].into()))
}

#[test]
fn e5_1_every_comparison_says_what_it_should() {
    let cases = "
        yes      city = 'saint-étienne'
        no       city = exact 'saint-étienne'
        yes      city = exact 'Saint-Étienne'
        no       city != 'SAINT-ÉTIENNE'
        yes      city != 'Paris'
        yes      city contains 'ÉTI'
        no       city contains exact 'ÉTI'
        yes      city starts with 'saint'
        no       city starts with exact 'saint'
        yes      city ends with 'ENNE'
        yes      city in ('Paris', 'saint-étienne')
        no       city in exact ('Paris', 'saint-étienne')
        yes      street = 'GROSS STRASSE'
        yes      street contains 'STRASS'
        no       street = exact 'GROSS STRASSE'
        yes      street in ('groẞ straẞe')
        no       city is blank
        yes      city is not blank
        yes      vip
        yes      vip = true
        no       vip = false
        yes      vip != false
        no       not vip
        yes      age = 9
        yes      age < 10
        yes      age > -10
        yes      age <= 9.0
        no       age >= 9.5
        yes      age in (1, 9)
        yes      score < -10
        yes      score > -10.3
        yes      score = -10.250
        no       score > -9
        yes      born < '1900-01-01'
        yes      born = '1815-12-10'
        yes      born >= '1815-12-10'
        yes      seen = '1970-01-01T00:00:01Z'
        yes      seen = '1970-01-01T01:00:01+01:00'
        yes      seen > '1970-01-01'
        no       seen < '1970-01-01'
        yes      begins = '2026-01-31T08:00:00'
        yes      begins < '2026-02-01'
        yes      stage = 'lead'
        yes      stage = 'LEAD!'
        yes      stage in ('customer', 'Lead')
        no       stage != 'lead'
        yes      tags contains 'A'
        no       tags contains exact 'A'
        no       tags contains 'ab'
        yes      tags in ('x', 'b')
        yes      emails contains 'ada@X'
        no       emails contains 'ada'
        yes      emails starts with 'ada@w'
        yes      emails ends with '@x'
        yes      company contains '7'
        no       company in ('8', '9')
        yes      extra is blank
        no       extra is not blank
        unknown  `not a word` = 'x'
        unknown  `not a word` is blank
        unknown  not `not a word` is blank
        yes      member of 'in'
        no       member of 'out'
        unknown  member of 'elsewhere'
        yes      vip or `not a word` = 'x'
        no       not vip and `not a word` = 'x'
        unknown  vip and `not a word` = 'x'
        yes      not vip and not vip or vip
        no       not vip and (not vip or vip)
    ";
    let mut wrong = Vec::new();
    for line in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (expected, text) = line.split_once(' ').expect("a verdict and a filter");
        let found = format!("{:?}", holds(text.trim())).to_lowercase();
        if found != expected {
            wrong.push(format!("{}: {found}, not {expected}", text.trim()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn e5_1_of_a_blank_every_comparison_is_false() {
    for (name, kind) in FIELDS {
        for operator in Operator::ALL.into_iter().filter(|operator| operator.suits(kind)) {
            let operands = match operator {
                Operator::IsBlank | Operator::IsNotBlank => Vec::new(),
                _ => vec![text("x")],
            };
            let test = Filter::Test(Test { field: name.into(), operator, operands, exact: false });
            let expected = Truth::from(operator == Operator::IsBlank);
            assert_eq!(test.holds(&|_| Some(&Value::Clear), &Members::default()), expected, "{test}");
            assert_eq!(test.holds(&|_| None, &Members::default()), Truth::Unknown, "absent is not blank: {test}");
        }
    }
}

#[test]
fn e5_2_three_values_have_the_tables_of_kleene() {
    use Truth::{No, Unknown, Yes};
    let table = [
        (Yes, Yes, Yes, Yes),
        (Yes, No, No, Yes),
        (Yes, Unknown, Unknown, Yes),
        (No, No, No, No),
        (No, Unknown, No, Unknown),
        (Unknown, Unknown, Unknown, Unknown),
    ];
    for (one, other, and, or) in table {
        for (one, other) in [(one, other), (other, one)] {
            assert_eq!((one.and(other), one.or(other)), (and, or), "{one:?} {other:?}");
        }
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let cases: &[(&str, &str, &str)] = &[
        ("", "", "there should be a field, `not` or `(` here, and there is the end"),
        ("citty = 'Paris'", "citty", "there is no field `citty`"),
        (
            "city = Paris",
            "Paris",
            "there should be a value: a text in quotes, a number, `true` or `false` here, and there is `Paris`",
        ),
        ("city ~ 'Paris'", "~", "there should be a field, a value or an operator here, and there is `~`"),
        ("city = 'Paris", "'", "the quote that begins here has no end"),
        ("(vip", "", "there should be `)`, `and` or `or` here, and there is the end"),
        ("vip)", ")", "there should be `and`, `or` or the end here, and there is `)`"),
        ("city", "city", "'true' is no text"),
        ("city starts 'P'", "'P'", "there should be `with`, as in starts with 'A' here, and there is the text 'P'"),
        ("city > 'P'", ">", "`city` is of type text, which `>` does not suit"),
        ("tags = 'a'", "=", "`tags` is of type choices, which `=` does not suit"),
        ("age is", "", "there should be `blank` or `not blank` here, and there is the end"),
        ("age = 'nine'", "'nine'", "'nine' is no number, which `age` is compared with"),
        ("age = 1.2.3", "1.2.3", "1.2.3 is no number, which `age` is compared with"),
        ("age = exact 9", "exact", "`exact` is about capitals, and `age` is of type integer"),
        (
            "born = '2026-02-30'",
            "'2026-02-30'",
            "'2026-02-30' is no date like '2026-01-31', which `born` is compared with",
        ),
        (
            "seen = '2026-01-01'",
            "'2026-01-01'",
            "'2026-01-01' is no instant like '2026-01-31T08:00:00Z', which `seen` is compared with",
        ),
        ("stage = 'laed'", "'laed'", "`stage` has no option 'laed'"),
        ("member of 7", "7", "there should be the id of a list in quotes here, and there is 7"),
        (
            "city in 'Paris'",
            "'Paris'",
            "there should be values in parentheses, as in in ('A', 'B') here, and there is the text 'Paris'",
        ),
        (
            "city not in ('Paris')",
            "not",
            "there should be an operator, `and`, `or` or the end here, and there is `not`",
        ),
    ];
    for (text, place, message) in cases {
        let errors = match ParsedFilter::parse(text) {
            Err(error) => vec![error],
            Ok(parsed) => parsed.typed(&schema()).expect_err(text),
        };
        assert_eq!(&text[errors[0].place.clone()], *place, "{text}");
        let shown = errors[0].to_string();
        match *text {
            "city" => assert!(matches!(errors[0].fault, FilterFault::Operand { .. }), "{shown}"),
            _ => assert_eq!(shown, *message, "{text}"),
        }
    }
    let both = ParsedFilter::parse("citty = 'a' or agge = 1").expect("reads").typed(&schema()).expect_err("two");
    assert_eq!(both.len(), 2, "all that is wrong is said at once");
}

#[test]
fn length_and_depth_have_an_end() {
    let deep = |levels: usize| format!("{}vip{}", "(".repeat(levels), ")".repeat(levels));
    assert!(ParsedFilter::parse(&deep(FILTER_DEPTH_MAX)).is_ok());
    assert_eq!(
        ParsedFilter::parse(&deep(FILTER_DEPTH_MAX + 1)).map_err(|error| error.fault),
        Err(FilterFault::TooDeep)
    );
    let nots = format!("{}vip", "not ".repeat(FILTER_DEPTH_MAX + 1));
    assert_eq!(ParsedFilter::parse(&nots).map_err(|error| error.fault), Err(FilterFault::TooDeep));
    let long = format!("city = '{}'", "a".repeat(FILTER_BYTES_MAX));
    assert_eq!(ParsedFilter::parse(&long).map_err(|error| error.fault), Err(FilterFault::TooLong));
}

/// A value that fields of this type are compared with, in the form that typing gives it.
fn operand(kind: FieldType) -> BoxedStrategy<Value> {
    let some_text = "[ -~é\n]{1,12}"
        .prop_filter_map("a text", |text| Value::Text(text).canonical().ok().filter(|value| !value.is_blank()));
    match kind {
        FieldType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        FieldType::Integer | FieldType::Decimal => "-?[0-9]{1,20}(\\.[0-9]{1,5})?"
            .prop_filter_map("a number", |text| Value::Decimal(text).canonical().ok())
            .boxed(),
        FieldType::Date => (1..9999i16, 1..=12i8, 1..=28i8)
            .prop_map(|(year, month, day)| Value::Date(format!("{year:04}-{month:02}-{day:02}")))
            .boxed(),
        FieldType::Moment => (-4_000_000_000_000..4_000_000_000_000i64).prop_map(Value::Moment).boxed(),
        FieldType::Zoned => {
            (1..=12i8, 0..24i8).prop_map(|(month, hour)| text(&format!("2026-{month:02}-03T{hour:02}:00:00"))).boxed()
        }
        FieldType::Choice => {
            prop_oneof![Just("lead"), Just("customer")].prop_map(|code| Value::Choice(code.to_owned())).boxed()
        }
        FieldType::Choices => "[ -~é]{1,12}".prop_map(Value::Choice).boxed(),
        FieldType::Text | FieldType::Texts | FieldType::References | FieldType::Json => some_text.boxed(),
    }
}

fn test() -> impl Strategy<Value = Filter> {
    let choice = (0..FIELDS.len(), 0..Operator::ALL.len(), any::<bool>());
    let suits = |&(field, operator, _): &(usize, usize, bool)| Operator::ALL[operator].suits(FIELDS[field].1);
    choice.prop_filter("they suit", suits).prop_flat_map(|(field, operator, exact)| {
        let ((name, kind), operator) = (FIELDS[field], Operator::ALL[operator]);
        let count = match operator {
            Operator::IsBlank | Operator::IsNotBlank => 0..=0,
            Operator::In => 1..=3,
            _ => 1..=1,
        };
        let has_capitals = matches!(kind, FieldType::Text | FieldType::Texts | FieldType::Choice | FieldType::Choices);
        let exact = exact && has_capitals && *count.start() > 0;
        proptest::collection::vec(operand(kind), count)
            .prop_map(move |operands| Filter::Test(Test { field: name.into(), operator, operands, exact }))
    })
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![4 => test(), 1 => "[ -~]{1,8}".prop_map(|list| Filter::MemberOf(ListId::new(list)))];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::All),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::Any),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

proptest! {
    #[test]
    fn e5_1_printing_a_filter_reads_as_the_same_filter(filter in any_filter()) {
        let printed = filter.to_string();
        let parsed = ParsedFilter::parse(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
        let again = parsed.typed(&schema()).map_err(|errors| TestCaseError::fail(format!("{printed}: {errors:?}")))?;
        prop_assert_eq!(&again, &filter, "{}", printed);
        prop_assert_eq!(again.to_string(), printed);
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        if let Ok(parsed) = ParsedFilter::parse(&text) {
            let _ = parsed.typed(&schema());
        }
    }

    #[test]
    fn no_text_of_its_own_words_panics(words in proptest::collection::vec(
        prop_oneof![
            Just("city"), Just("vip"), Just("age"), Just("and"), Just("or"), Just("not"), Just("("), Just(")"), Just("="),
            Just("in"), Just("'a'"), Just("1"), Just("is"), Just("blank"), Just("exact"), Just("member of"), Just("'"), Just("`"), Just("é"), Just(","),
        ], 0..30,
    )) {
        let text = words.join(" ");
        match ParsedFilter::parse(&text) {
            Ok(parsed) => { let _ = parsed.typed(&schema()); }
            Err(error) => prop_assert!(text.get(error.place.clone()).is_some(), "{text}: {:?}", error.place),
        }
    }
}
