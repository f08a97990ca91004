//! A connector that does whatever harm the setting `do` names, in `read` and `write`; otherwise it behaves.

use serde::Deserialize;
use syncline_sdk::connector::prelude::*;

struct Hostile;

/// Rows without a cell, many more than anybody asks for.
const EMPTY_ROWS: u32 = 200_000;

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(rename = "do")]
    deed: String,
    count: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { deed: "well".to_owned(), count: 2 }
    }
}

impl Connector for Hostile {
    fn check() -> Result<CheckReport, Fault> {
        Ok(CheckReport::of(Account::new("me", "Me")))
    }

    fn objects() -> Result<Vec<Object>, Fault> {
        let settings: Settings = settings()?;
        let all = Abilities::GET | Abilities::UPDATE;
        let page_max = if settings.deed == "well" { 0 } else { 100 };
        Ok(vec![
            Object::new("notes", "Notes").kind("note").abilities(all).pages(page_max, 1, 1).visible_after_ms(u64::MAX),
        ])
    }

    fn describe(_: &Endpoint) -> Result<Schema, Fault> {
        let settings: Settings = settings()?;
        if settings.deed != "well" {
            return Ok(Schema::of(vec![Field::new("title", FieldType::Text), Field::new("body", FieldType::Text)]));
        }
        Ok(Schema::of(vec![Field::new("title", FieldType::Text), Field::new("title", FieldType::Date)]))
    }

    fn read(request: ReadRequest) -> Result<Page, Fault> {
        let settings: Settings = settings()?;
        if let Some(cursor) = request.cursor {
            // Nothing lasts from one call to the next.
            log::info(format!("cursor {cursor}"));
        }
        harm(&settings)?;
        page(&settings, request.fields)
    }

    fn get(_: &Endpoint, ids: &[String], fields: &[String]) -> Result<GetAnswer, Fault> {
        let settings: Settings = settings()?;
        let mut records = table(settings.count, fields.to_vec());
        let found = match settings.deed.as_str() {
            "index" => ids.iter().map(|_| Found::At(settings.count)).collect(),
            "fewer" => Vec::new(),
            "value" => {
                records.rows[0].cells[0] = Value::Date("2026-02-30".to_owned());
                ids.iter().zip(0..).map(|(_, row)| Found::At(row)).collect()
            }
            _ => ids.iter().zip(0..).map(|(_, row)| Found::At(row)).collect(),
        };
        Ok(GetAnswer { records, found })
    }

    fn find(_: &Endpoint, _: &str, _: &[Value], fields: &[String]) -> Result<Table, Fault> {
        let mut records = table(1, fields.to_vec());
        records.rows[0].cells[0] = Value::Decimal("1e9".to_owned());
        Ok(records)
    }

    fn write(request: WriteRequest) -> Result<WriteAnswer, Fault> {
        let settings: Settings = settings()?;
        harm(&settings)?;
        let written = |stored| Outcome::Written(Written { id: "n0".to_owned(), stored, raw: None });
        let mut outcomes: Vec<Outcome> = request.operations.iter().map(|_| written(None)).collect();
        match settings.deed.as_str() {
            "missing" => outcomes.truncate(1),
            "surplus" => outcomes.push(written(None)),
            "index" => outcomes[0] = written(Some(7)),
            "stored" => {
                let mut records = table(1, request.returning);
                records.rows[0].cells[0] = Value::Decimal("NaN".to_owned());
                outcomes[0] = written(Some(0));
                return Ok(WriteAnswer { records, outcomes });
            }
            "quota" => outcomes[0] = Outcome::Quota(Delay { after_ms: 3_600_000, reason: String::new() }),
            "delay" => outcomes[0] = Outcome::RetryLater(Delay { after_ms: u64::MAX, reason: String::new() }),
            _ => {}
        }
        Ok(WriteAnswer { records: table(0, request.returning), outcomes })
    }
}

