//! Telephone numbers as people write them, made E.164: `01 23 45 67 89` becomes `+33123456789`.
//!
//! Here: which cells are changed. `number` reads one number, `plans` knows how countries dial.

mod number;
mod plans;

use serde::{Deserialize, Deserializer};
use syncline_sdk::{Transform, Value};

/// The transform.
#[derive(Debug)]
pub struct NormalizePhone;

/// What the user may set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    #[serde(default)]
    default_country: Option<Country>,
}

/// A country whose way of dialling is known.
#[derive(Debug)]
struct Country(&'static plans::Plan);

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        let plan = plans::of_country(&code.to_ascii_uppercase());
        let unknown = || serde::de::Error::custom(format!("`{code}` is not the ISO code of a country, such as FR"));
        plan.map(Country).ok_or_else(unknown)
    }
}

impl Transform for NormalizePhone {
    type Options = Options;

    fn apply_row(options: &Options, columns: &[String], row: Vec<Value>) -> Result<Vec<Value>, String> {
        let named = |position: usize, reason| match columns.get(position) {
            Some(column) => format!("{column} is not a telephone number: {reason}"),
            None => format!("not a telephone number: {reason}"),
        };
        let cells = row.into_iter().enumerate();
        cells.map(|(position, cell)| cell_of(options, cell).map_err(|reason| named(position, reason))).collect()
    }
}

/// Changes one cell; absent and clear ones say nothing about a number and stay as they are.
fn cell_of(options: &Options, cell: Value) -> Result<Value, String> {
    let default = options.default_country.as_ref().map(|country| country.0);
    match cell {
        Value::Absent | Value::Clear => Ok(cell),
        Value::Text(text) => number::normalize(&text, default).map(Value::Text),
        Value::Texts(texts) => {
            let numbers = texts.iter().map(|text| number::normalize(text, default));
            numbers.collect::<Result<_, _>>().map(Value::Texts)
        }
        _ => Err("it is not a text".to_owned()),
    }
}

syncline_sdk::transform!(NormalizePhone);

#[cfg(test)]
mod tests {
    use syncline_sdk::transform::apply;

    use super::*;

    fn phones(options: &str, cells: Vec<Value>) -> Vec<Result<Vec<Value>, String>> {
        apply::<NormalizePhone>(options, &["phone".to_owned()], cells.into_iter().map(|cell| vec![cell]).collect())
    }

    #[test]
    fn each_row_stands_for_itself() {
        let cells = vec!["01 23 45 67 89".into(), Value::Absent, Value::Clear, "n/a".into(), true.into()];
        let rows = phones(r#"{"default_country":"fr"}"#, cells);
        assert_eq!(rows[0], Ok(vec!["+33123456789".into()]));
        assert_eq!(rows[1], Ok(vec![Value::Absent]));
        assert_eq!(rows[2], Ok(vec![Value::Clear]));
        assert_eq!(rows[3], Err("phone is not a telephone number: it holds the letter `n`".to_owned()));
        assert_eq!(rows[4], Err("phone is not a telephone number: it is not a text".to_owned()));
    }

    #[test]
    fn lists_keep_their_order() {
        let list = |texts: [&str; 2]| Value::Texts(texts.map(str::to_owned).to_vec());
        let rows = phones("", vec![list(["+33 6 12 34 56 78", "+1 212 555 0123"])]);
        assert_eq!(rows, [Ok(vec![list(["+33612345678", "+12125550123"])])]);
    }

    #[test]
    fn options_that_do_not_fit_refuse_every_row() {
        for options in [r#"{"default_country":"ZZ"}"#, r#"{"default_country":""}"#, r#"{"country":"FR"}"#, "[", "7"] {
            let rows = phones(options, vec![Value::Clear, Value::Clear]);
            assert!(rows.len() == 2 && rows.iter().all(Result::is_err), "{options}");
        }
        assert_eq!(phones(r#"{"default_country":null}"#, vec![Value::Clear]), [Ok(vec![Value::Clear])]);
    }
}
