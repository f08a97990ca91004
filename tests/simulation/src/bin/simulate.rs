//! Plays histories by the million; `cargo xtask simulate --help` says how.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use syncline_simulation::{CrashStore, Cut, History, Script, play, play_on, shrink};
use syncline_store::Engine;

/// Plays seeded histories of the real runner between two simulated applications, and checks what must hold.
///
/// A history that breaks a promise is made as small as it goes and printed as a story, with the command that
/// plays it again.
#[derive(Parser)]
struct Arguments {
    /// How many histories
    #[arg(long, default_value_t = 10_000)]
    runs: u64,
    /// The seed of the first; the others follow
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Histories at a time [default: the number of processors]
    #[arg(long)]
    threads: Option<usize>,
    /// What to leave out of the history, as a failing run prints it: plays that one history
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["runs", "keep_going"])]
    cuts: Vec<Cut>,
    /// Count the breaches of all histories instead of stopping at the first
    #[arg(long)]
    keep_going: bool,
    /// Print what happens, also when every promise is kept
    #[arg(long)]
    story: bool,
    /// Where histories keep their state
    #[arg(long, value_enum, default_value = "memory")]
    store: Keeping,
    /// Say in one line which history broke which promise first, and no more
    #[arg(long, conflicts_with_all = ["keep_going", "story", "cuts"])]
    brief: bool,
}

/// What a history keeps its state in.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Keeping {
    /// In memory, with power failures
    Memory,
    /// In sled, in a temporary folder, without power failures
    Sled,
    /// In fjall, in a temporary folder, without power failures
    Fjall,
}

impl Keeping {
    fn engine(self) -> Option<Engine> {
        match self {
            Keeping::Memory => None,
            Keeping::Sled => Some(Engine::Sled),
            Keeping::Fjall => Some(Engine::Fjall),
        }
    }
}

/// What all histories came to.
#[derive(Default)]
struct Sum {
    histories: u64,
    runs: u64,
    edits: u64,
    gaps: u64,
    faults: u64,
    crashes: u64,
    without_fault: u64,
    without_crash: u64,
    /// By rule: how many histories, and the first seeds.
    breaches: BTreeMap<String, (u64, Vec<u64>)>,
    /// The lowest seed that broke a promise, and the promise. Seeds are begun in order, so it is the same every time.
    first: Option<(u64, String)>,
}

