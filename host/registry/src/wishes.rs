//! What of a manifest a person agrees to, and whether a new version asks for more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::manifest::{AuthWish, Manifest};

/// What a plugin asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wishes {
    /// Where it wants to reach, as the manifest spells it.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// How it can be signed in, and with which rights.
    #[serde(default)]
    pub auth: Vec<AuthWish>,
    /// What it wants to use up.
    #[serde(default)]
    pub limits: Limits,
}

impl Wishes {
    /// Returns what `manifest` asks for.
    pub fn of(manifest: &Manifest) -> Wishes {
        Wishes {
            hosts: manifest.hosts.iter().map(ToString::to_string).collect(),
            auth: manifest.auth.clone(),
            limits: manifest.limits.clone(),
        }
    }

    /// Says in plain words what is asked for, one sentence each; nothing for a plugin that asks for nothing.
    pub fn words(&self) -> Vec<String> {
        let hosts = self.hosts.iter().map(|host| match host.strip_prefix("setting:") {
            Some(setting) => format!("reach the server in your setting `{setting}`"),
            None => format!("reach {host}"),
        });
        let auth = self.auth.iter().map(auth_words);
        let limits = self.limits.words().into_iter().map(|limit| format!("use up to {limit}"));
        hosts.chain(auth).chain(limits).collect()
    }

    /// Says in plain words what `new` asks for beyond this; nothing if it asks for the same or less.
    ///
    /// A limit that is no longer named counts as more, because the host's default may be higher.
    pub fn widened_by(&self, new: &Wishes) -> Vec<String> {
        let mut more = Vec::new();
        let added = |host: &&String| !self.hosts.contains(*host);
        more.extend(Wishes { hosts: new.hosts.iter().filter(added).cloned().collect(), ..Wishes::default() }.words());
        for wish in &new.auth {
            match self.auth.iter().find(|old| old.scheme == wish.scheme && old.header == wish.header) {
                None => more.push(auth_words(wish)),
                Some(old) => {
                    let scopes = wish.scopes.iter().filter(|scope| !old.scopes.contains(scope));
                    more.extend(scopes.map(|scope| format!("have the right `{scope}`")));
                }
            }
        }
        more.extend(more_limits(&self.limits, &new.limits));
        more
    }
}

fn auth_words(wish: &AuthWish) -> String {
    let how = match &wish.header {
        Some(header) => format!("be signed in by the header `{header}`"),
        None => match wish.scheme {
            crate::AuthScheme::None => "be used without signing in".to_owned(),
            scheme => format!("be signed in by a {scheme} credential"),
        },
    };
    match wish.scopes.as_slice() {
        [] => how,
        scopes => format!("{how} with the rights {}", scopes.join(", ")),
    }
}

fn more_limits(old: &Limits, new: &Limits) -> Vec<String> {
    let (mut old, mut new) = (old.clone(), new.clone());
    let mut more = Vec::new();
    for name in Limits::NAMES {
        let (before, after) = match (old.number_mut(name), new.number_mut(name)) {
            (Some(before), Some(after)) => (*before, *after),
            _ => continue,
        };
        match (before, after) {
            (Some(before), Some(after)) if after > before => {
                more.push(format!("have `{name}` {after} instead of {before}"))
            }
            (Some(before), None) => more.push(format!("have no `{name}` of its own instead of {before}")),
            // Nothing said before means the host's default, and what is said now may be above it.
            (None, Some(after)) => more.push(format!("have `{name}` {after}")),
            _ => {}
        }
    }
    let rates = |limits: &Limits| limits.rate.iter().map(|rate| (rate.per_ms, rate.calls)).collect::<BTreeMap<_, _>>();
    let (before, after) = (rates(&old), rates(&new));
    let wider = before.iter().any(|(per_ms, calls)| after.get(per_ms).is_none_or(|now| now > calls));
    if wider {
        more.push("send requests more often".to_owned());
    }
    more
}

#[cfg(test)]
mod tests {
    use super::Wishes;
    use crate::{AuthScheme, AuthWish, Limits};

    fn wishes(hosts: &[&str], scopes: &[&str], memory_mib: Option<u32>) -> Wishes {
        Wishes {
            hosts: hosts.iter().map(ToString::to_string).collect(),
            auth: vec![AuthWish {
                scheme: AuthScheme::Bearer,
                header: None,
                digest: false,
                scopes: scopes.iter().map(ToString::to_string).collect(),
            }],
            limits: Limits { memory_mib, ..Limits::default() },
        }
    }

    #[test]
    fn only_more_is_widening() {
        let old = wishes(&["https://a.org", "https://b.org"], &["read"], Some(64));
        assert_eq!(old.widened_by(&wishes(&["https://a.org"], &[], Some(32))), [""; 0]);
        let more =
            old.widened_by(&wishes(&["https://a.org", "https://c.org", "setting:url"], &["read", "write"], Some(65)));
        assert_eq!(
            more,
            [
                "reach https://c.org",
                "reach the server in your setting `url`",
                "have the right `write`",
                "have `memory_mib` 65 instead of 64",
            ]
        );
        assert_eq!(old.widened_by(&wishes(&[], &[], None)), ["have no `memory_mib` of its own instead of 64"]);
    }
}
