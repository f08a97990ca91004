//! What `check` says, against trimmed vendor answers, and that the manifest and the code agree.

use serde_json::{Value as Json, json};
use syncline_plugin_hubspot::HubSpot;
use syncline_sdk::Connector;
use syncline_sdk::connector::prelude::*;
use syncline_sdk::http::{HttpError, Request, Response};
use syncline_sdk::testing::TestHost;

const PROPERTIES: &str = include_str!("../answers/properties.json");

fn vendor(request: &Request) -> Result<Response, HttpError> {
    let details = r#"{"portalId":62515,"accountType":"STANDARD","timeZone":"Europe/Paris","utcOffset":"+01:00"}"#;
    Ok(match request.url().split('?').next().unwrap_or_default() {
        "/account-info/2026-03/details" => Response::new(200, details),
        "/crm/properties/2026-03/contacts" => Response::new(200, PROPERTIES),
        "/crm/objects/2026-03/contacts" => Response::new(
            403,
            r#"{"status":"error","message":"no","category":"MISSING_SCOPES",
                "errors":[{"context":{"requiredGranularScopes":["crm.objects.contacts.read"]}}]}"#,
        ),
        other => panic!("{other} was not expected"),
    })
}

#[test]
fn check_names_the_account_and_every_right() {
    for (link, expected) in
        [("member_number", Verdict::Pass), ("score", Verdict::Fail), ("syncline_link", Verdict::CannotTell)]
    {
        let host = TestHost::new(vendor).settings(&json!({"link_property": link}));
        let report = host.run(HubSpot::check).expect("check answers");
        assert_eq!(report.account.id, "62515");
        let verdict = |name: &str| report.items.iter().find(|item| item.name == name).map(|item| item.verdict);
        assert_eq!(verdict("token"), Some(Verdict::Pass));
        assert_eq!(verdict("crm.schemas.contacts.read"), Some(Verdict::Pass));
        assert_eq!(verdict("crm.objects.contacts.read"), Some(Verdict::Fail));
        assert_eq!(verdict("crm.objects.contacts.write"), Some(Verdict::CannotTell));
        assert_eq!(verdict("link_property"), Some(expected), "{link}");
    }
}

#[test]
fn the_manifest_offers_the_objects_of_the_code() {
    let manifest: Json = serde_json::from_str(include_str!("../../manifest.json")).expect("the manifest is JSON");
    let objects = TestHost::offline().run(HubSpot::objects).expect("objects needs no request");
    let offered: Vec<(String, String, String)> =
        objects.into_iter().map(|object| (object.name, object.kind, object.label)).collect();
    let text = |object: &Json, name: &str| object[name].as_str().unwrap_or_default().to_owned();
    let listed: Vec<(String, String, String)> = manifest["objects"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|object| (text(object, "name"), text(object, "kind"), text(object, "label")))
        .collect();
    assert_eq!(offered, listed);
    for name in manifest["settings"]["properties"].as_object().expect("an object").keys() {
        let value = if name == "overlap_s" { json!({name: 5}) } else { json!({name: "some_name"}) };
        TestHost::offline().settings(&value).run(HubSpot::objects).expect("a setting of the manifest is taken");
    }
}

#[test]
fn without_a_link_property_creates_are_looked_up() {
    let object = TestHost::offline().run(HubSpot::objects).expect("objects needs no request").remove(0);
    assert_eq!((object.promise, object.link_field), (CreatePromise::Lookup, None));
    assert_eq!(object.default_keys, [["email"]]);
    assert_eq!((object.read_page_max, object.write_batch_max, object.visibility_window_ms), (200, 100, 300_000));
    assert_eq!(object.abilities & (Abilities::VERSION_GUARD | Abilities::CHANGE_DELETES), Abilities::empty());
}