impl Sum {
    fn add(&mut self, seed: u64, history: &History) {
        self.histories += 1;
        self.runs += history.runs;
        self.edits += history.edits as u64;
        self.gaps += history.gaps as u64;
        self.faults += history.faults;
        self.crashes += history.crashes;
        self.without_fault += u64::from(history.faults == 0);
        self.without_crash += u64::from(history.crashes == 0);
        if let Some(breach) = history.breaches.first()
            && self.first.as_ref().is_none_or(|(first, _)| seed < *first)
        {
            self.first = Some((seed, breach.clone()));
        }
        for breach in &history.breaches {
            let rule: String = breach.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
            let (count, seeds) = self.breaches.entry(rule).or_default();
            *count += 1;
            if seeds.len() < 6 && seeds.last() != Some(&seed) {
                seeds.push(seed);
            }
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.cuts.is_empty() || (arguments.runs == 1 && arguments.story) {
        return one(&arguments);
    }
    // What a history panics with is told with its story.
    std::panic::set_hook(Box::new(|_| {}));
    let started = Instant::now();
    let sum = many(&arguments, started);
    if arguments.brief {
        let Some((seed, breach)) = sum.first else { return ExitCode::SUCCESS };
        println!("history {}: {breach}", seed - arguments.seed + 1);
        return ExitCode::FAILURE;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} histories from seed {} in {seconds:.1} s: {} runs, {} edits by people, {} calls gone wrong, {} power failures",
        sum.histories, arguments.seed, sum.runs, sum.edits, sum.faults, sum.crashes
    );
    println!(
        "{} edits fell into the gap of writes without a guard; {} histories had no fault, {} no power failure",
        sum.gaps, sum.without_fault, sum.without_crash
    );
    if sum.breaches.is_empty() {
        println!("every promise was kept");
        return ExitCode::SUCCESS;
    }
    for (rule, (count, seeds)) in &sum.breaches {
        println!("{count:>6} {rule}   seeds {seeds:?}");
    }
    if let Some((first, _)) = sum.first.filter(|_| !arguments.keep_going) {
        // On disk or not, a history is the same; one that breaks only there is told as it is.
        tell_smallest(first);
    }
    ExitCode::FAILURE
}

/// Plays the histories that are asked for, several at a time.
fn many(arguments: &Arguments, started: Instant) -> Sum {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let sum = Mutex::new(Sum::default());
    let threads = arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let shows = std::io::stderr().is_terminal();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= arguments.runs {
                        return;
                    }
                    let seed = arguments.seed + number;
                    let history = played_on(&Script::draw(seed), arguments.store);
                    if !history.breaches.is_empty() && !arguments.keep_going {
                        stop.store(true, Ordering::Relaxed);
                    }
                    let mut sum = sum.lock().expect("nothing panics while it holds this lock");
                    sum.add(seed, &history);
                    if shows && sum.histories % 1_000 == 0 {
                        progress(sum.histories, arguments.runs, started.elapsed());
                    }
                }
            });
        }
    });
    if shows {
        eprint!("\r\x1b[K");
    }
    sum.into_inner().expect("nothing panics while it holds this lock")
}

fn progress(done: u64, of: u64, elapsed: Duration) {
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let left = of.saturating_sub(done) as f64 / rate;
    eprint!("\r{done} of {of} histories, {rate:.0} a second, {left:.0} s left\x1b[K");
}

/// Plays a script; a panic is a breach.
fn played(script: &Script) -> History {
    caught(|| play(script))
}

fn caught(play: impl FnOnce() -> History) -> History {
    catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
        History { breaches: vec![format!("panic: {text}")], ..History::default() }
    })
}

/// Plays a script on the store that is asked for; one on disk meets no power failure.
fn played_on(script: &Script, keeping: Keeping) -> History {
    let Some(engine) = keeping.engine() else { return played(script) };
    let mut script = script.clone();
    Cut::Crash.apply(&mut script);
    caught(|| match CrashStore::on_disk(engine) {
        Ok(store) => play_on(&script, store),
        Err(error) => History { breaches: vec![format!("store: {error}")], ..History::default() },
    })
}

/// Plays one history and prints it.
fn one(arguments: &Arguments) -> ExitCode {
    let mut script = Script::draw(arguments.seed);
    for cut in &arguments.cuts {
        cut.apply(&mut script);
    }
    let history = played_on(&script, arguments.store);
    tell(&history);
    if history.breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(history: &History) {
    for line in &history.story {
        println!("{line}");
    }
    match history.breaches.is_empty() {
        true => println!("\nevery promise was kept"),
        false => println!("\nit breaks:\n{}", history.breaches.join("\n")),
    }
}

/// Makes the history of `seed` as small as it goes and prints it.
fn tell_smallest(seed: u64) {
    let script = Script::draw(seed);
    // A panic within the search would end it: such a history is told as it is.
    let found = catch_unwind(AssertUnwindSafe(|| shrink(&script)));
    let (script, cuts) = found.unwrap_or_else(|_| (script, Vec::new()));
    tell(&played(&script));
    let cuts: Vec<String> = cuts.iter().map(Cut::to_string).collect();
    let cuts = if cuts.is_empty() { " --runs 1 --story".to_owned() } else { format!(" --cuts {}", cuts.join(",")) };
    println!("\nplay it again with: cargo xtask simulate --seed {seed}{cuts}");
}
