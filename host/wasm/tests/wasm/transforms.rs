//! Transforms: rows in, rows out.

use std::sync::Arc;

use syncline_core::Value;
use syncline_runner::Transform;
use syncline_wasm::{Limits, PluginKind, WasmTransform};

use crate::support::{RUNTIME, component, component_fault};

async fn transform() -> WasmTransform {
    let plugin = RUNTIME.load(component("rows"), Limits::default()).await.expect("the guest loads");
    assert_eq!(plugin.kind(), PluginKind::Transform);
    plugin.transform("rows", Arc::new(|| 0)).expect("a transform")
}

fn rows() -> Vec<Vec<Option<Value>>> {
    vec![vec![Some(Value::Text("ada".to_owned()))], vec![None], vec![Some(Value::Clear)]]
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_rows_out() {
    let answers = transform().await.apply("{}".to_owned(), vec!["name".into()], rows()).await.expect("answers");
    let expected = [Some(Value::Text("ADA".to_owned())), None, Some(Value::Clear)];
    assert_eq!(answers, expected.map(|value| Ok(vec![value])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_changed_harms_no_other() {
    let transform = transform().await;
    let apply = async |deed: &str| transform.apply(format!("{{\"do\":\"{deed}\"}}"), vec!["name".into()], rows()).await;
    assert_eq!(apply("refuse").await.expect("answers")[0], Err("no\\u{1b}[31m".to_owned()));
    let answers = apply("nonsense").await.expect("answers");
    assert_eq!(answers[0], Err("\"soon\" is not a date".to_owned()));
    assert!(component_fault(apply("panic").await).contains("this row is too much"));
    assert!(apply("").await.is_ok(), "the next call works");
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_are_not_mixed_up() {
    let plugin = RUNTIME.load(component("hostile"), Limits::default()).await.expect("the guest loads");
    let refused = plugin.transform("x", Arc::new(|| 0)).err().expect("a refusal");
    assert_eq!(refused.to_string(), "the plugin is a connector, not a transform");
}
