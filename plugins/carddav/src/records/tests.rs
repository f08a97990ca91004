use super::*;
use crate::schema;

/// Writes `changes` (`field=value` lines; an empty value clears) into a card with these inner lines, and returns its
/// inner lines after.
fn patched(version: &str, lines: &str, changes: &str) -> String {
    let inner: String = lines.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    let head = format!("BEGIN:VCARD\r\nVERSION:{version}\r\n");
    let mut card = Card::parse(&format!("{head}{inner}END:VCARD\r\n")).expect("the frame is whole");
    let parsed: Vec<(String, Value)> = changes
        .lines()
        .map(|line| {
            let (field, text) = line.trim().split_once('=').expect("a change is field=value");
            let value = match schema::part(field).expect("the field is known") {
                _ if text.is_empty() => Value::Clear,
                Part::Birthday => Value::Date(text.to_owned()),
                Part::List(_) | Part::Categories => Value::Texts(text.split('|').map(str::to_owned).collect()),
                _ => Value::Text(text.to_owned()),
            };
            (field.to_owned(), value)
        })
        .collect();
    let changes: Vec<Change<'_>> = parsed
        .iter()
        .map(|(field, value)| Change { field, part: schema::part(field).expect("the field is known"), value })
        .collect();
    apply(&mut card, &changes).expect("the values fit");
    for change in &changes {
        assert_eq!(
            read(&card, change.part),
            *change.value,
            "{} reads as it was written: {}",
            change.field,
            card.to_text()
        );
    }
    let text = card.to_text();
    text.strip_prefix(&head)
        .and_then(|text| text.strip_suffix("END:VCARD\r\n"))
        .expect("the frame is kept")
        .replace("\r\n", "\n")
}

fn check(version: &str, lines: &str, changes: &str, expected: &str) {
    let trimmed: String = expected.lines().map(|line| format!("{}\n", line.trim())).collect();
    assert_eq!(patched(version, lines, changes), trimmed, "{lines}\n<- {changes}");
}

#[test]
fn names() {
    let ada = "FN:Ada King\nN:King;Ada;;;";
    check("3.0", ada, "name.family=Lovelace", "FN:Ada Lovelace\nN:Lovelace;Ada;;;");
    check("3.0", "FN:The Countess\nN:King;Ada;;;", "name.family=Lovelace", "FN:The Countess\nN:Lovelace;Ada;;;");
    check("3.0", "FN:Ada King\nN:King;Ada;B.;Dr.;", "name.given=Eda", "FN:Eda King\nN:King;Eda;B.;Dr.;");
    check("3.0", "FN:Dr. Ada B. King\nN:King;Ada;B.;Dr.;", "name.given=Eda", "FN:Dr. Eda B. King\nN:King;Eda;B.;Dr.;");
    check("3.0", ada, "fn=Lady L\nname.family=L", "FN:Lady L\nN:L;Ada;;;");
    check("3.0", ada, "name.given=Ada", ada);
    check("3.0", ada, "name.given=\nname.family=", "FN:Ada King\nN:;;;;");
    check("4.0", "UID:1", "name.given=Zoë, 'Z'", "UID:1\nFN:Zoë\\, 'Z'\nN:;Zoë\\, 'Z';;;");
}

#[test]
fn a_new_card_has_all_that_it_may_not_be_without() {
    for (version, field, expected) in [
        (Version::V3, "email", "FN:v\r\nN:;;;;\r\nEMAIL;TYPE=INTERNET:v\r\n"),
        (Version::V3, "org", "FN:v\r\nN:;;;;\r\nORG:v\r\n"),
        (Version::V3, "name.family", "FN:v\r\nN:v;;;;\r\n"),
        (Version::V4, "note", "FN:(no name)\r\nNOTE:v\r\n"),
    ] {
        let value = Value::from("v");
        let change = Change { field, part: schema::part(field).expect("the field is known"), value: &value };
        let text = create(version, "k-1", &[change]).expect("the value fits").to_text();
        let head =
            format!("BEGIN:VCARD\r\nVERSION:{}\r\nPRODID:-//Syncline//CardDAV//EN\r\nUID:k-1\r\n", version.as_text());
        assert_eq!(text, format!("{head}{expected}END:VCARD\r\n"));
    }
}

#[test]
fn a_card_without_a_name_is_not_given_one_for_another_field_e10_3() {
    check("3.0", "N:;;;;\nX:1", "note=n", "N:;;;;\nX:1\nNOTE:n");
    check("3.0", "FN:\nX:1", "name.given=Ada", "FN:Ada\nN:;Ada;;;\nX:1");
}

