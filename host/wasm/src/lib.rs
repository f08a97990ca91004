//! syncline-wasm
