//! How many connections each address has.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// The first 96 bits of an address of IPv4 behind a translator: `64:ff9b::/96` (RFC 6052).
const TRANSLATED: u128 = 0x0064_ff9b << 64;

/// What an address counts as. Whoever has one of IPv6 has the 64 bits behind its network too (RFC 6177), and IPv4 has two ways
/// to be written, and a third behind a translator.
pub fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if address.to_bits() >> 32 == TRANSLATED => {
            let [.., a, b, c, d] = address.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        IpAddr::V4(address) => address.into(),
    }
}

/// The connections of each address; cloning shares them.
#[derive(Debug, Clone)]
pub(super) struct Peers {
    most: usize,
    connections: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Peers {
    /// Gives every address `most` connections.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            connections: Arc::default(),
        }
    }

    /// A place for one more connection of `address`; none if it has its share.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Place> {
        let address = counted_as(address);
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = connections.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place {
            peers: self.clone(),
            address,
        })
    }
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    peers: Peers,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut connections = self
            .peers
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = connections.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_share_and_gets_it_back() {
        let peers = Peers::new(2);
        let admit = |address: &str| peers.admit(address.parse().unwrap());
        let held = (admit("192.0.2.1").unwrap(), admit("192.0.2.1").unwrap());
        assert!(admit("192.0.2.1").is_none());
        assert!(admit("::ffff:192.0.2.1").is_none(), "the same address");
        let network = (admit("2001:db8::1").unwrap(), admit("2001:db8::2").unwrap());
        assert!(admit("2001:db8::3").is_none(), "the same network");
        assert!(admit("192.0.2.2").is_some());
        drop(held);
        assert!(admit("192.0.2.1").is_some());
        drop(network);
        assert!(
            peers.connections.lock().unwrap().is_empty(),
            "nobody is kept"
        );
    }
}
