//! Makes one telephone number, as a person wrote it, E.164.
//!
//! Invariant: what comes out goes in again unchanged.

use crate::plans::{self, Plan};

/// Digits of an international number at the most, with its calling code (ITU-T E.164).
const DIGITS_MAX: usize = 15;

/// Digits of an extension at the most.
const EXTENSION_DIGITS_MAX: usize = 11;

/// Words and signs that begin an extension; the longer ones first.
const EXTENSION_WORDS: [&str; 8] = [";ext=", "extension", "extn", "ext", "poste", "durchwahl", "x", "#"];

/// Returns `text` as E.164, with `;ext=` where it has an extension, or says why it cannot be a number.
pub(crate) fn normalize(text: &str, default: Option<&'static Plan>) -> Result<String, String> {
    let written = text.trim();
    let (main, extension) = split_extension(without_scheme(written))?;
    let Dialled { international, digits } = dialled(main)?;
    let (plan, national) = if international { foreign(&digits)? } else { local(&digits, default)? };
    check(plan, national, &digits)?;
    let code = plan.code;
    Ok(match extension {
        Some(extension) => format!("+{code}{national};ext={extension}"),
        None => format!("+{code}{national}"),
    })
}

/// Drops the `tel:` of an address.
fn without_scheme(text: &str) -> &str {
    match text.split_at_checked(4) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tel:") => rest,
        _ => text,
    }
}

/// Splits off what stands after the first word for an extension.
fn split_extension(text: &str) -> Result<(&str, Option<String>), String> {
    // Lower case for ASCII only: it keeps the positions of what is searched.
    let lower = text.to_ascii_lowercase();
    let places = EXTENSION_WORDS.iter().filter_map(|word| lower.find(word).map(|place| (place, word.len())));
    let Some((place, length)) = places.min_by_key(|&(place, length)| (place, usize::MAX - length)) else {
        return Ok((text, None));
    };
    let rest = text[place + length..].trim_matches(|sign: char| is_blank(sign) || matches!(sign, '.' | ':' | '='));
    let digits: Option<String> = rest.chars().map(|sign| digit(sign).map(char::from)).collect();
    match digits {
        Some(digits) if (1..=EXTENSION_DIGITS_MAX).contains(&digits.len()) => Ok((&text[..place], Some(digits))),
        _ => Err(format!("`{rest}` is no extension: it has one to {EXTENSION_DIGITS_MAX} digits and nothing else")),
    }
}

/// What is dialled: digits, and whether a `+` stands before them.
struct Dialled {
    international: bool,
    digits: String,
}

fn dialled(text: &str) -> Result<Dialled, String> {
    let mut dialled = Dialled { international: false, digits: String::new() };
    for sign in text.chars() {
        if let Some(digit) = digit(sign) {
            dialled.digits.push(char::from(digit));
        } else if matches!(sign, '+' | '\u{ff0b}') && dialled.digits.is_empty() && !dialled.international {
            dialled.international = true;
        } else if sign.is_alphabetic() {
            return Err(format!("it holds the letter `{sign}`"));
        } else if !is_punctuation(sign) {
            return Err(format!("`{}` has no place in a number", sign.escape_default()));
        }
    }
    if dialled.digits.is_empty() { Err("it holds no digits".to_owned()) } else { Ok(dialled) }
}

/// Reads digits that begin with a calling code.
fn foreign(digits: &str) -> Result<(&'static Plan, &str), String> {
    let (plan, national) =
        plans::split(digits).ok_or_else(|| format!("no country has the calling code of +{digits}"))?;
    Ok((plan, without_trunk(plan, national)))
}

/// Reads digits as they are dialled in the default country.
fn local<'digits>(
    digits: &'digits str,
    default: Option<&'static Plan>,
) -> Result<(&'static Plan, &'digits str), String> {
    let Some(plan) = default else {
        // Without a country, 00 is the only way out that the ITU recommends, and no national number begins so.
        let abroad = digits.strip_prefix("00");
        return foreign(abroad.ok_or("it has no country code, and no default country is set")?);
    };
    if let Some(abroad) = plan.exits.iter().find_map(|exit| digits.strip_prefix(exit)) {
        return foreign(abroad);
    }
    let national = without_trunk(plan, digits);
    // Too long to be national, but right after its own calling code: a `+` was lost.
    if national.len() > plan.digits_max
        && let Some(rest) = digits.strip_prefix(&plan.code.to_string())
        && rest.len() <= plan.digits_max
    {
        return Ok((plan, without_trunk(plan, rest)));
    }
    Ok((plan, national))
}

/// Drops what is dialled before a national number.
///
/// No number begins with a 0 where that is the prefix, so it always goes; 1 and 8 begin numbers too, so they go only
/// where the number would be too long with them.
fn without_trunk<'digits>(plan: &Plan, national: &'digits str) -> &'digits str {
    let strip = |trunk: &&str| {
        let rest = national.strip_prefix(trunk)?;
        (*trunk == "0" || national.len() > plan.digits_max).then_some(rest)
    };
    plan.trunks.iter().find_map(strip).unwrap_or(national)
}

fn check(plan: &Plan, national: &str, digits: &str) -> Result<(), String> {
    let Plan { code, digits_min, digits_max, .. } = plan;
    if !(*digits_min..=*digits_max).contains(&national.len()) || code.to_string().len() + national.len() > DIGITS_MAX {
        let length =
            if digits_min == digits_max { digits_min.to_string() } else { format!("{digits_min} to {digits_max}") };
        return Err(format!("{digits} does not fit +{code}, where numbers have {length} digits"));
    }
    if national.starts_with('0') && plan.trunks.contains(&"0") {
        return Err(format!("{digits} does not fit +{code}, where no number begins with 0"));
    }
    if *code == 1 && [0, 3].into_iter().any(|place| matches!(national.as_bytes()[place], b'0' | b'1')) {
        return Err(format!("{digits} does not fit +1, where area and exchange begin with 2 to 9"));
    }
    Ok(())
}

/// Returns a digit of any script that telephones show, as ASCII.
fn digit(sign: char) -> Option<u8> {
    let zero = match sign {
        '0'..='9' => '0',
        '\u{ff10}'..='\u{ff19}' => '\u{ff10}', // full width
        '\u{0660}'..='\u{0669}' => '\u{0660}', // Arabic
        '\u{06f0}'..='\u{06f9}' => '\u{06f0}', // Persian
        '\u{0966}'..='\u{096f}' => '\u{0966}', // Devanagari
        _ => return None,
    };
    u8::try_from(u32::from(sign) - u32::from(zero)).ok().map(|value| b'0' + value)
}

fn is_punctuation(sign: char) -> bool {
    is_blank(sign)
        || matches!(
            sign,
            '-' | '.' | '(' | ')' | '[' | ']' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}' | '\u{b7}'
        )
}

/// Blanks, and the marks without width that come along when numbers are copied.
fn is_blank(sign: char) -> bool {
    sign.is_whitespace()
        || matches!(sign, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
