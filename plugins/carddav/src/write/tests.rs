use std::cell::RefCell;
use std::rc::Rc;

use serde_json::json;
use syncline_sdk::connector::Operation;
use syncline_sdk::http::Body;
use syncline_sdk::record::Endpoint;
use syncline_sdk::testing::TestHost;
use syncline_sdk::value::Value;

use super::*;

/// Runs one write against a server that answers `PUT` as given, and has this card at `/ab/1.vcf` before (none if
/// that is empty) and after it.
fn answered(
    action: Action,
    expected: Option<&str>,
    before: &str,
    put: Response,
    after: Option<&str>,
) -> (WriteAnswer, Vec<String>) {
    let texts =
        RefCell::new(vec![after.map(str::to_owned), Some(before.to_owned()).filter(|before| !before.is_empty())]);
    let log = Rc::new(RefCell::new(Vec::new()));
    let into = Rc::clone(&log);
    let host = TestHost::new(move |request| {
        let guard = request.header_value("If-Match").or(request.header_value("If-None-Match")).unwrap_or_default();
        into.borrow_mut().push(format!("{} {guard}", request.method()).trim().to_owned());
        if request.method() != "REPORT" {
            return Ok(put.clone());
        }
        let Some(Body::Text(body)) = request.body() else { panic!("a report has a body") };
        let href = body.split("<D:href>").nth(1).and_then(|part| part.split('<').next()).unwrap_or_default().to_owned();
        let text = if texts.borrow().len() > 1 { texts.borrow_mut().pop() } else { texts.borrow().first().cloned() };
        let inner = match text.flatten() {
            Some(text) => {
                let (etag, note) = text.split_once(' ').expect("a card here is `etag note`");
                let etag = etag.strip_prefix("W/").map_or(format!("\"{etag}\""), |weak| format!("W/\"{weak}\""));
                let card = format!("BEGIN:VCARD\nVERSION:3.0\nUID:u\nFN:A\nX-KEEP:k\nNOTE:{note}\nEND:VCARD\n");
                format!(
                    "<d:propstat><d:prop><d:getetag>{etag}</d:getetag><c:address-data>{card}</c:address-data></d:prop></d:propstat>"
                )
            }
            None => "<d:status>HTTP/1.1 404 Not Found</d:status>".to_owned(),
        };
        Ok(Response::new(
            207,
            format!(
                r#"<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav"><d:response><d:href>{href}</d:href>{inner}</d:response></d:multistatus>"#
            ),
        ))
    });
    let request = WriteRequest {
        endpoint: Endpoint::new("contacts"),
        columns: vec!["note".into()],
        operations: vec![Operation {
            action,
            expected_version: expected.map(str::to_owned),
            cells: vec![Value::from("new")],
            raw: None,
        }],
        returning: vec!["note".into()],
    };
    let host = host.settings(&json!({"url": "https://h/ab/"}));
    let answer = host.run(|| write(&Collection::new("/ab/"), &request)).expect("the batch was sent");
    let log = log.borrow().clone();
    (answer, log)
}

fn written(
    action: Action,
    expected: Option<&str>,
    before: &str,
    put: Response,
    after: Option<&str>,
) -> (Outcome, Vec<String>) {
    let (mut answer, log) = answered(action, expected, before, put, after);
    (answer.outcomes.remove(0), log)
}

fn ok(status: u16, etag: Option<&str>) -> Response {
    let response = Response::new(status, "");
    match etag {
        Some(etag) => response.with_header("ETag", format!("\"{etag}\"")),
        None => response,
    }
}

fn update() -> Action {
    Action::Update("1.vcf".into())
}

#[test]
fn an_update_is_guarded_by_the_etag_that_it_was_patched_from() {
    let (outcome, log) = written(update(), None, "e1 old", ok(204, Some("e2")), Some("e2 new"));
    assert_eq!(outcome, Outcome::done("1.vcf", Some(0)));
    assert_eq!(log, ["REPORT", "PUT \"e1\"", "REPORT"]);
    let (outcome, log) = written(update(), Some("\"e0\""), "e1 old", ok(204, None), None);
    assert_eq!((outcome, log.len()), (Outcome::VersionConflict(Some(0)), 1), "nothing is sent");
    let (outcome, log) = written(update(), Some("\"e1\""), "e1 new", ok(204, None), None);
    assert_eq!((outcome, log.len()), (Outcome::done("1.vcf", Some(0)), 1), "it says so already");
}

#[test]
fn an_edit_between_the_write_and_the_look_is_not_taken_for_ours() {
    let (outcome, _) = written(update(), None, "e1 old", ok(204, Some("e2")), Some("e3 theirs"));
    assert_eq!(outcome, Outcome::done("1.vcf", Some(0)));
    let (answer, _) = answered(update(), None, "e1 old", ok(204, Some("e2")), Some("e3 theirs"));
    let row = &answer.records.rows[0];
    assert_eq!(row.version.as_deref(), Some("\"e2\""), "what we wrote is told as we sent it");
    assert_eq!(row.cells, [Value::Text("new".into())]);
    let (outcome, _) = written(update(), None, "e1 old", ok(204, None), Some("e2 new, rewritten"));
    assert_eq!(outcome, Outcome::done("1.vcf", Some(0)), "a server that rewrites gives no etag");
}

#[test]
fn a_412_is_a_conflict_or_a_card_that_is_gone() {
    let (outcome, _) = written(update(), None, "e1 old", ok(412, None), Some("e2 theirs"));
    assert_eq!(outcome, Outcome::VersionConflict(Some(0)));
    let (outcome, _) = written(update(), None, "e1 old", ok(412, None), None);
    assert_eq!(outcome, Outcome::NotFound);
    let (outcome, _) = written(Action::Delete("1.vcf".into()), None, "e1 old", ok(412, None), Some("e2 theirs"));
    assert_eq!(outcome, Outcome::VersionConflict(Some(0)));
}

