use proptest::prelude::*;

use super::property::Property;
use super::*;

/// Cards as they are met, each of them kept to the byte.
const CARDS: &[&str] = &[
    "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN:Ada\r\nN:;Ada;;;\r\nEND:VCARD\r\n",
    // Groups, labels, odd case, several types, blank value.
    "BEGIN:VCARD\r\nVERSION:3.0\r\nitem1.EMAIL;type=INTERNET;type=pref:a@x.org\r\nitem1.X-ABLabel:_$!<Other>!$_\r\n\
     email;type=WORK:b@x.org\r\nTEL:\r\nX-SOCIALPROFILE;type=x;x-user=a:http://x/a\r\nEND:VCARD\r\n",
    // Folded in the middle of a word, of a name, with a tab, and not where we would fold.
    "BEGIN:VCARD\r\nVERSION:4.0\r\nNO\r\n TE:This is a lo\r\n ng note\r\n\twith a tab\r\nPHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQ\r\n \
     SkZJRg\r\n  ABAQ\r\nEND:VCARD\r\n",
    // Quoted parameters with every separator inside, carets, escapes of all kinds.
    "BEGIN:VCARD\r\nVERSION:4.0\r\nADR;LABEL=\"1; Main: St^n, ^'x^'\";TYPE=home:;;1\\, Main\\; St;\\nX;;;\r\n\
     X-A;B=\"c:d\":e\\f\\\\g\r\nEND:VCARD\r\n",
    // vCard 2.1: bare types, quoted-printable with soft breaks, a card in a card.
    "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=\r\n=B6rg;;;\r\n\
     TEL;HOME;VOICE:1\r\nAGENT:\r\nBEGIN:VCARD\r\nFN:Inner\r\nEND:VCARD\r\nEND:VCARD\r\n",
    // No name at all, unicode of every kind, junk lines, blank lines around and inside.
    "\r\nBEGIN:VCARD\r\nVERSION:3.0\r\nNOTE:שלום 👩\u{200d}👩\u{200d}👧 e\u{301} \u{202e}x 𝔘\r\nthis is no property\r\n\r\n:\r\n;:\r\n\
     END:VCARD\r\n\r\n",
];

