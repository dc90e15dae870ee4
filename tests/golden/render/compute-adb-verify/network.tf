data "oci_core_services" "all_services" {
  filter {
    name = "name"
    values = [
      "All .* Services In Oracle Services Network"
    ]
    regex = true
  }
}

resource "oci_core_vcn" "vcn" {
  compartment_id = var.compartment_ocid
  cidr_blocks = [
    "10.0.0.0/16"
  ]
  display_name = "Dev VCN"
  dns_label    = "vcn"
  freeform_tags = {
    "galley-address" = "oci_core_vcn.vcn"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_subnet" "vcn_private_app" {
  compartment_id             = var.compartment_ocid
  vcn_id                     = oci_core_vcn.vcn.id
  cidr_block                 = "10.0.1.0/24"
  display_name               = "Dev VCN private app"
  dns_label                  = "vcnprivatee27d4"
  prohibit_public_ip_on_vnic = true
  route_table_id             = oci_core_route_table.vcn_private_routes.id
  security_list_ids = [
    oci_core_security_list.vcn_empty_list.id
  ]
  freeform_tags = {
    "galley-address" = "oci_core_subnet.vcn_private_app"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_route_table" "vcn_private_routes" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "Dev VCN private routes"
  freeform_tags = {
    "galley-address" = "oci_core_route_table.vcn_private_routes"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }

  route_rules {
    destination       = "0.0.0.0/0"
    destination_type  = "CIDR_BLOCK"
    network_entity_id = oci_core_nat_gateway.vcn_nat.id
  }

  route_rules {
    destination       = data.oci_core_services.all_services.services[0].cidr_block
    destination_type  = "SERVICE_CIDR_BLOCK"
    network_entity_id = oci_core_service_gateway.vcn_sgw.id
  }
}

resource "oci_core_nat_gateway" "vcn_nat" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "Dev VCN nat"
  block_traffic  = false
  freeform_tags = {
    "galley-address" = "oci_core_nat_gateway.vcn_nat"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_service_gateway" "vcn_sgw" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "Dev VCN sgw"
  freeform_tags = {
    "galley-address" = "oci_core_service_gateway.vcn_sgw"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }

  services {
    service_id = data.oci_core_services.all_services.services[0].id
  }
}

resource "oci_core_security_list" "vcn_empty_list" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "Dev VCN empty list"
  freeform_tags = {
    "galley-address" = "oci_core_security_list.vcn_empty_list"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_network_security_group" "vm_nsg" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "Dev Compute Instance NSG"
  freeform_tags = {
    "galley-address" = "oci_core_network_security_group.vm_nsg"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_network_security_group_security_rule" "vm_to_adb_1521" {
  network_security_group_id = oci_core_network_security_group.vm_nsg.id
  description               = "public: vm to adb"
  direction                 = "EGRESS"
  protocol                  = "6"
  destination               = data.oci_core_services.all_services.services[0].cidr_block
  destination_type          = "SERVICE_CIDR_BLOCK"

  tcp_options {
    destination_port_range {
      min = 1521
      max = 1521
    }
  }
}

resource "oci_core_network_security_group_security_rule" "vm_to_adb_1522" {
  network_security_group_id = oci_core_network_security_group.vm_nsg.id
  description               = "public: vm to adb"
  direction                 = "EGRESS"
  protocol                  = "6"
  destination               = data.oci_core_services.all_services.services[0].cidr_block
  destination_type          = "SERVICE_CIDR_BLOCK"

  tcp_options {
    destination_port_range {
      min = 1522
      max = 1522
    }
  }
}

resource "oci_core_network_security_group_security_rule" "vm_to_adb_443" {
  network_security_group_id = oci_core_network_security_group.vm_nsg.id
  description               = "public: vm to adb"
  direction                 = "EGRESS"
  protocol                  = "6"
  destination               = data.oci_core_services.all_services.services[0].cidr_block
  destination_type          = "SERVICE_CIDR_BLOCK"

  tcp_options {
    destination_port_range {
      min = 443
      max = 443
    }
  }
}

resource "oci_core_network_security_group_security_rule" "vm_out_web_80" {
  network_security_group_id = oci_core_network_security_group.vm_nsg.id
  description               = "vm to web 80"
  direction                 = "EGRESS"
  protocol                  = "6"
  destination               = "0.0.0.0/0"
  destination_type          = "CIDR_BLOCK"

  tcp_options {
    destination_port_range {
      min = 80
      max = 80
    }
  }
}

resource "oci_core_network_security_group_security_rule" "vm_out_web_443" {
  network_security_group_id = oci_core_network_security_group.vm_nsg.id
  description               = "vm to web 443"
  direction                 = "EGRESS"
  protocol                  = "6"
  destination               = "0.0.0.0/0"
  destination_type          = "CIDR_BLOCK"

  tcp_options {
    destination_port_range {
      min = 443
      max = 443
    }
  }
}
