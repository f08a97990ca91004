//! vdirsyncer, from PyPI, in a virtual environment below the target folder: what people use who keep two address books
//! in step today.

use std::path::PathBuf;

use crate::ServerError;
use crate::environment::Environment;

/// The release that we compare with.
const VDIRSYNCER: Environment = Environment { name: "vdirsyncer", release: "vdirsyncer==0.21.0" };

/// Returns the Python that runs it (`-m vdirsyncer`), and installs it first where it is missing.
pub fn vdirsyncer() -> Result<PathBuf, ServerError> {
    VDIRSYNCER.install()?;
    Ok(VDIRSYNCER.python())
}
