//! Images of the simulated cloud: platform images for instances and node images for OKE, with stable ids that differ by
//! operating system, version, architecture and age. Names follow those of the real ones.

use super::super::api::{Region, stable_ocid};

/// Instruction set of an image or a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arch {
    /// AMD and Intel
    X86,
    /// Ampere
    Arm,
}

impl Arch {
    /// Ampere shapes carry `.A1.`, `.A2.`, `.A4.` in their names.
    pub(crate) fn of_shape(shape: &str) -> Arch {
        if [".A1.", ".A2.", ".A4."].iter().any(|mark| shape.contains(mark)) { Arch::Arm } else { Arch::X86 }
    }
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) os: &'static str,
    pub(crate) version: &'static str,
    pub(crate) arch: Arch,
    /// a node image of the container engine, listed there only
    pub(crate) for_nodes: bool,
    /// `2025.05.19`
    pub(crate) date: &'static str,
    /// Kubernetes version of a node image, without `v`
    pub(crate) kubernetes: Option<&'static str>,
}

/// Versions of Kubernetes that the container engine offers, oldest first.
pub(crate) const KUBERNETES: [&str; 4] = ["1.31.1", "1.31.10", "1.32.1", "1.33.1"];

/// Operating system, version, start of the image name.
const SYSTEMS: [(&str, &str, &str); 7] = [
    ("Oracle Linux", "9", "Oracle-Linux-9.5"),
    ("Oracle Linux", "8", "Oracle-Linux-8.10"),
    ("Canonical Ubuntu", "24.04", "Canonical-Ubuntu-24.04"),
    ("Canonical Ubuntu", "22.04", "Canonical-Ubuntu-22.04"),
    ("Canonical Ubuntu", "20.04", "Canonical-Ubuntu-20.04"),
    ("Windows", "Server 2022 Standard", "Windows-Server-2022-Standard-Edition-VM"),
    ("Windows", "Server 2019 Standard", "Windows-Server-2019-Standard-Edition-VM"),
];

/// Releases of each, newest first.
const DATES: [&str; 2] = ["2025.05.19", "2025.04.16"];

/// Every image of a region, newest first within each system.
pub(crate) fn all(region: &Region) -> Vec<Image> {
    let mut images = Vec::new();
    for (os, version, start) in SYSTEMS {
        for date in DATES {
            for arch in [Arch::X86, Arch::Arm] {
                if os == "Windows" && arch == Arch::Arm {
                    continue;
                }
                let mark = if arch == Arch::Arm { "-aarch64" } else { "" };
                let name = format!("{start}{mark}-{date}-0");
                images.push(Image { id: id(region, &name), name, os, version, arch, for_nodes: false, date, kubernetes: None });
            }
        }
    }
    images.extend(nodes(region));
    images
}

/// Node images: one per Kubernetes version and architecture, and one for GPUs that must not be picked by mistake.
fn nodes(region: &Region) -> Vec<Image> {
    let mut images = Vec::new();
    for kubernetes in KUBERNETES.iter().rev() {
        for (mark, arch) in [("", Arch::X86), ("-aarch64", Arch::Arm), ("-Gen2-GPU", Arch::X86)] {
            let name = format!("Oracle-Linux-8.10{mark}-{}-0-OKE-{kubernetes}-912", DATES[0]);
            images.push(Image {
                id: id(region, &name),
                name,
                os: "Oracle Linux",
                version: "8",
                arch,
                for_nodes: true,
                date: DATES[0],
                kubernetes: Some(kubernetes),
            });
        }
    }
    images
}

fn id(region: &Region, name: &str) -> String {
    stable_ocid("image", region, &format!("{}:{name}", region.id))
}

/// An image of this cloud by its id; `None` for one that the user brought.
pub(crate) fn find(region: &Region, image_id: &str) -> Option<Image> {
    image_id.starts_with("ocid1.image.").then(|| all(region).into_iter().find(|image| image.id == image_id)).flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn image_ids_are_stable_and_differ_by_system_version_architecture_and_region() {
        let (osaka, tokyo) = (Region::named("ap-osaka-1"), Region::named("ap-tokyo-1"));
        let ids: BTreeSet<String> = all(&osaka).into_iter().chain(all(&tokyo)).map(|image| image.id).collect();
        assert_eq!(ids.len(), 2 * all(&osaka).len());
        assert_eq!(all(&osaka), all(&osaka));
        assert_eq!(find(&osaka, &all(&osaka)[1].id).unwrap().arch, Arch::Arm);
        assert_eq!(Arch::of_shape("VM.Standard.A1.Flex"), Arch::Arm);
        assert_eq!(Arch::of_shape("VM.Standard.E4.Flex"), Arch::X86);
    }
}
