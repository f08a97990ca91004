//! Sections of `syncline.toml`.

/// A connection to a HubSpot at `url`; `token` names the environment variable with the token.
///
/// The window in which changes are read again is short, and calls are not limited: the stories say so where they matter.
pub fn hubspot(name: &str, url: &str, token: &str) -> String {
    format!(
        "[connections.{name}]\nconnector = \"hubspot\"\nauth = {{ token = \"env:{token}\" }}\nbase_url = \"{url}\"\n\
         allow_private_network = true\nsettings = {{ overlap_s = 1, link_property = \"syncline_key\" }}\n\
         limits = {{ rate = [{{ calls = 100000, per_ms = 1000 }}] }}\n\n"
    )
}

/// A connection to the address book at `url`; `password` names the environment variable with the password.
pub fn carddav(name: &str, url: &str, password: &str) -> String {
    format!(
        "[connections.{name}]\nconnector = \"carddav\"\nauth = {{ user = \"{}\", password = \"env:{password}\" }}\n\
         allow_private_network = true\nsettings = {{ url = \"{url}\" }}\n\n",
        syncline_test_servers::USER
    )
}

/// Lets one field be written as often as it is edited, for stories in which that is more often than in earnest (E6.4).
pub const NO_CAPS: &str = "caps = { field_per_hour = \"off\", record_per_day = \"off\", alternations = \"off\" }\n";

/// A sync of the contacts of two connections; `more` is put below.
pub fn sync(name: &str, left: &str, right: &str, more: &str) -> String {
    format!(
        "[syncs.{name}]\nleft = {{ connection = \"{left}\", object = \"contacts\" }}\n\
         right = {{ connection = \"{right}\", object = \"contacts\" }}\nmatch = {{ by = [\"email\"] }}\n{more}\n\n"
    )
}
