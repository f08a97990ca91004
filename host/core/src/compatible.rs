//! Which types of fields can be joined (E2.6), and which options of two enumerations belong together.

use std::collections::BTreeMap;

use crate::fold::folded;
use crate::{ChoiceOption, Conversion, Field, FieldType, Step};

/// How values of one type become values of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// As they are.
    AsIs,
    /// Converted, and back again.
    Converted,
    /// Option by option.
    ByOptions,
    /// Record by record: what they are called on the other side is known by pairs or keys (E10.1).
    ByRecords,
    /// As text that nobody reads back: one way only.
    AsText,
    /// Not at all; only a transform can.
    Not,
}

/// What becomes of a value, from the type of the row to the type of the column.
///
/// `=` as it is, `c` converted, `o` by options, `r` by records, `t` as text and one way only, `.` not at all. A mapping
/// goes both ways if both of its directions are `=`, `c`, `o` or `r`.
#[rustfmt::skip]
const TABLE: [(FieldType, &[u8; 12]); 12] = [
    //                        to: boolean
    //                            |integer
    //                            ||decimal
    //                            |||text
    //                            ||||date
    //                            |||||moment
    //                            ||||||zoned
    //                            |||||||choice
    //                            ||||||||choices
    //                            |||||||||references
    //                            ||||||||||texts
    // from                       |||||||||||json
    (FieldType::Boolean,       b"=..t........"),
    (FieldType::Integer,       b".=ct........"),
    (FieldType::Decimal,       b".c=t........"),
    (FieldType::Text,          b"...=........"),
    (FieldType::Date,          b"...t=cc....."),
    (FieldType::Moment,        b"...tc=c....."),
    (FieldType::Zoned,         b"...tcc=....."),
    (FieldType::Choice,        b"...t...o...."),
    (FieldType::Choices,       b"...t....o..."),
    (FieldType::References,    b".........r.."),
    (FieldType::Texts,         b"..........=."),
    (FieldType::Json,          b"...........="),
];

/// Says how values of `from` become values of `to`.
pub fn carry(from: FieldType, to: FieldType) -> Carry {
    let position = |kind: FieldType| TABLE.iter().position(|(row, _)| *row == kind).expect("the table has every type");
    match TABLE[position(from)].1[position(to)] {
        b'=' => Carry::AsIs,
        b'c' => Carry::Converted,
        b'o' => Carry::ByOptions,
        b'r' => Carry::ByRecords,
        b't' => Carry::AsText,
        _ => Carry::Not,
    }
}

/// True if a mapping may go both ways between fields of these types: nothing is lost in either direction.
pub fn goes_both_ways(one: FieldType, other: FieldType) -> bool {
    let keeps = |carry| matches!(carry, Carry::AsIs | Carry::Converted | Carry::ByOptions | Carry::ByRecords);
    keeps(carry(one, other)) && keeps(carry(other, one))
}

/// Returns the steps that the host takes to make a value of `to` from one of `from`; `None` if it cannot.
///
/// `given` are options that belong together although nothing says so, from code to code.
pub fn steps(from: &Field, to: &Field, zone: &str, given: &BTreeMap<String, String>) -> Option<Vec<Step>> {
    Some(match carry(from.kind, to.kind) {
        Carry::Not => return None,
        // References are translated by routes and by no step.
        Carry::AsIs | Carry::ByRecords => Vec::new(),
        Carry::Converted => vec![Step::Convert(Conversion::into_type(to.kind, zone)?)],
        Carry::AsText => labels(from).into_iter().chain([Step::Convert(Conversion::ToText)]).collect(),
        // Where an application does not tell its options, there is nothing to look up.
        Carry::ByOptions if from.options.is_empty() || to.options.is_empty() => Vec::new(),
        Carry::ByOptions => vec![Step::Options(option_map(&from.options, &to.options, given))],
    })
}

/// People read the label of an option and not its code.
fn labels(field: &Field) -> Option<Step> {
    let labels = field.options.iter().map(|option| (option.code.clone(), option.label.clone()));
    (!field.options.is_empty()).then(|| Step::Options(labels.collect()))
}

