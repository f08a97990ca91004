//! From bytes to a plugin: what is refused with which sentence, and what is kept compiled.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use wasm_encoder::{
    Component, ComponentExportKind, ComponentExportSection, ComponentInstanceSection, ConstExpr, DataSection,
    MemorySection, MemoryType, Module, ModuleSection,
};

use syncline_wasm::{Compiler, CompilerProcess, Limits, LoadError, Plugin, Runtime, RuntimeOptions};

use crate::support::{RUNTIME, component, connector, read};

/// Replaces a text everywhere by another of equal length, as in a component that was built against other files.
fn patched(mut wasm: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut found = 0;
    for start in 0..wasm.len() - from.len() {
        if &wasm[start..start + from.len()] == from.as_bytes() {
            wasm[start..start + from.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0, "`{from}` is not in the component");
    wasm
}

async fn refusal(wasm: Vec<u8>) -> String {
    RUNTIME.load(wasm, Limits::default()).await.err().expect("a refusal").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_in_one_sentence() {
    let hostile = component("hostile");
    let rows = component("rows");
    let cases = [
        (
            patched(hostile.clone(), "syncline:host/http@0.1.0", "syncline:host/http@0.2.0"),
            "the component was built for `syncline:host/http` 0.2.0, this Syncline speaks 0.1.0; update Syncline, or rebuild \
             the plugin with this version's SDK",
        ),
        (
            patched(hostile.clone(), "syncline:connector/source@0.1.0", "syncline:connector/source@0.0.9"),
            "the component was built for `syncline:connector/source` 0.0.9, this Syncline speaks 0.1.0; update the plugin, or \
             rebuild it with this version's SDK",
        ),
        (
            patched(hostile.clone(), "syncline:host/settings@0.1.0", "wasi:sockets/network1@0.2.0x"),
            "the component imports `wasi:sockets/network1@0.2.0x`, which Syncline offers to no plugin; build it without WASI \
             (Rust: target wasm32-unknown-unknown, JavaScript: --backend-qjs-stub-wasi, Python: componentize-py -s)",
        ),
        (
            patched(hostile.clone(), "syncline:connector/source@0.1.0", "somebody:connector/source@0.1.0"),
            "the component is neither a connector nor a transform: it exports `somebody:connector/source@0.1.0`, \
             `syncline:connector/discovery@0.1.0`, `syncline:connector/sink@0.1.0`",
        ),
        (
            patched(rows, "syncline:host/log@0.1.0", "syncline:host/fax@0.1.0"),
            "the component uses `syncline:host/fax@0.1.0`, which this Syncline does not know; update Syncline, or rebuild the \
             plugin with this version's SDK",
        ),
        (
            b"\0asm\x01\0\0\0".to_vec(),
            "this is a WebAssembly module, not a component; build the plugin with `cargo xtask plugins` or its SDK's build \
             command",
        ),
    ];
    for (wasm, sentence) in cases {
        assert_eq!(refusal(wasm).await, sentence);
    }
    assert!(refusal(b"#!/bin/sh".to_vec()).await.starts_with("this is not a WebAssembly component ("));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_copy_of_the_api_is_refused() {
    // A case of what goes in, a trait of what comes out and a case of the values has another name, under the same version.
    for (name, other, interface) in [
        ("too-large", "too-small", "`syncline:host/http@0.1.0`"),
        ("sensitive", "sensative", "`syncline:connector/discovery`"),
        ("tombstones", "tombsticks", "`syncline:connector/source`"),
        ("duplicate-of", "duplicate-to", "`syncline:connector/sink`"),
    ] {
        let refused = refusal(patched(component("hostile"), name, other)).await;
        assert!(refused.starts_with("the component was built with a changed copy of the plugin API ("), "{refused}");
        assert!(refused.ends_with("; rebuild it with this version's SDK"), "{refused}");
        assert!(refused.contains(interface) && refused.contains(name) && refused.contains(other), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_cut_short_is_refused() {
    let whole = component("rows");
    for bytes in [whole.len() / 2, whole.len() - 1, 20] {
        let refused = RUNTIME.load(whole[..bytes].to_vec(), Limits::default()).await.err().expect("a refusal");
        assert!(matches!(refused, LoadError::Audit(_) | LoadError::Compile(_)), "{refused:?}");
    }
}

/// A transform by its name, with so many modules whose memories have a byte at their beginning and one at `far`.
fn sparse(modules: u32, far: u32) -> Vec<u8> {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 256, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut data = DataSection::new();
    for at in [0, far] {
        data.active(0, &ConstExpr::i32_const(at as i32), [1]);
    }
    let mut module = Module::new();
    module.section(&memories).section(&data);
    let mut component = Component::new();
    for _ in 0..modules {
        component.section(&ModuleSection(&module));
    }
    let mut instances = ComponentInstanceSection::new();
    instances.export_items(Vec::<(&str, ComponentExportKind, u32)>::new());
    let mut exports = ComponentExportSection::new();
    exports.export("syncline:transform/rows@0.1.0", ComponentExportKind::Instance, 0, None);
    component.section(&instances).section(&exports);
    component.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_component_does_not_become_large_machine_code() {
    let one = refusal(sparse(1, 15 << 20)).await;
    assert!(one.contains("changed copy of the plugin API"), "it was compiled, and only then found wanting: {one}");
    assert_eq!(
        refusal(sparse(36, 900 << 10)).await,
        "the component is compiled to more machine code than the limit of 8 MiB, which goes by its size; ask the plugin's \
         author for a component without sparse memories"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiler_without_end_is_not_listened_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let compiler =
        CompilerProcess { program: "/usr/bin/yes".into(), arguments: Vec::new(), wall_ms: 60_000, memory_mib: 64 };
    let options = RuntimeOptions { cache_dir: folder.path().join("aot"), compiler: Compiler::Apart(compiler) };
    let runtime = Runtime::new(options).expect("a runtime");
    let refused = runtime.load(sparse(1, 1), Limits::default()).await.err().expect("a refusal");
    assert!(matches!(refused, LoadError::CompileSize { limit_mib: 8 }), "{refused:?}");
}

struct Cache {
    folder: tempfile::TempDir,
}

impl Cache {
    fn new() -> Cache {
        Cache { folder: tempfile::tempdir().expect("a folder") }
    }

    fn runtime(&self) -> Runtime {
        let options = RuntimeOptions { cache_dir: self.folder.path().join("aot"), compiler: Compiler::Here };
        Runtime::new(options).expect("a runtime")
    }

    async fn load(&self) -> Plugin {
        self.runtime().load(component("hostile"), Limits::default()).await.expect("the guest loads")
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path().join("aot")).expect("the folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_compiled_once() {
    let cache = Cache::new();
    assert!(!cache.load().await.from_cache());
    let plugin = cache.load().await;
    assert!(plugin.from_cache());
    assert_eq!(read(&connector(&plugin, "well")).await.expect("a page").records.rows.len(), 2);
    assert_eq!(cache.files().len(), 1);
    let mode = |path: &std::path::Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(&cache.folder.path().join("aot")), 0o700);
    assert_eq!(mode(&cache.files()[0]), 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_artifact_is_never_run() {
    let cache = Cache::new();
    cache.load().await;
    let file = cache.files().remove(0);
    let whole = fs::read(&file).expect("the artifact");
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let damages =
        [flipped(0), flipped(20), flipped(60), flipped(whole.len() - 1), whole[..whole.len() / 2].to_vec(), Vec::new()];
    for (number, bytes) in damages.into_iter().enumerate() {
        fs::write(&file, bytes).expect("written");
        assert!(!cache.load().await.from_cache(), "damage {number}");
        assert_eq!(fs::read(&file).expect("the artifact").len(), whole.len(), "compiled again and kept");
        assert!(cache.load().await.from_cache());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_under_another_name_is_not_taken() {
    let cache = Cache::new();
    cache.runtime().load(component("rows"), Limits::default()).await.expect("the other guest loads");
    let other = fs::read(&cache.files()[0]).expect("its artifact");
    fs::remove_file(&cache.files()[0]).expect("removed");
    cache.load().await;
    fs::write(&cache.files()[0], other).expect("swapped");
    let plugin = cache.load().await;
    assert!(!plugin.from_cache());
    assert_eq!(read(&connector(&plugin, "well")).await.expect("a page").records.rows.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_others_may_write_to_is_not_used() {
    let cache = Cache::new();
    cache.load().await;
    let folder = cache.folder.path().join("aot");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("opened to all");
    assert!(!cache.load().await.from_cache());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_others_could_replace_is_not_used() {
    let cache = Cache::new();
    cache.load().await;
    fs::set_permissions(cache.folder.path(), fs::Permissions::from_mode(0o770)).expect("opened to the group");
    assert!(!cache.load().await.from_cache());
    fs::set_permissions(cache.folder.path(), fs::Permissions::from_mode(0o700)).expect("closed again");
    assert!(cache.load().await.from_cache());
    fs::rename(cache.folder.path().join("aot"), cache.folder.path().join("elsewhere")).expect("moved away");
    std::os::unix::fs::symlink("elsewhere", cache.folder.path().join("aot")).expect("a link in its place");
    assert!(!cache.load().await.from_cache());
}
