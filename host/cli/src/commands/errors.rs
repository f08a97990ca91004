//! `syncline errors`: what a run could not do (E8.6), for people, as CSV or as JSON.
//!
//! `syncline.errors/1`: `run`, and `errors` (each an [`ErrorRow`]). CSV and JSON lines have the same fields.

use csv::{Terminator, WriterBuilder};
use syncline_core::RunId;
use syncline_runner::Store;
use syncline_runner::report::{self, ErrorRow, ErrorsFrom};

use super::CommandError;
use super::reading::failed;
use super::show::no_run;
use crate::commands::Exit;
use crate::output::Output;
use crate::render::paint::Style;
use crate::render::table::{Entry, Table};
use crate::render::text::{plain, short_id, shortened};
use crate::render::{View, document};

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people, or with `--json` one document.
    Table,
    /// For tables.
    Csv,
    /// One JSON object a line.
    Lines,
}

#[derive(serde::Serialize)]
struct Report {
    run: RunId,
    errors: Vec<ErrorRow>,
}

/// Shows what a run could not do.
pub async fn report(store: &dyn Store, run: RunId, form: Form, view: View) -> Result<Output, CommandError> {
    let mut report = Report { run, errors: Vec::new() };
    let mut from = Some(ErrorsFrom::START);
    while let Some(start) = from {
        let page = report::errors(store, run, start).await.map_err(failed)?.ok_or_else(|| no_run(run))?;
        report.errors.extend(page.rows);
        from = page.next;
    }
    let text = |text| Output { text, json: serde_json::Value::Null, exit: Exit::Ok };
    Ok(match form {
        Form::Table => view.output(|| table(&report, view), || document("errors", &report)),
        Form::Csv => text(csv(&report.errors)),
        Form::Lines => text(lines(&report.errors)),
    })
}

fn table(report: &Report, view: View) -> String {
    if report.errors.is_empty() {
        return format!("run {} did everything it set out to do\n", report.run.0);
    }
    let mut table = Table::with_heading(&["SIDE", "RECORD", "DID", "FIELD", "CODE", "WHAT WAS SAID", "NEXT"]);
    for row in &report.errors {
        table.row([
            row.side.map(|side| side.to_string()).unwrap_or_default().into(),
            short_id(row.remote_id.as_ref()).into(),
            row.op.unwrap_or_default().into(),
            row.field.as_ref().map(|field| plain(field.as_str())).unwrap_or_default().into(),
            Entry::painted(Style::Red, row.code.code()),
            shortened(&row.message, 80).into(),
            plain(&row.next_action).into(),
        ]);
    }
    table.draw(view.paint(), 0)
}

fn lines(rows: &[ErrorRow]) -> String {
    rows.iter().map(|row| serde_json::json!(row).to_string() + "\n").collect()
}

const COLUMNS: [&str; 14] = [
    "time",
    "sync",
    "run",
    "side",
    "object",
    "remote_id",
    "pair",
    "op",
    "field",
    "class",
    "code",
    "message",
    "attempt",
    "next_action",
];

/// Writes a table as RFC 4180 has it.
fn csv(rows: &[ErrorRow]) -> String {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    let optional = |text: Option<String>| text.unwrap_or_default();
    let cells = rows.iter().map(|row| {
        [
            row.time.to_string(),
            row.sync.to_string(),
            row.run.0.to_string(),
            optional(row.side.map(|side| side.to_string())),
            optional(row.object.clone()),
            optional(row.remote_id.as_ref().map(ToString::to_string)),
            optional(row.pair.map(|pair| pair.0.to_string())),
            row.op.unwrap_or_default().to_owned(),
            optional(row.field.as_ref().map(ToString::to_string)),
            row.class.word().to_owned(),
            row.code.code().to_owned(),
            row.message.clone(),
            optional(row.attempt.map(|attempt| attempt.to_string())),
            row.next_action.clone(),
        ]
    });
    for cells in std::iter::once(COLUMNS.map(str::to_owned)).chain(cells) {
        writer.write_record(cells.map(no_formula)).expect("rows of one length are written to memory");
    }
    let bytes = writer.into_inner().expect("memory takes everything");
    String::from_utf8(bytes).expect("cells are UTF-8")
}

/// Text from outside must not become a formula in whatever opens the file.
fn no_formula(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::no_formula;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in
            [("plain", "plain"), ("=1+1", "'=1+1"), ("@cmd,x", "'@cmd,x"), ("\t=1", "'\t=1"), ("-1", "'-1"), ("", "")]
        {
            assert_eq!(no_formula(text.to_owned()), expected);
        }
    }
}
