//! Records what a process does to the files of a folder, by strace, as events in their order.
//!
//! Not here: what a power cut leaves of it (`cut`).

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What changes files, where the next write goes, and what syncs. Calls that are not understood are among them, to be
/// refused rather than overlooked.
const CALLS: &str = "trace=open,openat,openat2,creat,close,read,lseek,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,\
                     fallocate,copy_file_range,sendfile,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,\
                     unlinkat,mkdir,mkdirat,rmdir,dup,dup2,dup3,fcntl,fsync,fdatasync,sync,syncfs";

/// A file, whatever it is called.
pub(crate) type FileNumber = usize;

/// A moment of the recording: a line of it.
pub(crate) type Moment = usize;

/// What happened, from the moment it was asked for to that when it was done.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) asked: Moment,
    pub(crate) done: Moment,
    pub(crate) what: What,
}

/// A change, or a promise that earlier ones last.
#[derive(Debug)]
pub(crate) enum What {
    Written {
        file: FileNumber,
        at: u64,
        bytes: Vec<u8>,
    },
    Sized {
        file: FileNumber,
        length: u64,
    },
    Named(Name),
    FileSynced(FileNumber),
    FolderSynced(PathBuf),
    /// It said this to whoever listens.
    Said(String),
}

/// A change of names, relative to the folder.
#[derive(Debug)]
pub(crate) enum Name {
    FileMade { path: PathBuf, file: FileNumber },
    FolderMade { path: PathBuf },
    Renamed { from: PathBuf, to: PathBuf },
    Removed { path: PathBuf },
}

/// Tells whether processes can be recorded here.
pub(crate) fn works() -> bool {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Runs `program` to its end and returns what it did to the files in `folder`, which it finds empty.
pub(crate) fn record(program: &mut Command, folder: &Path) -> Vec<Event> {
    let log = tempfile::NamedTempFile::new().expect("a file for the recording");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-xx", "-s", "16777216", "-e", CALLS, "-e", "signal=none", "-o"]).arg(log.path());
    strace.arg(program.get_program()).args(program.get_args());
    strace.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended = strace.stdout(Stdio::null()).status().expect("strace runs");
    assert!(ended.success(), "the recorded process failed: {ended}");
    let lines = BufReader::new(File::open(log.path()).expect("the recording"));
    let mut reader = Reader::new(folder);
    for (moment, line) in lines.lines().enumerate() {
        reader.read(moment, &line.expect("a line"));
    }
    let mut events = reader.events;
    events.sort_by_key(|event| event.asked);
    events
}

/// A call as strace prints it.
struct Call<'line> {
    asked: Moment,
    done: Moment,
    name: &'line str,
    arguments: Vec<&'line str>,
    result: &'line str,
}

/// What a descriptor stands for.
#[derive(Clone)]
enum Open {
    File { file: FileNumber, appends: bool },
    Folder(PathBuf),
}

/// Turns lines into events.
struct Reader<'folder> {
    folder: &'folder Path,
    events: Vec<Event>,
    /// The first halves of calls that those of other threads interrupted, by thread.
    unfinished: HashMap<String, (Moment, String)>,
    /// The files by their names now.
    files: HashMap<PathBuf, FileNumber>,
    lengths: Vec<u64>,
    folders: HashSet<PathBuf>,
    /// What is open, and the key of its place in `places`: descriptors that were doubled share it.
    open: HashMap<String, (Open, usize)>,
    places: Vec<u64>,
}

impl<'folder> Reader<'folder> {
    fn new(folder: &'folder Path) -> Self {
        Self {
            folder,
            events: Vec::new(),
            unfinished: HashMap::new(),
            files: HashMap::new(),
            lengths: Vec::new(),
            folders: HashSet::from([PathBuf::new()]),
            open: HashMap::new(),
            places: Vec::new(),
        }
    }

