//! How much of the host's memory the instances of a component take beside their linear memories and tables, which a call's
//! meter counts: it is given out when they start, and no meter is asked.
//!
//! Invariant: what is counted here is never less than what is taken; a component that would take more is not compiled.

use wasmparser::{ElementItems, Instance, Parser, Payload, Result};

use crate::call::INSTANCES_MAX;

/// The largest components known, interpreters of other languages, take a third of it.
pub(crate) const STATE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What an import, a function, a global, an entry of an element segment and anything else take, rounded up.
const IMPORT_BYTES: u64 = 40;
const FUNCTION_BYTES: u64 = 32;
const GLOBAL_BYTES: u64 = 16;
const ELEMENT_BYTES: u64 = 16;
const OTHER_BYTES: u64 = 64;

/// What all instances of `wasm` take together when each is as large as the largest.
pub(crate) fn state_bytes(wasm: &[u8]) -> Result<u64> {
    let (mut module, mut largest) = (0, 0);
    let (mut outer, mut nested, mut depth) = (0, 0, 0_u32);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ModuleSection { .. } => {
                depth += 1;
                module = 0;
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::InstanceSection(section) => {
                for instance in section {
                    let is_new = matches!(instance?, Instance::Instantiate { .. });
                    *(if depth == 0 { &mut outer } else { &mut nested }) += u64::from(is_new);
                }
            }
            part => {
                module += part_bytes(part)?;
                largest = largest.max(module);
            }
        }
    }
    // What a component inside starts is started as often as that component is.
    let instances = if nested > 0 { INSTANCES_MAX as u64 } else { outer.min(INSTANCES_MAX as u64) };
    Ok(largest.saturating_mul(instances))
}

/// What a part of a module takes in each of its instances.
fn part_bytes(part: Payload<'_>) -> Result<u64> {
    Ok(match part {
        Payload::ImportSection(section) => {
            let mut bytes = 0;
            for import in section.into_imports() {
                import?;
                bytes += IMPORT_BYTES + FUNCTION_BYTES;
            }
            bytes
        }
        Payload::FunctionSection(section) => FUNCTION_BYTES * u64::from(section.count()),
        Payload::GlobalSection(section) => GLOBAL_BYTES * u64::from(section.count()),
        Payload::TableSection(section) => OTHER_BYTES * u64::from(section.count()),
        Payload::MemorySection(section) => OTHER_BYTES * u64::from(section.count()),
        Payload::TagSection(section) => OTHER_BYTES * u64::from(section.count()),
        Payload::DataSection(section) => OTHER_BYTES * u64::from(section.count()),
        Payload::ElementSection(section) => {
            let mut bytes = 0;
            for element in section {
                let entries = match element?.items {
                    ElementItems::Functions(functions) => functions.count(),
                    ElementItems::Expressions(_, expressions) => expressions.count(),
                };
                bytes += OTHER_BYTES + ELEMENT_BYTES * u64::from(entries);
            }
            bytes
        }
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        Component, ConstExpr, ElementSection, Elements, EntityType, GlobalSection, GlobalType, ImportSection,
        InstanceSection, Module, ModuleSection, NestedComponentSection, ValType,
    };

    use super::{STATE_BYTES_MAX, state_bytes};
    use crate::audit::{AuditError, audit};

    const GLOBAL: GlobalType = GlobalType { val_type: ValType::I32, mutable: false, shared: false };

    fn globals(count: u32) -> Module {
        let mut section = GlobalSection::new();
        for _ in 0..count {
            section.global(GLOBAL, &ConstExpr::i32_const(0));
        }
        let mut module = Module::new();
        module.section(&section);
        module
    }

    /// A component that starts one module so often.
    fn component(module: &Module, instances: u32) -> Component {
        let mut section = InstanceSection::new();
        for _ in 0..instances {
            section.instantiate(0, Vec::<(&str, _)>::new());
        }
        let mut component = Component::new();
        component.section(&ModuleSection(module)).section(&section);
        component
    }

    #[test]
    fn a_component_whose_instances_take_gigabytes_is_refused() {
        let wasm = component(&globals(1_000_000), 199).finish();
        assert_eq!(state_bytes(&wasm).expect("a component"), 199 * 16_000_000);
        let refused = audit(&wasm).expect_err("too much");
        assert_eq!(
            refused.to_string(),
            "the component's instances take 3037 MiB beside their memory, more than the limit of 64; ask the plugin's author \
             for fewer functions, globals and imports, or fewer modules"
        );
        assert!(!matches!(audit(&component(&globals(1_000), 199).finish()), Err(AuditError::State { .. })));
    }

    #[test]
    fn imports_and_elements_count_too() {
        let mut imports = ImportSection::new();
        for _ in 0..100_000 {
            imports.import("a", "b", EntityType::Global(GLOBAL));
        }
        let mut elements = ElementSection::new();
        elements.passive(Elements::Functions(vec![0; 400_000].into()));
        let (mut importing, mut listing) = (Module::new(), Module::new());
        importing.section(&imports);
        listing.section(&elements);
        for module in [importing, listing] {
            assert!(state_bytes(&component(&module, 20).finish()).expect("a component") > STATE_BYTES_MAX);
        }
    }

    #[test]
    fn what_is_started_inside_counts_as_often_as_it_could() {
        let mut outer = Component::new();
        outer.section(&NestedComponentSection(&component(&globals(100), 1)));
        assert_eq!(state_bytes(&outer.finish()).expect("a component"), 200 * 1_600);
        // The largest counts, whether it comes first or last.
        let mut two = component(&globals(100), 3);
        two.section(&ModuleSection(&globals(10)));
        assert_eq!(state_bytes(&two.finish()).expect("a component"), 3 * 1_600);
    }
}
