//! People who refer to companies, which a sync beside theirs reads.

use crate::application::{Application, Sort};
use crate::stage::{CONFIG, NOW, Stage};

const COMPANIES: &str = r#"
[[syncs.people.mappings]]
left = "company"
right = "employer"
merge = "replace"
conflict = "manual"

[syncs.companies]
left = { connection = "crm", object = "companies" }
right = { connection = "book", object = "companies" }
match = { by = ["domain"] }

[syncs.archive]
left = { connection = "crm", object = "companies", container = "archive" }
right = { connection = "book", object = "companies", container = "archive" }
match = { by = ["domain"] }
active = false
"#;

const COMPANY: &[Sort] = &[("domain", "domain", false), ("name", "name", false), ("owner", "identity.owner", true)];

const PATRON: Sort = ("patron", "identity.patron", true);

/// Two syncs with a few runs behind them, and a third that has not run yet.
pub(crate) struct Linked {
    pub(crate) people: Stage,
    pub(crate) companies: Stage,
    pub(crate) archive: Stage,
}

fn company(stage: &Stage, name: &str) {
    let domain = name.chars().filter(char::is_ascii_alphabetic).collect::<String>();
    stage.left.add(&[("name", name), ("domain", &domain), ("owner", "Secretowner")]);
}

/// Ada's company is disputed, and Cy's is known on one side only.
pub(crate) async fn linked() -> Linked {
    let left = (&[("company", "company", false), PATRON] as &[Sort], "companies");
    let right = (&[("employer", "employer", false), PATRON] as &[Sort], "companies");
    let people = Stage::linking(&format!("{CONFIG}{COMPANIES}"), left, right);
    let books = |object, sync, prefixes: [&'static str; 2]| {
        let [left, right] = prefixes.map(|prefix| Application::new(prefix, COMPANY).of(object));
        people.beside(sync, left, right)
    };
    let companies = books("companies", "companies", ["l", "r"]);
    let archive = books("companies", "archive", ["l", "r"]);
    for name in ["Acme", "Globex\u{1b}[31m\u{202e}", "Initech", "Umbrella"] {
        company(&companies, name);
    }
    companies.run().await.expect("a run");
    people.left.add(&[("email", "ada@example.org"), ("firstname", "Ada")]);
    people.left.link("left-1", "company", &["l-1"]);
    people.left.link("left-1", "patron", &["l-4"]);
    people.left.add(&[("email", "cy@example.org"), ("firstname", "Cy")]);
    people.left.link("left-2", "company", &["l-1", "l-9"]);
    people.run().await.expect("a run");

    people.set_time(NOW + 60_000);
    people.left.link("left-1", "company", &["l-2"]);
    people.right.link("right-1", "employer", &["r-3"]);
    people.set_time(NOW + 300_000);
    people.run().await.expect("a run");
    Linked { people, companies, archive }
}
