//! The guests of `tests/guests`, built to components.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

static GUESTS: LazyLock<PathBuf> = LazyLock::new(build_guests);

/// The component of a guest.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let module = std::fs::read(GUESTS.join(format!("syncline_guest_{name}.wasm"))).expect("the guest was built");
    let mut encoder = wit_component::ComponentEncoder::default();
    encoder.validate(true).module(&module).expect("a module").encode().expect("a component")
}

/// Builds the guests, with the compiler that is there, or as `cargo xtask plugins` does with Debian's.
fn build_guests() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("target/plugins");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--profile", "plugin", "--target", "wasm32-unknown-unknown"]);
    cargo.current_dir(root.join("tests/guests")).env("CARGO_TARGET_DIR", &target);
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc runs").stdout;
    let sysroot = PathBuf::from(String::from_utf8(sysroot).expect("a path").trim());
    if !sysroot.join("lib/rustlib/wasm32-unknown-unknown/lib").is_dir() {
        let linker = sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/bin");
        let path = std::env::var("PATH").unwrap_or_default();
        cargo.envs([("RUSTC", "/usr/bin/rustc"), ("RUSTC_BOOTSTRAP", "1")]);
        cargo.env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort").env("PATH", format!("{}:{path}", linker.display()));
    }
    let built = cargo.status().expect("cargo runs").success();
    assert!(
        built,
        "the guests in tests/guests cannot be built; run `cargo xtask plugins` first, it installs the compiler"
    );
    target.join("wasm32-unknown-unknown/plugin")
}
