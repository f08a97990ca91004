use super::*;

/// Default country (or none), what is written, what it becomes.
const GOOD: &[(&str, &str, &str)] = &[
    // French, as people write it.
    ("FR", "01 23 45 67 89", "+33123456789"),
    ("FR", "01.23.45.67.89", "+33123456789"),
    ("FR", "+33 (0)1 23 45 67 89", "+33123456789"),
    ("FR", "(+33) 1-23-45-67-89", "+33123456789"),
    ("FR", "0033 1 23 45 67 89", "+33123456789"),
    ("FR", "33123456789", "+33123456789"),
    ("FR", "tel:+33-1-23-45-67-89", "+33123456789"),
    ("", "+33 0 1 23 45 67 89", "+33123456789"),
    ("", "0033123456789", "+33123456789"),
    // Foreign numbers do not care about the default.
    ("FR", "+1 (212) 555-0123", "+12125550123"),
    ("US", "+44 20 7946 0958", "+442079460958"),
    ("US", "011 44 20 7946 0958", "+442079460958"),
    ("AU", "0011 44 20 7946 0958", "+442079460958"),
    ("RU", "8-10-44-20-7946-0958", "+442079460958"),
    // Prefixes that go, and those that stay.
    ("US", "(212) 555-0123", "+12125550123"),
    ("US", "1-212-555-0123", "+12125550123"),
    ("CA", "416.555.0123", "+14165550123"),
    ("IT", "06 6982", "+39066982"),
    ("IT", "+39 06 6982", "+39066982"),
    ("IT", "347 123 4567", "+393471234567"),
    ("ES", "612 34 56 78", "+34612345678"),
    ("RU", "8 (912) 345-67-89", "+79123456789"),
    ("RU", "800 555 35 35", "+78005553535"),
    ("HU", "06 20 123 4567", "+36201234567"),
    ("BY", "8 029 123 45 67", "+375291234567"),
    ("LT", "8 612 34567", "+37061234567"),
    ("LT", "0 612 34567", "+37061234567"),
    ("MX", "01 55 1234 5678", "+525512345678"),
    ("MX", "+52 1 55 1234 5678", "+525512345678"),
    ("DE", "030/123456-7", "+49301234567"),
    ("CH", "044 668 18 00", "+41446681800"),
    ("GB", "020 7946 0958", "+442079460958"),
    ("JP", "03-1234-5678", "+81312345678"),
    ("BR", "(0 11) 91234-5678", "+5511912345678"),
    ("CI", "01 23 45 67 89", "+2250123456789"),
    ("", "+800 1234 5678", "+80012345678"),
    // Extensions.
    ("FR", "01 23 45 67 89 x12", "+33123456789;ext=12"),
    ("FR", "01 23 45 67 89 ext. 12", "+33123456789;ext=12"),
    ("FR", "01 23 45 67 89 poste 12", "+33123456789;ext=12"),
    ("FR", "+33123456789;ext=12", "+33123456789;ext=12"),
    ("US", "212-555-0123 Extension: 4", "+12125550123;ext=4"),
    ("US", "212-555-0123 #4", "+12125550123;ext=4"),
    // Other scripts, and marks that came along.
    ("JP", "０３－１２３４－５６７８", "+81312345678"),
    ("EG", "٠٢ ٢٣٤٥ ٦٧٨٩", "+20223456789"),
    ("FR", "\u{202a}+33\u{a0}1\u{202f}23 45 67 89\u{202c}", "+33123456789"),
    ("FR", "01\u{2011}23\u{2011}45\u{2011}67\u{2011}89", "+33123456789"),
];

/// Default country (or none), what is written, a part of the reason.
const BAD: &[(&str, &str, &str)] = &[
    ("", "01 23 45 67 89", "no default country"),
    ("FR", "", "no digits"),
    ("FR", " - ", "no digits"),
    ("FR", "n/a", "letter `n`"),
    ("FR", "1-800-FLOWERS", "letter `F`"),
    ("FR", "112", "9 digits"),
    ("FR", "01 23 45 67 8", "9 digits"),
    ("FR", "01 23 45 67 89 / 06 12 34 56 78", "9 digits"),
    ("FR", "00 01 23 45 67", "calling code"),
    ("FR", "+999 123 456 789", "calling code"),
    ("FR", "+0033123456789", "calling code"),
    ("FR", "+33 00 12 34 56 78", "begins with 0"),
    ("FR", "01 23+45 67 89", "`+`"),
    ("FR", "++33123456789", "`+`"),
    ("FR", "01 23 45 67 89 @work", "`@`"),
    ("FR", "01 23 45 67 89 x", "no extension"),
    ("FR", "01 23 45 67 89 x12a", "no extension"),
    ("FR", "01 23 45 67 89 x123456789012", "no extension"),
    ("US", "123-456-7890", "2 to 9"),
    ("US", "555-0123", "10 digits"),
    ("DE", "+49 12345678901234", "4 to 13 digits"),
    ("FR", "\u{1F4DE} 01 23 45 67 89", "has no place"),
    ("RU", "8~10 44 20 7946 0958", "`~`"),
];

fn plan(country: &str) -> Option<&'static Plan> {
    plans::of_country(country)
}

#[test]
fn numbers_become_e164_and_stay_so_whatever_the_default_country() {
    for &(country, written, expected) in GOOD {
        let number = normalize(written, plan(country));
        assert_eq!(number.as_deref(), Ok(expected), "{country} {written}");
        for again in [country, "", "US", "RU"] {
            assert_eq!(normalize(expected, plan(again)).as_deref(), Ok(expected), "again with {again}: {written}");
        }
    }
}

#[test]
fn what_cannot_be_a_number_is_refused_with_the_reason() {
    for &(country, written, expected) in BAD {
        let reason = normalize(written, plan(country)).expect_err(written);
        assert!(reason.contains(expected), "{written}: {reason}");
    }
}

/// Every short text over the signs that matter: never a panic, and never a number that changes when it comes again.
#[test]
fn whatever_comes_out_is_stable() {
    let signs = ["+", "00", "0", "1", "8", "33", "7", "5", "(0)", "x1", "é", "١", "23456789"];
    for country in ["", "FR", "US", "RU", "IT", "HU", "BY", "LT", "MX"] {
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            texts = texts.iter().flat_map(|text| signs.iter().map(move |sign| format!("{text}{sign}"))).collect();
            for number in texts.iter().filter_map(|text| normalize(text, plan(country)).ok()) {
                assert_eq!(normalize(&number, plan(country)), Ok(number.clone()), "{country}");
            }
        }
    }
}
