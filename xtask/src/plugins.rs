//! Builds every plugin to a component.
//!
//! Invariant: a component is written only when its bytes change, so that what depends on it is not done again.

mod component;
mod find;
mod manifest;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::run::run;
use crate::workspace::root;
use find::Plugin;
use toolchain::Toolchain;

/// Build the plugins to components, in `target/plugins/components`.
///
/// Needs the Rust target wasm32-unknown-unknown: adds it with rustup, or, where that is not possible, installs Debian's
/// compiler and builds the standard library from source.
#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// The plugins to build, by folder name; all of them if none is named
    #[arg(value_name = "PLUGIN")]
    names: Vec<String>,
    /// Run clippy on the wasm target instead of building
    #[arg(long)]
    lint: bool,
    /// Which compiler to use
    #[arg(long, value_enum, default_value_t)]
    toolchain: toolchain::Choice,
}

/// Builds or lints the plugins that were asked for.
pub(crate) fn plugins(arguments: &Arguments) -> Result<(), Error> {
    let plugins = find::plugins(&arguments.names)?;
    let toolchain = toolchain::prepare(arguments.toolchain)?;
    if arguments.lint {
        return lint(&toolchain, &plugins);
    }
    let begun = Instant::now();
    run(toolchain.cargo("build").args(packages(&plugins)))?;
    let compiled = begun.elapsed();
    for plugin in &plugins {
        finish(plugin)?;
    }
    println!("{} in {} (cargo took {})", counted(plugins.len()), components().display(), seconds(compiled));
    Ok(())
}

fn lint(toolchain: &Toolchain, plugins: &[Plugin]) -> Result<(), Error> {
    if !toolchain.has_clippy() {
        println!("plugins: not linted for wasm, as this compiler comes without clippy");
        return Ok(());
    }
    run(toolchain.cargo("clippy").args(packages(plugins)).args(["--", "-D", "warnings"]))
}

/// Makes the component of a module that cargo has built, and says so.
fn finish(plugin: &Plugin) -> Result<(), Error> {
    let begun = Instant::now();
    let component = component::of_module(plugin, &read(&module_of(plugin))?)?;
    let path = components().join(format!("{}.wasm", plugin.name));
    let changed = write_if_changed(&path, &component)?;
    let state = if changed { "written" } else { "unchanged" };
    let took = seconds(begun.elapsed());
    println!("{:<24} {:>7} KiB  {state:<9}  {took}", plugin.name, component.len().div_ceil(1024));
    Ok(())
}

fn packages(plugins: &[Plugin]) -> impl Iterator<Item = &str> {
    plugins.iter().flat_map(|plugin| ["--package", &plugin.package])
}

fn module_of(plugin: &Plugin) -> PathBuf {
    let folder = root().join(toolchain::TARGET_FOLDER).join(toolchain::TARGET).join(toolchain::PROFILE);
    folder.join(format!("{}.wasm", plugin.library))
}

pub(crate) fn components() -> PathBuf {
    root().join(toolchain::TARGET_FOLDER).join("components")
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// Writes through a temporary file: a host that looks meanwhile sees the old component or the new one.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool, Error> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(false);
    }
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let folder = path.parent().expect("a component's path ends in folder and name");
    fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut file, bytes).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(true)
}

fn counted(components: usize) -> String {
    if components == 1 { "1 component".to_owned() } else { format!("{components} components") }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_the_same_is_not_written_again() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("components/a.wasm");
        let written = [&b"1"[..], b"1", b"2"].map(|bytes| write_if_changed(&path, bytes).expect("it can be written"));
        assert_eq!(written, [true, false, true]);
        assert_eq!(read(&path).expect("it is there"), b"2");
    }
}
