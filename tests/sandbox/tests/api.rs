//! The server's promises, seen over the wire.

#[path = "support/http.rs"]
mod http;

use std::time::Duration;

use http::{Answer, call, call_as};
use serde_json::{Value, json};
use syncline_sandbox::{Clock, Fault, FaultKind, HubSpot, Limits, MergeIds, Policy, RecordId, Running, Seed, Settings};

const CONTACTS: &str = "/crm/objects/2026-03/contacts";
const PROPERTIES: &str = "/crm/properties/2026-03/contacts";
const NOON_MS: i64 = 1_795_348_800_000;

async fn start(settings: Settings) -> Running {
    let settings = Settings { limits: Limits::off(), ..settings };
    HubSpot::builder().clock(Clock::manual(NOON_MS)).settings(settings).start().await.expect("a free port")
}

async fn quiet() -> Running {
    start(Settings::default()).await
}

fn send(running: &Running, method: &str, path: &str, body: &Value) -> Answer {
    let body = (!body.is_null()).then_some(body);
    call(running, method, path, body).expect("an answer")
}

fn post(running: &Running, call: &str, body: &Value) -> Answer {
    send(running, "POST", &format!("{CONTACTS}{call}"), body)
}

fn get(running: &Running, rest: &str) -> Answer {
    send(running, "GET", &format!("{CONTACTS}{rest}"), &Value::Null)
}

fn ids(answer: &Answer) -> Vec<u64> {
    let results = answer.json()["results"].as_array().cloned().unwrap_or_default();
    results.iter().map(|result| result["id"].as_str().expect("an id").parse().expect("a number")).collect()
}

