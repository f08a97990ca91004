//! Every small combination of references on both sides, in one table: `a` on the left is `A` on the right; `x`, `y` and
//! `X`, `Y` have no counterpart.

use super::*;

fn reference(letter: char) -> Reference {
    let target = if letter.is_lowercase() { "companies" } else { "organisations" };
    Reference { target: target.to_owned(), id: letter.to_string() }
}

fn value(letters: &str) -> Value {
    list(letters.chars().map(reference))
}

fn letters(value: &Value) -> String {
    references(value).iter().map(|reference| reference.id.as_str()).collect()
}

/// `a` to `d` are paired with `A` to `D`; `e` was merged into `a`, whose id it still is.
fn links() -> Links {
    let mut links = Links::default();
    for letter in 'a'..='d' {
        let joined = Joined { left: reference(letter), right: reference(letter.to_ascii_uppercase()) };
        links.add(Side::Left, joined.left.clone(), joined.clone());
        links.add(Side::Right, joined.right.clone(), joined);
    }
    links.add(Side::Left, reference('e'), Joined { left: reference('a'), right: reference('A') });
    links
}

#[test]
fn e10_1_references_merge_as_sets_of_what_is_paired() {
    // left base, right base, left, right: left afterwards, right afterwards, agreed left, agreed right
    let cases = [
        ("", "", "a", "", "a A", "a A"),
        ("", "", "", "A", "a A", "a A"),
        ("", "", "a", "B", "ab AB", "ab AB"),
        ("ab", "AB", "a", "AB", "a A", "a A"),
        ("ab", "AB", "a", "B", "- -", "- -"),
        ("a", "A", "b", "AC", "bc BC", "bc BC"),
        // What has no counterpart stays on its side, and in no base.
        ("a", "A", "ax", "A", "ax A", "a A"),
        ("a", "A", "a", "AY", "a AY", "a A"),
        ("a", "A", "bx", "AY", "bx BY", "b B"),
        ("", "", "x", "", "x -", "- -"),
        ("", "", "x", "B", "bx B", "b B"),
        ("a", "A", "", "AY", "- Y", "- -"),
        // Replaced by one that waits: nobody knows whether `a` is to go.
        ("a", "A", "x", "A", "waits", ""),
        // A base that joins others now was never agreed on.
        ("a", "B", "a", "", "a A", "a A"),
        // An id of old means the same record.
        ("a", "A", "e", "A", "e A", "e A"),
    ];
    for (left_base, right_base, left, right, expected, agreed) in cases {
        let case = format!("{left_base}|{right_base} {left}|{right}");
        let merged = links().merged([&value(left), &value(right)], [&value(left_base), &value(right_base)]);
        let shown = |[left, right]: [&Value; 2]| {
            let word = |value: &Value| if value.is_blank() { "-".to_owned() } else { letters(value) };
            format!("{} {}", word(left), word(right))
        };
        let Some([left, right]) = merged else {
            assert_eq!(expected, "waits", "{case}");
            continue;
        };
        assert_eq!(shown([&left, &right]), expected, "{case}");
        let common = links().agreed(&left, &right);
        assert_eq!(shown([&common.left, &common.right]), agreed, "{case}: agreed");
        let again = links().merged([&left, &right], [&common.left, &common.right]);
        assert_eq!(again, Some([left, right]), "{case}: asked again");
    }
}

#[test]
fn e10_1_an_image_holds_what_is_paired_and_waits_where_nothing_is() {
    let cases = [
        ("a", "", true, "A"),
        ("ax", "", true, "A"),
        ("ab", "AY", true, "ABY"),
        ("ab", "AY", false, "AB"),
        ("", "AY", true, "Y"),
        ("", "AY", false, ""),
        ("x", "AY", true, "companies/x has no counterpart yet"),
        ("xy", "", false, "companies/x, companies/y have no counterpart yet"),
    ];
    for (left, right, keeps, expected) in cases {
        let image = links().image(Side::Right, &value(left), Some(&value(right)), keeps);
        let shown = image.map_or_else(|unfit| unfit.detail, |value| letters(&value));
        assert_eq!(shown, expected, "{left} {right} {keeps}");
    }
}

#[test]
fn e10_1_what_an_application_stored_otherwise_is_the_base_but_for_what_waits() {
    let linked = Linked { left: value("ab"), right: value("AB") };
    let stored = |sent, stored| letters(&linked.as_stored(Side::Right, &value(sent), &value(stored)));
    assert_eq!(stored("ABY", "ABY"), "AB");
    assert_eq!(stored("ABY", "AY"), "A", "the application took one of them only");
    assert_eq!(stored("AB", "AD"), "AD", "or made another of it");
}

#[test]
fn many_that_wait_are_not_all_named() {
    let many: Vec<Reference> = ('a'..='h').map(reference).collect();
    let detail = waits(&many.iter().collect::<Vec<_>>()).detail;
    assert!(detail.ends_with("companies/e and 3 more have no counterpart yet"), "{detail}");
}
