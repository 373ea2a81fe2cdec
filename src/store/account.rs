//! The party that limits count.

use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest, Sha256};

/// The party that limits count: a user or, without users, the address of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account([u8; ACCOUNT_BYTES]);

const ACCOUNT_BYTES: usize = 16;

/// The bits of an IPv6 address that a provider assigns to one customer.
const V6_PREFIX_BITS: u32 = 64;

impl Account {
    /// Returns the account of a user.
    #[must_use]
    pub fn of_user(name: &[u8]) -> Self {
        let mut account = [0; ACCOUNT_BYTES];
        account.copy_from_slice(&Sha256::digest(name)[..ACCOUNT_BYTES]);
        Self(account)
    }

    /// Returns the account of a client address. All IPv6 addresses with the same first 64 bits share one.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        let bits = match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits() & (u128::MAX << (Ipv6Addr::BITS - V6_PREFIX_BITS)),
        };
        Self(bits.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_v6_network_share_an_account() {
        let of = |text: &str| Account::of_address(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(Account::of_user(b"ann"), Account::of_user(b"bob"));
    }
}
