//! The budgets that a manifest asks for keep the vendor's limits, as the sandbox enforces them.

use syncline_net::{Body, Credential, Gateway, Limits, Outlet, OutletConfig, RateLimit, Request, Response, Secret};
use syncline_registry::Manifest;
use syncline_sandbox::{DEFAULT_TOKEN, HubSpot, Running};

/// Searches at one time, and one more than two seconds allow.
const SEARCHES: usize = 11;

fn outlet(server: &Running, rates: Vec<RateLimit>) -> Outlet {
    let base = server.base_url().parse().expect("an address");
    let mut config = OutletConfig::new("crm", base).expect("a configuration");
    config.allow_private_network = true;
    config.credential = Credential::Bearer(Secret::new(DEFAULT_TOKEN));
    config.limits = Limits { rates, ..Limits::default() };
    Gateway::new().outlet(config).expect("an outlet")
}

async fn search(outlet: &Outlet) -> Vec<Response> {
    let request = Request {
        method: "POST".to_owned(),
        url: "/crm/objects/2026-03/contacts/search".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Some(Body::Text("{}".to_owned())),
        ..Request::default()
    };
    let answers = outlet.send_all(vec![request; SEARCHES]).await;
    answers.into_iter().map(|answer| answer.expect("an answer")).collect()
}

#[tokio::test]
async fn hubspots_five_searches_a_second_are_kept() {
    let manifest = Manifest::parse(include_bytes!("../../../plugins/hubspot/manifest.json")).expect("a manifest");
    let server = HubSpot::builder().start().await.expect("the server starts");
    let unmetered = search(&outlet(&server, Vec::new())).await;
    let refused = unmetered.iter().find(|answer| answer.status == 429).expect("the vendor's limit");
    let text = String::from_utf8(refused.body.clone().into_bytes()).expect("a text");
    assert!(text.contains("You have reached your secondly limit.") && text.contains("SECONDLY"), "{text}");
    assert!(refused.headers.iter().all(|(name, _)| !name.contains("ratelimit") && name != "retry-after"));

    let server = HubSpot::builder().start().await.expect("the server starts");
    let metered = search(&outlet(&server, manifest.limits.rate)).await;
    assert!(metered.iter().all(|answer| answer.status == 200), "{metered:?}");
}
