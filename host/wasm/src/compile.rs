//! Compiles components in a process of their own: what one makes the compiler do costs that process and nothing else.
//!
//! Invariant: the compiling process has limits of time and memory, inherits no environment, and ends with the wait for it.
//! What it gives back counts only whole, as its digest says.
//! Not here: what is compiled at all (`audit`), what is kept (`cache`).

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use wasmtime::Engine;

use crate::runtime::{LoadError, config};
use crate::text::printable;

/// Machine code is about six times as large as the component; what is much larger was made to be.
const ARTIFACT_BYTES_PER_BYTE: u64 = 12;
const ARTIFACT_BYTES_MIN: u64 = 8 * 1024 * 1024;
const COMPLAINT_BYTES_MAX: u64 = 16 * 1024;

/// How large the machine code of `wasm` may be, which this process holds.
pub(crate) fn artifact_bytes_max(wasm: &[u8]) -> u64 {
    ARTIFACT_BYTES_MIN + ARTIFACT_BYTES_PER_BYTE * wasm.len() as u64
}

/// Where components are compiled.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// In this process, without limits: for components that nobody else had a hand in.
    Here,
    /// In a process of its own.
    Apart(CompilerProcess),
}

/// The process that compiles, and what it may use up.
#[derive(Clone, Debug)]
pub struct CompilerProcess {
    /// The program: one that calls [`compile_apart`] when it is started with these arguments and two more.
    pub program: PathBuf,
    /// What tells it to.
    pub arguments: Vec<OsString>,
    /// How long it may take.
    pub wall_ms: u32,
    /// How much memory it may take.
    pub memory_mib: u32,
}

impl CompilerProcess {
    /// Enough for the largest JavaScript component on a slow machine: on a fast one it takes 10 s.
    pub const WALL_MS: u32 = 180_000;
    /// Enough for the largest components known, several times over.
    pub const MEMORY_MIB: u32 = 2_048;

    /// Compiles in another process of this very program, with the usual limits.
    pub fn of_this_program(arguments: Vec<OsString>) -> io::Result<Self> {
        // The link leads to the program that runs, also once a newer one stands in its place.
        let program = match cfg!(target_os = "linux") {
            true => PathBuf::from("/proc/self/exe"),
            false => std::env::current_exe()?,
        };
        Ok(Self { program, arguments, wall_ms: Self::WALL_MS, memory_mib: Self::MEMORY_MIB })
    }

    async fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
        let wait = tokio::time::timeout(Duration::from_millis(self.wall_ms.into()), self.run(wasm));
        // The process ends with the wait.
        let Ok(ended) = wait.await else { return Err(LoadError::CompileTime { limit_ms: self.wall_ms }) };
        let ended = ended.map_err(|error| LoadError::Compile(format!("the compiler cannot be run: {error}")))?;
        check_size(ended.out.len().saturating_sub(blake3::OUT_LEN), wasm)?;
        if !ended.status.success() {
            return Err(self.refusal(&ended));
        }
        artifact(ended.out).ok_or_else(|| LoadError::Compile("the compiler gave no whole answer".to_owned()))
    }

    async fn run(&self, wasm: &[u8]) -> io::Result<Ended> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.arguments).args([self.wall_ms.to_string(), self.memory_mib.to_string()]);
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let missing = || io::Error::other("it has no pipes");
        let mut input = child.stdin.take().ok_or_else(missing)?;
        // One byte more tells that it is too large.
        let output_bytes_max = blake3::OUT_LEN as u64 + artifact_bytes_max(wasm) + 1;
        let output = child.stdout.take().ok_or_else(missing)?.take(output_bytes_max);
        let complaints = child.stderr.take().ok_or_else(missing)?.take(COMPLAINT_BYTES_MAX);
        let give = async move {
            // One that ends before it has read everything says why, or shows how it was ended.
            _ = input.write_all(wasm).await;
            Ok(())
        };
        let ((), out, told) = tokio::try_join!(give, whole(output), whole(complaints))?;
        Ok(Ended { status: child.wait().await?, out, told })
    }

    fn refusal(&self, ended: &Ended) -> LoadError {
        let told = String::from_utf8_lossy(&ended.told);
        let signal = std::os::unix::process::ExitStatusExt::signal(&ended.status);
        let is_memory = ["memory allocation of", "Cannot allocate memory"].iter().any(|words| told.contains(words));
        match signal {
            _ if is_memory => LoadError::CompileMemory { limit_mib: self.memory_mib },
            Some(signal) if signal == rustix::process::Signal::XCPU.as_raw() => {
                LoadError::CompileTime { limit_ms: self.wall_ms }
            }
            Some(signal) => LoadError::Compile(format!("the compiler was ended by signal {signal}: {}", shown(&told))),
            None => LoadError::Compile(shown(&told)),
        }
    }
}