    fn read(&mut self, moment: Moment, line: &str) {
        let (thread, text) = line.split_once(' ').expect("a thread");
        let text = text.trim_start();
        if text.starts_with("+++") {
            return;
        }
        if let Some(half) = text.strip_suffix(" <unfinished ...>") {
            if let Some(descriptor) = half.strip_prefix("close(") {
                // Its number is free, and perhaps taken again, before the call returns.
                self.open.remove(number_of(descriptor));
            }
            self.unfinished.insert(thread.to_owned(), (moment, half.to_owned()));
            return;
        }
        let (asked, whole) = match text.strip_prefix("<... ").and_then(|text| text.split_once(" resumed>")) {
            Some((_, rest)) => {
                let (asked, half) = self.unfinished.remove(thread).expect("a first half");
                (asked, half + rest)
            }
            None => (moment, text.to_owned()),
        };
        let (call, result) = whole.rsplit_once(" = ").expect("a result");
        let (name, arguments) = call.trim_end().split_once('(').expect("arguments");
        let arguments = arguments.strip_suffix(')').expect("an end").split(", ").collect();
        if !result.starts_with("-1 ") {
            self.take(&Call { asked, done: moment, name, arguments, result });
        }
    }

    fn take(&mut self, call: &Call<'_>) {
        match call.name {
            "openat" => self.open(call),
            "close" if call.asked == call.done => drop(self.open.remove(number_of(call.arguments[0]))),
            "close" => {}
            "fcntl" if call.arguments[1].starts_with("F_DUPFD") => {
                if let Some(opened) = self.open.get(number_of(call.arguments[0])).cloned() {
                    self.open.insert(number_of(call.result).to_owned(), opened);
                }
            }
            "fcntl" => {}
            "write" if number_of(call.arguments[0]) == "1" => {
                let said = String::from_utf8(bytes_of(call.arguments[1])).expect("text");
                self.note(call, What::Said(said));
            }
            "read" | "write" | "pwrite64" | "lseek" | "ftruncate" | "fallocate" | "fsync" | "fdatasync" => {
                self.use_open(call);
            }
            "mkdir" => self.name(call, |reader, call| {
                let path = reader.path("AT_FDCWD", call.arguments[0])?;
                reader.folders.insert(path.clone());
                Some(Name::FolderMade { path })
            }),
            "rename" => self.rename(call, ["AT_FDCWD", call.arguments[0], "AT_FDCWD", call.arguments[1]]),
            "renameat" | "renameat2" => {
                self.rename(call, [call.arguments[0], call.arguments[1], call.arguments[2], call.arguments[3]]);
            }
            "unlink" | "rmdir" => self.remove(call, "AT_FDCWD", call.arguments[0]),
            "unlinkat" => self.remove(call, call.arguments[0], call.arguments[1]),
            other => {
                let here = |argument: &&str| {
                    let path = argument.split_once('<').map_or(*argument, |(_, path)| path);
                    PathBuf::from(text_of(path)).starts_with(self.folder)
                };
                assert!(!call.arguments.iter().any(here), "the recording does not understand {other}");
            }
        }
    }

    fn open(&mut self, call: &Call<'_>) {
        let flags = call.arguments[2];
        let Some(path) = self.path(call.arguments[0], call.arguments[1]) else { return };
        let opened = if self.folders.contains(&path) {
            Open::Folder(path)
        } else {
            let known = self.files.get(&path).copied();
            let file = known.unwrap_or_else(|| {
                let file = self.lengths.len();
                self.lengths.push(0);
                self.files.insert(path.clone(), file);
                self.note(call, What::Named(Name::FileMade { path, file }));
                file
            });
            if flags.contains("O_TRUNC") && self.lengths[file] > 0 {
                self.lengths[file] = 0;
                self.note(call, What::Sized { file, length: 0 });
            }
            Open::File { file, appends: flags.contains("O_APPEND") }
        };
        self.places.push(0);
        self.open.insert(number_of(call.result).to_owned(), (opened, self.places.len() - 1));
    }

