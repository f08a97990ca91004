//! What Syncline plugins in Rust are written against: a trait to implement, one macro that exports it, and the host.
//!
//! A plugin is a crate of types `cdylib` and `rlib` with a `manifest.json` beside its `Cargo.toml`; `cargo xtask plugins`
//! makes the component. A connector implements [`Connector`], a transform implements [`Transform`].
//!
//! ```no_run
//! use syncline_sdk::connector::prelude::*;
//!
//! struct Notes;
//!
//! impl Connector for Notes {
//!     fn check() -> Result<CheckReport, Fault> {
//!         let me: serde_json::Value = http::Request::get("/me").send()?.success()?.json()?;
//!         let id = me["id"].as_str().ok_or_else(|| Fault::Protocol("/me has no id".into()))?;
//!         Ok(CheckReport::of(Account::new(id, id)).pass("credential", "accepted"))
//!     }
//!     fn objects() -> Result<Vec<Object>, Fault> {
//!         Ok(vec![Object::new("notes", "Notes").kind("note").abilities(Abilities::GET).pages(100, 100, 1)])
//!     }
//!     fn describe(_: &Endpoint) -> Result<Schema, Fault> {
//!         Ok(Schema::of(vec![Field::new("title", FieldType::Text).label("Title").traits(FieldTraits::REQUIRED)]))
//!     }
//!     fn read(request: ReadRequest) -> Result<Page, Fault> {
//!         let notes: Vec<serde_json::Value> = http::Request::get("/notes").send()?.success()?.json()?;
//!         let mut table = TableBuilder::new(&request.fields);
//!         for note in &notes {
//!             table.row(note["id"].as_str().unwrap_or_default()).set("title", Value::maybe_text(note["title"].as_str()));
//!         }
//!         Ok(Page::last(table, "end").whole())
//!     }
//!     fn get(_: &Endpoint, _: &[String], _: &[String]) -> Result<GetAnswer, Fault> {
//!         Err(Fault::Unsupported("get".into()))
//!     }
//! }
//!
//! syncline_sdk::connector!(Notes);
//! ```
//!
//! Outside wasm the host's functions are those of [`testing`], so that a plugin's logic is tested natively.
//!
//! Invariant: nothing here holds a credential; the host adds it after a request has left the plugin.

#[doc(hidden)]
pub mod bindings;
pub mod clock;
pub mod connector;
mod host;
pub mod http;
pub mod log;
pub mod model;
mod panic;
pub mod record;
mod settings;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod transform;
pub mod value;

pub use connector::Connector;
pub use settings::settings;
pub use transform::Transform;
pub use value::{Fault, Value};