#[test]
fn a_create_that_was_sent_before_is_adopted_e1_8() {
    // Seen before anything is sent, or made by an earlier attempt that arrives only now.
    for (before, expected) in [("e1 edited", &["REPORT"][..]), ("", &["REPORT", "PROPFIND", "PUT *", "REPORT"])] {
        let there = |key: &str| written(Action::Create(key.into()), None, before, ok(412, None), Some("e1 edited"));
        let (outcome, log) = there("u");
        assert_eq!(outcome, Outcome::done("u.vcf", Some(0)), "the UID is the key");
        assert_eq!(log, expected);
        assert_eq!(there("k").0, Outcome::DuplicateOf(Some("k.vcf".into())), "somebody else's card");
    }
}

#[test]
fn a_delete_returns_the_whole_card() {
    let (outcome, _) = written(Action::Delete("1.vcf".into()), None, "e1 old", ok(204, None), None);
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u\r\nFN:A\r\nX-KEEP:k\r\nNOTE:old\r\nEND:VCARD\r\n";
    assert_eq!(outcome, Outcome::removed("1.vcf", Some(card.to_owned())));
}

#[test]
fn a_broken_answer_leaves_the_outcome_unknown() {
    let (outcome, _) = written(update(), None, "e1 old", ok(502, None), None);
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    assert!(matches!(refusal_of_error(HttpError::Interrupted("cut".into())), Refusal::Failed(Outcome::Unknown(_))));
    assert!(matches!(refusal_of_error(HttpError::NotSent("down".into())), Refusal::Failed(Outcome::RetryLater(_))));
}

/// Deletes two cards, of which the server refuses the second one's credential.
fn signed_out_behind(first: u16) -> Result<WriteAnswer, Fault> {
    two_deleted(move |url| if url.ends_with("1.vcf") { first } else { 401 })
}

/// Deletes two cards at a server that answers with this status.
fn two_deleted(status: impl Fn(&str) -> u16 + 'static) -> Result<WriteAnswer, Fault> {
    let host = TestHost::new(move |request| {
        if request.method() != "REPORT" {
            return Ok(Response::new(status(request.url()), ""));
        }
        let card = |id: u8| {
            format!(
                "<d:response><d:href>/ab/{id}.vcf</d:href><d:propstat><d:prop><d:getetag>\"e\"</d:getetag>\
                 <c:address-data>BEGIN:VCARD\nEND:VCARD\n</c:address-data></d:prop></d:propstat></d:response>"
            )
        };
        let xml = r#"xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav""#;
        Ok(Response::new(207, format!("<d:multistatus {xml}>{}{}</d:multistatus>", card(1), card(2))))
    });
    let operation =
        |id: &str| Operation { action: Action::Delete(id.into()), expected_version: None, cells: vec![], raw: None };
    let request = WriteRequest {
        endpoint: Endpoint::new("contacts"),
        columns: vec![],
        operations: vec![operation("1.vcf"), operation("2.vcf")],
        returning: vec![],
    };
    host.run(|| write(&Collection::new("/ab/"), &request))
}

#[test]
fn a_credential_that_ends_in_the_midst_of_a_batch_hides_nothing_that_was_done() {
    let outcomes = |first| signed_out_behind(first).expect("some of it may be done").outcomes;
    assert!(matches!(outcomes(204)[..], [Outcome::Written(_), Outcome::RetryLater(_)]), "{:?}", outcomes(204));
    assert!(matches!(outcomes(500)[..], [Outcome::Unknown(_), Outcome::RetryLater(_)]), "{:?}", outcomes(500));
    for first in [401, 403, 412, 423] {
        assert!(matches!(signed_out_behind(first), Err(Fault::Auth(_))), "{first}: nothing was done");
    }
}

#[test]
fn what_is_refused_while_the_book_is_locked_is_sent_again_by_itself() {
    let told = |refusals: usize| {
        let asked = RefCell::new(Vec::new());
        let answer = two_deleted(move |url| {
            let before = asked.borrow().iter().filter(|other| *other == url).count();
            asked.borrow_mut().push(url.to_owned());
            if url.ends_with("2.vcf") && before < refusals { 423 } else { 204 }
        });
        answer.expect("the batch was sent").outcomes
    };
    assert!(matches!(told(1)[..], [Outcome::Written(_), Outcome::Written(_)]), "{:?}", told(1));
    assert!(matches!(told(2)[..], [Outcome::Written(_), Outcome::RetryLater(_)]), "once: {:?}", told(2));
}

#[test]
fn a_card_without_a_strong_etag_is_compared_right_before_it_is_written() {
    for action in [update(), Action::Delete("1.vcf".into())] {
        let (outcome, log) = written(action.clone(), None, "W/e1 old", ok(204, None), Some("W/e2 theirs"));
        assert_eq!((outcome, log.len()), (Outcome::VersionConflict(Some(0)), 2), "nothing is sent: {log:?}");
        let (outcome, log) = written(action.clone(), None, "W/e1 old", ok(204, None), None);
        assert_eq!((outcome, log.len()), (Outcome::NotFound, 2), "nothing is sent: {log:?}");
        let (outcome, log) = written(action, None, "W/e1 old", ok(204, None), Some("W/e1 old"));
        assert!(matches!(outcome, Outcome::Written(_)), "{outcome:?}");
        assert!(matches!(log[2].as_str(), "PUT" | "DELETE"), "{log:?}");
    }
}
