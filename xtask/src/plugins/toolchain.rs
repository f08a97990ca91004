//! Finds a compiler for wasm32-unknown-unknown, and installs one where there is none.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::debian;
use crate::error::Error;
use crate::run::{output, run, works};
use crate::workspace::{cargo, root};

/// The target that plugins are built for: it has no WASI, so nothing can be imported by accident.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// The profile that plugins are built with.
pub(super) const PROFILE: &str = "plugin";

/// Where cargo builds plugins, apart from the host so that neither throws out what the other has built.
pub(super) const TARGET_FOLDER: &str = "target/plugins";

/// Debian's compiler and the source of its standard library.
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Which compiler to use.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub(crate) enum Choice {
    /// Rustup's target where it is or can be added, else Debian's compiler
    #[default]
    Auto,
    /// Only the target of the compiler that builds the host
    Rustup,
    /// Only Debian's compiler, with the standard library from source
    Debian,
}

/// A compiler that builds plugins, as the environment that cargo needs for it.
#[derive(Debug)]
pub(super) struct Toolchain {
    environment: Vec<(&'static str, OsString)>,
}

impl Toolchain {
    /// Returns a cargo command for the plugin target and profile.
    pub(super) fn cargo(&self, command: &str) -> Command {
        let mut cargo = cargo();
        cargo.args([command, "--profile", PROFILE, "--target", TARGET]);
        cargo.env("CARGO_TARGET_DIR", root().join(TARGET_FOLDER));
        cargo.env("CARGO_ENCODED_RUSTFLAGS", compiler_options());
        cargo.envs(self.environment.iter().map(|(name, value)| (name, value)));
        cargo
    }

    /// Tells whether clippy knows this compiler's target.
    pub(super) fn has_clippy(&self) -> bool {
        self.environment.is_empty() && works(cargo().args(["clippy", "--version"]))
    }
}

/// Returns a compiler for plugins, after installing what it needs.
pub(super) fn prepare(choice: Choice) -> Result<Toolchain, Error> {
    let own = match choice {
        Choice::Auto => has_target()? || add_target(),
        Choice::Rustup if has_target()? || add_target() => true,
        Choice::Rustup => return Err(Error::Setup(format!("rustup could not add the target {TARGET}"))),
        Choice::Debian => false,
    };
    if own { Ok(Toolchain { environment: Vec::new() }) } else { debian() }
}

/// Panic messages name source files; a component is handed on, so they are not to name the builder's folders.
fn compiler_options() -> OsString {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let folders = [(cargo_home, "/cargo"), (Some(root()), "/syncline")];
    let mut options = OsString::new();
    for (folder, name) in folders.iter().filter_map(|(folder, name)| Some((folder.as_ref()?, name))) {
        if !options.is_empty() {
            options.push("\u{1f}");
        }
        options.push("--remap-path-prefix=");
        options.push(folder);
        options.push(format!("={name}"));
    }
    options
}

fn sysroot() -> Result<PathBuf, Error> {
    output(Command::new("rustc").current_dir(root()).args(["--print", "sysroot"])).map(PathBuf::from)
}

fn has_target() -> Result<bool, Error> {
    Ok(sysroot()?.join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn add_target() -> bool {
    if !works(Command::new("rustup").arg("--version")) {
        return false;
    }
    println!("plugins: adding the Rust target {TARGET} with rustup");
    run(Command::new("rustup").current_dir(root()).args(["target", "add", TARGET])).is_ok()
}

/// Debian's compiler builds the standard library from source; it is set up through the environment only, so that
/// the ordinary way stays untouched.
fn debian() -> Result<Toolchain, Error> {
    let missing: Vec<_> = DEBIAN_PACKAGES.into_iter().filter(|package| !debian::is_installed(package)).collect();
    if !missing.is_empty() {
        if !debian::is_here() {
            return Err(Error::Setup(format!(
                "plugins need the Rust target {TARGET}: run `rustup target add {TARGET}`; \
                 there is neither a working rustup nor apt-get here"
            )));
        }
        let names = missing.join(" and ");
        println!("plugins: installing {names} with apt-get, as rustup cannot add {TARGET}");
        debian::install(&missing)?;
    }
    println!("plugins: building with {DEBIAN_RUSTC} and the standard library from source");
    // Debian's compiler has no linker for wasm of its own; rust-lld of the host's compiler serves.
    let mut path = vec![sysroot()?.join("lib/rustlib").join(host_target()?).join("bin")];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let path = std::env::join_paths(path)
        .map_err(|_| Error::Setup("the compiler's folder cannot stand in PATH".to_owned()))?;
    Ok(Toolchain {
        environment: vec![
            ("RUSTC", DEBIAN_RUSTC.into()),
            ("RUSTC_BOOTSTRAP", "1".into()),
            ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort".into()),
            ("PATH", path),
        ],
    })
}

fn host_target() -> Result<String, Error> {
    let version = output(Command::new("rustc").current_dir(root()).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Error::Setup("`rustc -vV` does not name its host".to_owned()))
}