fn card(text: &str) -> Card {
    Card::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn cards_leave_with_the_bytes_they_came_with_e10_3() {
    for text in CARDS {
        assert_eq!(card(text).to_text(), *text);
        assert_eq!(card(&text.replace("\r\n", "\n")).to_text(), *text, "line feeds become CRLF");
    }
}

#[test]
fn replacing_one_line_leaves_all_others_e10_3() {
    for text in CARDS {
        let mut card = card(text);
        let version = card.first("VERSION").expect("every card above says its version");
        let before = card.property(version).to_line();
        let mut property = card.property(version);
        property.set_value("9".to_owned());
        card.replace(version, &property);
        assert_eq!(card.to_text(), text.replacen(&before, "VERSION:9", 1));
    }
}

#[test]
fn a_hundred_odd_properties_are_kept_e10_3() {
    let mut text = String::from("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Odd\r\n");
    for at in 0..120 {
        text.push_str(&format!("item{at}.X-ODD-{at};P{at}=\"a;b\":värde {at}\\, \\; 🎈\r\n"));
    }
    text.push_str("END:VCARD\r\n");
    let mut card = card(&text);
    card.insert(&Property::new("NOTE", &[], "n".to_owned()), &[]);
    assert_eq!(card.to_text(), text.replace("END:VCARD", "NOTE:n\r\nEND:VCARD"));
}

#[test]
fn what_is_no_card_is_said_to_be_none() {
    for (text, error) in [
        ("", CardError::NoBegin),
        ("hello", CardError::NoBegin),
        ("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", CardError::NoBegin),
        ("BEGIN:VCARD\r\nFN:x\r\n", CardError::NoEnd),
        ("BEGIN:VCARD\r\nEND:VCARD\r\nBEGIN:VCARD\r\nEND:VCARD\r\n", CardError::Several),
    ] {
        assert_eq!(Card::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn values_are_read_through_folds_escapes_and_encodings() {
    for (line, text, components) in [
        ("FN:a\\, b\\; c\\\\d\\ne\\:f\\g", "a, b; c\\d\ne:f\\g", 1),
        ("item1.N;X=\"a:b;c\":Do\r\n e;J\\;o;;;", "Doe;J;o;;;", 5),
        ("N;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:M=C3=BCller;J", "Müller;J", 2),
        ("N;QUOTED-PRINTABLE:M=FCller", "Müller", 1),
        ("NOTE;X=\"never closed:v", "v", 1),
        ("NOTE", "", 1),
    ] {
        let property = Property::parse(line);
        assert_eq!(property.text(), text, "{line}");
        assert_eq!(property.components().len(), components, "{line}");
    }
}

#[test]
fn types_are_read_however_they_are_written() {
    for line in [
        "TEL;TYPE=HOME,PREF:1",
        "TEL;TYPE=home;TYPE=pref:1",
        "TEL;TYPE=\"home,pref\":1",
        "TEL;HOME;PREF:1",
        "item1.tel;type=Home;PREF=1:1",
    ] {
        let property = Property::parse(line);
        assert!(property.has_type("home"), "{line}");
        assert_eq!(property.preference(), Some(1), "{line}");
        let mut without = property.clone();
        without.drop_type("home");
        assert!(!without.has_type("home") && without.preference() == Some(1), "{}", without.to_line());
    }
    assert_eq!(Property::parse("X;P=\"a^nb^^^'\":").parameter("P"), ["a\nb^\""]);
}

#[test]
fn an_encoding_goes_with_the_value_it_described() {
    let mut property = Property::parse("NOTE;LANGUAGE=de;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:M=FCller");
    property.set_value("Möller".to_owned());
    assert_eq!(property.to_line(), "NOTE;LANGUAGE=de;CHARSET=UTF-8:Möller");
}

#[test]
fn patching_a_quoted_printable_component_keeps_the_others_e10_3() {
    let lines = "ADR;WORK;ENCODING=QUOTED-PRINTABLE:;;1 Main St=0D=0AFloor 2=3B left=2C back;Par=\r\nis;=\r\n=C3=8E;75=\r\n01;a\\;b";
    let text = format!("BEGIN:VCARD\r\nVERSION:2.1\r\n{lines}\r\nFN:x\r\nEND:VCARD\r\n");
    let mut card = card(&text);
    let at = card.first("ADR").expect("the card has an address");
    let mut property = card.property(at);
    let parts = ["", "", "1 Main St\nFloor 2; left, back", "Paris", "Î", "7501", "a;b"];
    assert_eq!(property.components(), parts);
    property.set_component(3, "Łódź; west");
    card.replace(at, &property);
    let again = Card::parse(&card.to_text()).expect("it is still one card");
    let mut expected = parts;
    expected[3] = "Łódź; west";
    assert_eq!(again.property(at).components(), expected, "{}", card.to_text());
    assert_eq!(again.text("FN").as_deref(), Some("x"));
    let categories = Property::parse("CATEGORIES;QUOTED-PRINTABLE:a=2Cb,c");
    assert_eq!(categories.items(), ["a,b", "c"]);
}

#[test]
fn the_labels_of_a_group_go_with_its_last_line() {
    let mut card = card(CARDS[1]);
    let email = card.first("EMAIL").expect("the card has an e-mail");
    card.remove(email);
    assert!(!card.to_text().contains("X-ABLabel"), "{}", card.to_text());
    assert!(card.to_text().contains("X-SOCIALPROFILE"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(?s).{0,200}", line in "[ -~\r\n;:\"=\\\\^]{0,60}") {
        let framed = format!("BEGIN:VCARD\r\n{line}\r\n{text}\r\nEND:VCARD\r\n");
        for input in [&text, &line, &framed] {
            if let Ok(card) = Card::parse(input) {
                let again = Card::parse(&card.to_text()).expect("a card that was read is written as a card");
                prop_assert_eq!(&again, &card);
                for position in 0..card.lines.len() {
                    let property = card.property(position);
                    let _ = (property.text(), property.components(), property.items(), property.preference());
                }
            }
        }
    }

    #[test]
    fn any_text_survives_escaping_and_folding(value in "(?s).{0,300}") {
        let kept: String = value.replace("\r\n", "\n").replace('\r', "\n").chars()
            .filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
        let folded = text::fold(&Property::new("NOTE", &[], text::escape(&value)).to_line());
        prop_assert!(folded.split("\r\n").all(|line| line.len() <= 75));
        let card = Card::parse(&format!("BEGIN:VCARD\r\n{folded}\r\nEND:VCARD\r\n")).expect("the frame is whole");
        let at = card.first("NOTE").expect("the note is there");
        prop_assert_eq!(card.property(at).text(), kept);
    }
}
