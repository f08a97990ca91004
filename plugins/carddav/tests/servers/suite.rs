//! What every server must be able to do with us.

use syncline_plugin_carddav::CardDav;
use syncline_sdk::connector::prelude::*;
use syncline_sdk::http::Response;

use crate::host::RealHost;

/// In what servers differ, as it was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// Gives back a card of its own with the bytes that it was given.
    pub(crate) keeps_order: bool,
    /// Takes a `UID` only once.
    pub(crate) refuses_same_uid: bool,
    /// Finds properties that have a group: `item1.EMAIL`.
    pub(crate) finds_grouped: bool,
    /// Says when a card was last changed.
    pub(crate) tells_times: Times,
}

/// Where a server says when a card was last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    Everywhere,
    /// In the report of changes and in listings, and not in a multiget.
    WithChanges,
    Nowhere,
}

/// A card with everything that a rewrite from mapped fields would lose. The lines are of the length that servers fold at.
const NASTY: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:nasty-1\r\nFN:Zoë 👩\u{200d}👧 Łukasz\r\nN:Łukasz;Zoë 👩\u{200d}👧;;;\r\n\
    item1.EMAIL;TYPE=INTERNET,PREF:zoe@example.org\r\nitem1.X-ABLABEL:_$!<Other>!$_\r\n\
    EMAIL;TYPE=INTERNET,WORK:z2@example.org\r\nEMAIL;TYPE=INTERNET,HOME:z3@example.org\r\nEMAIL;TYPE=INTERNET:z4@example.org\r\n\
    EMAIL;TYPE=INTERNET:z5@example.org\r\nTEL;TYPE=CELL:+33 6 12\r\nTEL;TYPE=WORK,FAX:+33 1 99\r\n\
    ADR;TYPE=WORK:box;;1\\, Main\\; St;Paris;;75001;France\r\nNOTE:a\\nb\\, c\\; d\\\\e\r\nX-ODD-ONE;X-P=q:some\\, value\r\n\
    PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD/\r\nEND:VCARD\r\n";

const FIELDS: &[&str] = &[
    "fn",
    "name.given",
    "name.family",
    "email",
    "email.work",
    "emails",
    "tel.mobile",
    "note",
    "adr.work.city",
    "categories",
    "birthday",
    "uid",
];

fn fields() -> Vec<String> {
    FIELDS.iter().map(|field| (*field).to_owned()).collect()
}

fn contacts() -> Endpoint {
    Endpoint::new("contacts")
}

fn read(mode: ReadMode, cursor: Option<&str>, limit: u32) -> Result<Page, Fault> {
    CardDav::read(ReadRequest {
        endpoint: contacts(),
        fields: fields(),
        mode,
        cursor: cursor.map(str::to_owned),
        limit,
    })
}

/// Reads to the end; returns the rows, the ids of the tombstones, and the last cursor.
fn read_all(mode: ReadMode, mut cursor: Option<String>, limit: u32) -> (Vec<Row>, Vec<String>, String) {
    let (mut rows, mut gone) = (Vec::new(), Vec::new());
    loop {
        let page = read(mode, cursor.as_deref(), limit).expect("the page is read");
        assert!(page.records.rows.len() <= limit as usize && page.skipped.is_empty(), "{:?}", page.skipped);
        rows.extend(page.records.rows);
        gone.extend(page.tombstones.into_iter().map(|tombstone| tombstone.id));
        match page.next {
            Progress::More(next) => cursor = Some(next),
            Progress::Done(next) => {
                assert_eq!(page.complete, mode != ReadMode::Changes);
                rows.sort_by(|left, right| left.id.cmp(&right.id));
                return (rows, gone, next);
            }
        }
    }
}

fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

fn cell<'row>(row: &'row Row, field: &str) -> &'row Value {
    &row.cells[FIELDS.iter().position(|name| *name == field).expect("the field is one of those read")]
}

fn write(operations: Vec<(Action, Option<String>, Option<String>)>, cells: &[(&str, Value)]) -> WriteAnswer {
    let operation = |(action, expected_version, raw)| Operation {
        action,
        expected_version,
        raw,
        cells: cells.iter().map(|(_, value)| value.clone()).collect(),
    };
    CardDav::write(WriteRequest {
        endpoint: contacts(),
        columns: cells.iter().map(|(field, _)| (*field).to_owned()).collect(),
        operations: operations.into_iter().map(operation).collect(),
        returning: fields(),
    })
    .expect("the batch is sent")
}