/// Joins the options of two enumerations: as `given`, else those of one code, else those of one label (E2.6).
///
/// An option that is refused for new values is nobody's counterpart.
pub fn option_map(
    from: &[ChoiceOption],
    to: &[ChoiceOption],
    given: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let plain = |text: &str| folded(text.trim());
    let counterpart = |option: &ChoiceOption| {
        let active = || to.iter().filter(|other| other.active);
        let by_code = || active().find(|other| other.code == option.code);
        let by_label = || active().find(|other| plain(&other.label) == plain(&option.label));
        given.get(&option.code).cloned().or_else(|| Some(by_code().or_else(by_label)?.code.clone()))
    };
    from.iter().filter_map(|option| Some((option.code.clone(), counterpart(option)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [FieldType; 12] = [
        FieldType::Boolean,
        FieldType::Integer,
        FieldType::Decimal,
        FieldType::Text,
        FieldType::Date,
        FieldType::Moment,
        FieldType::Zoned,
        FieldType::Choice,
        FieldType::Choices,
        FieldType::References,
        FieldType::Texts,
        FieldType::Json,
    ];

    #[test]
    fn e2_6_options_that_one_side_does_not_tell_are_carried_as_they_are() {
        let field = |name: &str, codes: &[&str]| Field {
            options: codes.iter().map(|code| option(code)).collect(),
            ..Field::new(name, FieldType::Choice)
        };
        let (told, untold) = (field("told", &["a", "b"]), field("untold", &[]));
        let given = BTreeMap::new();
        for (from, to) in [(&told, &untold), (&untold, &told), (&untold, &untold)] {
            assert_eq!(steps(from, to, "UTC", &given), Some(Vec::new()), "{} to {}", from.name, to.name);
        }
        assert!(matches!(steps(&told, &told, "UTC", &given).as_deref(), Some([Step::Options(_)])));
    }

    /// a.8: text-text, number-number, date-date, datetime-datetime, date-datetime in both orders, checkbox-boolean and
    /// choice-choice go both ways; nothing else does.
    #[test]
    fn a_8_types_that_go_both_ways() {
        assert_eq!(TABLE.map(|(kind, _)| kind), TYPES, "the columns are in the order of the rows");
        let others = [
            (FieldType::Integer, FieldType::Decimal),
            (FieldType::Date, FieldType::Moment),
            (FieldType::Date, FieldType::Zoned),
            (FieldType::Moment, FieldType::Zoned),
        ];
        for one in TYPES {
            for other in TYPES {
                let expected = one == other || others.contains(&(one, other)) || others.contains(&(other, one));
                assert_eq!(goes_both_ways(one, other), expected, "{one:?} and {other:?}");
            }
        }
    }

    /// a.8: numbers, dates, checkboxes and choices go into text, and nothing comes back from there.
    #[test]
    fn a_8_into_text_one_way() {
        let into_text: Vec<FieldType> =
            TYPES.into_iter().filter(|kind| carry(*kind, FieldType::Text) == Carry::AsText).collect();
        assert_eq!(
            into_text,
            [
                FieldType::Boolean,
                FieldType::Integer,
                FieldType::Decimal,
                FieldType::Date,
                FieldType::Moment,
                FieldType::Zoned,
                FieldType::Choice,
                FieldType::Choices,
            ]
        );
        for kind in TYPES.into_iter().filter(|kind| *kind != FieldType::Text) {
            assert_eq!(carry(FieldType::Text, kind), Carry::Not, "{kind:?}");
        }
    }

    fn option(word: &str) -> ChoiceOption {
        let (word, active) = word.strip_suffix('!').map_or((word, true), |word| (word, false));
        let (code, label) = word.split_once('=').unwrap_or((word, word));
        ChoiceOption { code: code.to_owned(), label: label.to_owned(), active }
    }

    /// E2.6: identical names and labels map by themselves, what is given comes first, the rest has no counterpart.
    #[test]
    fn e2_6_options_find_each_other() {
        let from = ["new=New", "open", "won=Closed won", "lost", "old"].map(option);
        let to = ["1= new ", "open=Open!", "won=Lost", "9=closed won", "gone"].map(option);
        let given = BTreeMap::from([("old".to_owned(), "gone".to_owned())]);
        let map = option_map(&from, &to, &given);
        let pairs: Vec<(&str, &str)> = map.iter().map(|(one, other)| (one.as_str(), other.as_str())).collect();
        assert_eq!(pairs, [("lost", "won"), ("new", "1"), ("old", "gone"), ("won", "won")]);
    }
}
