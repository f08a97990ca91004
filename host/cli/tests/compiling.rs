//! Compiling in another process of the real binary: what it may use up, and what is said when that is not enough.

use std::path::{Path, PathBuf};

use syncline_wasm::{Compiler, CompilerProcess, Limits, LoadError, Runtime, RuntimeOptions};

/// A transform by its name, with a module in which one function adds and multiplies so often.
fn component(sums: usize) -> Vec<u8> {
    let name = b"syncline:transform/rows@0.1.0";
    let mut export = vec![1, 0, name.len() as u8];
    export.extend_from_slice(name);
    // The first instance, without a type.
    export.extend_from_slice(&[5, 0, 0]);
    let instance_without_exports = vec![1, 1, 0];
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    for (id, content) in [(1, module(sums)), (5, instance_without_exports), (11, export)] {
        component.extend(section(id, &content));
    }
    component
}

fn module(sums: usize) -> Vec<u8> {
    // No locals; 1, then each time: the number is doubled, and one is added to it in a block of its own.
    let step = [0x22, 0, 0x20, 0, 0x6a, 0x22, 0, 0x04, 0x7f, 0x20, 0, 0x41, 1, 0x6a, 0x05, 0x20, 0, 0x0b];
    let code = [&[0, 0x20, 0][..], &step.repeat(sums), &[0x0b]].concat();
    let function = [&number(code.len())[..], &code].concat();
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    // The type of a function from number to number, a function of that type, its code.
    for (id, content) in [(1, &[1, 0x60, 1, 0x7f, 1, 0x7f][..]), (3, &[1, 0]), (10, &[&[1][..], &function].concat())] {
        module.extend(section(id, content));
    }
    module
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

/// LEB128.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push((number % 128) as u8 | 128);
        number /= 128;
    }
    bytes.push(number as u8);
    bytes
}

fn process(wall_ms: u32, memory_mib: u32) -> CompilerProcess {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_syncline"));
    CompilerProcess { program, arguments: vec!["compile-plugin".into()], wall_ms, memory_mib }
}

/// Loads a component and gives the refusal, since none here is a whole plugin, and how many files are kept.
async fn refusal(process: CompilerProcess, wasm: Vec<u8>) -> (LoadError, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let cache_dir = folder.path().join("compiled");
    let runtime = Runtime::new(RuntimeOptions { cache_dir: cache_dir.clone(), compiler: Compiler::Apart(process) });
    let refused = runtime.expect("a runtime").load(wasm, Limits::default()).await.err().expect("a refusal");
    (refused, files(&cache_dir))
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).expect("the folder").count()
}

#[tokio::test]
async fn what_is_compiled_is_kept_and_linked() {
    let usual = process(CompilerProcess::WALL_MS, CompilerProcess::MEMORY_MIB);
    let (refused, kept) = refusal(usual, component(10)).await;
    assert!(matches!(refused, LoadError::Mismatch(_)), "it was compiled, and only then found wanting: {refused:?}");
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn a_component_that_keeps_the_compiler_busy_is_given_up() {
    let started = std::time::Instant::now();
    let (refused, kept) = refusal(process(200, CompilerProcess::MEMORY_MIB), component(200_000)).await;
    assert_eq!(
        refused.to_string(),
        "compiling the component took longer than the limit of 200 ms and was stopped; try again when the machine has \
         less to do, or ask the plugin's author for a smaller component"
    );
    assert_eq!(kept, 0);
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_component_that_takes_the_compilers_memory_is_given_up() {
    let (refused, kept) = refusal(process(CompilerProcess::WALL_MS, 64), component(200_000)).await;
    assert_eq!(
        refused.to_string(),
        "compiling the component needed more memory than the limit of 64 MiB and was stopped; ask the plugin's author \
         for a smaller component"
    );
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn what_does_not_compile_says_why() {
    let mut broken = component(10);
    let place = broken.windows(3).position(|bytes| bytes == [0, 0x20, 0]).expect("the first instruction");
    broken[place + 2] = 9;
    let usual = process(CompilerProcess::WALL_MS, CompilerProcess::MEMORY_MIB);
    let (refused, _) = refusal(usual, broken).await;
    assert!(matches!(&refused, LoadError::Compile(text) if text.contains("unknown local 9")), "{refused:?}");
}

#[tokio::test]
async fn a_program_that_does_not_compile_is_told() {
    let program = |name: &str| CompilerProcess { program: PathBuf::from(name), ..process(60_000, 2_048) };
    let (refused, _) = refusal(program("/nowhere/syncline"), component(10)).await;
    assert!(matches!(&refused, LoadError::Compile(text) if text.contains("cannot be run")), "{refused:?}");
    let (refused, _) = refusal(program("/bin/true"), component(10)).await;
    assert!(matches!(&refused, LoadError::Compile(text) if text.contains("no whole answer")), "{refused:?}");
}

/// A process can be kept on one core there.
#[cfg(target_os = "linux")]
mod on_one_core {
    use std::io::Write;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use super::component;

    /// What ends a process that used up its seconds of the processor.
    const SIGXCPU: i32 = 24;

    /// Keeps this thread, and what it starts, on one core.
    fn stay_on_one_core() {
        let allowed = sched_getaffinity(None).expect("the cores of this thread");
        let first = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)).expect("a core");
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).expect("fewer cores than before");
    }

    #[test]
    fn a_compiler_that_nobody_waits_for_ends_by_itself() {
        // No second on the wall: one of the processor for each core that it may use.
        stay_on_one_core();
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncline"));
        command.args(["compile-plugin", "0", "65536"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut compiler = command.spawn().expect("it starts");
        let mut input = compiler.stdin.take().expect("a pipe");
        input.write_all(&component(200_000)).expect("it reads");
        drop(input);
        let status = compiler.wait().expect("it ends");
        assert_eq!(status.signal(), Some(SIGXCPU), "{status}");
    }
}
