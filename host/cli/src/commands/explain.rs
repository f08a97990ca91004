//! `syncline explain`: why a value is what it is.
//!
//! `syncline.explain/1`: `sync`, `pairs` (each an [`Explained`]: one, or two where an id exists on both sides), and
//! `unpaired`, the sides on which the record was read and no run has looked at it yet.

use syncline_core::{FieldName, MappingRule, PairId, RecordId, Rules, Side, SyncName};
use syncline_runner::report::{self, Asked, Cell, Explained, Explanation, FieldStory, RecordNow, Written};
use syncline_runner::{PluginVersion, Store};

use super::CommandError;
use super::conflicts::ended;
use super::reading::{failed, sync_named};
use super::records::more;
use super::remedy::next_step;
use crate::config::mapping::RULES;
use crate::config::rules::{Facts, rules};
use crate::config::{Config, Sync};
use crate::output::Output;
use crate::render::paint::Style;
use crate::render::table::{Entry, Table};
use crate::render::text::{self, LINE_WIDTH_MAX, VALUE_WIDTH_MAX, plain, shortened, value};
use crate::render::{View, document, time};

#[derive(serde::Serialize)]
struct Report {
    sync: SyncName,
    #[serde(flatten)]
    explanation: Explanation,
}

/// Explains a record, by its id on either side or by the sign of its pair (`#12`), or one field of it.
pub async fn report(
    store: &dyn Store,
    config: &Config,
    sync: &str,
    record: &str,
    field: Option<&FieldName>,
    view: View,
) -> Result<Output, CommandError> {
    let sync = sync_named(store, config, sync).await?;
    let rules = match config.sync(&sync) {
        Some(sync) => known_rules(store, sync).await?,
        None => None,
    };
    let by_id = Asked::Record(RecordId::from(record));
    let mut explanation = report::explain(store, &sync, &by_id, field, rules.as_ref()).await.map_err(failed)?;
    let number = record.strip_prefix('#').and_then(|number| number.parse().ok());
    if let (true, Some(number)) = (explanation == Explanation::default(), number) {
        let by_number = Asked::Pair(PairId(number));
        explanation = report::explain(store, &sync, &by_number, field, rules.as_ref()).await.map_err(failed)?;
    }
    if explanation == Explanation::default() {
        return Err(CommandError::Usage(format!(
            "the sync {sync} knows no record `{}`; `syncline records {sync}` lists them",
            plain(record)
        )));
    }
    if let Some(field) = field
        && explanation.unpaired.is_empty()
        && explanation.pairs.iter().all(|pair| pair.fields.is_empty())
    {
        return Err(CommandError::Usage(format!("the sync {sync} maps no field `{}`", plain(field.as_str()))));
    }
    let report = Report { sync, explanation };
    Ok(view.output(|| text(&report, view), || document("explain", &report)))
}

/// Makes the rules from what the applications said last; none if they were never asked, or if the rules do not fit them.
async fn known_rules(store: &dyn Store, sync: &Sync) -> Result<Option<Rules>, CommandError> {
    let left = report::described(store, sync.endpoint(Side::Left)).await.map_err(failed)?;
    let right = report::described(store, sync.endpoint(Side::Right)).await.map_err(failed)?;
    let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
    let left = Facts { object: &left.object, schema: &left.schema };
    let right = Facts { object: &right.object, schema: &right.schema };
    Ok(rules(sync, left, right, &|choice| choice.with_options(&choice.options.values)).ok())
}

fn text(report: &Report, view: View) -> String {
    let mut texts: Vec<String> =
        report.explanation.pairs.iter().map(|pair| pair_text(&report.sync, pair, view)).collect();
    for unpaired in &report.explanation.unpaired {
        let label = unpaired.label.as_deref().unwrap_or("it");
        let what = if unpaired.here { "no run has looked at it yet" } else { "it was gone before any run saw it" };
        texts.push(format!("{} on the {} side: {what}\n", plain(label), unpaired.side));
    }
    texts.join("\n")
}