fn write_one(
    action: Action,
    expected: Option<String>,
    raw: Option<String>,
    cells: &[(&str, Value)],
) -> (Outcome, Option<Row>) {
    let mut answer = write(vec![(action, expected, raw)], cells);
    let outcome = answer.outcomes.remove(0);
    let row = match &outcome {
        Outcome::Written(Written { stored: Some(at), .. }) | Outcome::VersionConflict(Some(at)) => {
            Some(answer.records.rows.swap_remove(*at as usize))
        }
        _ => None,
    };
    (outcome, row)
}

fn key(name: &str) -> String {
    format!("{name:-<40}").replace(' ', "-")
}

fn path(book: &str, id: &str) -> String {
    let path = book.splitn(4, '/').nth(3).expect("the address has a path");
    format!("/{path}{id}")
}

fn lines(response: &Response) -> Vec<String> {
    let text = response.text().replace("\r\n ", "");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The whole suite, on an empty address book.
pub(crate) fn run(host: &RealHost, book: &str, peer: Peer) {
    check();
    let (_, _, start) = read_all(ReadMode::Changes, None, 10);
    let start = creating(peer, start);
    let start = patching(host, book, peer, start);
    let start = deleting(start);
    let start = overwriting(host, book, start);
    let start = renaming(host, book, start);
    same_uid(host, book, peer);
    finding(peer);
    paging(host, peer, &start);
}

fn check() {
    let report = CardDav::check().expect("the server is there");
    let failed: Vec<_> = report.items.iter().filter(|item| item.verdict != Verdict::Pass).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let objects = CardDav::objects().expect("the server is there");
    assert!(objects[0].abilities.contains(Abilities::CHANGE_DELETES) && !objects[0].needs_container);
}

/// Creates are single, whatever becomes of their answers (E1.8).
fn creating(peer: Peer, start: String) -> String {
    let cells = [
        ("name.given", Value::from("Ada")),
        ("email", Value::from("ada@example.org")),
        ("email.work", Value::Absent),
        ("birthday", Value::Date("1815-12-10".into())),
        ("categories", Value::Texts(vec!["vip".into(), "a, b".into()])),
    ];
    let keys = [key("one"), key("two"), key("three")];
    let creates = || keys.iter().map(|key| (Action::Create(key.clone()), None, None)).collect();
    let first = write(creates(), &cells);
    for (outcome, key) in first.outcomes.iter().zip(&keys) {
        let Outcome::Written(Written { id, stored: Some(at), .. }) = outcome else { panic!("{outcome:?}") };
        let row = &first.records.rows[*at as usize];
        assert_eq!((id, cell(row, "uid")), (&format!("{key}.vcf"), &Value::from(key.clone())));
        assert_eq!(cell(row, "fn"), &Value::from("Ada"));
        assert_eq!(cell(row, "birthday"), &Value::Date("1815-12-10".into()));
        assert_eq!(cell(row, "categories"), &Value::Texts(vec!["vip".into(), "a, b".into()]));
        assert_eq!((row.version.is_some(), row.modified_at.is_some()), (true, peer.tells_times == Times::Everywhere));
    }
    let again = write(creates(), &cells);
    assert_eq!(again.outcomes, first.outcomes, "a repeated create adopts what the first one made");
    let query = |keys: Vec<String>| CreatedQuery {
        endpoint: contacts(),
        keys,
        columns: Vec::new(),
        hints: Vec::new(),
        fields: fields(),
    };
    let found = CardDav::find_created(query(vec![key("none"), key("two")])).expect("the server is there");
    assert_eq!(
        (found.made, ids(&found.records.rows)),
        (vec![Made::Nothing, Made::At(0)], vec![format!("{}.vcf", key("two")).as_str()])
    );

    let (rows, gone, next) = read_all(ReadMode::Changes, Some(start), 2);
    assert_eq!((rows.len(), gone.len()), (3, 0));
    let mut written = first.records.rows;
    written.sort_by(|left, right| left.id.cmp(&right.id));
    let tells_times = peer.tells_times != Times::Nowhere;
    assert!(rows.iter().all(|row| row.modified_at.is_some() == tells_times), "the times of changes are known");
    for (row, written) in rows.iter().zip(&mut written) {
        written.modified_at = row.modified_at;
    }
    assert_eq!(rows, written, "what is read is what the write said is stored");
    let (rows, gone, next) = read_all(ReadMode::Changes, Some(next), 2);
    assert_eq!((rows.len(), gone.len()), (0, 0), "nothing new");
    next
}

/// What we do not map stays as it was (E10.3), and nobody's edit is overwritten.
fn patching(host: &RealHost, book: &str, peer: Peer, start: String) -> String {
    let address = path(book, "nasty%20card.vcf");
    let put = host.other_client("PUT", &address, &[("If-None-Match", "*")], NASTY);
    assert_eq!(put.status(), 201, "{}", put.text());
    let (rows, _, next) = read_all(ReadMode::Changes, Some(start), 10);
    let [row] = &rows[..] else { panic!("one card is new: {rows:?}") };
    assert_eq!(cell(row, "fn"), &Value::from("Zoë 👩\u{200d}👧 Łukasz"));
    assert_eq!(cell(row, "note"), &Value::from("a\nb, c; d\\e"));
    assert_eq!(cell(row, "email"), &Value::from("zoe@example.org"));
    assert_eq!(cell(row, "emails").as_texts().map(<[String]>::len), Some(5));

    let before = host.other_client("GET", &address, &[], "");
    let cells = [
        ("email.work", Value::from("new@example.org")),
        ("adr.work.city", Value::from("Łódź")),
        ("emails", Value::Absent),
    ];
    let (outcome, stored) = write_one(Action::Update(row.id.clone()), row.version.clone(), None, &cells);
    let stored = stored.unwrap_or_else(|| panic!("{outcome:?}"));
    assert_eq!(cell(&stored, "email.work"), &Value::from("new@example.org"));
    let after = host.other_client("GET", &address, &[], "");
    let expected: Vec<String> =
        lines(&before).into_iter().map(|line| line.replace("z2@", "new@").replace(";Paris;", ";Łódź;")).collect();
    let mut expected = expected;
    expected.sort();
    assert_eq!(lines(&after), expected, "only the two lines changed");
    if peer.keeps_order {
        assert_eq!(after.text(), before.text().replace("z2@", "new@").replace(";Paris;", ";Łódź;"), "byte for byte");
    }

    let (outcome, current) = write_one(Action::Update(row.id.clone()), row.version.clone(), None, &cells);
    assert!(matches!(outcome, Outcome::VersionConflict(Some(_))), "a stale etag: {outcome:?}");
    assert_eq!(current.and_then(|row| row.version), stored.version);
    let (outcome, _) =
        write_one(Action::Tag((row.id.clone(), "Syncline trash".into())), stored.version.clone(), None, &[]);
    assert!(matches!(outcome, Outcome::Written(_)), "{outcome:?}");
    let (outcome, _) = write_one(Action::Update("missing.vcf".into()), None, None, &cells);
    assert_eq!(outcome, Outcome::NotFound);
    let (outcome, _) = write_one(Action::Update(row.id.clone()), None, None, &[("birthday", Value::Date("x".into()))]);
    assert!(matches!(outcome, Outcome::Invalid(_)), "{outcome:?}");
    let (rows, _, next) = read_all(ReadMode::Changes, Some(next), 10);
    assert_eq!(cell(&rows[0], "categories"), &Value::Texts(vec!["Syncline trash".into()]));
    next
}

/// A deleted card comes back under its own id.
fn deleting(start: String) -> String {
    let id = format!("{}.vcf", key("one"));
    let (outcome, _) = write_one(Action::Delete(id.clone()), Some("\"stale\"".into()), None, &[]);
    assert!(matches!(outcome, Outcome::VersionConflict(Some(_))), "{outcome:?}");
    let (outcome, _) = write_one(Action::Delete(id.clone()), None, None, &[]);
    let Outcome::Written(Written { raw: Some(raw), .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(write_one(Action::Delete(id.clone()), None, None, &[]).0, Outcome::NotFound);
    let (rows, gone, next) = read_all(ReadMode::Changes, Some(start), 10);
    assert_eq!((rows.len(), gone), (0, vec![id.clone()]));
    let got = CardDav::get(&contacts(), &[id.clone(), format!("{}.vcf", key("two"))], &fields())
        .expect("the server is there");
    assert!(matches!(got.found[..], [Found::Gone(_), Found::At(0)]), "{:?}", got.found);
    for attempt in ["once", "twice"] {
        let (outcome, row) = write_one(Action::Restore(id.clone()), None, Some(raw.clone()), &[]);
        let row = row.unwrap_or_else(|| panic!("{attempt}: {outcome:?}"));
        assert_eq!((&row.id, cell(&row, "fn")), (&id, &Value::from("Ada")));
    }
    let (rows, _, next) = read_all(ReadMode::Changes, Some(next), 10);
    assert_eq!(ids(&rows), [id.as_str()]);
    next
}

/// Where a server ignores `If-None-Match`, a repeated create still leaves what was edited since (E1.8).
fn overwriting(host: &RealHost, book: &str, start: String) -> String {
    let create = || write_one(Action::Create(key("again")), None, None, &[("name.given", Value::from("Again"))]);
    host.ignore_conditions(true);
    let (outcome, _) = create();
    assert!(matches!(outcome, Outcome::Written(_)), "{outcome:?}");
    let address = path(book, &format!("{}.vcf", key("again")));
    let edited = host.other_client("GET", &address, &[], "").text().replace("END:VCARD", "NOTE:edited\r\nEND:VCARD");
    assert!(host.other_client("PUT", &address, &[], &edited).is_success());
    let (outcome, row) = create();
    let row = row.unwrap_or_else(|| panic!("{outcome:?}"));
    assert_eq!(cell(&row, "note"), &Value::from("edited"));
    assert!(host.other_client("GET", &address, &[], "").text().contains("NOTE:edited"));
    let (outcome, _) = write_one(Action::Delete(row.id), None, None, &[]);
    assert!(matches!(outcome, Outcome::Written(_)), "{outcome:?}");
    host.ignore_conditions(false);
    read_all(ReadMode::Changes, Some(start), 10).2
}

/// A card that moved is a card gone and a card with its `UID`, by which the host follows it (E1.10).
fn renaming(host: &RealHost, book: &str, start: String) -> String {
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:rename-1\r\nFN:Moved\r\nN:Moved;;;;\r\nEND:VCARD\r\n";
    assert!(host.other_client("PUT", &path(book, "before.vcf"), &[], card).is_success());
    let (rows, _, next) = read_all(ReadMode::Changes, Some(start), 10);
    let identity = rows.first().map(|row| cell(row, "uid").clone());
    assert_eq!(identity, Some(Value::from("rename-1")));
    let folder = &book[..book.rfind('/').expect("the address has a path")];
    let after = [("Destination", &*format!("{folder}/after.vcf")), ("Overwrite", "F")];
    let moved = host.other_client("MOVE", &path(book, "before.vcf"), &after, "");
    assert!(moved.is_success(), "{} {}", moved.status(), moved.text());
    let (rows, gone, next) = read_all(ReadMode::Changes, Some(next), 10);
    assert_eq!((ids(&rows), gone), (vec!["after.vcf"], vec!["before.vcf".to_owned()]));
    assert_eq!(rows.first().map(|row| cell(row, "uid").clone()), identity);
    let (outcome, _) = write_one(Action::Delete("after.vcf".into()), None, None, &[]);
    assert!(matches!(outcome, Outcome::Written(_)), "{outcome:?}");
    read_all(ReadMode::Changes, Some(next), 10).2
}

fn same_uid(host: &RealHost, book: &str, peer: Peer) {
    let key = key("moved");
    let card = format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{key}\r\nFN:Moved\r\nN:Moved;;;;\r\nEND:VCARD\r\n");
    let put = host.other_client("PUT", &path(book, "elsewhere.vcf"), &[], &card);
    assert_eq!(put.status(), 201, "{}", put.text());
    let (outcome, _) = write_one(Action::Create(key), None, None, &[("name.given", Value::from("Moved"))]);
    if peer.refuses_same_uid {
        assert_eq!(outcome, Outcome::DuplicateOf(Some("elsewhere.vcf".into())));
        return;
    }
    let Outcome::Written(Written { id, .. }) = outcome else { panic!("{outcome:?}") };
    let (outcome, _) = write_one(Action::Delete(id), None, None, &[]);
    assert!(matches!(outcome, Outcome::Written(_)), "{outcome:?}");
}

fn finding(peer: Peer) {
    let values = [Value::from("ADA@example.org"), Value::from("zoe@example.org"), Value::from("nobody@example.org")];
    let found = CardDav::find(&contacts(), "email", &values, &fields()).expect("the server is there");
    let expected = if peer.finds_grouped { 4 } else { 3 };
    assert_eq!(found.rows.len(), expected, "three of Ada, one of Zoë: {:?}", ids(&found.rows));
    let found = CardDav::find(&contacts(), "uid", &[Value::from("nasty-1")], &fields()).expect("the server is there");
    assert_eq!(ids(&found.rows), ["nasty%20card.vcf"]);
}

fn paging(host: &RealHost, peer: Peer, since: &str) {
    let (rows, _, cursor) = read_all(ReadMode::Full, None, 2);
    let tells_times = peer.tells_times != Times::Nowhere;
    assert!(rows.iter().all(|row| row.modified_at.is_some() == tells_times), "the times of all cards are known");
    let (listed, _, _) = read_all(ReadMode::Ids, None, 2);
    assert_eq!((rows.len(), ids(&rows)), (5, ids(&listed)));
    let versions = |rows: &[Row]| rows.iter().map(|row| row.version.clone()).collect::<Vec<_>>();
    assert_eq!(versions(&rows), versions(&listed));
    host.take_requests();
    let (rows, gone, _) = read_all(ReadMode::Changes, Some(cursor.clone()), 10);
    assert_eq!((rows.len(), gone.len(), host.take_requests()), (0, 0, 1), "nothing changed costs one request");
    let (rows, _, _) = read_all(ReadMode::Changes, Some(since.to_owned()), 10);
    assert!(ids(&rows).contains(&"elsewhere.vcf"), "an old token can be read from again");
    let mut lost: serde_json::Value = serde_json::from_str(&cursor).expect("our cursors are JSON");
    lost["sync"]["token"] = "http://example.org/ns/sync/not-a-token".into();
    let fault = read(ReadMode::Changes, Some(&lost.to_string()), 10);
    assert!(matches!(fault, Err(Fault::CursorExpired(_))), "{fault:?}");
    assert!(matches!(read(ReadMode::Full, None, 0), Ok(page) if page.records.rows.len() == 1));
}

/// The same address book, without `sync-collection`.
pub(crate) fn listing(host: &RealHost) {
    let objects = CardDav::objects().expect("the server is there");
    assert!(!objects[0].abilities.contains(Abilities::CHANGE_DELETES));
    let (rows, _, cursor) = read_all(ReadMode::Full, None, 2);
    assert_eq!(rows.len(), 5);
    let (rows, _, cursor) = read_all(ReadMode::Changes, Some(cursor), 2);
    assert_eq!(rows.len(), 0);
    let id = format!("{}.vcf", key("two"));
    let (outcome, _) = write_one(Action::Update(id.clone()), None, None, &[("note", Value::from("listed"))]);
    assert!(matches!(outcome, Outcome::Written(_)), "{outcome:?}");
    let (rows, gone, cursor) = read_all(ReadMode::Changes, Some(cursor), 2);
    assert!(ids(&rows).contains(&id.as_str()) && gone.is_empty(), "{:?}", ids(&rows));
    host.take_requests();
    let (rows, _, _) = read_all(ReadMode::Changes, Some(cursor), 2);
    assert_eq!(rows.len(), 0);
    assert!(host.take_requests() <= 2);
    let (_, _, cursor) = read_all(ReadMode::Changes, None, 2);
    assert_eq!(read_all(ReadMode::Changes, Some(cursor), 2).0.len(), 0);
}

/// The address of the server is enough.
pub(crate) fn discovery(book: &str) {
    let objects = CardDav::objects().expect("the server is there");
    assert!(objects[0].needs_container);
    let containers = CardDav::containers("contacts").expect("the server is there");
    let own = containers.iter().find(|container| book.ends_with(&container.id)).expect("the address book is found");
    assert!(own.writable, "{containers:?}");
    let endpoint = contacts().in_container(own.id.clone());
    let page =
        CardDav::read(ReadRequest { endpoint, fields: fields(), mode: ReadMode::Full, cursor: None, limit: 100 });
    assert_eq!(page.expect("the container is read").records.rows.len(), 5);
    let nowhere = read(ReadMode::Full, None, 10);
    assert!(matches!(nowhere, Err(Fault::Misconfigured(_) | Fault::NotFound(_) | Fault::Permission(_))), "{nowhere:?}");
}

/// Nothing listens.
pub(crate) fn down() {
    assert!(matches!(CardDav::check(), Err(Fault::Transient(_))));
    assert!(matches!(read(ReadMode::Full, None, 10), Err(Fault::Transient(_))));
    let operation =
        Operation { action: Action::Create(key("later")), expected_version: None, raw: None, cells: Vec::new() };
    let request =
        WriteRequest { endpoint: contacts(), columns: Vec::new(), operations: vec![operation], returning: Vec::new() };
    let fault = CardDav::write(request).err();
    assert!(matches!(fault, Some(Fault::Transient(_))), "{fault:?}");
}

/// It listens again.
pub(crate) fn up() {
    let (outcome, _) = write_one(Action::Create(key("later")), None, None, &[("name.given", Value::from("Later"))]);
    assert!(matches!(outcome, Outcome::Written(_)), "{outcome:?}");
}