/// Reads to the end, and then listens no more: a process that goes on writing would be waited for in vain.
async fn whole(mut pipe: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn shown(told: &str) -> String {
    printable(told.trim())
}

/// How the compiling process ended.
struct Ended {
    status: ExitStatus,
    out: Vec<u8>,
    told: Vec<u8>,
}

/// Takes the artifact out of what the process gave.
fn artifact(mut given: Vec<u8>) -> Option<Vec<u8>> {
    let (digest, artifact) = given.split_at_checked(blake3::OUT_LEN)?;
    if digest != blake3::hash(artifact).as_bytes() {
        return None;
    }
    // It may be large, so it is moved rather than copied.
    given.drain(..blake3::OUT_LEN);
    Some(given)
}

fn check_size(artifact_bytes: usize, wasm: &[u8]) -> Result<(), LoadError> {
    let limit = artifact_bytes_max(wasm);
    if artifact_bytes as u64 > limit {
        return Err(LoadError::CompileSize { limit_mib: limit / (1024 * 1024) });
    }
    Ok(())
}

impl Compiler {
    /// Returns the machine code of a component that was looked at.
    pub(crate) async fn compile(&self, engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
        match self {
            Compiler::Apart(process) => process.compile(wasm).await,
            Compiler::Here => {
                let (engine, component) = (engine.clone(), wasm.to_vec());
                let compiled = tokio::task::spawn_blocking(move || compile(&engine, &component)).await;
                let compiled = compiled.unwrap_or_else(|error| Err(format!("the compiler failed: {error}")));
                let artifact = compiled.map_err(LoadError::Compile)?;
                check_size(artifact.len(), wasm)?;
                Ok(artifact)
            }
        }
    }
}

fn compile(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, String> {
    engine.precompile_component(wasm).map_err(|error| printable(&format!("{error:#}")))
}

/// The whole life of a compiling process: takes a component from the standard input, and gives it compiled to the
/// standard output. `limits` are the two arguments that its parent added.
pub fn compile_apart(limits: &[OsString]) -> ExitCode {
    match answer(limits) {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

fn answer(limits: &[OsString]) -> Result<(), String> {
    let number = |text: &OsString| text.to_str()?.parse::<u64>().ok();
    let [Some(wall_ms), Some(memory_mib)] = [limits.first(), limits.get(1)].map(|limit| limit.and_then(number)) else {
        return Err("it compiles plugins for syncline and is not to be called by people".to_owned());
    };
    limit(wall_ms, memory_mib).map_err(|error| format!("its limits cannot be set: {error}"))?;
    let failed = |error: io::Error| error.to_string();
    let mut wasm = Vec::new();
    io::stdin().lock().read_to_end(&mut wasm).map_err(failed)?;
    let engine = Engine::new(&config()).map_err(|error| format!("{error:#}"))?;
    let artifact = compile(&engine, &wasm)?;
    let mut out = io::stdout().lock();
    out.write_all(blake3::hash(&artifact).as_bytes()).map_err(failed)?;
    out.write_all(&artifact).map_err(failed)?;
    out.flush().map_err(failed)
}

/// Sets limits that hold also once nobody waits any more.
fn limit(wall_ms: u64, memory_mib: u64) -> io::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let cpu_s = (wall_ms / 1000 + 1).saturating_mul(cores);
    let data = memory_mib.saturating_mul(1024 * 1024);
    let limits = [
        (Resource::Data, data, data),
        // One second more, or the signal would not say what it is for.
        (Resource::Cpu, cpu_s, cpu_s.saturating_add(1)),
        // A component that brings the compiler down shall not fill the disk.
        (Resource::Core, 0, 0),
    ];
    for (resource, current, maximum) in limits {
        setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?;
    }
    Ok(())
}
