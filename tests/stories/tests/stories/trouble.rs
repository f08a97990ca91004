//! What goes wrong around a run: one clear message with the next step, the right exit code, and nothing lost.

use syncline_stories::World;

#[test]
fn explore() {
    let (mut world, mut crm, mut radicale, _book) = World::crm_and_book("");
    crm.add(&[("email", "a@example.com"), ("firstname", "A")]);
    world.run();
    crm.state().revoke_token("sandbox-token");
    for command in [&["check"][..], &["plan"], &["run", "--yes"]] {
        println!("REVOKED {}", world.syncline(command));
    }
    crm.state().allow_token("sandbox-token");
    world.secret("PASSWORD", "wrong");
    for command in [&["check"][..], &["plan"], &["run", "--yes"]] {
        println!("PASSWORD {}", world.syncline(command));
    }
    world.secret("PASSWORD", syncline_test_servers::PASSWORD);
    crm.stop();
    println!("DEAD {}", world.syncline(&["check"]));
    println!("DEAD {}", world.start(&["run", "--yes"]).wait());
    crm.resume();
    radicale.stop();
    println!("DEAD {}", world.syncline(&["check"]));
}