#[test]
fn single_properties_and_components() {
    let card = "FN:A\nN:;A;;;\nORG:Acme;R\\&D;Lab\nNOTE:one\nNOTE;PREF=1:two\nX-KEEP;A=\"b;c\":d";
    let rest = "NOTE:one\nNOTE;PREF=1:two\nX-KEEP;A=\"b;c\":d";
    check("4.0", card, "org=Bolt", &format!("FN:A\nN:;A;;;\nORG:Bolt;R\\&D;Lab\n{rest}"));
    check("4.0", card, "department=", &format!("FN:A\nN:;A;;;\nORG:Acme;;Lab\n{rest}"));
    check(
        "4.0",
        card,
        "note=3\nurl=http://x/?a=1,2;3",
        &format!("FN:A\nN:;A;;;\nORG:Acme;R\\&D;Lab\n{}\nURL:http://x/?a=1,2;3", rest.replace("two", "3")),
    );
    check("3.0", "FN:A\nN:;A;;;\nORG:Acme", "org=", "FN:A\nN:;A;;;");
    check("3.0", "FN:A\nN:;A;;;\nTITLE:x", "title=", "FN:A\nN:;A;;;");
}

#[test]
fn birthdays() {
    let frame = "FN:A\nN:;A;;;";
    check("3.0", frame, "birthday=1815-12-10", "FN:A\nN:;A;;;\nBDAY:1815-12-10");
    check("4.0", frame, "birthday=1815-12-10", "FN:A\nN:;A;;;\nBDAY:18151210");
    check(
        "3.0",
        "FN:A\nN:;A;;;\nBDAY;X-APPLE-OMIT-YEAR=1604;VALUE=date:1604-12-10",
        "birthday=1815-12-10",
        "FN:A\nN:;A;;;\nBDAY:1815-12-10",
    );
    for (line, value) in [
        ("BDAY:18151210", Value::Date("1815-12-10".into())),
        ("BDAY:1996-02-29T00:00:00Z", Value::Date("1996-02-29".into())),
        ("BDAY:1997-02-29", Value::Absent),
        ("BDAY:--1210", Value::Absent),
        ("BDAY;VALUE=text:circa 1800", Value::Absent),
        ("BDAY;X-APPLE-OMIT-YEAR=1604:1604-12-10", Value::Absent),
        ("BDAY:", Value::Clear),
        ("X:", Value::Clear),
    ] {
        let card = Card::parse(&format!("BEGIN:VCARD\n{line}\nEND:VCARD")).expect("the frame is whole");
        assert_eq!(read(&card, Part::Birthday), value, "{line}");
    }
}

const MAIL: &str =
    "FN:A\nN:;A;;;\nitem1.EMAIL;type=INTERNET:a@x\nitem1.X-ABLabel:Old\nEMAIL;TYPE=WORK;X=1:b@x\nEMAIL;TYPE=HOME:c@x";

#[test]
fn a_slot_is_patched_by_value_e10_2() {
    let with = |from: &str, to: &str| MAIL.replace(from, to);
    check("3.0", MAIL, "email=z@x", &with("a@x", "z@x"));
    check("3.0", MAIL, "email.work=z@x", &with("b@x", "z@x"));
    check("3.0", MAIL, "email=a@x\nemail.work=b@x\nemail.home=c@x", MAIL);
    check("3.0", MAIL, "email.home=", &with("\nEMAIL;TYPE=HOME:c@x", ""));
    check(
        "3.0",
        "FN:A\nN:;A;;;",
        "email.work=b@x\nemail=a@x",
        "FN:A\nN:;A;;;\nEMAIL;TYPE=INTERNET:a@x\nEMAIL;TYPE=INTERNET,WORK:b@x",
    );
    check("4.0", "FN:A", "email=a@x\nemail.home=a@x", "FN:A\nEMAIL;TYPE=home:a@x");
    check(
        "3.0",
        "FN:A\nN:;A;;;\nEMAIL:a@x\nEMAIL;TYPE=HOME,PREF:b@x",
        "email=c@x",
        "FN:A\nN:;A;;;\nEMAIL:a@x\nEMAIL;TYPE=HOME,PREF:c@x",
    );
}

#[test]
fn slots_that_are_one_line_do_not_fight_e10_2() {
    let one = "FN:A\nN:;A;;;\nEMAIL;TYPE=WORK:v@x";
    check("3.0", one, "email=p@x\nemail.work=v@x", "FN:A\nN:;A;;;\nEMAIL;TYPE=INTERNET:p@x\nEMAIL;TYPE=WORK:v@x");
    check("3.0", one, "email=v@x\nemail.work=w@x", "FN:A\nN:;A;;;\nEMAIL;TYPE=INTERNET:v@x\nEMAIL;TYPE=WORK:w@x");
    check("3.0", one, "email=w@x\nemail.work=w@x", "FN:A\nN:;A;;;\nEMAIL;TYPE=WORK:w@x");
    check("3.0", one, "email=v@x\nemail.work=", "FN:A\nN:;A;;;\nEMAIL:v@x");
    // A value that stands in a later line moves to the front.
    check(
        "3.0",
        "FN:A\nN:;A;;;\nEMAIL;TYPE=HOME:h@x\nEMAIL;TYPE=WORK:w@x",
        "email=w@x\nemail.home=h@x\nemail.work=w@x",
        "FN:A\nN:;A;;;\nEMAIL;TYPE=WORK:w@x\nEMAIL;TYPE=HOME:h@x",
    );
    check(
        "4.0",
        "FN:A\nEMAIL;PREF=1;TYPE=work:v@x",
        "email=p@x\nemail.work=v@x",
        "FN:A\nEMAIL;PREF=1:p@x\nEMAIL;PREF=1;TYPE=work:v@x",
    );
}

