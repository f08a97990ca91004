//! Writes a filter as text that reads as the same filter.

use std::fmt;

use super::parse::is_keyword;
use super::token::{begins_word, continues_word};
use super::{Filter, Operator, Test};
use crate::{FieldName, Value};

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Filter::All(parts) => joined(f, parts, " and ", |part| matches!(part, Filter::All(_) | Filter::Any(_))),
            Filter::Any(parts) => joined(f, parts, " or ", |part| matches!(part, Filter::Any(_))),
            Filter::Not(part) => {
                f.write_str("not ")?;
                grouped(f, part, matches!(**part, Filter::All(_) | Filter::Any(_)))
            }
            Filter::Test(test) => write!(f, "{test}"),
            Filter::MemberOf(list) => {
                f.write_str("member of ")?;
                quoted(f, list.as_str(), '\'')
            }
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        field(f, &self.field)?;
        write!(f, " {}", self.operator.word())?;
        if self.exact {
            f.write_str(" exact")?;
        }
        match (self.operator, self.operands.as_slice()) {
            (Operator::In, operands) => {
                f.write_str(" (")?;
                for (index, operand) in operands.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    value(f, operand)?;
                }
                f.write_str(")")
            }
            (_, [operand]) => {
                f.write_str(" ")?;
                value(f, operand)
            }
            _ => Ok(()),
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Filter],
    word: &str,
    needs_group: impl Fn(&Filter) -> bool,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        f.write_str(if index > 0 { word } else { "" })?;
        grouped(f, part, needs_group(part))?;
    }
    Ok(())
}

fn grouped(f: &mut fmt::Formatter<'_>, part: &Filter, is_group: bool) -> fmt::Result {
    if is_group { write!(f, "({part})") } else { write!(f, "{part}") }
}

fn field(f: &mut fmt::Formatter<'_>, name: &FieldName) -> fmt::Result {
    let name = name.as_str();
    let is_bare = name.starts_with(begins_word) && name.chars().all(continues_word) && !is_keyword(name);
    if is_bare { f.write_str(name) } else { quoted(f, name, '`') }
}

fn value(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Boolean(yes) => write!(f, "{yes}"),
        Value::Decimal(number) => f.write_str(number),
        other => quoted(f, &other.to_string(), '\''),
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    let doubled = format!("{quote}{quote}");
    write!(f, "{quote}{}{quote}", text.replace(quote, &doubled))
}
