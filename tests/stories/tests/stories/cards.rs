//! Cards that no form would make: what is not mapped stays as it was, to the byte.

use syncline_sandbox::{HubSpot, Limits};
use syncline_stories::{Book, Card, SYNC, World, carddav, hubspot, sync};
use syncline_test_servers::{Cyrus, Radicale, Xandikos};

/// Marks, joiners, both directions, the last plane, and spaces that are none.
const UNICODE: &[&str] = &[
    "Zoë",
    "Zoe\u{308}",
    "O’Neil",
    "Þórsdóttir",
    "Ελένη",
    "Дмитрий",
    "שלום",
    "مرحبا",
    "नमस्ते",
    "さくら",
    "한글",
    "小明",
    "👩\u{200d}👩\u{200d}👧",
    "🇨🇭",
    "a\u{a0}b",
    "a\u{200b}b",
    "\u{202e}abc\u{202c}",
    "𝒜𝓭𝓪",
    "\u{10fffd}",
    "ﬁ",
    "İ",
    "ẞ",
];

/// A card with a hundred odd properties, and one with five addresses and no name.
fn odd_cards() -> [(&'static str, String); 2] {
    let mut lines: Vec<String> = vec![
        "UID:odd".to_owned(),
        "FN:Zoë 👩\u{200d}👩\u{200d}👧 Ångström".to_owned(),
        "N:Ångström;Zoë 👩\u{200d}👩\u{200d}👧;;;".to_owned(),
        "item1.EMAIL;TYPE=INTERNET:odd@example.com".to_owned(),
        "item1.X-ABLABEL:_$!<HomePage>!$_".to_owned(),
        "TITLE:Maker of odd things".to_owned(),
        "ORG:Odd\\, Things & Co;Department \\; of;Deep".to_owned(),
        format!("PHOTO;ENCODING=b;TYPE=JPEG:{}", "/9j/4AAQSkZJRgABAQEASABIAAD".repeat(60)),
        "item2.ADR;TYPE=HOME:;;1 Long Street\\nSecond line;Town;;12345;Land".to_owned(),
        "item2.X-ABADR:ch".to_owned(),
        "NOTE:first line\\nsecond line\\, with a comma\\; and more".to_owned(),
    ];
    for (number, text) in UNICODE.iter().cycle().take(90).enumerate() {
        let name = format!("X-ODD-{number}");
        lines.push(match number % 3 {
            0 => format!("{name}:{text}"),
            1 => format!("{name};X-PARAM=\"a,b;c:{number}\":{text} {}", text.repeat(20)),
            _ => format!("item{number}.{name};TYPE=a,b;TYPE=c:{text};{text}\\,{text}"),
        });
    }
    let odd = format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\n{}END:VCARD\r\n",
        lines.iter().map(|line| fold(line)).collect::<String>()
    );
    let emails: String = (0..5).map(|number| format!("EMAIL;TYPE=INTERNET:five{number}@example.com\r\n")).collect();
    let nameless = format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:five\r\nFN:\r\nN:;;;;\r\n{emails}END:VCARD\r\n");
    [("odd", odd), ("five", nameless)]
}

/// Folds after 75 bytes, between characters.
fn fold(line: &str) -> String {
    let mut folded = String::new();
    let mut width = 0;
    for character in line.chars() {
        if width + character.len_utf8() > 75 {
            folded.push_str("\r\n ");
            width = 1;
        }
        folded.push(character);
        width += character.len_utf8();
    }
    folded + "\r\n"
}

fn odd_cards_are_kept(url: &str) {
    let world = World::new();
    let crm = world.crm(HubSpot::builder().limits(Limits::off()));
    let book = Book::at(url);
    let connections = hubspot("crm", &crm.url(), "TOKEN") + &carddav("book", url, "PASSWORD");
    world.configure(&(connections + &sync(SYNC, "crm", "book", "")));
    for (name, text) in odd_cards() {
        book.add_text(name, &text);
    }
    let before = book.entries();
    world.run();
    assert_eq!(book.entries(), before, "nothing is written to the cards");
    let odd = crm.find("odd@example.com");
    assert_eq!(odd.get("firstname"), Some("Zoë 👩\u{200d}👩\u{200d}👧"));
    assert_eq!(odd.get("lastname"), Some("Ångström"));
    assert_eq!(odd.get("company"), Some("Odd, Things & Co"));
    let five = crm.find("five0@example.com");
    assert_eq!((five.get("firstname"), five.get("lastname")), (None, None));

    // An edit of one mapped field changes that line and no other.
    crm.edit("odd@example.com", &[("jobtitle", "Keeper; of odd, things ✨")]);
    crm.edit("five0@example.com", &[("mobilephone", "+41 79 000 00 00")]);
    world.run();
    let after = book.entries();
    for (path, old) in &before {
        let new = &after[path];
        assert_ne!(old.text, new.text, "{path}");
        assert_eq!(unmapped(&old.text), unmapped(&new.text), "{path}");
    }
    let titles: Vec<String> = after.values().filter_map(|entry| entry.card().field("title")).collect();
    assert_eq!(titles, ["Keeper; of odd, things ✨"]);
    world.plans_nothing();

    // The slot that is mapped is one of five values; the others stay, in their order.
    crm.edit("five0@example.com", &[("email", "changed@example.com")]);
    world.run();
    let (_, entry) = book.find("changed@example.com").expect("it is in the address book");
    let lines = entry.card().lines;
    let emails: Vec<&str> = lines.iter().filter(|line| line.name() == "EMAIL").map(|line| line.raw()).collect();
    assert_eq!(
        emails,
        ["changed@example.com", "five1@example.com", "five2@example.com", "five3@example.com", "five4@example.com"]
    );
    world.plans_nothing();
}

/// The bytes of a card without the lines that the edits above are about, folds included.
fn unmapped(text: &str) -> String {
    let mut kept = String::new();
    let mut keeps = true;
    for line in text.split_inclusive('\n') {
        if !line.starts_with([' ', '\t']) {
            let card = Card::read(line);
            keeps = !matches!(
                card.lines.first().map(|line| line.name()).as_deref(),
                Some("TITLE" | "TEL" | "REV" | "PRODID")
            );
        }
        if keeps {
            kept.push_str(line);
        }
    }
    kept
}

#[test]
fn odd_cards_are_kept_by_radicale() {
    let radicale = Radicale::start().expect("Radicale starts");
    odd_cards_are_kept(&radicale.address_book("people").expect("an address book"));
}

#[test]
fn odd_cards_are_kept_by_cyrus() {
    match Cyrus::start() {
        Ok(cyrus) => odd_cards_are_kept(&cyrus.address_book("Default").expect("an address book")),
        Err(error) => println!("skipped: Cyrus cannot be had here: {error}"),
    }
}

#[test]
fn odd_cards_are_kept_by_xandikos() {
    let xandikos = Xandikos::start().expect("Xandikos starts");
    odd_cards_are_kept(&xandikos.address_book("people").expect("an address book"));
}
