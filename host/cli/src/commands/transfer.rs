//! `syncline export` and `syncline import`: the whole state in a file.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;
use syncline_runner::Store;
use syncline_store::TransferError;

use super::CommandError;
use crate::config::Config;
use crate::output::Output;
use crate::session::{Folders, data_folder};

/// Writes the state to `file`, which must not be there. A crash leaves no file of that name or a whole one.
pub async fn export(store: &dyn Store, file: &Path) -> Result<Output, CommandError> {
    let failed = |source| CommandError::Transfer { path: file.display().to_string(), source };
    if file.exists() {
        return Err(CommandError::Usage(format!("{} is there already; name another file", file.display())));
    }
    let draft = file.with_added_extension("part");
    let written = async {
        let mut options = OpenOptions::new();
        // It holds records of the applications: nobody else's business.
        let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        let rows = syncline_store::export(store, &mut out).await?;
        let bytes = out.metadata()?.len();
        out.sync_all()?;
        fs::rename(&draft, file)?;
        Ok((rows, bytes))
    };
    let (rows, bytes) = match written.await {
        Ok(written) => written,
        Err(error) => {
            // It may never have been made; what matters is told already.
            drop(fs::remove_file(&draft));
            return Err(failed(error));
        }
    };
    let text = format!(
        "{rows} rows, {bytes} bytes, written to {}; secrets in it need the same key on another machine\n",
        file.display()
    );
    Ok(Output::ok(text, json!({ "schema": "syncline.export/1", "rows": rows, "bytes": bytes })))
}

/// Takes the state of `file` into the data folder.
pub async fn import(config: &Config, folders: &Folders, file: &Path) -> Result<Output, CommandError> {
    let failed = |source| CommandError::Transfer { path: file.display().to_string(), source };
    if !file.is_file() {
        return Err(failed(TransferError::File(io::ErrorKind::NotFound.into())));
    }
    let store = data_folder(&folders.data)?.join("store");
    let engine = config.store.engine;
    let rows = syncline_store::import(&store, config.store.disk_options(), file).await.map_err(failed)?;
    let text = format!("{rows} rows taken into {}, kept by {engine}\n", store.display());
    Ok(Output::ok(text, json!({ "schema": "syncline.import/1", "rows": rows, "engine": engine.name() })))
}
