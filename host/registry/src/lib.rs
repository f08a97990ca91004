//! Admits: what a plugin asks for, what was agreed to, and whether the file is still the one that was agreed to.
//!
//! Start with `manifest.rs` (what a plugin says of itself, read without running it), then `wishes.rs` (what of that a
//! person agrees to), `lock.rs` (where the agreement is written down) and `plugins.rs` (which file a name stands for).
//!
//! Invariant: a component from outside is never run to learn what it is, and nothing in it can panic the host.
//! Invariant: an agreed plugin is loaded only if its content is, to the byte, what was agreed to.
//! Not here: asking people (`syncline-cli`), running components (`syncline-wasm`).

mod digest;
mod file;
mod hosts;
mod limits;
mod lock;
mod manifest;
mod name;
mod nearest;
mod plugins;
mod section;
mod settings;
mod wishes;

pub use digest::{Digest, InvalidDigest};
pub use hosts::{HostError, Reach, reach};
pub use limits::Limits;
pub use lock::{Lock, LockEntry, LockError};
pub use manifest::{
    AuthScheme, AuthWish, HostWish, Manifest, ManifestError, ObjectHint, PluginKind, Tier, WIT_VERSION,
};
pub use name::{InvalidName, PluginName};
pub use nearest::nearest;
pub use plugins::{
    Admission, COMPONENT_BYTES_MAX, Change, Listed, Origin, Places, Plugin, PluginError, PluginStore, Proposal,
};
pub use section::{SECTION_NAME, SectionError, embed, read_section};
pub use settings::{SettingMistake, SettingsSchema, SettingsSchemaError, WrongSetting};
pub use wishes::Wishes;
