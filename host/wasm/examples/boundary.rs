//! Measures what crossing into a plugin costs, with the guest `hostile` of `tests/guests`, which can behave too.
//!
//! Every call has an instance of its own, as in a run. One JSON object is printed, in milliseconds: for calls
//! the mean of the processor's time, which other work on the machine disturbs little; for loading, which is done by another
//! thread, the median by the clock on the wall.

#[path = "../tests/wasm/guests.rs"]
mod guests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use syncline_core::{FieldName, Value};
use syncline_net::{Gateway, OutletConfig, Url};
use syncline_runner::{Action, Connector, Operation, ReadMode, ReadRequest, Target, WriteRequest};
use syncline_wasm::{Compiler, ConnectionContext, Limits, Runtime, RuntimeOptions, WasmConnector};

const RECORDS: u32 = 1_000;
const FIELDS: usize = 12;
const ROUNDS: usize = 200;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let wasm = guests::component("hostile");
    let folder = std::env::temp_dir().join(format!("syncline-boundary-{}", std::process::id()));
    let runtime = Runtime::new(RuntimeOptions { cache_dir: folder.clone(), compiler: Compiler::Here })?;

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
        lane: syncline_core::Lane::Incremental,
    };
    let connector = plugin.connector(context)?;
    let small = mean(&connector, async |connector| drop(connector.check().await.expect("a report"))).await;
    let page = mean(&connector, async |connector| drop(connector.read(page_request()).await.expect("a page"))).await;
    let written = mean(&connector, async |connector| drop(connector.write(batch()).await.expect("an answer"))).await;
    // The batch itself is made by the host and is no part of the crossing.
    let started = processor_time();
    (0..ROUNDS).for_each(|_| drop(std::hint::black_box(batch())));
    let building = (processor_time() - started) / ROUNDS as u32;
    loads.sort();
    println!(
        "{{\"compile_ms\":{:.1},\"aot_load_ms\":{:.3},\"instantiate_and_small_call_ms\":{:.3},\"page_from_guest_ms\":{:.3},\
         \"batch_to_guest_ms\":{:.3},\"records\":{RECORDS},\"fields\":{FIELDS}}}",
        milliseconds(compile),
        milliseconds(loads[ROUNDS / 2]),
        milliseconds(small),
        milliseconds(page),
        milliseconds(written.saturating_sub(building)),
    );
    Ok(())
}

async fn mean(connector: &WasmConnector, call: impl AsyncFn(&WasmConnector)) -> Duration {
    let started = processor_time();
    for _ in 0..ROUNDS {
        call(connector).await;
    }
    (processor_time() - started) / ROUNDS as u32
}

/// What this thread has used; the calls run here, as nothing was spawned.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok()).expect("a number comes first");
    Duration::from_nanos(nanoseconds)
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
