//! Cuts the text of a filter into words, values and signs.

use std::ops::Range;

use super::{FILTER_BYTES_MAX, FilterError, FilterFault};

/// One piece of a filter's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word: a field or a keyword.
    Word(String),
    /// A field in backticks.
    Quoted(String),
    /// A text in quotes.
    Text(String),
    /// A number.
    Number(String),
    /// An operator, a parenthesis or a comma.
    Sign(&'static str),
    /// The end.
    End,
}

impl Token {
    /// Names it in a message.
    pub(super) fn shown(&self) -> String {
        match self {
            Token::Word(word) => format!("`{word}`"),
            Token::Quoted(name) => format!("the field `{name}`"),
            Token::Text(text) => format!("the text '{text}'"),
            Token::Number(number) => number.clone(),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end".to_owned(),
        }
    }
}

/// The signs, longer ones first where one begins another.
const SIGNS: [&str; 10] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","];

/// True for a character that begins a bare word.
pub(super) fn begins_word(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

/// True for a character that a bare word goes on with.
pub(super) fn continues_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '.' | '-')
}

/// Cuts `text` up; the last token is its end.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(FilterError { place: 0..text.len(), fault: FilterFault::TooLong });
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (token, length) = token(&text[at..], first, at)?;
        tokens.push((token, at..at + length));
        at += length;
    }
    tokens.push((Token::End, text.len()..text.len()));
    Ok(tokens)
}

/// Returns the token at the beginning of `rest` and its length.
fn token(rest: &str, first: char, at: usize) -> Result<(Token, usize), FilterError> {
    let run = |keeps: &dyn Fn(char) -> bool| rest.find(|character| !keeps(character)).unwrap_or(rest.len());
    match first {
        '\'' | '"' => quoted(rest, first, at).map(|(text, length)| (Token::Text(text), length)),
        '`' => quoted(rest, first, at).map(|(text, length)| (Token::Quoted(text), length)),
        _ if begins_word(first) => {
            let length = run(&continues_word);
            Ok((Token::Word(rest[..length].to_owned()), length))
        }
        '-' | '0'..='9' => {
            let sign = usize::from(first == '-');
            let digits = |character: char| character.is_ascii_digit() || character == '.';
            let length = rest[sign..].find(|character| !digits(character)).map_or(rest.len(), |end| sign + end);
            Ok((Token::Number(rest[..length].to_owned()), length))
        }
        _ => match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            Some("<>") => Ok((Token::Sign("!="), 2)),
            Some(sign) => Ok((Token::Sign(sign), sign.len())),
            None => {
                let fault =
                    FilterFault::Syntax { expected: "a field, a value or an operator", found: format!("`{first}`") };
                Err(FilterError { place: at..at + first.len_utf8(), fault })
            }
        },
    }
}

/// Reads to the closing quote; a doubled quote stands for itself.
fn quoted(rest: &str, quote: char, at: usize) -> Result<(String, usize), FilterError> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        if character != quote {
            text.push(character);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Ok((text, index + 1));
        }
    }
    Err(FilterError { place: at..at + 1, fault: FilterFault::OpenQuote })
}
