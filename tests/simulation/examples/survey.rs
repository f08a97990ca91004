//! Plays many histories and counts which promises break, without stopping at the first.

use std::collections::BTreeMap;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap_or(0));
    let (from, to) = (arguments.next().unwrap_or(0), arguments.next().unwrap_or(1000));
    let mut kinds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for seed in from..to {
        let outcome = std::panic::catch_unwind(|| syncline_simulation::history(seed));
        match outcome {
            Ok(history) => {
                for breach in history.breaches {
                    let kind: String = breach.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
                    kinds.entry(kind).or_default().push(seed);
                }
            }
            Err(_) => kinds.entry("a panic".to_owned()).or_default().push(seed),
        }
    }
    for (kind, mut seeds) in kinds {
        seeds.dedup();
        println!("{:>5} {kind}   {:?}", seeds.len(), &seeds[..seeds.len().min(6)]);
    }
}