    /// Follows a call on what is open.
    fn use_open(&mut self, call: &Call<'_>) {
        let Some((opened, place)) = self.open.get(number_of(call.arguments[0])).cloned() else { return };
        let result: u64 = number_of(call.result).parse().expect("a number");
        match (call.name, opened) {
            ("read", _) => self.places[place] += result,
            ("lseek", _) => self.places[place] = result,
            ("fsync" | "fdatasync", Open::File { file, .. }) => self.note(call, What::FileSynced(file)),
            ("fsync" | "fdatasync", Open::Folder(path)) => self.note(call, What::FolderSynced(path)),
            ("ftruncate", Open::File { file, .. }) => {
                let length = call.arguments[1].parse().expect("a length");
                self.lengths[file] = length;
                self.note(call, What::Sized { file, length });
            }
            ("fallocate", Open::File { file, .. }) => {
                let [mode, from, length] = [1, 2, 3].map(|at| call.arguments[at].parse::<u64>().expect("a number"));
                assert_eq!(mode, 0, "the recording does not understand this way to set space aside");
                if from + length > self.lengths[file] {
                    self.lengths[file] = from + length;
                    self.note(call, What::Sized { file, length: from + length });
                }
            }
            (name, Open::File { file, appends }) => {
                let mut bytes = bytes_of(call.arguments[1]);
                bytes.truncate(result as usize);
                let at = match name {
                    "pwrite64" => call.arguments[3].parse().expect("a place"),
                    _ if appends => self.lengths[file],
                    _ => self.places[place],
                };
                if name == "write" {
                    self.places[place] = at + result;
                }
                self.lengths[file] = self.lengths[file].max(at + result);
                self.note(call, What::Written { file, at, bytes });
            }
            (other, Open::Folder(path)) => panic!("{other} on the folder {}", path.display()),
        }
    }

    fn name(&mut self, call: &Call<'_>, name: impl FnOnce(&mut Self, &Call<'_>) -> Option<Name>) {
        if let Some(name) = name(self, call) {
            self.note(call, What::Named(name));
        }
    }

    fn rename(&mut self, call: &Call<'_>, [at_from, from, at_to, to]: [&str; 4]) {
        let Some((from, to)) = self.path(at_from, from).zip(self.path(at_to, to)) else { return };
        self.files = std::mem::take(&mut self.files)
            .into_iter()
            .filter(|(path, _)| *path != to)
            .map(|(path, file)| (under(&path, &from, &to), file))
            .collect();
        self.folders = self.folders.iter().map(|path| under(path, &from, &to)).collect();
        self.note(call, What::Named(Name::Renamed { from, to }));
    }

    fn remove(&mut self, call: &Call<'_>, at: &str, path: &str) {
        let Some(path) = self.path(at, path) else { return };
        self.files.remove(&path);
        self.folders.remove(&path);
        self.note(call, What::Named(Name::Removed { path }));
    }

    fn note(&mut self, call: &Call<'_>, what: What) {
        self.events.push(Event { asked: call.asked, done: call.done, what });
    }

    /// Returns a path relative to the recorded folder; `None` for one elsewhere.
    fn path(&self, at: &str, path: &str) -> Option<PathBuf> {
        let at = at.split_once('<').map(|(_, path)| text_of(path)).unwrap_or_default();
        Path::new(&at).join(text_of(path)).strip_prefix(self.folder).ok().map(Path::to_owned)
    }
}

/// Returns what a path is called once `from` is renamed to `to`.
pub(crate) fn under(path: &Path, from: &Path, to: &Path) -> PathBuf {
    match path.strip_prefix(from) {
        Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
        Ok(rest) => to.join(rest),
        Err(_) => path.to_owned(),
    }
}

/// Returns the number in front of what strace adds to it.
fn number_of(descriptor: &str) -> &str {
    descriptor.split(|end: char| !end.is_ascii_digit()).next().expect("a beginning")
}

fn text_of(argument: &str) -> String {
    String::from_utf8(bytes_of(argument)).expect("a path that is text")
}

/// Reads bytes as strace prints them, all in hexadecimal.
fn bytes_of(argument: &str) -> Vec<u8> {
    assert!(!argument.ends_with("..."), "strace cut a write short");
    let digit = |digit: u8| (digit as char).to_digit(16).expect("a digit") as u8;
    let text = argument.trim_matches(['"', '>']).as_bytes();
    text.chunks_exact(4).map(|byte| digit(byte[2]) << 4 | digit(byte[3])).collect()
}
