//! What can go wrong in a chore.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a chore stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot start `{command}`")]
    NotStarted { command: String, source: io::Error },
    #[error("`{command}` failed with {status}")]
    Failed { command: String, status: ExitStatus },
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{path} is not what was expected")]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("plugin {plugin}: {problem}")]
    Plugin { plugin: String, problem: String },
    #[error("{0}")]
    Setup(String),
    #[error("the demo went otherwise than told: {0}")]
    Demo(String),
}

/// Returns the message of an error with those of its causes.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
