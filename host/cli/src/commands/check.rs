//! `syncline check`: tries configuration, plugins, connections and rules, and names every mistake at once.

use serde_json::{Value, json};
use syncline_core::{FieldName, Index, Lane, Mapping, MappingRule, Route, Rules, Side, Way};
use syncline_runner::{Account, CheckReport, SyncSetup, Verdict};

use crate::args::CheckArgs;
use crate::commands::{CommandError, Exit, notices, sentence};
use crate::config::rules::Unrouted;
use crate::config::{ConfigError, Connection, Mistake, Sync, lists, report};
use crate::output::Output;
use crate::render::paint::{Paint, Style};
use crate::render::table::{Entry, Table};
use crate::render::text::plain;
use crate::session::{Session, SessionError};

/// What was found so far.
struct Findings {
    paint: Paint,
    text: String,
    connections: Vec<Value>,
    syncs: Vec<Value>,
    notices: Vec<Value>,
    mistakes: Vec<Mistake>,
    has_failed: bool,
}

/// Checks everything that the session names; with `--offline` only what needs no connection, which opening it has
/// done, and with `--notices` that notices arrive.
pub async fn check(session: &Session, args: &CheckArgs, paint: Paint) -> Result<Output, CommandError> {
    if args.offline {
        let text = "configuration, plugins and secrets are well; nothing was connected\n";
        return Ok(Output::ok(text, json!({ "ok": true, "connections": [], "syncs": [] })));
    }
    let mut findings = Findings::new(paint);
    for connection in &session.config.connections {
        findings.connection(session, connection).await;
    }
    for sync in &session.config.syncs {
        findings.sync(session, sync).await;
    }
    if args.notices {
        findings.notices(notices::try_all(session).await);
    }
    session.keep_budgets().await?;
    Ok(findings.output(session))
}

impl Findings {
    fn new(paint: Paint) -> Findings {
        Findings {
            paint,
            text: String::new(),
            connections: Vec::new(),
            syncs: Vec::new(),
            notices: Vec::new(),
            mistakes: Vec::new(),
            has_failed: false,
        }
    }

    fn failed(&self) -> String {
        self.paint.paint(Style::Red, "FAILED")
    }

    async fn connection(&mut self, session: &Session, connection: &Connection) {
        let name = connection.name();
        let checked = match session.connector(name, Lane::Interactive).await {
            Ok(connector) => connector.check().await.map_err(|fault| sentence(&fault)),
            Err(error) => Err(sentence(&error)),
        };
        match checked {
            Ok(report) => {
                self.text.push_str(&format!("connection {name}: {}\n", account(&report.account)));
                let items = self.items(&report);
                self.connections.push(json!({ "connection": name, "account": report.account.id, "items": items }));
            }
            Err(why) => {
                self.has_failed = true;
                self.text.push_str(&format!("connection {name}: {}: {why}\n", self.failed()));
                self.connections.push(json!({ "connection": name, "error": why }));
            }
        }
    }

    fn items(&mut self, report: &CheckReport) -> Vec<Value> {
        let mut table = Table::default();
        let mut items = Vec::new();
        for item in &report.items {
            let (word, style) = match item.verdict {
                Verdict::Pass => ("ok", Style::Green),
                Verdict::Fail => ("FAILED", Style::Red),
                Verdict::CannotTell => ("cannot tell", Style::Yellow),
            };
            self.has_failed |= item.verdict == Verdict::Fail;
            table.row([plain(&item.name).into(), Entry::painted(style, word), plain(&item.detail).into()]);
            items.push(json!({ "name": item.name, "verdict": word, "detail": item.detail }));
        }
        self.text.push_str(&table.draw(self.paint, 2));
        items
    }

    async fn sync(&mut self, session: &Session, sync: &Sync) {
        let made = match session.setup(sync, Lane::Interactive).await {
            Ok(setup) => session.unrouted(sync, &setup).await.map(|unrouted| (setup, unrouted)),
            Err(error) => Err(error),
        };
        match made {
            Ok((setup, unrouted)) => {
                self.lists(sync, &setup).await;
                let (left, right) = (&setup.left.endpoint, &setup.right.endpoint);
                let draft = if sync.active { "" } else { " (a draft: no record of it is read or written)" };
                self.text.push_str(&format!("sync {}: {left} and {right}{draft}\n", setup.name));
                self.text.push_str(&mappings(&setup.rules.mappings));
                self.text.push_str(&off(&unrouted, self.paint));
                self.text.push_str(&scope(&setup.rules));
                let unrouted: Vec<Value> = unrouted.iter().map(unrouted_json).collect();
                self.syncs.push(json!({ "sync": setup.name, "rules": setup.rules, "unrouted": unrouted }));
            }
            Err(SessionError::Config(ConfigError::Mistakes(mistakes))) => {
                let error = format!("mistakes in {}", mistakes.source.name());
                self.text.push_str(&format!("sync {}: {}: {error}, see below\n", sync.name(), self.failed()));
                self.syncs.push(json!({ "sync": sync.name(), "error": error }));
                self.mistakes.extend(mistakes.list);
            }
            Err(error) => {
                self.has_failed = true;
                let why = sentence(&error);
                self.text.push_str(&format!("sync {}: {}: {why}\n", sync.name(), self.failed()));
                self.syncs.push(json!({ "sync": sync.name(), "error": why }));
            }
        }
    }

