//! Addresses inside a VCN: where a subnet fits that nobody gave a CIDR. Pure arithmetic.

use ipnet::Ipv4Net;

/// Largest derived subnet: 251 usable addresses are plenty, and a /16 keeps room for 255 more of them.
const LARGEST: u8 = 24;
/// Smallest subnet OCI makes.
pub(super) const SMALLEST: u8 = 30;
/// Addresses OCI keeps of every subnet: network, gateway, broadcast.
pub(crate) const RESERVED: u32 = 3;

/// Prefix of derived subnets: a quarter of the VCN, so that three tiers and one more fit even into a /28, but no more
/// than a /24.
pub(super) fn prefix(vcn: Ipv4Net) -> u8 {
    (vcn.prefix_len() + 2).clamp(LARGEST, SMALLEST)
}

/// Prefix of a subnet that holds so many addresses: the usual one, or a wider one when that is too small.
pub(super) fn wanted(vcn: Option<Ipv4Net>, need: u32) -> u8 {
    let usual = vcn.map_or(SMALLEST, prefix);
    let holds = |prefix: &u8| (1u64 << (32 - u32::from(*prefix))) >= u64::from(need) + u64::from(RESERVED);
    (0..=usual).rev().find(holds).unwrap_or(0)
}

/// A free block that holds so many addresses: the wished slot when it is free, else the first free one, else a smaller one.
/// Each purpose wishes for its own slot, so that adding a tier later moves no other.
pub(super) fn free(vcn: Ipv4Net, taken: &[Ipv4Net], slot: usize, need: u32) -> Option<Ipv4Net> {
    let is_free = |net: &Ipv4Net| !taken.iter().any(|t| t.contains(net) || net.contains(t));
    for prefix in wanted(Some(vcn), need).max(vcn.prefix_len())..=SMALLEST {
        let slots = || vcn.subnets(prefix).ok();
        let fits = |net: &Ipv4Net| is_free(net) && usable(*net) >= need;
        let wished = slots().and_then(|mut all| all.nth(slot)).filter(fits);
        if let Some(net) = wished.or_else(|| slots().and_then(|mut all| all.find(fits))) {
            return Some(net);
        }
    }
    None
}

/// Addresses of a subnet that components can have.
pub(crate) fn usable(net: Ipv4Net) -> u32 {
    let size = 1u64 << (32 - u32::from(net.prefix_len()));
    u32::try_from(size.saturating_sub(u64::from(RESERVED))).unwrap_or(u32::MAX)
}
