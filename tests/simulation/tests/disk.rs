//! Seeded histories on the stores that users have, without power failures.

use syncline_simulation::{CrashStore, Cut, Script, play_on};
use syncline_store::Engine;

#[test]
fn histories_on_disk_keep_every_promise() {
    for engine in Engine::ALL {
        for seed in 0..10 {
            let mut script = Script::draw(seed);
            Cut::Crash.apply(&mut script);
            let history = play_on(&script, CrashStore::on_disk(engine).expect("there is room for a store"));
            let story = history.story.join("\n");
            assert_eq!(history.breaches, Vec::<String>::new(), "{story}\nseed {seed} on {}", engine.name());
        }
    }
}