    /// Asks for the lists of an application only where the sync names one.
    async fn lists(&mut self, sync: &Sync, setup: &SyncSetup) {
        for side in Side::BOTH.into_iter().filter(|side| !setup.side(*side).lists.is_empty()) {
            let setup = setup.side(side);
            match setup.connector.lists(setup.target()).await {
                Ok(known) => self.mistakes.extend(lists::validate(sync, side, &known)),
                Err(fault) => {
                    self.has_failed = true;
                    let (endpoint, failed) = (&setup.endpoint, self.failed());
                    self.text.push_str(&format!("lists of {endpoint}: {failed}: {}\n", sentence(&fault)));
                }
            }
        }
    }

    fn notices(&mut self, tried: Vec<(&'static str, Result<(), String>)>) {
        if tried.is_empty() {
            self.text.push_str("notices: the log alone is told; add `webhook` or `email` to `[notices]`\n");
        }
        for (way, sent) in tried {
            let said = match &sent {
                Ok(()) => "sent; look whether it arrived".to_owned(),
                Err(why) => format!("{}: {}", self.failed(), plain(why)),
            };
            self.has_failed |= sent.is_err();
            self.text.push_str(&format!("notices by {way}: {said}\n"));
            self.notices.push(json!({ "way": way, "error": sent.err() }));
        }
    }

    fn output(mut self, session: &Session) -> Output {
        let mut json = json!({ "connections": self.connections, "syncs": self.syncs, "notices": self.notices });
        let mut exit = if self.has_failed { Exit::Failed } else { Exit::Ok };
        if let Err(ConfigError::Mistakes(mistakes)) = session.config.verdict(self.mistakes) {
            self.text.push_str(&format!("\n{}", report::render(&mistakes, self.paint.colour)));
            json["mistakes"] = report::to_json(&mistakes)["mistakes"].take();
            exit = exit.max(Exit::Usage);
        }
        json["ok"] = json!(exit == Exit::Ok);
        let verdict = if exit == Exit::Ok { "all is well\n" } else { "mend what FAILED and check again\n" };
        self.text.push_str(verdict);
        Output { text: self.text, json, exit }
    }
}

/// What people call an account, and its id where that does not tell it already.
fn account(account: &Account) -> String {
    let (label, id) = (plain(&account.label), plain(&account.id));
    if label.contains(&id) { label } else { format!("{label} ({id})") }
}

/// What limits the sync, as it was understood.
fn scope(rules: &Rules) -> String {
    let mut text = String::new();
    for side in Side::BOTH.into_iter().filter(|side| rules.index(*side) == Index::Scoped) {
        let other = side.other();
        text.push_str(&format!(
            "  the {side} is known by look-ups: what only it holds is not created on the {other}\n"
        ));
    }
    for side in Side::BOTH {
        if let Some(filter) = rules.scope.filter(side) {
            text.push_str(&format!("  {side} where {}\n", plain(&filter.to_string())));
        }
    }
    if let Some(list) = &rules.scope.list {
        text.push_str(&format!("  only members of the list {} on the {}\n", plain(list.id.as_str()), list.side));
    }
    text
}

fn mappings(mappings: &[Mapping]) -> String {
    let mut table = Table::default();
    for mapping in mappings {
        let whose = if mapping.default { "" } else { "(yours)" };
        let (left, right) = (plain(mapping.left.as_str()), plain(mapping.right.as_str()));
        table.row([left.into(), arrow(mapping).into(), right.into(), routes(mapping).into(), whose.into()]);
    }
    table.draw(Paint { colour: false }, 2)
}

/// Default mappings of references that cannot be translated, with the reason (E10.1).
fn off(unrouted: &[Unrouted], paint: Paint) -> String {
    let mut table = Table::default();
    for Unrouted { left, right, why } in unrouted {
        let why = Entry::painted(Style::Yellow, format!("off: {}", plain(why)));
        table.row([plain(left.as_str()).into(), " x ".into(), plain(right.as_str()).into(), why]);
    }
    table.draw(paint, 2)
}

fn unrouted_json(unrouted: &Unrouted) -> Value {
    json!({ "left": unrouted.left, "right": unrouted.right, "why": unrouted.why })
}

/// How references become those of the other side.
fn routes(mapping: &Mapping) -> String {
    let one = |route: &Route| match &route.way {
        Way::Pairs { sync, .. } => format!("through the sync {sync}"),
        Way::Key { left_key, right_key, .. } => {
            let names =
                |key: &[FieldName]| key.iter().map(|name| plain(name.as_str())).collect::<Vec<_>>().join(" and ");
            let (left, right) = (names(left_key), names(right_key));
            if left == right { format!("by {left}") } else { format!("by {left} and {right}") }
        }
    };
    mapping.routes.iter().map(one).collect::<Vec<_>>().join(", ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_told_once() {
        for (label, id, expected) in
            [("HubSpot account 8081001", "8081001", "HubSpot account 8081001"), ("Ada", "ada-7", "Ada (ada-7)")]
        {
            assert_eq!(account(&Account { label: label.to_owned(), id: id.to_owned() }), expected);
        }
    }
}