fn pair_text(sync: &SyncName, pair: &Explained, view: View) -> String {
    let paint = view.paint();
    let record = &pair.record;
    let label = record.label.as_deref().unwrap_or("a record without a name");
    let mut text = format!(
        "{}  {}  {}\n",
        paint.paint(Style::Bold, &shortened(label, VALUE_WIDTH_MAX)),
        text::pair(record.pair),
        paint.paint(Style::of(record.standing), record.standing.word()),
    );
    let mut table = Table::default();
    let sides =
        [(Side::Left, &pair.left_now, &pair.left_connector), (Side::Right, &pair.right_now, &pair.right_connector)];
    for (side, now, connector) in sides {
        let through = connector.as_ref().map(|plugin| format!("  through {}", versioned(plugin))).unwrap_or_default();
        table.row([side.to_string().into(), format!("{}{through}", record_text(now.as_ref(), view)).into()]);
    }
    let before: Vec<String> =
        pair.aliases.iter().map(|(side, id)| format!("{} ({side})", plain(id.as_str()))).collect();
    if !before.is_empty() {
        table.row(["before".into(), before.join(", ").into()]);
    }
    if let (Some(reason), Some(meaning)) = (record.reason, pair.meaning) {
        table.row(["why".into(), Entry::painted(Style::of(record.standing), format!("{reason}: {meaning}"))]);
    }
    if let Some(chosen) = &pair.chosen {
        let others = [(Side::Left, &chosen.left), (Side::Right, &chosen.right)]
            .into_iter()
            .flat_map(|(side, others)| others.iter().take(4).map(move |id| format!("{} ({side})", plain(id.as_str()))));
        let others: Vec<String> = others.collect();
        table.row(["taken".into(), format!("as {}; the others: {}", chosen.describe(), others.join(", ")).into()]);
    }
    let more = more(record, view);
    if !more.is_empty() {
        table.row(["more".into(), more.into()]);
    }
    if let Some(command) = next_step(sync, record.pair, record.reason) {
        table.row(["decide".into(), command.into()]);
    }
    if pair.queued {
        table.row(["next".into(), format!("the next run of {sync} looks at it").into()]);
    }
    text.push_str(&table.draw(paint, 2));
    match (&pair.left_now, &pair.right_now) {
        (Some(_), Some(_)) => {
            for field in &pair.fields {
                text.push('\n');
                text.push_str(&field_text(sync, &text::pair(record.pair), field, view));
            }
        }
        // Without a counterpart there is nothing to compare with.
        (Some(_), None) => text.push_str(&one_side(pair, Side::Left, view)),
        (None, _) => text.push_str(&one_side(pair, Side::Right, view)),
    }
    text
}

fn one_side(pair: &Explained, side: Side, view: View) -> String {
    let mut table = Table::default();
    for field in &pair.fields {
        let (name, now) = side.pick((&field.left_field, &field.left), (&field.right_field, &field.right));
        if let Some(name) = name {
            table.row([plain(name.as_str()).into(), value(now, LINE_WIDTH_MAX).into()]);
        }
    }
    if pair.fields.is_empty() { String::new() } else { format!("\n{}", table.draw(view.paint(), 2)) }
}

fn record_text(now: Option<&RecordNow>, view: View) -> String {
    match now {
        None => "no record".to_owned(),
        Some(now) if !now.here => format!("{}  gone", plain(now.id.as_str())),
        Some(now) => {
            let changed = now.modified_at.map(|at| format!("  changed {}", time::both(view.now, at.0)));
            format!("{}{}", plain(now.id.as_str()), changed.unwrap_or_default())
        }
    }
}

