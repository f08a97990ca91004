//! The one place where the host's functions are called: the imports in wasm, the test's host elsewhere.

#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::*;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::{emit, now, send, send_all, settings};

#[cfg(target_arch = "wasm32")]
mod wasm {
    pub(crate) use crate::bindings::connector::syncline::host::clock::now;
    pub(crate) use crate::bindings::connector::syncline::host::http::{send, send_all};
    pub(crate) use crate::bindings::connector::syncline::host::log::emit;
    pub(crate) use crate::bindings::connector::syncline::host::settings::get as settings;
}
