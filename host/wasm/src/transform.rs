//! A transform in a component, as the runner sees it.

use std::sync::Arc;

use syncline_core::{FieldName, Value};
use syncline_runner::{BoxFuture, Fault, Transform, TransformedRow};

use crate::call::{Call, Scene};
use crate::connector::{admit, settle};
use crate::convert;
use crate::plugin::{Inner, Program};

/// A plugin that changes values.
pub struct WasmTransform {
    plugin: Arc<Inner>,
    scene: Arc<Scene>,
}

impl WasmTransform {
    pub(crate) fn new(plugin: Arc<Inner>, scene: Arc<Scene>) -> Self {
        Self { plugin, scene }
    }

    async fn run(
        &self,
        options: &str,
        columns: &[String],
        rows: &[convert::GuestCells],
    ) -> Result<Vec<convert::GuestRow>, Fault> {
        admit(&self.plugin)?;
        let Program::Transform { instance, rows: interface } = &self.plugin.program else {
            return Err(Fault::Unsupported("this plugin is no transform".to_owned()));
        };
        let mut call = Call::new(instance.engine(), self.plugin.limits, self.scene.clone());
        let watch = call.watch();
        let ended = watch.over(async {
            let instance = instance.instantiate_async(&mut call.store).await?;
            interface.load(&mut call.store, &instance)?.call_apply(&mut call.store, options, columns, rows).await
        });
        let ended = ended.await;
        call.end(ended).map_err(|failure| settle(&self.plugin, &self.scene, failure))
    }
}

impl Transform for WasmTransform {
    fn apply(
        &self,
        options: String,
        columns: Vec<FieldName>,
        rows: Vec<Vec<Option<Value>>>,
    ) -> BoxFuture<'_, Result<Vec<TransformedRow>, Fault>> {
        Box::pin(async move {
            let asked = rows.len();
            let rows: Vec<_> = rows.into_iter().map(convert::value::lower_cells).collect();
            let answers = self.run(&options, &convert::texts(&columns), &rows).await?;
            if answers.len() != asked {
                let text = format!("it returned nonsense: {} rows for {asked}", answers.len());
                return Err(Fault::Component(text));
            }
            Ok(answers.into_iter().map(convert::transformed).collect())
        })
    }
}
