//! Histories from seeds, as many as fit into a minute; `SYNCLINE_SEEDS=from..to` plays those.

use std::time::{Duration, Instant};

use syncline_simulation::history;

#[test]
fn histories_from_seeds_keep_every_promise() {
    let asked = std::env::var("SYNCLINE_SEEDS").ok();
    let range = asked.as_deref().and_then(|range| {
        let (from, to) = range.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    let bounded = range.is_none();
    let started = Instant::now();
    let (mut seeds, mut edits, mut gaps) = (0_u64, 0, 0);
    for seed in range.unwrap_or(0..100_000) {
        if bounded && started.elapsed() > Duration::from_secs(60) {
            break;
        }
        let history = history(seed);
        seeds += 1;
        edits += history.edits;
        gaps += history.gaps;
        if !history.breaches.is_empty() {
            let story = history.story.join("\n");
            let breaches = history.breaches.join("\n");
            panic!(
                "{story}\n\nseed {seed} breaks:\n{breaches}\nplay it again with SYNCLINE_SEEDS={seed}..{}",
                seed + 1
            );
        }
    }
    println!(
        "{seeds} histories with {edits} edits in {:?}; {gaps} edits in the gap of unguarded writes",
        started.elapsed()
    );
}
