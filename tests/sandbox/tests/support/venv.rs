//! A Python of our own with the packages of `clients/requirements.txt`, made when it is missing or older than that file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const REQUIREMENTS: &str = include_str!("../clients/requirements.txt");

/// Runs a script of `clients/` and fails when it does.
pub(crate) fn run(script: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let status = Command::new(python()).arg(script).args(arguments).status().expect("python starts");
    assert!(status.success(), "the client script does not agree with the server; see its output");
}

/// The interpreter of the environment, which is ready when this returns.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder within the target folder");
    let folder = target.join("venv").join("sandbox-clients");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    // Several test programs may come here at once.
    let lock = File::create(folder.with_extension("lock")).expect("the lock file can be written");
    lock.lock().expect("the lock can be taken");
    let installed = folder.join("installed.txt");
    let python = folder.join("bin/python");
    if std::fs::read_to_string(&installed).is_ok_and(|known| known == REQUIREMENTS) {
        return python;
    }
    make(&folder);
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/requirements.txt");
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    assert!(succeeds(&mut pip), "the packages of the client scripts can be installed");
    std::fs::write(&installed, REQUIREMENTS).expect("the environment can be written");
    python
}

/// Makes the environment; Debian keeps what that takes in a package of its own.
fn make(folder: &Path) {
    let venv = || succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
    if venv() {
        return;
    }
    eprintln!("python3 cannot make virtual environments: installing python3-venv");
    let installed = succeeds(Command::new("apt-get").args(["update"]))
        && succeeds(Command::new("apt-get").args([
            "install",
            "-y",
            "--no-install-recommends",
            "python3",
            "python3-venv",
        ]));
    assert!(installed && venv(), "python3 with venv is needed: apt-get install python3-venv");
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}
