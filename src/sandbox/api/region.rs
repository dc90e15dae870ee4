//! What the simulated Identity service says of regions. Pure; the regions themselves are `oci::region`'s.

pub(crate) use crate::oci::region::Region;

/// The region when the configuration names none.
pub(crate) const DEFAULT_REGION: &str = "ap-osaka-1";

/// Names of the availability domains of a region, as the Identity service spells them.
pub(crate) fn availability_domains(region: &Region) -> Vec<String> {
    // The four commercial regions with three; all others have one.
    let count = match region.id.as_str() {
        "us-ashburn-1" | "us-phoenix-1" | "eu-frankfurt-1" | "uk-london-1" => 3,
        _ => 1,
    };
    (1..=count).map(|n| format!("vGaL:{}-AD-{n}", region.id.to_ascii_uppercase())).collect()
}
