//! What the network service surely refuses: CIDRs that do not fit, labels without a parent label, a second internet gateway,
//! and the delete of anything that something else still refers to.

use ipnet::Ipv4Net;
use serde_json::Value as Json;

use super::super::cloud::{CloudResource, State};
use super::super::value::Value;
use super::error::{OciError, service_name};
use super::network::cidr;
use super::refuse::Check;

type Verdict = Result<(), OciError>;

pub(super) fn write(check: &Check<'_>) -> Verdict {
    match check.resource_type {
        "oci_core_vcn" => vcn(check),
        "oci_core_subnet" => subnet(check),
        "oci_core_internet_gateway" => {
            let vcn = check.text("vcn_id");
            if check.siblings().any(|other| other.text("vcn_id") == Some(vcn)) {
                return Err(OciError::new(400, "LimitExceeded", "You have reached your limit of 1 internet gateway per VCN."));
            }
            Ok(())
        }
        "oci_core_network_security_group_security_rule" => rule(check),
        _ => Ok(()),
    }
}

/// VCNs and subnets have /16 to /30 (OCI networking overview), and host bits must be zero.
fn sized(text: &str) -> Result<Ipv4Net, OciError> {
    let net: Ipv4Net = text.parse().map_err(|_| OciError::invalid(format!("The requested CIDR {text} is invalid.")))?;
    if net.trunc() != net {
        return Err(OciError::invalid(format!("The requested CIDR {text} is invalid: host bits are set.")));
    }
    if !(16..=30).contains(&net.prefix_len()) {
        return Err(OciError::invalid(format!("The requested CIDR {text} is invalid: the size must be between /16 and /30.")));
    }
    Ok(net)
}

fn overlap(one: &Ipv4Net, two: &Ipv4Net) -> bool {
    one.contains(two) || two.contains(one)
}

fn vcn(check: &Check<'_>) -> Verdict {
    let single = check.value.get("cidr_block");
    let texts: Vec<&str> = check.value.get("cidr_blocks").texts().collect();
    if texts.is_empty() && single.as_str().is_none() {
        return Err(OciError::invalid("cidrBlocks size must be between 1 and 16"));
    }
    let nets = texts.iter().map(|text| sized(text)).collect::<Result<Vec<_>, _>>()?;
    single.as_str().map_or(Ok(()), |text| sized(text).map(|_| ()))?;
    for (at, net) in nets.iter().enumerate() {
        if nets[..at].iter().any(|before| overlap(before, net)) {
            return Err(OciError::invalid(format!("The CIDR {net} overlaps with another CIDR of the VCN.")));
        }
    }
    Ok(())
}

fn subnet(check: &Check<'_>) -> Verdict {
    let vcn_id = check.text("vcn_id");
    let Some(vcn) = check.state.get(vcn_id) else { return Ok(()) };
    if check.text("cidr_block").is_empty() && check.value.get("ipv4cidr_blocks").elements().is_empty() {
        return Err(OciError::invalid("cidrBlock may not be null"));
    }
    let vcn_has_label = vcn.text("dns_label").is_some_and(|label| !label.is_empty());
    if !check.text("dns_label").is_empty() && !vcn_has_label {
        return Err(OciError::invalid("dnsLabel cannot be specified for a subnet when its VCN has no dnsLabel."));
    }
    let Some(text) = check.value.get("cidr_block").as_str() else { return Ok(()) };
    let net = sized(text)?;
    let blocks = Value::from_json(vcn.attributes.get("cidr_blocks").unwrap_or(&Json::Null));
    let inside = blocks.elements().iter().filter_map(cidr).any(|block| block.contains(&net));
    if !inside {
        return Err(OciError::invalid(format!("The requested CIDR {net} is invalid: it is not contained in a CIDR of the VCN {vcn_id}.")));
    }
    let others = check.siblings().filter(|other| other.text("vcn_id") == Some(vcn_id));
    for other in others {
        let taken = other.text("cidr_block").and_then(|text| text.parse::<Ipv4Net>().ok());
        if taken.is_some_and(|taken| overlap(&taken, &net)) {
            return Err(OciError::invalid(format!("The requested CIDR {net} is invalid: subnet {} overlaps with it.", other.id)));
        }
    }
    Ok(())
}

/// Peer and its type belong to the direction of a rule; ports of 0 are invalid.
fn rule(check: &Check<'_>) -> Verdict {
    let side = match check.text("direction") {
        "INGRESS" => "source",
        "EGRESS" => "destination",
        _ => return Ok(()),
    };
    if check.text(side).is_empty() {
        return Err(OciError::invalid(format!("{side} is required for the direction {}", check.text("direction"))));
    }
    for options in ["tcp_options", "udp_options"] {
        for range in ["destination_port_range", "source_port_range"] {
            let range = check.value.at(&format!("{options}.0.{range}.0"));
            let bounds = [range.get("min").as_f64(), range.get("max").as_f64()];
            if let [Some(min), Some(max)] = bounds
                && !(1.0..=65_535.0).contains(&min) | !(1.0..=65_535.0).contains(&max) | (min > max)
            {
                return Err(OciError::invalid(format!(
                    "The port range {min}-{max} is invalid: ports are 1 to 65535, min is not above max."
                )));
            }
        }
    }
    Ok(())
}

/// Attributes that hold on to what they name, by the type of what they name.
fn holders(resource_type: &str) -> &'static [&'static str] {
    match resource_type {
        "oci_core_vcn" => &["vcn_id"],
        "oci_core_subnet" => {
            &["subnet_id", "subnet_ids", "primary_subnet_id", "target_subnet_id", "service_lb_subnet_ids", "pod_subnet_ids"]
        }
        "oci_core_network_security_group" => &["nsg_ids", "network_security_group_ids", "backend_nsg_ids", "pod_nsg_ids"],
        "oci_core_route_table" => &["route_table_id"],
        "oci_core_security_list" => &["security_list_ids"],
        "oci_core_dhcp_options" => &["dhcp_options_id"],
        "oci_core_internet_gateway" | "oci_core_nat_gateway" | "oci_core_service_gateway" => &["network_entity_id"],
        _ => &[],
    }
}

pub(super) fn delete(state: &State, resource: &CloudResource) -> Verdict {
    let holders = holders(&resource.resource_type);
    if holders.is_empty() {
        return Ok(());
    }
    let mut others = state.resources().filter(|other| other.id != resource.id);
    match others.find(|other| holds(&other.attributes, holders, &resource.id)) {
        Some(other) => Err(OciError::conflict(format!(
            "The {} {} references the {} {}. You must remove the reference to proceed with this operation.",
            title(&resource.resource_type),
            resource.id,
            title(&other.resource_type),
            other.id
        ))),
        None => Ok(()),
    }
}

/// `oci_core_subnet` → `Subnet`
fn title(resource_type: &str) -> String {
    let name = service_name(resource_type);
    name.strip_prefix("Core ").unwrap_or(&name).to_owned()
}

fn holds(json: &Json, holders: &[&str], id: &str) -> bool {
    match json {
        Json::Object(members) => members.iter().any(|(name, value)| {
            let named = holders.contains(&name.as_str());
            let is = |value: &Json| value.as_str() == Some(id);
            named && (is(value) || value.as_array().is_some_and(|elements| elements.iter().any(is))) || holds(value, holders, id)
        }),
        Json::Array(elements) => elements.iter().any(|element| holds(element, holders, id)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}
