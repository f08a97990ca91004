//! Compiles plugins in another process of this program.
//!
//! Invariant: whatever opens a session calls [`asked`] first thing in its `main`: that process may be the one.

use std::ffi::OsString;
use std::process::ExitCode;

use syncline_wasm::{Compiler, CompilerProcess, compile_apart};

/// The argument that nobody finds in the help.
const WORD: &str = "compile-plugin";

/// Compiles a plugin, if this process was started for that.
pub fn asked() -> Option<ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let (first, limits) = arguments.split_first()?;
    (first == WORD).then(|| compile_apart(limits))
}

/// Returns how plugins are compiled.
pub(crate) fn compiler() -> std::io::Result<Compiler> {
    CompilerProcess::of_this_program(vec![WORD.into()]).map(Compiler::Apart)
}
