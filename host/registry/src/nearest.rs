//! Finds what somebody may have meant.

/// Returns the name in `known` that is closest to `word`, if one is close enough to be a slip.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A pathological word would cost time in the square of its length.
    if word.len() > 200 {
        return None;
    }
    let folded = fold(word);
    known
        .into_iter()
        .map(|candidate| {
            let other = fold(candidate);
            let score = strsim::jaro_winkler(&folded, &other);
            let slip = strsim::damerau_levenshtein(&folded, &other) <= 1 + folded.chars().count() / 5;
            (
                if folded == other {
                    2.0
                } else if slip {
                    1.0 + score
                } else {
                    score
                },
                candidate,
            )
        })
        .filter(|(score, _)| *score >= 0.84)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

fn fold(word: &str) -> String {
    word.chars().filter(|character| !matches!(character, '_' | '-' | ' ' | '.')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let known = ["direction", "deletes", "match", "to_left", "email"];
        let table = [
            ("directon", Some("direction")),
            ("Direction", Some("direction")),
            ("to-left", Some("to_left")),
            ("delete", Some("deletes")),
            ("e-mail", Some("email")),
            ("colour", None),
            ("", None),
            ("🦀", None),
        ];
        for (word, expected) in table {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
