//! Real address book and mail servers for tests: installed when missing, started on free ports of the loopback, stopped on drop.
//!
//! Everything a server writes lies in a temporary folder of its own, so any number of them run side by side.
//! Not here: what is tested with them.

mod cyrus;
mod environment;
mod mail;
mod process;
mod radicale;
mod vdirsyncer;
mod wire;
mod xandikos;

pub use cyrus::Cyrus;
pub use mail::MailServer;
pub use radicale::Radicale;
pub use vdirsyncer::vdirsyncer;
pub use xandikos::Xandikos;

/// The user that every server knows.
pub const USER: &str = "user";

/// The password of [`USER`].
pub const PASSWORD: &str = "correct-horse";

/// Why a server is not there.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A file or a process could not be had.
    #[error("{doing} failed")]
    Io {
        /// What was tried.
        doing: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A command of the set-up failed.
    #[error("`{command}` failed: {said}")]
    Command {
        /// The command.
        command: String,
        /// The end of what it said.
        said: String,
    },
    /// The server does not answer, or not as it should.
    #[error("{server} did not become ready: {said}")]
    NotReady {
        /// Which server.
        server: &'static str,
        /// What was seen instead.
        said: String,
    },
}

impl ServerError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> ServerError {
        let doing = doing.into();
        move |source| ServerError::Io { doing, source }
    }
}
