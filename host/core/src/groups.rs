//! Which fields are merged as one by what they mean (E2.5), where neither a connector nor the user says so.
//!
//! Two half-applied edits would make a row that nobody entered.

/// Returns the merge group of a meaning: postal address, person name, phone with its country, amount with its currency,
/// start, end and zone of an event.
pub fn standard_group(meaning: &str) -> Option<String> {
    let parts: Vec<&str> = meaning.split('.').collect();
    let last = parts[parts.len() - 1];
    match parts[0] {
        "name" => Some("name".to_owned()),
        "address" => Some(if parts.len() > 2 { parts[..parts.len() - 1].join(".") } else { "address".to_owned() }),
        "phone" if last == "country" => Some(parts[..parts.len() - 1].join(".")),
        "phone" => Some(meaning.to_owned()),
        // `amount` and `amount.currency`, or `amount` and `currency`.
        "amount" | "currency" => Some("amount".to_owned()),
        "event" if matches!(last, "start" | "end" | "zone") => Some("event.time".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::standard_group;

    #[test]
    fn e2_5_standard_groups() {
        let cases = [
            ("name.given", Some("name")),
            ("name.full", Some("name")),
            ("address.home.city", Some("address.home")),
            ("address.work.postal-code", Some("address.work")),
            ("address.city", Some("address")),
            ("phone", Some("phone")),
            ("phone.country", Some("phone")),
            ("phone.mobile", Some("phone.mobile")),
            ("phone.mobile.country", Some("phone.mobile")),
            ("amount", Some("amount")),
            ("currency", Some("amount")),
            ("event.start", Some("event.time")),
            ("event.end", Some("event.time")),
            ("event.zone", Some("event.time")),
            ("event.title", None),
            ("email", None),
            ("", None),
        ];
        for (meaning, group) in cases {
            assert_eq!(standard_group(meaning).as_deref(), group, "{meaning}");
        }
    }
}
