//! `syncline check`: tries configuration, plugins, connections and rules, and names every mistake at once.

use std::fmt::Write as _;

use serde_json::{Value, json};
use syncline_core::{Mapping, MappingRule};
use syncline_runner::Verdict;

use crate::commands::{Exit, sentence};
use crate::output::Output;
use crate::session::{Session, SessionError};

/// Checks everything that the session names; with `offline` only what needs no connection, which opening it has done.
pub async fn check(session: &Session, offline: bool) -> Result<Output, SessionError> {
    if offline {
        let text = "configuration, plugins and secrets are well; nothing was connected\n";
        return Ok(Output::ok(text, json!({ "ok": true, "connections": [], "syncs": [] })));
    }
    let mut text = String::new();
    let mut good = true;
    let mut connections = Vec::new();
    for connection in &session.config.connections {
        let name = connection.name();
        let checked = match session.connector(name).await {
            Ok(connector) => connector.check().await.map_err(|fault| sentence(&fault)),
            Err(error) => Err(sentence(&error)),
        };
        match checked {
            Ok(report) => {
                let _ = writeln!(text, "connection {name}: {} ({})", report.account.label, report.account.id);
                let mut items = Vec::new();
                for item in report.items {
                    let word = match item.verdict {
                        Verdict::Pass => "ok",
                        Verdict::Fail => "FAILED",
                        Verdict::CannotTell => "cannot tell",
                    };
                    good &= item.verdict != Verdict::Fail;
                    let _ = writeln!(text, "  {:<24} {word:<11} {}", item.name, item.detail);
                    items.push(json!({ "name": item.name, "verdict": word, "detail": item.detail }));
                }
                connections.push(json!({ "connection": name, "account": report.account.id, "items": items }));
            }
            Err(why) => {
                good = false;
                let _ = writeln!(text, "connection {name}: FAILED: {why}");
                connections.push(json!({ "connection": name, "error": why }));
            }
        }
    }
    let mut syncs: Vec<Value> = Vec::new();
    for sync in &session.config.syncs {
        match session.setup(sync).await {
            Ok(setup) => {
                let mappings = &setup.rules.mappings;
                let _ = writeln!(text, "sync {}: {} and {}", setup.name, setup.left.endpoint, setup.right.endpoint);
                for mapping in mappings {
                    let default = if mapping.default { "" } else { "   (yours)" };
                    let _ =
                        writeln!(text, "  {:<24} {} {}{default}", mapping.left.as_str(), arrow(mapping), mapping.right);
                }
                syncs.push(json!({ "sync": setup.name, "rules": setup.rules }));
            }
            Err(error @ SessionError::Config(_)) => return Err(error),
            Err(error) => {
                good = false;
                let why = sentence(&error);
                let _ = writeln!(text, "sync {}: FAILED: {why}", sync.name());
                syncs.push(json!({ "sync": sync.name(), "error": why }));
            }
        }
    }
    session.keep_budgets().await?;
    text.push_str(if good { "all is well\n" } else { "mend what FAILED and check again\n" });
    let exit = if good { Exit::Ok } else { Exit::Failed };
    Ok(Output { text, json: json!({ "ok": good, "connections": connections, "syncs": syncs }), exit })
}

fn arrow(mapping: &Mapping) -> &'static str {
    match mapping.rule {
        MappingRule::TwoWay => "<->",
        MappingRule::ToRight => " ->",
        MappingRule::ToLeft => "<- ",
        MappingRule::FillBlankToRight => " +>",
        MappingRule::FillBlankToLeft => "<+ ",
        MappingRule::PreferLeftUnlessBlank => "<=>",
        MappingRule::PreferRightUnlessBlank => "<=>",
        MappingRule::Off => " x ",
    }
}