#[test]
fn telephones() {
    let one = "FN:A\nN:;A;;;\nTEL;TYPE=CELL:1";
    check("3.0", one, "tel=2\ntel.mobile=1", "FN:A\nN:;A;;;\nTEL;TYPE=CELL:1\nTEL;TYPE=VOICE:2");
    check("3.0", one, "tel.work=3", "FN:A\nN:;A;;;\nTEL;TYPE=CELL:1\nTEL;TYPE=WORK,VOICE:3");
    check(
        "3.0",
        "FN:A\nN:;A;;;\nTEL;TYPE=WORK,FAX:9",
        "tel.work=3",
        "FN:A\nN:;A;;;\nTEL;TYPE=WORK,FAX:9\nTEL;TYPE=WORK,VOICE:3",
    );
    check(
        "4.0",
        "FN:A\nTEL;VALUE=uri;TYPE=\"cell,voice\":tel:+33-1",
        "tel.mobile=+33-2",
        "FN:A\nTEL;VALUE=uri;TYPE=\"cell,voice\":tel:+33-2",
    );
    check("4.0", "FN:A\nTEL;VALUE=uri;TYPE=cell:tel:+33-1", "tel.mobile=06 12", "FN:A\nTEL;TYPE=cell:06 12");
    check("4.0", "FN:A", "tel.home=1", "FN:A\nTEL;TYPE=\"home,voice\":1");
    check("2.1", "FN:A\nN:;A;;;\nTEL;HOME;VOICE:1", "tel.mobile=2", "FN:A\nN:;A;;;\nTEL;HOME;VOICE:1\nTEL;CELL:2");
}

#[test]
fn addresses() {
    let frame = "FN:A\nN:;A;;;";
    check(
        "3.0",
        frame,
        "adr.work.street=1, Main St\nadr.work.city=Paris",
        "FN:A\nN:;A;;;\nADR;TYPE=WORK:;;1\\, Main St;Paris;;;",
    );
    check("3.0", "FN:A\nN:;A;;;\nADR:box;;S;C;R;P;X", "adr.work.city=Lyon", "FN:A\nN:;A;;;\nADR:box;;S;Lyon;R;P;X");
    check(
        "3.0",
        "FN:A\nN:;A;;;\nADR:;;S;;;;",
        "adr.home.city=Lyon",
        "FN:A\nN:;A;;;\nADR:;;S;;;;\nADR;TYPE=HOME:;;;Lyon;;;",
    );
    check("3.0", "FN:A\nN:;A;;;\nADR;TYPE=home:;;S;;;;", "adr.home.street=", "FN:A\nN:;A;;;");
}

#[test]
fn lists_keep_the_lines_of_the_values_that_stay_e10_2() {
    check("3.0", MAIL, "emails=a@x|b@x|c@x", MAIL);
    check("3.0", MAIL, "emails=a@x|q@x|c@x|d@x", &format!("{}\nEMAIL;TYPE=INTERNET:d@x", MAIL.replace("b@x", "q@x")));
    check(
        "3.0",
        MAIL,
        "emails=b@x|c@x",
        "FN:A\nN:;A;;;\nEMAIL;TYPE=WORK;X=1:b@x\nitem1.X-ABLabel:Old\nEMAIL;TYPE=HOME:c@x",
    );
    check("3.0", MAIL, "emails=", "FN:A\nN:;A;;;");
    check(
        "3.0",
        "FN:A\nN:;A;;;\nCATEGORIES:a,b\\,c\nX:1\nCATEGORIES:d",
        "categories=a|b,c|e",
        "FN:A\nN:;A;;;\nCATEGORIES:a,b\\,c,e\nX:1",
    );
    check("3.0", "FN:A\nN:;A;;;\nCATEGORIES:a\nCATEGORIES:d", "categories=", "FN:A\nN:;A;;;");
}

#[test]
fn values_that_do_not_fit_are_all_named() {
    let mut card = Card::new(Version::V3, "k");
    let changes = [
        ("birthday", Value::Date("1997-02-30".into())),
        ("uid", Value::from("x")),
        ("email", Value::from(1)),
        ("note", Value::Clear),
    ];
    let changes: Vec<_> = changes
        .iter()
        .map(|(field, value)| Change { field, part: schema::part(field).expect("the field is known"), value })
        .collect();
    let violations = apply(&mut card, &changes).expect_err("three of them do not fit");
    let named: Vec<_> = violations.iter().map(|violation| violation.field.as_deref()).collect();
    assert_eq!(named, [Some("birthday"), Some("uid"), Some("email")]);
}
