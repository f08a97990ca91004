//! What goes wrong around a run: one clear message with the next step, the right exit code, and nothing lost.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use syncline_stories::{Book, Card, Crm, World};
use syncline_test_servers::{PASSWORD, Radicale};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

/// Two people in step, and an edit on each side that has not been taken over.
fn with_edits_waiting() -> (World, Crm, Radicale, Book) {
    let (world, crm, radicale, book) = World::crm_and_book("");
    crm.add(&[("email", "ada@example.com"), ("firstname", "Ada")]);
    book.add("grace", &Card::of("grace", "Grace", "Hopper", "grace@example.com", &[]));
    world.run();
    crm.edit("grace@example.com", &[("jobtitle", "Admiral")]);
    book.edit("ada@example.com", |card| card.set("ORG", "Engines"));
    (world, crm, radicale, book)
}

/// The edits arrive once the trouble is over, and nothing else happens.
fn nothing_is_lost(world: &World, crm: &Crm, book: &Book) {
    world.run();
    assert_eq!(crm.people(), book.people());
    let people = crm.people();
    assert_eq!(people.keys().collect::<Vec<_>>(), ["ada@example.com", "grace@example.com"]);
    assert_eq!(people["ada@example.com"]["company"], "Engines");
    assert_eq!(people["grace@example.com"]["title"], "Admiral");
    world.plans_nothing();
}

#[test]
fn a_dead_server() {
    let (world, mut crm, mut radicale, book) = with_edits_waiting();
    let words =
        ["no connection to `127.0.0.1`", "is the server up, and the port right?", "the next run goes on from here"];
    crm.stop();
    world.syncline(&["check"]).ends(1).says(&words).says(&["connection crm: FAILED"]);
    crm.resume();
    radicale.stop();
    world.syncline(&["check"]).ends(1).says(&words).says(&["connection book: FAILED"]);
    if std::env::var_os("SYNCLINE_LONG").is_some() {
        // Tries of a read grow apart for more than a minute before a run gives up.
        world.syncline(&["run", "--yes"]).ends(1).says(&words).says(&["reading book.contacts failed", "waiting"]);
    }
    radicale.resume().expect("Radicale starts again");
    nothing_is_lost(&world, &crm, &book);
}

#[test]
fn a_server_that_is_back_before_the_run_gives_up() {
    let (world, mut crm, _radicale, book) = with_edits_waiting();
    crm.stop();
    let run = world.start(&["run", "--yes"]);
    // The first pauses end within this time, not the tries.
    std::thread::sleep(Duration::from_secs(3));
    crm.resume();
    run.wait().ends(0).says(&["waiting"]);
    nothing_is_lost(&world, &crm, &book);
}

#[test]
fn a_wrong_password() {
    let (mut world, crm, _radicale, book) = with_edits_waiting();
    world.secret("PASSWORD", "wrong-horse");
    for command in [&["check"][..], &["plan"], &["run", "--yes"]] {
        let ran = world.syncline(command).ends(1);
        let ran = ran
            .says(&["the credential was refused: status 401", "renew the secret that `auth` of this connection names"]);
        assert!(!format!("{ran}").contains("wrong-horse"), "{ran}");
    }
    world.secret("PASSWORD", PASSWORD);
    nothing_is_lost(&world, &crm, &book);
}

#[test]
fn a_revoked_token() {
    let (world, crm, _radicale, book) = with_edits_waiting();
    crm.state().revoke_token("sandbox-token");
    for command in [&["check"][..], &["plan"], &["run", "--yes"]] {
        let ran = world.syncline(command).ends(1);
        let ran = ran.says(&["the credential was refused: HubSpot answered 401", "renew the secret that `auth`"]);
        assert!(!format!("{ran}").contains("sandbox-token"), "{ran}");
    }
    crm.state().allow_token("sandbox-token");
    nothing_is_lost(&world, &crm, &book);
}

/// A server with a certificate that nobody vouches for. Returns its port and the certificate.
fn self_signed(world: &World) -> (u16, String) {
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("a certificate and its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = world.runtime().block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    world.runtime().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            // Who gets this far is refused: it is not what this server is for.
            if stream.read(&mut request).await.is_ok() {
                drop(
                    stream
                        .write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                        .await,
                );
            }
        }
    });
    (port, certificate.pem())
}