/// What can be done before there is an answer.
fn harm(settings: &Settings) -> Result<(), Fault> {
    match settings.deed.as_str() {
        "loop" => spin(),
        "memory" => eat(),
        "trap" => trap(),
        "panic" => panic!("the vendor said {:?}\u{1b}[31m", "no"),
        "recurse" => drop(log_depth(1)),
        "flood" => (0..100_000).for_each(|line| log::info(format!("line {line} {}", "x".repeat(100)))),
        "shout" => log::error("s3cret-token-of-the-host \u{1b}[2J\r\nfake line"),
        "utf8" => log::info(not_utf8()),
        "fault" => return Err(Fault::Auth("s3cret-token-of-the-host \u{1b}[2J".to_owned())),
        "wait" => return Err(Fault::RetryLater(Delay { after_ms: 3_600_000, reason: "tomorrow".to_owned() })),
        "foreign" => drop(http::Request::get("http://169.254.169.254/latest/").send()?),
        "slow" => (0..settings.count).try_for_each(|_| http::Request::get("/slow").send().map(drop))?,
        "ask" => while http::send_all(Vec::new()).is_empty() {},
        "insist" => loop {
            _ = http::Request::get("/").send();
        },
        "many" => {
            let answers = http::send_all((0..settings.count).map(|_| http::Request::get("/")).collect());
            let refused = answers.iter().filter(|answer| answer.is_err()).count();
            return Err(Fault::Other(format!("{refused} of {} refused", answers.len())));
        }
        "binary" => {
            let text = http::Request::get("/binary").send()?.text().into_owned();
            return Err(Fault::Other(text));
        }
        _ => {}
    }
    Ok(())
}

fn page(settings: &Settings, fields: Vec<String>) -> Result<Page, Fault> {
    let mut records = table(settings.count, fields);
    let mut next = Progress::Done("end".to_owned());
    if let Some(nonsense) = nonsense(&settings.deed) {
        records.rows[0].cells[0] = nonsense;
    }
    match settings.deed.as_str() {
        "cells" => drop(records.rows[0].cells.pop()),
        "longer" => records.rows[0].cells.push(Value::Clear),
        "empty" => records = table(EMPTY_ROWS, Vec::new()),
        "twice" => records.rows[1].id = records.rows[0].id.clone(),
        "columns" => records.columns[1] = records.columns[0].clone(),
        "id" => records.rows[0].id = String::new(),
        "cursor" => next = Progress::More("c".repeat(100_000)),
        "far" => next = Progress::Done("\0".repeat(10 * 1024 * 1024)),
        _ => {}
    }
    Ok(Page { records, tombstones: Vec::new(), skipped: Vec::new(), next, complete: true, total: None })
}

/// What can stand in a cell and is no value.
fn nonsense(deed: &str) -> Option<Value> {
    const MIB: usize = 1024 * 1024;
    let zoned = |local: &str, zone: &str| Value::Zoned(ZonedTime { local: local.to_owned(), zone: zone.to_owned() });
    Some(match deed {
        "value" => Value::Json("{".to_owned()),
        "deep" => Value::Json(format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))),
        "decimal" => Value::Decimal("NaN".to_owned()),
        "exponent" => Value::Decimal("1e999999".to_owned()),
        "day" => Value::Date("2026-02-30".to_owned()),
        "kind" => Value::Integer(7),
        "instant" => Value::Moment(i64::MAX),
        "hour" => zoned("2026-01-01T25:00:00", "Europe/Paris"),
        "zone" => zoned("2026-01-01T09:00:00", "Mars/Olympus\u{1b}[31m"),
        "nul" => Value::Text("\0".repeat(10 * MIB)),
        "large" => Value::Text("l".repeat(9 * MIB)),
        "huge" => Value::Text("h".repeat(40 * MIB)),
        _ => return None,
    })
}

fn table(count: u32, columns: Vec<String>) -> Table {
    let row = |number| Row {
        id: format!("n{number}"),
        version: None,
        created_at: Some(i64::MIN),
        modified_at: Some(1),
        cells: columns.iter().map(|column| Value::Text(format!("{column} {number}"))).collect(),
    };
    let rows = (0..count).map(row).collect();
    Table { columns, rows }
}

fn spin() {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

fn eat() {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(std::hint::black_box(vec![1; 1024 * 1024]));
    }
}

#[expect(unconditional_recursion, reason = "that is the harm")]
fn log_depth(depth: u64) -> u64 {
    std::hint::black_box(log_depth(std::hint::black_box(depth + 1)) + depth)
}

fn not_utf8() -> String {
    // SAFETY: none. A hostile plugin does not keep the rules of its language.
    unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe]) }
}

fn trap() {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
}

syncline_sdk::connector!(Hostile);
