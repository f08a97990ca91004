//! Which network addresses a plugin's request may reach.
//!
//! Invariant: an IPv6 address that carries an IPv4 one is judged by the one it carries.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressClass {
    /// Anywhere on the public internet.
    Public,
    /// The user's own machine or network: reached only where the connection allows it.
    Private(&'static str),
    /// Never a server of records: metadata services, multicast, reserved ranges.
    Never(&'static str),
}

impl AddressClass {
    pub(crate) fn is_allowed(self, allow_private_network: bool) -> bool {
        match self {
            AddressClass::Public => true,
            AddressClass::Private(_) => allow_private_network,
            AddressClass::Never(_) => false,
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            AddressClass::Public => "a public address",
            AddressClass::Private(what) | AddressClass::Never(what) => what,
        })
    }
}

/// Says what kind of place `address` is.
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => classify_v6(v6),
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    use AddressClass::{Never, Private, Public};
    match address.octets() {
        // AWS, Google, Azure, Oracle and others answer credentials of the machine here; Azure and Alibaba also below.
        [169, 254, 169, 253..=254] | [169, 254, 170, 2] | [168, 63, 129, 16] | [100, 100, 100, 200] => {
            Never("a cloud metadata address")
        }
        [0, ..] => Never("the unspecified address"),
        [127, ..] => Private("a loopback address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private("a private address"),
        [100, 64..=127, ..] => Private("a shared carrier address"),
        [169, 254, ..] => Private("a link-local address"),
        [192, 0, 0, _] | [192, 88, 99, _] => Never("a reserved address"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Never("a documentation address"),
        [198, 18..=19, ..] => Private("a benchmarking address"),
        [224..=239, ..] => Never("a multicast address"),
        [240..=255, ..] => Never("a reserved address"),
        _ => Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    use AddressClass::{Never, Private, Public};
    if address.is_loopback() {
        return Private("a loopback address");
    }
    if address.is_unspecified() {
        return Never("the unspecified address");
    }
    if let Some(carried) = carried_v4(address) {
        return classify_v4(carried);
    }
    match address.segments() {
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => Never("a cloud metadata address"),
        [0xfc00..=0xfdff, ..] => Private("a unique local address"),
        [0xfe80..=0xfebf, ..] => Private("a link-local address"),
        [0xfec0..=0xfeff, ..] => Private("a site-local address"),
        [0xff00..=0xffff, ..] => Never("a multicast address"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Never("a documentation address"),
        // Teredo hides an IPv4 address and a relay; ORCHID, benchmarking and the like are no servers either.
        [0x2001, 0..=0x01ff, ..] => Never("a tunnel or protocol address"),
        [0x2000..=0x3fff, ..] => Public,
        _ => Never("a reserved address"),
    }
}

/// The IPv4 address inside a mapped, compatible, translated, NAT64 or 6to4 address.
fn carried_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressClass, classify};

    /// `+` public, `p` private, `-` never.
    const TABLE: &str = "
        + 1.1.1.1
        + 8.8.8.8
        + 172.32.0.1
        + 100.128.0.1
        + 2606:4700::1111
        + ::ffff:8.8.8.8
        + 64:ff9b::8.8.8.8
        + 2002:808:808::1
        p 127.0.0.1
        p 127.255.255.254
        p 10.0.0.1
        p 172.16.0.1
        p 172.31.255.255
        p 192.168.1.1
        p 100.64.0.1
        p 169.254.1.1
        p ::1
        p ::ffff:127.0.0.1
        p ::ffff:10.1.2.3
        p ::127.0.0.1
        p ::ffff:0:127.0.0.1
        p 64:ff9b::10.0.0.1
        p 2002:7f00:1::
        p 2002:c0a8:101::1
        p fc00::1
        p fd12:3456::1
        p fe80::1
        p fec0::1
        - 0.0.0.0
        - 0.1.2.3
        - ::
        - 169.254.169.254
        - ::ffff:169.254.169.254
        - 64:ff9b::169.254.169.254
        - 2002:a9fe:a9fe::
        - 168.63.129.16
        - 100.100.100.200
        - fd00:ec2::254
        - 224.0.0.1
        - 239.255.255.255
        - 240.0.0.1
        - 255.255.255.255
        - ff02::1
        - 192.0.2.1
        - 203.0.113.9
        - 2001:db8::1
        - 2001::1
        - 64:ff9b:1::1
        - 100::1
        - 4000::1
    ";

    #[test]
    fn every_class_of_address() {
        for line in TABLE.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (mark, address) = line.split_once(' ').expect("a mark and an address");
            let class = classify(address.parse().expect("an address"));
            let seen = match class {
                AddressClass::Public => "+",
                AddressClass::Private(_) => "p",
                AddressClass::Never(_) => "-",
            };
            assert_eq!(seen, mark, "{address} is {class:?}");
            assert_eq!(class.is_allowed(false), mark == "+", "{address} without the private network");
            assert_eq!(class.is_allowed(true), mark != "-", "{address} with the private network");
        }
    }
}
