//! The code generated from `wit/`: one module per world, all value types in the first.
//!
//! Not here: names for authors. Those are given in [`crate::value`], [`crate::model`], [`crate::record`] and
//! [`crate::connector`], as re-exports, so that no value is copied between two shapes.

/// World `connector`, and every type that the worlds share.
pub mod connector {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "syncline:plugin/connector",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq, Eq],
        pub_export_macro: true,
        export_macro_name: "export_connector",
        default_bindings_module: "syncline_sdk::bindings::connector",
    });
}

/// World `transform`.
pub mod transform {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "syncline:plugin/transform",
        with: {
            "syncline:values/data@0.1.0": crate::bindings::connector::syncline::values::data,
            "syncline:host/log@0.1.0": crate::bindings::connector::syncline::host::log,
        },
        pub_export_macro: true,
        export_macro_name: "export_transform",
        default_bindings_module: "syncline_sdk::bindings::transform",
    });
}
