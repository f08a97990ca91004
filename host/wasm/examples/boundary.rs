//! Measures what crossing into a plugin costs: `boundary COMPONENT`, where COMPONENT is the guest `hostile` of
//! `tests/guests`, as a component.
//!
//! Each figure is the median of many calls; every call has an instance of its own, as in a run. One JSON object is
//! printed, in milliseconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use syncline_core::{FieldName, Value};
use syncline_net::{Gateway, OutletConfig, Url};
use syncline_runner::{Action, Connector, Operation, ReadMode, ReadRequest, Target, WriteRequest};
use syncline_wasm::{ConnectionContext, Limits, Runtime, RuntimeOptions, WasmConnector};

const RECORDS: u32 = 1_000;
const FIELDS: usize = 12;
const ROUNDS: usize = 200;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let path = std::env::args().nth(1).ok_or("usage: boundary COMPONENT")?;
    let wasm = std::fs::read(&path)?;
    let folder = std::env::temp_dir().join(format!("syncline-boundary-{}", std::process::id()));
    let runtime = Runtime::new(RuntimeOptions { cache_dir: folder.clone() })?;

    let started = Instant::now();
    let plugin = runtime.load(wasm.clone(), Limits::default()).await?;
    let compile = started.elapsed();
    let mut loads = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let plugin = runtime.load(wasm.clone(), Limits::default()).await?;
        loads.push(started.elapsed());
        assert!(plugin.from_cache(), "the artifact is taken from the cache");
    }
    std::fs::remove_dir_all(folder)?;

    let outlet = Gateway::new().outlet(OutletConfig::new("bench", Url::parse("http://127.0.0.1:9")?)?)?;
    let context = ConnectionContext {
        name: "bench".to_owned(),
        settings_json: format!("{{\"count\":{RECORDS}}}"),
        outlet,
        clock: Arc::new(|| 0),
    };
    let connector = plugin.connector(context)?;
    let small = median(&connector, async |connector| drop(connector.check().await.expect("a report"))).await;
    let page = median(&connector, async |connector| drop(connector.read(page_request()).await.expect("a page"))).await;
    let written = median(&connector, async |connector| drop(connector.write(batch()).await.expect("an answer"))).await;
    // The batch itself is made by the host and is no part of the crossing.
    let building = middle(&mut (0..ROUNDS).map(|_| timed(batch)).collect::<Vec<_>>());
    println!(
        "{{\"compile_ms\":{:.1},\"aot_load_ms\":{:.3},\"instantiate_and_small_call_ms\":{:.3},\"page_from_guest_ms\":{:.3},\
         \"batch_to_guest_ms\":{:.3},\"records\":{RECORDS},\"fields\":{FIELDS}}}",
        milliseconds(compile),
        milliseconds(middle(&mut loads)),
        milliseconds(small),
        milliseconds(page),
        milliseconds(written.saturating_sub(building)),
    );
    Ok(())
}

async fn median(connector: &WasmConnector, call: impl AsyncFn(&WasmConnector)) -> Duration {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        call(connector).await;
        times.push(started.elapsed());
    }
    middle(&mut times)
}

fn timed<T>(work: impl Fn() -> T) -> Duration {
    let started = Instant::now();
    std::hint::black_box(work());
    started.elapsed()
}

fn middle(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn fields() -> Vec<FieldName> {
    (0..FIELDS).map(|number| FieldName::new(format!("field_{number}"))).collect()
}

fn target() -> Target {
    Target { object: "notes".into(), container: None }
}

fn page_request() -> ReadRequest {
    ReadRequest { target: target(), fields: fields(), mode: ReadMode::Full, cursor: None, limit: RECORDS }
}

fn batch() -> WriteRequest {
    let operation = |number: u32| Operation {
        action: Action::Update(format!("n{number}").into()),
        expected_version: None,
        cells: (0..FIELDS).map(|field| Some(Value::Text(format!("field_{field} {number}")))).collect(),
        raw: None,
    };
    WriteRequest {
        target: target(),
        columns: fields(),
        operations: (0..RECORDS).map(operation).collect(),
        returning: Vec::new(),
    }
}
