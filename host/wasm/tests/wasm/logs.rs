//! Lines of plugins: without secrets, without control characters, and not without end.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use syncline_runner::Fault;
use syncline_wasm::Limits;
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::{SECRET, connector, hostile, read};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("UTF-8")
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a call of `deed` logs. One thread, so that the subscriber hears this test alone.
async fn logged(deed: &str) -> String {
    let plugin = hostile(Limits::default()).await;
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = subscriber.set_default();
    read(&connector(&plugin, deed)).await.expect("a page");
    lines.text()
}

#[tokio::test]
async fn secrets_and_control_characters_stay_out() {
    let text = logged("shout").await;
    assert!(text.contains("ERROR syncline::plugin: [secret] \\u{1b}[2J\\r\\nfake line connection=\"crm\""), "{text}");
    assert!(!text.contains(SECRET) && text.lines().count() == 1, "{text}");
}

#[tokio::test]
async fn a_flood_is_cut() {
    let text = logged("flood").await;
    assert!(text.len() < 200 * 1024, "{} bytes", text.len());
    let last = text.lines().last().expect("a line");
    assert!(last.contains("more lines of this call were dropped; the limit is 64 KiB in one call"), "{last}");
}

#[tokio::test]
async fn faults_are_cleaned_too() {
    let plugin = hostile(Limits::default()).await;
    let fault = read(&connector(&plugin, "fault")).await;
    assert_eq!(fault, Err(Fault::Auth("[secret] \\u{1b}[2J".to_owned())));
}
