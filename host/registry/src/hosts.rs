//! What one connection may reach: the manifest's hosts, with the settings filled in.
//!
//! Invariant: a `base_url` in the configuration is the only place that is reached then, so a token meant for a test server
//! never goes to the vendor, nor the other way round.

use serde_json::{Map, Value};
use syncline_net::{Grant, Url};

use crate::manifest::{BaseUrl, HostWish, Manifest};

/// What one connection may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// What a path is resolved against; none for a connector that names whole addresses only.
    pub base_url: Option<Url>,
    /// Where it may go: scheme, host and port.
    pub grants: Vec<Grant>,
}

/// Why a connection's hosts cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The setting that should name the host is not there.
    #[error("the setting `{0}` names the server, and it is not set")]
    SettingMissing(String),
    /// The setting is there and is no address.
    #[error("the setting `{setting}` is not a usable address: {reason}")]
    SettingInvalid {
        /// Which.
        setting: String,
        /// Why not.
        reason: String,
    },
    /// An address that cannot be granted.
    #[error("`base_url` is not a usable address: {0}")]
    BaseUrl(String),
}

/// Resolves what `manifest` asks for with these `settings`, and with `base_url` from the configuration put over it.
pub fn reach(manifest: &Manifest, settings: &Map<String, Value>, base_url: Option<&Url>) -> Result<Reach, HostError> {
    if let Some(base_url) = base_url {
        let grant = grant_for(base_url).map_err(HostError::BaseUrl)?;
        return Ok(Reach { base_url: Some(base_url.clone()), grants: vec![grant] });
    }
    let mut grants: Vec<Grant> = Vec::new();
    for wish in &manifest.hosts {
        let grant = match wish {
            HostWish::Fixed(grant) => grant.clone(),
            HostWish::Setting(name) => {
                let invalid = |reason| HostError::SettingInvalid { setting: name.clone(), reason };
                grant_for(&url_of(name, settings)?).map_err(invalid)?
            }
        };
        if !grants.contains(&grant) {
            grants.push(grant);
        }
    }
    let base_url = match &manifest.base_url {
        Some(BaseUrl::Fixed(url)) => Some(url.clone()),
        Some(BaseUrl::Setting(name)) => Some(url_of(name, settings)?),
        None => sole_origin(&grants),
    };
    Ok(Reach { base_url, grants })
}

fn url_of(name: &str, settings: &Map<String, Value>) -> Result<Url, HostError> {
    let text = settings.get(name).and_then(Value::as_str).ok_or_else(|| HostError::SettingMissing(name.to_owned()))?;
    let invalid = |reason: String| HostError::SettingInvalid { setting: name.to_owned(), reason };
    let url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
    grant_for(&url).map_err(invalid)?;
    Ok(url)
}

fn grant_for(url: &Url) -> Result<Grant, String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the scheme is `{}`; only http and https are allowed", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user name or a password; they belong into `auth`".to_owned());
    }
    Grant::for_url(url).map_err(|error| error.to_string())
}

/// Where only one host can be reached, a path can only mean that one.
fn sole_origin(grants: &[Grant]) -> Option<Url> {
    match grants {
        [grant] if matches!(grant.host, syncline_net::HostPattern::Literal(_)) => Url::parse(&grant.to_string()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use syncline_net::Url;

    use super::reach;
    use crate::manifest::Manifest;

    fn manifest(hosts: serde_json::Value, base_url: Option<&str>) -> Manifest {
        let mut manifest = json!({
            "name": "a", "version": "1.0.0", "kind": "connector", "wit": "0.1.0", "summary": "", "hosts": hosts,
            "settings": { "type": "object", "properties": { "url": { "type": "string" } } },
        });
        if let Some(base_url) = base_url {
            manifest["base_url"] = base_url.into();
        }
        Manifest::parse(manifest.to_string().as_bytes()).expect("reads")
    }

    fn shown(manifest: &Manifest, url: Option<&str>, base_url: Option<&str>) -> String {
        let mut settings = serde_json::Map::new();
        settings.extend(url.map(|url| ("url".to_owned(), url.into())));
        let base_url = base_url.map(|url| Url::parse(url).expect("a url"));
        match reach(manifest, &settings, base_url.as_ref()) {
            Err(error) => format!("error: {error}"),
            Ok(reach) => {
                let grants: Vec<String> = reach.grants.iter().map(ToString::to_string).collect();
                format!("{} from {}", grants.join(" "), reach.base_url.map(|url| url.to_string()).unwrap_or_default())
            }
        }
    }

    #[test]
    fn hosts_are_resolved() {
        let vendor = manifest(json!(["api.example.com", "*.example.com"]), Some("https://api.example.com/v1/"));
        let own = manifest(json!(["setting:url"]), Some("setting:url"));
        let sole = manifest(json!(["api.example.com"]), None);
        let table = [
            (&vendor, None, None, "https://api.example.com https://*.example.com from https://api.example.com/v1/"),
            (&vendor, None, Some("http://127.0.0.1:8081"), "http://127.0.0.1:8081 from http://127.0.0.1:8081/"),
            (
                &own,
                Some("https://dav.example.org:8443/ada/"),
                None,
                "https://dav.example.org:8443 from https://dav.example.org:8443/ada/",
            ),
            (&own, None, None, "error: the setting `url` names the server, and it is not set"),
            (&sole, None, None, "https://api.example.com from https://api.example.com/"),
        ];
        for (manifest, url, base_url, expected) in table {
            assert_eq!(shown(manifest, url, base_url), expected);
        }
        for bad in ["", "dav.example.org", "file:///etc/passwd", "https://me:pw@dav.example.org/", "mailto:a@b.c"] {
            assert!(shown(&own, Some(bad), None).starts_with("error: the setting `url` is not"), "{bad}");
        }
    }
}
