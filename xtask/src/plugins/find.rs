//! Finds the plugins: every package in a folder of `plugins/`, but for the SDK.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::run::output;
use crate::workspace::{cargo, root};

/// One plugin's crate.
#[derive(Debug)]
pub(super) struct Plugin {
    /// The name of its folder, which is its name everywhere.
    pub(super) name: String,
    /// The name of its package.
    pub(super) package: String,
    /// The package's version.
    pub(super) version: String,
    /// The name of its library, as the compiler writes it.
    pub(super) library: String,
    /// Its folder.
    pub(super) folder: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

/// Returns the plugins of these names, in the order of their names; all of them if no name is given.
pub(super) fn plugins(names: &[String]) -> Result<Vec<Plugin>, Error> {
    let all = all()?;
    let known = || all.iter().map(|plugin| plugin.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(name) = names.iter().find(|name| all.iter().all(|plugin| plugin.name != **name)) {
        return Err(Error::Setup(format!("there is no plugin {name}; there are {}", known())));
    }
    Ok(all.into_iter().filter(|plugin| names.is_empty() || names.contains(&plugin.name)).collect())
}

fn all() -> Result<Vec<Plugin>, Error> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Metadata = serde_json::from_str(&text)
        .map_err(|source| Error::Json { path: "the output of `cargo metadata`".into(), source })?;
    let home = root().join("plugins");
    let mut plugins =
        folders(&home)?.into_iter().map(|folder| plugin(&metadata, folder)).collect::<Result<Vec<_>, _>>()?;
    plugins.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(plugins)
}

fn folders(home: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read { path: home.to_owned(), source };
    let mut folders = Vec::new();
    for entry in fs::read_dir(home).map_err(failed)? {
        let folder = entry.map_err(failed)?.path();
        if folder.join("Cargo.toml").is_file() {
            folders.push(folder);
        }
    }
    Ok(folders)
}

fn plugin(metadata: &Metadata, folder: PathBuf) -> Result<Plugin, Error> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let problem = |problem: &str| Error::Plugin { plugin: name.clone(), problem: problem.to_owned() };
    let package = metadata.packages.iter().find(|package| package.manifest_path.parent() == Some(&folder));
    let package = package.ok_or_else(|| problem("not among the members of the root Cargo.toml"))?;
    let is_component = |target: &&Target| target.crate_types.iter().any(|kind| kind == "cdylib");
    let library = package.targets.iter().find(is_component);
    let library =
        library.ok_or_else(|| problem("its library is no cdylib; set crate-type = [\"cdylib\", \"rlib\"]"))?;
    Ok(Plugin {
        package: package.name.clone(),
        version: package.version.clone(),
        library: library.name.replace('-', "_"),
        name,
        folder,
    })
}
