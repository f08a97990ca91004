//! The code generated from `wit/`: one module per world, all value types in the first.
//!
//! Not here: our own types. Only `convert` and `host` name what is generated, and no other module does.

/// World `connector`, and every type that the worlds share.
pub(crate) mod connector {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "syncline:plugin/connector",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

/// World `transform`.
pub(crate) mod transform {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "syncline:plugin/transform",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "syncline:values/data": crate::bindings::connector::syncline::values::data,
            "syncline:host/log": crate::bindings::connector::syncline::host::log,
        },
    });
}
