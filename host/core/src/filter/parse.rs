//! Reads the text of a filter.

use std::ops::Range;

use super::token::{Token, tokens};
use super::{FILTER_DEPTH_MAX, FilterError, FilterFault, Operator};
use crate::{FieldName, ListId};

/// A filter as it is written: what its values are is known only with a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedFilter {
    pub(super) root: Written,
}

/// A part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    All(Vec<Written>),
    Any(Vec<Written>),
    Not(Box<Written>),
    Test(WrittenTest),
    MemberOf(ListId, Range<usize>),
}

/// A comparison with the places of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrittenTest {
    pub(super) field: FieldName,
    pub(super) field_place: Range<usize>,
    pub(super) operator: Operator,
    pub(super) operator_place: Range<usize>,
    pub(super) operands: Vec<(Literal, Range<usize>)>,
    pub(super) exact: Option<Range<usize>>,
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Number(String),
    Boolean(bool),
}

/// Words that are no fields unless they stand in backticks.
pub(super) const KEYWORDS: [&str; 14] =
    ["and", "or", "not", "in", "is", "contains", "starts", "ends", "with", "blank", "member", "exact", "true", "false"];

/// True if `word` is one of the language's own.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

impl ParsedFilter {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<ParsedFilter, FilterError> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
        let root = parser.any()?;
        match parser.peek() {
            Token::End => Ok(ParsedFilter { root }),
            _ => Err(parser.unexpected("`and`, `or` or the end")),
        }
    }

    /// Returns the lists that it names, and where.
    pub fn lists(&self) -> Vec<(ListId, Range<usize>)> {
        let mut lists = Vec::new();
        self.root.lists(&mut lists);
        lists
    }
}

impl Written {
    fn lists(&self, lists: &mut Vec<(ListId, Range<usize>)>) {
        match self {
            Written::All(parts) | Written::Any(parts) => parts.iter().for_each(|part| part.lists(lists)),
            Written::Not(part) => part.lists(lists),
            Written::Test(_) => {}
            Written::MemberOf(list, place) => lists.push((list.clone(), place.clone())),
        }
    }
}

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn place(&self) -> Range<usize> {
        let last = self.tokens.len() - 1;
        self.tokens[self.at.min(last)].1.clone()
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn unexpected(&self, expected: &'static str) -> FilterError {
        let fault = FilterFault::Syntax { expected, found: self.peek().shown() };
        FilterError { place: self.place(), fault }
    }

    /// Takes the keyword if it is next.
    fn take(&mut self, keyword: &str) -> bool {
        let is_next = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(is_next);
        is_next
    }

    fn need(&mut self, keyword: &str, expected: &'static str) -> Result<(), FilterError> {
        if self.take(keyword) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn sign(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.peek(), Token::Sign(found) if *found == sign);
        self.at += usize::from(is_next);
        is_next
    }

    fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, FilterError>) -> Result<T, FilterError> {
        if self.depth >= FILTER_DEPTH_MAX {
            return Err(FilterError { place: self.place(), fault: FilterFault::TooDeep });
        }
        self.depth += 1;
        let parsed = part(self);
        self.depth -= 1;
        parsed
    }

    fn any(&mut self) -> Result<Written, FilterError> {
        let mut parts = vec![self.all()?];
        while self.take("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Written::Any(parts) })
    }

    fn all(&mut self) -> Result<Written, FilterError> {
        let mut parts = vec![self.one()?];
        while self.take("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Written::All(parts) })
    }

    fn one(&mut self) -> Result<Written, FilterError> {
        if self.take("not") {
            return Ok(Written::Not(Box::new(self.deeper(Self::one)?)));
        }
        if self.sign("(") {
            let inner = self.deeper(Self::any)?;
            return if self.sign(")") { Ok(inner) } else { Err(self.unexpected("`)`, `and` or `or`")) };
        }
        if self.take("member") {
            self.need("of", "`of`, as in member of 'LIST'")?;
            let place = self.place();
            return match self.next() {
                Token::Text(list) if !list.is_empty() => Ok(Written::MemberOf(ListId::new(list), place)),
                _ => {
                    self.at -= 1;
                    Err(self.unexpected("the id of a list in quotes"))
                }
            };
        }
        self.test()
    }

    fn test(&mut self) -> Result<Written, FilterError> {
        let field_place = self.place();
        let field = match self.peek() {
            Token::Word(word) if !is_keyword(word) => word.clone(),
            Token::Quoted(name) if !name.is_empty() => name.clone(),
            _ => return Err(self.unexpected("a field, `not` or `(`")),
        };
        self.at += 1;
        let operator_place = self.place();
        let operator = self.operator()?;
        let operator_place = operator_place.start..self.tokens[self.at.max(1) - 1].1.end;
        let mut test = WrittenTest {
            field: FieldName::new(field),
            field_place: field_place.clone(),
            operator: operator.unwrap_or(Operator::Equals),
            operator_place,
            operands: Vec::new(),
            exact: None,
        };
        match operator {
            // A field alone: a yes.
            None => {
                test.operator_place = field_place.clone();
                test.operands.push((Literal::Boolean(true), field_place));
            }
            Some(Operator::IsBlank | Operator::IsNotBlank) => {}
            Some(operator) => {
                let place = self.place();
                test.exact = self.take("exact").then_some(place);
                test.operands = self.operands(operator)?;
            }
        }
        Ok(Written::Test(test))
    }

    /// Reads an operator, or `None` if the field stands alone.
    fn operator(&mut self) -> Result<Option<Operator>, FilterError> {
        let signs = [
            Operator::Equals,
            Operator::Differs,
            Operator::Below,
            Operator::AtMost,
            Operator::Above,
            Operator::AtLeast,
        ];
        if let Some(operator) = signs.into_iter().find(|operator| self.sign(operator.word())) {
            return Ok(Some(operator));
        }
        Ok(Some(if self.take("contains") {
            Operator::Contains
        } else if self.take("starts") {
            self.need("with", "`with`, as in starts with 'A'")?;
            Operator::StartsWith
        } else if self.take("ends") {
            self.need("with", "`with`, as in ends with 'A'")?;
            Operator::EndsWith
        } else if self.take("in") {
            Operator::In
        } else if self.take("is") {
            let operator = if self.take("not") { Operator::IsNotBlank } else { Operator::IsBlank };
            self.need("blank", "`blank` or `not blank`")?;
            operator
        } else {
            let ends = match self.peek() {
                Token::End | Token::Sign(")") => true,
                Token::Word(word) => word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or"),
                _ => false,
            };
            return if ends { Ok(None) } else { Err(self.unexpected("an operator, `and`, `or` or the end")) };
        }))
    }

    fn operands(&mut self, operator: Operator) -> Result<Vec<(Literal, Range<usize>)>, FilterError> {
        if operator != Operator::In {
            return Ok(vec![self.literal()?]);
        }
        if !self.sign("(") {
            return Err(self.unexpected("values in parentheses, as in in ('A', 'B')"));
        }
        let mut operands = vec![self.literal()?];
        while self.sign(",") {
            operands.push(self.literal()?);
        }
        if self.sign(")") { Ok(operands) } else { Err(self.unexpected("`,` or `)`")) }
    }

    fn literal(&mut self) -> Result<(Literal, Range<usize>), FilterError> {
        let place = self.place();
        let literal = match self.peek() {
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Number(number) => Literal::Number(number.clone()),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Literal::Boolean(true),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Literal::Boolean(false),
            _ => return Err(self.unexpected("a value: a text in quotes, a number, `true` or `false`")),
        };
        self.at += 1;
        Ok((literal, place))
    }
}