fn since(at: &str) -> Value {
    json!({
        "filterGroups": [{"filters": [{"propertyName": "lastmodifieddate", "operator": "GTE", "value": at}]}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "limit": 200,
    })
}

fn unique_property(running: &Running, name: &str) {
    let body = json!({"name": name, "label": name, "type": "string", "fieldType": "text",
                      "groupName": "contactinformation", "hasUniqueValue": true});
    assert_eq!(send(running, "POST", PROPERTIES, &body).status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_known_tokens_pass_and_a_revoked_one_does_not() {
    let running = quiet().await;
    let list = |token| call_as(&running, token, "GET", CONTACTS, None).expect("an answer");
    assert_eq!(list("sandbox-token").status, 200);
    let refused = list("another");
    assert_eq!((refused.status, refused.json()["category"].as_str()), (401, Some("INVALID_AUTHENTICATION")));
    running.state().revoke_token("sandbox-token");
    assert_eq!(list("sandbox-token").status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_pages_through_every_record_once_in_the_order_of_ids() {
    let running = quiet().await;
    let seeded = running.state().seed(&Seed { contacts: 257, ..Seed::default() });
    running.state().archive(seeded[3]).expect("there");
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = get(&running, &format!("?limit=100&after={after}"));
        seen.extend(ids(&page));
        match page.json()["paging"]["next"]["after"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    let expected: Vec<u64> = seeded.iter().filter(|id| **id != seeded[3]).map(|id| id.0).collect();
    assert_eq!(seen, expected);
    assert_eq!(ids(&get(&running, "?archived=true")), [seeded[3].0]);
    for bad in ["?limit=101", "?limit=0", "?limit=x", "?after=x", "?limit=51&propertiesWithHistory=email"] {
        assert_eq!(get(&running, bad).status, 400, "{bad}");
    }
    let many = "a_property_of_some_length,".repeat(700);
    assert_eq!(get(&running, &format!("?properties={many}")).status, 414);
}

#[tokio::test(flavor = "multi_thread")]
async fn search_shows_the_state_as_it_was_the_lag_ago() {
    let running = start(Settings { index_lag_ms: 5_000, ..Settings::default() }).await;
    let state = running.state();
    let id = state.create(&[("email", "old@example.com")]).expect("valid");
    let emails = |body: &Value| -> Vec<String> {
        let found = post(&running, "/search", body).json()["results"].as_array().cloned().unwrap_or_default();
        found.iter().map(|result| result["properties"]["email"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let by_email = |email: &str| json!({"filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ", "value": email}]}]});
    assert!(emails(&since("0")).is_empty(), "a new record is not seen at once");
    state.clock().advance(Duration::from_secs(5));
    assert_eq!(emails(&since("0")), ["old@example.com"]);
    state.edit(id, &[("email", "new@example.com")]).expect("valid");
    assert_eq!(emails(&since("0")), ["old@example.com"]);
    assert_eq!(emails(&by_email("old@example.com")), ["old@example.com"]);
    assert!(emails(&by_email("new@example.com")).is_empty());
    assert_eq!(get(&running, &format!("/{id}")).json()["properties"]["email"], "new@example.com");
    state.clock().advance(Duration::from_millis(5_000));
    assert_eq!(emails(&by_email("new@example.com")), ["new@example.com"]);
    state.archive(id).expect("there");
    assert!(emails(&since("0")).is_empty(), "an archived record never appears");
    state.restore(id).expect("archived");
    let by_id =
        json!({"filterGroups": [{"filters": [{"propertyName": "hs_object_id", "operator": "GT", "value": "0"}]}]});
    assert!(emails(&since("0")).is_empty() && emails(&by_id).is_empty(), "a restored one appears after the lag");
    state.clock().advance(Duration::from_millis(5_000));
    assert_eq!((emails(&since("0")).len(), emails(&by_id).len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn search_stops_at_ten_thousand_and_goes_on_by_id() {
    let running = quiet().await;
    running.state().seed(&Seed { contacts: 10_300, bulk_percent: 100, ..Seed::default() });
    let mut body = since("0");
    body["after"] = json!("9800");
    let last = post(&running, "/search", &body);
    assert_eq!((last.json()["total"].as_u64(), ids(&last).len()), (Some(10_300), 200));
    assert_eq!(last.json()["paging"]["next"]["after"], "10000");
    body["after"] = json!(10_000);
    assert_eq!(post(&running, "/search", &body).status, 400);
    let more = json!({"propertyName": "hs_object_id", "operator": "GT", "value": ids(&last)[199].to_string()});
    body["filterGroups"][0]["filters"].as_array_mut().expect("filters").push(more);
    body["after"] = json!("0");
    assert_eq!(post(&running, "/search", &body).json()["total"], 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn search_filters_sorts_and_refuses() {
    let running = quiet().await;
    let state = running.state();
    let make = |values: &[(&str, &str)]| state.create(values).expect("valid").0;
    let ada =
        make(&[("email", "ada@example.com"), ("firstname", "Ada"), ("numemployees", "9"), ("hs_lead_status", "NEW")]);
    let bob = make(&[("email", "bob@example.org"), ("firstname", "bob"), ("numemployees", "100")]);
    let eve = make(&[("firstname", "Eve"), ("hs_buying_role", "BLOCKER;CHAMPION")]);
    let search = |filter: Value| ids(&post(&running, "/search", &json!({"filterGroups": [{"filters": [filter]}]})));
    let filter =
        |name: &str, operator: &str, value: &str| json!({"propertyName": name, "operator": operator, "value": value});
    for (filter, expected) in [
        (filter("firstname", "EQ", "ADA"), vec![ada]),
        (filter("firstname", "NEQ", "ada"), vec![bob, eve]),
        (filter("hs_lead_status", "EQ", "new"), vec![]),
        (filter("hs_lead_status", "EQ", "NEW"), vec![ada]),
        (filter("hs_buying_role", "EQ", "CHAMPION"), vec![eve]),
        (filter("numemployees", "GT", "9"), vec![bob]),
        (filter("numemployees", "LTE", "9.0"), vec![ada]),
        (filter("email", "CONTAINS_TOKEN", "*@example.org"), vec![bob]),
        (json!({"propertyName": "email", "operator": "HAS_PROPERTY"}), vec![ada, bob]),
        (json!({"propertyName": "email", "operator": "NOT_HAS_PROPERTY"}), vec![eve]),
        (json!({"propertyName": "numemployees", "operator": "BETWEEN", "value": "9", "highValue": "50"}), vec![ada]),
        (json!({"propertyName": "firstname", "operator": "IN", "values": ["ada", "bob"]}), vec![ada, bob]),
        (json!({"propertyName": "firstname", "operator": "IN", "values": ["Ada"]}), vec![]),
        (json!({"propertyName": "email", "operator": "IN", "values": ["bob@example.org", "x@y.z"]}), vec![bob]),
        (filter("createdate", "GTE", &NOON_MS.to_string()), vec![ada, bob, eve]),
        (filter("lastmodifieddate", "LT", "2026-11-22T12:00:00Z"), vec![]),
    ] {
        assert_eq!(search(filter.clone()), expected, "{filter}");
    }
    let by_employees = json!({"sorts": [{"propertyName": "numemployees", "direction": "ASCENDING"}]});
    assert_eq!(ids(&post(&running, "/search", &by_employees)), [ada, bob, eve]);
    assert_eq!(ids(&post(&running, "/search", &json!({"query": "EXAMPLE.org"}))), [bob]);
    let one = filter("firstname", "EQ", "ada");
    for bad in [
        json!({"limit": 201}),
        json!({"after": "x"}),
        json!({"sorts": [{"propertyName": "nope"}]}),
        json!({"filterGroups": [{"filters": [filter("nope", "EQ", "1")]}]}),
        json!({"filterGroups": [{"filters": [filter("firstname", "LIKE", "1")]}]}),
        json!({"filterGroups": [{"filters": vec![one.clone(); 7]}]}),
        json!({"filterGroups": vec![json!({"filters": [one]}); 6]}),
        json!({"query": "x".repeat(3_000)}),
    ] {
        assert_eq!(post(&running, "/search", &bad).status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_trace_ids_fails_in_part_and_one_without_fails_whole() {
    let running = quiet().await;
    let inputs = |traced: bool| {
        let input = |email: &str| {
            let mut input = json!({"properties": {"email": email}});
            if traced {
                input["objectWriteTraceId"] = json!(email);
            }
            input
        };
        json!({"inputs": [input("ada@example.com"), input("nonsense"), input("bob@example.com")]})
    };
    let whole = post(&running, "/batch/create", &inputs(false));
    assert_eq!((whole.status, whole.json()["category"].as_str()), (400, Some("VALIDATION_ERROR")));
    assert_eq!(running.state().count_live(), 0);
    let part = post(&running, "/batch/create", &inputs(true));
    assert_eq!((part.status, ids(&part).len(), part.json()["numErrors"].as_u64()), (207, 2, Some(1)));
    assert_eq!(part.json()["errors"][0]["context"]["objectWriteTraceId"], json!(["nonsense"]));
    assert_eq!(running.state().count_live(), 2);
    let taken = post(&running, "", &json!({"properties": {"email": "ADA@example.com"}}));
    let id = running.state().find("email", "ada@example.com").expect("a key").expect("there").id;
    assert_eq!(
        (taken.status, taken.json()["message"].as_str()),
        (409, Some(&*format!("Contact already exists. Existing ID: {id}")))
    );
    let many: Vec<Value> = (0..101).map(|number| json!({"properties": {"firstname": number.to_string()}})).collect();
    assert_eq!(post(&running, "/batch/create", &json!({"inputs": many})).status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_by_a_key_may_be_repeated() {
    let running = quiet().await;
    unique_property(&running, "link_id");
    let body = json!({"inputs": [
        {"id": "l1", "idProperty": "link_id", "objectWriteTraceId": "a", "properties": {"email": "ada@example.com"}},
        {"id": "l2", "idProperty": "link_id", "objectWriteTraceId": "b", "properties": {"firstname": "Bob"}},
    ]});
    let news = |answer: &Answer| -> Vec<(String, bool)> {
        let results = answer.json()["results"].as_array().cloned().unwrap_or_default();
        let news =
            |result: &Value| (result["properties"]["link_id"].as_str().map(str::to_owned), result["new"].as_bool());
        let mut news: Vec<_> =
            results.iter().map(news).map(|(key, new)| (key.unwrap_or_default(), new.unwrap_or_default())).collect();
        news.sort();
        news
    };
    let first = post(&running, "/batch/upsert", &body);
    assert_eq!((first.status, news(&first)), (200, vec![("l1".to_owned(), true), ("l2".to_owned(), true)]));
    running.state().add_fault(Fault::new(FaultKind::DropAfter));
    assert!(call(&running, "POST", &format!("{CONTACTS}/batch/upsert"), Some(&body)).is_none());
    let again = post(&running, "/batch/upsert", &body);
    assert_eq!((again.status, ids(&again).len(), running.state().count_live()), (200, 2, 2));
    let not_a_key = json!({"inputs": [{"id": "x", "idProperty": "firstname", "properties": {}}]});
    assert_eq!(post(&running, "/batch/upsert", &not_a_key).status, 400);
    let by_email = json!({"inputs": [
        {"id": "eve@example.com", "idProperty": "email", "objectWriteTraceId": "a", "properties": {"firstname": "Eve"}},
        {"id": "nonsense", "idProperty": "email", "objectWriteTraceId": "b", "properties": {"firstname": "No"}},
    ]});
    assert_eq!(post(&running, "/batch/upsert", &by_email).status, 400, "by e-mail all succeed or none");
    assert_eq!(running.state().count_live(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_makes_a_new_id_and_the_old_ones_lead_to_it() {
    for (merge_ids, keeps) in [(MergeIds::New, false), (MergeIds::KeepPrimary, true)] {
        let running = start(Settings { merge_ids, ..Settings::default() }).await;
        let state = running.state();
        let first = state.create(&[("email", "ada@example.com"), ("firstname", "Ada")]).expect("valid");
        let second = state.create(&[("email", "a.l@example.com"), ("lastname", "Lovelace")]).expect("valid");
        let body = json!({"primaryObjectId": first.to_string(), "objectIdToMerge": second.to_string()});
        let merged = post(&running, "/merge", &body).json()["id"].as_str().expect("an id").to_owned();
        assert_eq!(merged == first.to_string(), keeps);
        let shown = get(&running, &format!("/{second}?properties=firstname,lastname,hs_merged_object_ids")).json();
        assert_eq!(
            (shown["id"].as_str(), shown["properties"]["lastname"].as_str()),
            (Some(&*merged), Some("Lovelace"))
        );
        let olds = shown["properties"]["hs_merged_object_ids"].as_str().expect("old ids").to_owned();
        assert_eq!(olds, if keeps { second.to_string() } else { format!("{first};{second}") });
        let patch = json!({"properties": {"city": "London"}});
        assert_eq!(send(&running, "PATCH", &format!("{CONTACTS}/{second}"), &patch).json()["id"], merged);
        let update = json!({"inputs": [{"id": second.to_string(), "properties": {"city": "Paris"}}]});
        assert_eq!(post(&running, "/batch/update", &update).status, 404);
        assert_eq!(get(&running, "/a.l%40example.com?idProperty=email").json()["id"], merged);
        assert_eq!(ids(&get(&running, "?archived=true")), [] as [u64; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_write_moves_the_stamp_and_history_keeps_the_old_value() {
    let running = quiet().await;
    let id = running.state().create(&[("firstname", "Ada")]).expect("valid");
    running.state().clock().advance(Duration::from_millis(1));
    let patch = json!({"properties": {"firstname": "Ada"}});
    let shown = send(&running, "PATCH", &format!("{CONTACTS}/{id}"), &patch).json();
    assert_ne!(shown["updatedAt"], shown["createdAt"]);
    let patch = json!({"properties": {"firstname": ""}});
    assert_eq!(
        send(&running, "PATCH", &format!("{CONTACTS}/{id}"), &patch).json()["properties"]["firstname"],
        Value::Null
    );
    let shown = get(&running, &format!("/{id}?propertiesWithHistory=firstname")).json();
    let values = |shown: &Value| shown["propertiesWithHistory"]["firstname"].as_array().map(Vec::len);
    assert_eq!(values(&shown), Some(2));
    let read = json!({"inputs": [{"id": id.to_string()}, {"id": "1"}], "propertiesWithHistory": ["firstname"]});
    let answer = post(&running, "/batch/read", &read);
    assert_eq!((answer.status, values(&answer.json()["results"][0])), (207, Some(2)));
    assert_eq!(answer.json()["errors"][0]["context"]["ids"], json!(["1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_restored_and_forgotten_records_are_where_they_belong() {
    let running = quiet().await;
    let state = running.state();
    let id = state.create(&[("email", "ada@example.com")]).expect("valid");
    let one = format!("{CONTACTS}/{id}");
    assert_eq!(send(&running, "DELETE", &one, &Value::Null).status, 204);
    assert_eq!(send(&running, "DELETE", &one, &Value::Null).status, 204);
    assert_eq!(
        (get(&running, &format!("/{id}")).status, get(&running, &format!("/{id}?archived=true")).status),
        (404, 200)
    );
    let archive = json!({"inputs": [{"id": id.to_string()}, {"id": "1"}]});
    assert_eq!(post(&running, "/batch/archive", &archive).status, 204);
    let other = state.create(&[("email", "ada@example.com")]).expect("the address is free again");
    assert_eq!(state.restore(id).unwrap_err().status, 409);
    let forget = json!({"objectId": "ada@example.com", "idProperty": "email"});
    assert_eq!(post(&running, "/gdpr-delete", &forget).status, 204);
    assert!(state.record(other).is_none());
    state.restore(id).expect("nobody has the address now");
    assert_eq!(get(&running, &format!("/{id}")).status, 200);
    assert_eq!(send(&running, "DELETE", &format!("{CONTACTS}/1"), &Value::Null).status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_over_the_limit_get_the_vendors_body() {
    let limits = Limits { ten_secondly: Some(2), daily: Some(6), search_secondly: Some(1), retry_after: false };
    let clock = Clock::manual(NOON_MS);
    let running = HubSpot::builder().clock(clock.clone()).limits(limits).start().await.expect("a free port");
    let first = get(&running, "");
    assert_eq!(first.header("x-hubspot-ratelimit-remaining"), Some("1"));
    assert_eq!(first.header("x-hubspot-ratelimit-daily-remaining"), Some("5"));
    get(&running, "");
    let refused = get(&running, "");
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
    assert_eq!(refused.json()["policyName"], "TEN_SECONDLY_ROLLING");
    assert_eq!(post(&running, "/search", &json!({})).header("x-hubspot-ratelimit-max"), None);
    assert_eq!(post(&running, "/search", &json!({})).json()["policyName"], "SECONDLY");
    clock.advance(Duration::from_secs(10));
    assert_eq!([(); 3].map(|()| post(&running, "/search", &json!({})).status)[0], 200);
    assert_eq!([get(&running, "").status, get(&running, "").status], [200, 200]);
    assert_eq!(get(&running, "").json()["policyName"], "DAILY");
    clock.advance(Duration::from_secs(86_400));
    assert_eq!(get(&running, "").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_break_the_connection_itself() {
    let running = quiet().await;
    let state = running.state();
    let body = json!({"properties": {"firstname": "Ada"}});
    let create = || call(&running, "POST", CONTACTS, Some(&body));
    for (kind, applied, status) in [
        (FaultKind::DropBefore, 0, None),
        (FaultKind::DropAfter, 1, None),
        (FaultKind::StatusBefore { status: 503, retry_after_s: Some(1) }, 0, Some(503)),
        (FaultKind::StatusBefore { status: 423, retry_after_s: None }, 0, Some(423)),
        (FaultKind::StatusBefore { status: 477, retry_after_s: Some(9) }, 0, Some(477)),
        (FaultKind::StatusAfter { status: 502 }, 1, Some(502)),
        (FaultKind::RateLimited { policy: Policy::Daily, retry_after_s: None }, 0, Some(429)),
        (FaultKind::SlowAfter { delay_ms: 1 }, 1, Some(201)),
        (FaultKind::SlowBefore { delay_ms: 1 }, 1, Some(201)),
        (FaultKind::CutBody, 1, Some(201)),
    ] {
        let before = state.count_live();
        state.add_fault(Fault::new(kind.clone()).path("/contacts").method("POST"));
        let answer = create();
        assert_eq!(answer.as_ref().map(|answer| answer.status), status, "{kind:?}");
        assert_eq!(state.count_live() - before, applied, "{kind:?}");
        let cut = kind == FaultKind::CutBody;
        assert!(answer.is_none_or(|answer| answer.whole != cut && !answer.body.is_empty()), "{kind:?}");
        assert_eq!(create().map(|answer| answer.status), Some(201), "a fault strikes once");
    }
    assert!(state.faults().iter().all(|fault| fault.struck == 1));
    assert_eq!(state.stats().by_status["dropped"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_gone_and_a_new_one_can_go_on_with_its_account() {
    let running = quiet().await;
    let (state, port) = (running.state().clone(), running.port());
    let id = state.create(&[("firstname", "Ada")]).expect("valid");
    running.stop().await;
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    let again = HubSpot::builder().state(state).port(port).start().await.expect("the same port");
    assert_eq!(get(&again, &format!("/{id}")).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_processes_steer_over_http() {
    let running = quiet().await;
    let steer = |method: &str, path: &str, body: Value| send(&running, method, &format!("/_sandbox/{path}"), &body);
    assert_eq!(steer("POST", "seed", json!({"contacts": 3, "seed": 5})).json()["created"], 3);
    let id = steer("POST", "records", json!({"properties": {"email": "ada@example.com"}})).json()["id"]
        .as_u64()
        .expect("an id");
    assert_eq!(steer("PATCH", &format!("records/{id}"), json!({"properties": {"city": "London"}})).status, 200);
    let found = steer("GET", "records?property=email&value=ada@example.com", Value::Null).json();
    assert_eq!(found["records"][0]["properties"]["city"], "London");
    assert_eq!(steer("DELETE", &format!("records/{id}"), Value::Null).status, 200);
    assert_eq!(steer("GET", "records?archived=true", Value::Null).json()["records"][0]["id"], id);
    assert_eq!(steer("POST", &format!("records/{id}/restore"), Value::Null).status, 200);
    let first = steer("GET", "records?limit=1", Value::Null).json();
    assert_eq!(first["records"].as_array().map(Vec::len), Some(1));
    let merge = json!({"primary": id, "other": first["records"][0]["id"]});
    let merged = steer("POST", "merge", merge).json()["id"].as_u64().expect("an id");
    assert_eq!(running.state().record(RecordId(id)).expect("by its old id").id.0, merged);
    let settings = steer("PATCH", "settings", json!({"index_lag_ms": 7, "limits": {"daily": 9}})).json();
    assert_eq!((settings["index_lag_ms"].as_i64(), settings["limits"]["daily"].as_u64()), (Some(7), Some(9)));
    assert_eq!(running.state().settings().index_lag_ms, 7);
    assert_eq!(steer("PATCH", "settings", json!({"index_lag": 7})).status, 400);
    let before = steer("GET", "clock", Value::Null).json()["now_ms"].as_i64().expect("a time");
    assert_eq!(steer("POST", "clock", json!({"advance_ms": 5})).json()["now_ms"], before + 5);
    assert_eq!(steer("POST", "faults", json!({"kind": "drop_before", "path": "/contacts", "times": 2})).status, 200);
    assert!(call(&running, "GET", CONTACTS, None).is_none());
    assert_eq!(steer("GET", "faults", Value::Null).json()[0]["struck"], 1);
    assert_eq!(steer("DELETE", "faults", Value::Null).status, 200);
    assert_eq!(steer("DELETE", "tokens", json!({"token": "sandbox-token"})).json()["revoked"], true);
    assert_eq!(get(&running, "").status, 401);
    assert_eq!(steer("GET", "stats", Value::Null).json()["requests"], 2);
    assert_eq!(steer("GET", "nothing", Value::Null).status, 404);
}