fn field_text(sync: &SyncName, record: &str, story: &FieldStory, view: View) -> String {
    let paint = view.paint();
    let name = |field: &Option<FieldName>| field.as_ref().map(|field| plain(field.as_str()));
    let names: Vec<String> = [name(&story.left_field), name(&story.right_field)].into_iter().flatten().collect();
    let mut text = format!("{}{}\n", paint.paint(Style::Bold, &names.join(" <-> ")), mapping_text(story));
    let mut table = Table::default();
    let sides = [
        (Side::Left, &story.left_field, &story.left, &story.left_base),
        (Side::Right, &story.right_field, &story.right, &story.right_base),
    ];
    for (side, _, now, base) in sides.into_iter().filter(|(_, field, _, _)| field.is_some()) {
        let changed = story.changed.contains(&side);
        let base = match base {
            Cell::Unknown => "never agreed".to_owned(),
            base if changed => format!("agreed on {}, changed since", value(base, VALUE_WIDTH_MAX)),
            _ => "as agreed".to_owned(),
        };
        let style = if changed { Style::Yellow } else { Style::Dim };
        table.row([side.to_string().into(), value(now, LINE_WIDTH_MAX).into(), Entry::painted(style, base)]);
    }
    text.push_str(&table.draw(paint, 2));
    text.push_str(&agreed_text(story, view));
    text.push_str(&writes_text(sync, record, story, view));
    if let Some(conflict) = &story.conflict {
        text.push_str(&format!("  conflict {}: {}\n", conflict.number, ended(conflict)));
    }
    text
}

fn mapping_text(story: &FieldStory) -> String {
    let Some(rule) = story.rule else { return "  its mapping is not known now".to_owned() };
    let whose = if story.default == Some(true) { "default mapping" } else { "your mapping" };
    let through = [("right", &story.to_right), ("left", &story.to_left)];
    let through: Vec<String> = through
        .iter()
        .filter(|(_, used)| !used.is_empty())
        .map(|(side, used)| format!("to the {side} through {}", chain(used)))
        .collect();
    let through = if through.is_empty() { String::new() } else { format!(", {}", through.join(", ")) };
    format!("  {whose}, {}{through}", rule_word(rule))
}

fn rule_word(rule: MappingRule) -> &'static str {
    RULES.iter().find(|(_, known)| *known == rule).map_or("", |(word, _)| word)
}

fn agreed_text(story: &FieldStory, view: View) -> String {
    let Some(run) = story.agreed_in else {
        let what = if story.agreed {
            "both sides were found to agree while planning"
        } else {
            "the sides have not agreed yet"
        };
        return format!("  {what}\n");
    };
    let when = story.agreed_at.map(|at| format!(" {}", time::both(view.now, at.0))).unwrap_or_default();
    match story.written.iter().any(|written| written.run == run) {
        true => String::new(),
        false => format!("  run {}{when} found both sides to agree\n", run.0),
    }
}

fn writes_text(sync: &SyncName, record: &str, story: &FieldStory, view: View) -> String {
    let mut text: String = story.written.iter().map(|written| written_text(written, story.rule, view)).collect();
    if story.written_more {
        let name = story.left_field.as_ref().or(story.right_field.as_ref()).map_or("", FieldName::as_str);
        let name = plain(name);
        text.push_str(&format!(
            "  and older writes; `syncline explain {sync} '{record}' '{name}'` tells more of them\n"
        ));
    }
    text
}

fn written_text(written: &Written, now: Option<MappingRule>, view: View) -> String {
    let after = value(&written.after, VALUE_WIDTH_MAX);
    let change = match &written.before {
        Cell::Unknown => after,
        before => format!("{} -> {after}", value(before, VALUE_WIDTH_MAX)),
    };
    let through = match written.transforms.as_slice() {
        [] => String::new(),
        used => format!(", through {}", chain(used)),
    };
    let conflict = written.conflict.map(|number| format!(" (conflict {number})")).unwrap_or_default();
    let by = written.connector.as_ref().map(|plugin| format!(", by {}", versioned(plugin))).unwrap_or_default();
    let other_rule = written.rule.filter(|then| now.is_some_and(|now| now != *then));
    let rule = other_rule.map(|rule| format!(", under the rule {}", rule_word(rule))).unwrap_or_default();
    format!(
        "  run {} {} wrote the {} side{by}: {change}{through}; {}{conflict}{rule}\n",
        written.run.0,
        time::both(view.now, written.at.0),
        written.side,
        written.why.describe()
    )
}

/// Names a plugin with its version.
fn versioned(plugin: &PluginVersion) -> String {
    let version = plugin.version.as_ref().map(|version| format!(" {}", plain(version))).unwrap_or_default();
    format!("{}{version}", plain(&plugin.name))
}

fn chain(used: &[PluginVersion]) -> String {
    used.iter().map(versioned).collect::<Vec<_>>().join(", then ")
}