#[test]
fn a_certificate_that_does_not_fit() {
    let (world, crm, _radicale, book) = with_edits_waiting();
    let (port, certificate) = self_signed(&world);
    let before = fs::read_to_string(world.at("syncline.toml")).expect("there is a configuration");
    world.reconfigure(|text| text.replace(&crm.url(), &format!("https://127.0.0.1:{port}")));
    // An endpoint that moved is another story.
    let fresh = world.at("fresh");
    for command in [&["check"][..], &["plan"], &["run", "--yes"]] {
        let ran = world.start_in(&fresh, command).wait().ends(1);
        ran.says(&["the certificate of `127.0.0.1` is not trusted", "root_certificate"]);
    }
    // The way out that the message names.
    fs::write(world.at("home.pem"), certificate).expect("written");
    world.reconfigure(|text| text.replace("[connections.crm]", "[connections.crm]\nroot_certificate = \"home.pem\""));
    world.start_in(&fresh, &["check"]).wait().ends(1).says(&["the credential was refused"]);
    world.configure(&before);
    nothing_is_lost(&world, &crm, &book);
}

/// A small disk of its own, given back when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(folder: &Path, megabytes: u64) -> Option<Self> {
        fs::create_dir_all(folder).expect("made");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output().ok()?;
        mounted.status.success().then(|| Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.0.display());
    }
}

/// Fills a disk as another program would.
fn fill(disk: &SmallDisk) {
    let filler = format!("of={}", disk.0.join("others").display());
    let filled = Command::new("dd").args(["if=/dev/zero", "bs=4k", "oflag=append", "conv=notrunc", &filler]).output();
    let said = filled.expect("dd runs until the disk is full").stderr;
    assert!(String::from_utf8_lossy(&said).contains("No space"), "the disk is not full");
}

/// Gives a little space back.
fn leave_free(disk: &SmallDisk, bytes: u64) {
    let others = File::options().write(true).open(disk.0.join("others")).expect("opened");
    let length = others.metadata().expect("its length").len();
    others.set_len(length - bytes).expect("shorter");
}

#[test]
fn a_full_disk() {
    for engine in ["sled", "fjall"] {
        a_disk_fills_up(engine);
    }
}

/// Keeps the state on `engine`, with `settings` of the store.
fn keep_on(world: &World, engine: &str, settings: &str) {
    world.reconfigure(|text| {
        let text = text.split("[store]").next().unwrap_or_default().to_owned();
        text + &format!("[store]\nengine = \"{engine}\"\n{settings}\n")
    });
}

fn a_disk_fills_up(engine: &str) {
    let (world, crm, _radicale, book) = with_edits_waiting();
    let state = world.at("people.state");
    let state = state.to_str().expect("a path");
    world.syncline(&["export", state]).ends(0);
    let Some(disk) = SmallDisk::mount(&world.at("disk"), 96) else {
        return println!("skipped: mounting a small disk is not permitted here");
    };
    let data = disk.0.join("data");
    // Not even this disk's whole space would do.
    keep_on(&world, engine, "reserve_mib = 200");
    world.start_in(&data, &["import", state]).wait().ends(0);
    let told = world.start_in(&data, &["run", "--yes"]).wait().ends(1);
    told.says(&["MiB are free on the disk of", disk.0.to_str().expect("a path"), "reserve_mib", "only read work"]);
    keep_on(&world, engine, "reserve_mib = 32\nfree_mib_min = 1");
    world.start_in(&data, &["check"]).wait().ends(0);
    for number in 0..200 {
        let long = "long ".repeat(2_400);
        crm.add(&[("email", &format!("more{number}@example.com")), ("jobtitle", &long)]);
    }
    let before = (crm.state().records(), book.entries());
    let ada = crm.find("ada@example.com").id.to_string();
    // A run that finds the disk full on its way ends and says so, also to whoever asks later.
    fill(&disk);
    leave_free(&disk, 1_500_000);
    world
        .start_in(&data, &["run", "--yes"])
        .wait()
        .ends(1)
        .says(&["the disk is full", "the next run goes on from here"]);
    assert_eq!((crm.state().records(), book.entries()), before, "something was written");
    world.start_in(&data, &["history"]).wait().ends(0).says(&["failed", "the disk is full"]);
    for command in [&["status"][..], &["plan"], &["explain", "people", &ada], &["history"], &["errors", "1"]] {
        fill(&disk);
        world.start_in(&data, command).wait().ends(0);
    }
    let copy = world.at("full.state");
    fill(&disk);
    world.start_in(&data, &["export", copy.to_str().expect("a path")]).wait().ends(0);
    fill(&disk);
    let told = world.start_in(&data, &["run", "--yes"]).wait().ends(1);
    told.says(&["MiB are free on the disk of", "nothing was written; free some space there"]);
    assert_eq!((crm.state().records(), book.entries()), before, "something was written");
    fs::remove_file(disk.0.join("others")).expect("removed");
    // So many creates at once stop the run until a person has looked at them (E4.6).
    let blocked = world.start_in(&data, &["run", "--yes"]).wait().ends(4);
    let digest = blocked.out.split("--approve ").nth(1).and_then(|rest| rest.split('`').next()).expect("a digest");
    world.start_in(&data, &["run", "people", "--approve", digest]).wait().ends(0);
    assert_eq!(crm.people(), book.people());
    assert_eq!(crm.people().len(), 202);
    let plan = world.start_in(&data, &["plan", "--json"]).wait().ends(0);
    assert_eq!(plan.json()["plans"][0]["items"], serde_json::json!([]));
}

