use serde_json::{Value, json};

use super::{AuthScheme, Manifest, ManifestError};

fn sample() -> Value {
    json!({
        "name": "example", "version": "1.0.0-beta.1", "kind": "connector", "wit": "0.1.0", "summary": "An example.",
        "hosts": ["api.example.com", "*.example.com", "setting:url"], "base_url": "setting:url",
        "auth": [{ "scheme": "bearer", "scopes": ["crm.read"] }, { "scheme": "header", "header": "X-Api-Key" }],
        "settings": { "type": "object", "properties": { "url": { "type": "string", "format": "uri" } }, "required": ["url"] },
        "objects": [{ "name": "contacts", "kind": "contact", "label": "Contacts", "minimum": [["email", "phone"]] }],
        "limits": { "memory_mib": 64, "rate": [{ "calls": 100, "per_ms": 10_000, "scope": { "method": "POST", "path": "/search" } }] },
    })
}

fn parse(value: &Value) -> Result<Manifest, ManifestError> {
    Manifest::parse(value.to_string().as_bytes())
}

#[test]
fn a_full_manifest_is_read() {
    let manifest = parse(&sample()).expect("reads");
    assert_eq!(manifest.name.as_str(), "example");
    assert_eq!(manifest.hosts.len(), 3);
    assert_eq!(manifest.auth_wish(AuthScheme::Bearer).expect("bearer").scopes, ["crm.read"]);
    assert_eq!(manifest.objects[0].minimum, [["email", "phone"]], "F04");
    assert!(!manifest.works_without_auth());
}

#[test]
fn what_makes_no_sense_is_refused_and_named() {
    let table: &[(&str, Value, &str)] = &[
        ("/name", json!("../evil"), "name"),
        ("/version", json!("one"), "version"),
        ("/wit", json!("0.2.0"), "plugin API 0.2.0"),
        ("/wit", json!("latest"), "wit"),
        ("/kind", json!("daemon"), "daemon"),
        ("/kind", json!("transform"), "a transform has no network"),
        ("/summary", json!("nice\u{1b}[2J"), "control or invisible"),
        ("/summary", json!("x".repeat(2_001)), "more than 2000"),
        ("/hosts/0", json!("*"), "host"),
        ("/hosts/0", json!("*.com"), "too wide"),
        ("/hosts/0", json!("http://api.example.com"), "https only"),
        ("/hosts/0", json!("setting:nothing"), "setting:nothing"),
        ("/hosts/0", json!("token-answer:instance_url"), "not supported yet"),
        ("/base_url", json!("http://api.example.com"), "base_url"),
        ("/base_url", json!("https://me:pw@api.example.com"), "base_url"),
        ("/auth/0/scheme", json!("header"), "needs a `header`"),
        ("/auth/1/scheme", json!("bearer"), "twice"),
        ("/auth/1/header", json!("X:\r\nY"), "not the name of a header"),
        ("/objects/0/minimum", json!(["email"]), "a sequence"),
        ("/objects/0/minimum/0", json!([]), "can never be met"),
        ("/objects/0/minimum/0", json!(vec!["field"; 1_001]), "a `minimum` of more than"),
        ("/objects/0/minimum/0/1", json!("a\u{1b}b"), "control or invisible"),
        ("/limits/memory_mib", json!(0), "memory_mib"),
        ("/limits/memory_mib", json!(-1), "invalid value"),
        ("/limits/rate/0/per_ms", json!(0), "rate"),
        ("/limits/rate/0/scope", json!({ "method": "post" }), "not a method in capitals"),
        ("/limits/rate/0/scope", json!({ "path": "search" }), "not the beginning of a path"),
        ("/settings/type", json!("array"), "object"),
    ];
    for (pointer, value, expected) in table {
        let mut manifest = sample();
        *manifest.pointer_mut(pointer).expect("there") = value.clone();
        let error = parse(&manifest).expect_err(pointer).to_string();
        assert!(error.contains(expected), "{pointer}: {error}");
    }
}

#[test]
fn an_unknown_key_is_an_error_everywhere() {
    for pointer in [
        "",
        "/auth/0",
        "/objects/0",
        "/limits",
        "/limits/rate/0",
        "/limits/rate/0/scope",
        "/settings",
        "/settings/properties/url",
    ] {
        let mut manifest = sample();
        manifest.pointer_mut(pointer).and_then(Value::as_object_mut).expect("there").insert("extra".into(), json!(1));
        let error = parse(&manifest).expect_err(pointer).to_string();
        assert!(error.contains("extra"), "{pointer}: {error}");
    }
}

#[test]
fn hostile_json_never_panics() {
    let deep = format!("{{\"settings\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let large = " ".repeat(300_000);
    for text in ["", "null", "[]", "{}", "{\"name\":1}", &deep, &large, "\u{feff}{}"] {
        assert!(Manifest::parse(text.as_bytes()).is_err());
    }
    assert!(Manifest::parse(&[0xff, 0xfe, 0x00]).is_err());
    let good = sample().to_string().into_bytes();
    for position in 0..good.len() {
        let _ = Manifest::parse(&good[..position]);
        for byte in [0, b'"', b'{', 0xff] {
            let mut changed = good.clone();
            changed[position] = byte;
            let _ = Manifest::parse(&changed);
        }
    }
}
