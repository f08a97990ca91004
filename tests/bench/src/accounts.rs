//! Two HubSpot accounts with made-up contacts, served by this process, and the configuration that joins them.

use std::fmt::Write;

use syncline_sandbox::{HubSpot, Limits, Running, Seed};

use crate::Outcome;

/// The contacts' properties that are read and mapped. The last three are empty everywhere.
pub(crate) const PROPERTIES: [&str; 22] = [
    "firstname",
    "lastname",
    "email",
    "phone",
    "mobilephone",
    "company",
    "jobtitle",
    "address",
    "city",
    "zip",
    "country",
    "website",
    "date_of_birth",
    "lifecyclestage",
    "hs_lead_status",
    "message",
    "customer_number",
    "interests",
    "loyalty_points",
    "state",
    "fax",
    "salutation",
];

/// Two accounts.
pub(crate) struct Accounts {
    pub(crate) left: Running,
    pub(crate) right: Running,
}

impl Accounts {
    /// Starts two accounts with so many contacts each. The same numbers are the same people.
    pub(crate) async fn start(left: u64, right: u64) -> Outcome<Self> {
        Ok(Self { left: start(left).await?, right: start(right).await? })
    }

    /// The configuration of a sync between the two.
    pub(crate) fn config(&self) -> String {
        let mut text = String::new();
        for (name, account) in [("left", &self.left), ("right", &self.right)] {
            let url = account.base_url();
            write!(
                text,
                "[connections.{name}]\nconnector = \"hubspot\"\nbase_url = \"{url}\"\nallow_private_network = true\n\
                 auth = {{ token = \"env:BENCH_TOKEN\" }}\n\
                 settings = {{ overlap_s = 0, link_property = \"syncline_key\" }}\n\
                 limits = {{ rate = [{{ calls = 1000000, per_ms = 1000 }}] }}\n\n"
            )
            .expect("writing to a string cannot fail");
        }
        text.push_str(
            "[syncs.people]\nleft = { connection = \"left\", object = \"contacts\" }\n\
             right = { connection = \"right\", object = \"contacts\" }\ndirection = \"both\"\n\
             match = { by = [\"email\"] }\nconflict = { policy = \"newest\", in_doubt = \"left\" }\n",
        );
        // HubSpot's own properties would be joined by default mappings; here all are joined alike.
        writeln!(text, "defaults_off = {PROPERTIES:?}").expect("writing to a string cannot fail");
        for name in PROPERTIES {
            write!(text, "\n[[syncs.people.mappings]]\nleft = \"{name}\"\nright = \"{name}\"\n")
                .expect("writing to a string cannot fail");
        }
        text
    }

    /// Changes the phone number of one contact in a hundred on the left; `round` makes it another number each time.
    pub(crate) fn edit_one_percent(&self, round: u32) -> Outcome<usize> {
        let state = self.left.state();
        let records = state.records();
        let chosen = records.iter().step_by(100);
        let count = chosen.len();
        for (number, record) in chosen.enumerate() {
            state.edit(record.id, &[("phone", &format!("+33 1 {round:03} {number:05}"))])?;
        }
        Ok(count)
    }

    /// Counts requests anew.
    pub(crate) fn reset(&self) {
        self.left.state().reset_stats();
        self.right.state().reset_stats();
    }

    /// The requests to each side since then.
    pub(crate) fn requests(&self) -> [f64; 2] {
        [&self.left, &self.right].map(|account| account.state().stats().requests as f64)
    }

    /// Stops both.
    pub(crate) async fn stop(self) {
        self.left.stop().await;
        self.right.stop().await;
    }
}

async fn start(contacts: u64) -> Outcome<Running> {
    let seed = Seed { contacts, ..Seed::default() };
    let running = HubSpot::builder().limits(Limits::off()).seed(seed).start().await?;
    // An account without people would lack their properties.
    running.state().seed(&Seed::default());
    Ok(running)
}