#[test]
fn files_that_only_grow_are_compacted() {
    let (world, crm, _radicale, book) = with_edits_waiting();
    let compact = ["store", "compact"];
    let told = world.syncline(&["store", "compact", "--json"]).ends(0).json();
    assert_eq!((&told["schema"], &told["engine"]), (&"syncline.compact/1".into(), &"sled".into()));
    assert!(told["live_bytes"].as_u64() > Some(0), "{told}");
    world.syncline(&compact).ends(0).says(&["MiB before, ", "MiB after, for ", "of rows"]);
    let serving = world.start(&["serve"]);
    assert!(World::until(Duration::from_secs(20), || serving.said().contains("serving;")), "{}", serving.said());
    world.syncline(&compact).ends(1).says(&["in use by another process", "stop it"]);
    serving.signal("TERM");
    serving.wait().ends(0);
    nothing_is_lost(&world, &crm, &book);

    let state = world.at("people.state");
    world.syncline(&["export", state.to_str().expect("a path")]).ends(0);
    keep_on(&world, "fjall", "");
    let elsewhere = world.at("elsewhere");
    world.start_in(&elsewhere, &["import", state.to_str().expect("a path")]).wait().ends(0);
    world.start_in(&elsewhere, &compact).wait().ends(0).says(&["fjall frees its space by itself"]);
    world.start_in(&world.at("nowhere"), &compact).wait().ends(1).says(&["there is none in"]);
}

#[test]
fn a_damaged_store() {
    let (world, crm, _radicale, book) = with_edits_waiting();
    let store = world.data().join("store/sled/db");
    let good = fs::read(&store).expect("the store");
    let before = (crm.state().records(), book.entries());
    for (name, damage) in [("cut", cut as fn(&[u8]) -> Vec<u8>), ("garbled", garble), ("gone", |_| Vec::new())] {
        fs::write(&store, damage(&good)).expect("damaged");
        world.syncline(&["run", "--yes"]).ends(1).says(&["the store is damaged", "restore"]);
        assert_eq!((crm.state().records(), book.entries()), before, "{name}: something was written");
    }
    fs::write(&store, good).expect("restored");
    nothing_is_lost(&world, &crm, &book);
}

fn cut(good: &[u8]) -> Vec<u8> {
    let end = good.iter().rposition(|byte| *byte != 0).unwrap_or_default();
    good[..end / 2].to_vec()
}

fn garble(good: &[u8]) -> Vec<u8> {
    let end = good.iter().rposition(|byte| *byte != 0).unwrap_or_default();
    let mut bytes = good.to_vec();
    bytes[end / 2..end].iter_mut().for_each(|byte| *byte ^= 0xa5);
    bytes
}
