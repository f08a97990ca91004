//! Panics, which a host would otherwise see as a bare `unreachable`.

use std::panic::PanicHookInfo;
use std::sync::Once;

use crate::log;

static HOOK: Once = Once::new();

/// Makes a panic log its message and place, from the first call on.
pub(crate) fn report_once() {
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| log::error(describe(panic)))));
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("no message");
    match panic.location() {
        Some(place) => format!("panicked at {}:{}:{}: {message}", place.file(), place.line(), place.column()),
        None => format!("panicked: {message}"),
    }
}
