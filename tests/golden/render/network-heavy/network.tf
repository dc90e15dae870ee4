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
    "172.16.0.0/20"
  ]
  display_name = "本番 VCN"
  dns_label    = "vcn"
  freeform_tags = {
    "galley-address" = "oci_core_vcn.vcn"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_subnet" "public" {
  compartment_id             = var.compartment_ocid
  vcn_id                     = oci_core_vcn.vcn.id
  cidr_block                 = "172.16.0.0/24"
  display_name               = "Public"
  dns_label                  = "public"
  prohibit_public_ip_on_vnic = false
  route_table_id             = oci_core_route_table.vcn_public_routes.id
  security_list_ids = [
    oci_core_security_list.web_list.id
  ]
  freeform_tags = {
    "galley-address" = "oci_core_subnet.public"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_subnet" "app" {
  compartment_id             = var.compartment_ocid
  vcn_id                     = oci_core_vcn.vcn.id
  cidr_block                 = "172.16.3.0/24"
  display_name               = "App"
  dns_label                  = "app"
  prohibit_public_ip_on_vnic = true
  route_table_id             = oci_core_route_table.private_rt.id
  security_list_ids = [
    oci_core_security_list.vcn_empty_list.id
  ]
  freeform_tags = {
    "galley-address" = "oci_core_subnet.app"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_route_table" "private_rt" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "Private routes"
  freeform_tags = {
    "galley-address" = "oci_core_route_table.private_rt"
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

resource "oci_core_security_list" "web_list" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "Public list"
  freeform_tags = {
    "galley-address" = "oci_core_security_list.web_list"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }

  egress_security_rules {
    destination      = "0.0.0.0/0"
    destination_type = "CIDR_BLOCK"
    protocol         = "all"
  }

  ingress_security_rules {
    source      = "0.0.0.0/0"
    source_type = "CIDR_BLOCK"
    protocol    = "6"

    tcp_options {
      min = 443
      max = 443
    }
  }
}

resource "oci_core_internet_gateway" "igw" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "igw"
  enabled        = true
  freeform_tags = {
    "galley-address" = "oci_core_internet_gateway.igw"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_subnet" "vcn_private_db" {
  compartment_id             = var.compartment_ocid
  vcn_id                     = oci_core_vcn.vcn.id
  cidr_block                 = "172.16.2.0/24"
  display_name               = "本番 VCN private db"
  dns_label                  = "vcnprivatdc17fc"
  prohibit_public_ip_on_vnic = true
  route_table_id             = oci_core_route_table.private_rt.id
  security_list_ids = [
    oci_core_security_list.vcn_empty_list.id
  ]
  freeform_tags = {
    "galley-address" = "oci_core_subnet.vcn_private_db"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_route_table" "vcn_public_routes" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "本番 VCN public routes"
  freeform_tags = {
    "galley-address" = "oci_core_route_table.vcn_public_routes"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }

  route_rules {
    destination       = "0.0.0.0/0"
    destination_type  = "CIDR_BLOCK"
    network_entity_id = oci_core_internet_gateway.igw.id
  }
}

resource "oci_core_nat_gateway" "vcn_nat" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "本番 VCN nat"
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
  display_name   = "本番 VCN sgw"
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
  display_name   = "本番 VCN empty list"
  freeform_tags = {
    "galley-address" = "oci_core_security_list.vcn_empty_list"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_network_security_group" "web_nsg" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "Web NSG"
  freeform_tags = {
    "galley-address" = "oci_core_network_security_group.web_nsg"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_network_security_group" "api_nsg" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "api NSG"
  freeform_tags = {
    "galley-address" = "oci_core_network_security_group.api_nsg"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_network_security_group" "db_nsg" {
  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.vcn.id
  display_name   = "業務 DB NSG"
  freeform_tags = {
    "galley-address" = "oci_core_network_security_group.db_nsg"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}

resource "oci_core_network_security_group_security_rule" "web_to_api_8080" {
  network_security_group_id = oci_core_network_security_group.web_nsg.id
  description               = "http: web to api"
  direction                 = "EGRESS"
  protocol                  = "6"
  destination               = oci_core_network_security_group.api_nsg.id
  destination_type          = "NETWORK_SECURITY_GROUP"

  tcp_options {
    destination_port_range {
      min = 8080
      max = 8080
    }
  }
}

resource "oci_core_network_security_group_security_rule" "api_from_web_8080" {
  network_security_group_id = oci_core_network_security_group.api_nsg.id
  description               = "http: web to api"
  direction                 = "INGRESS"
  protocol                  = "6"
  source                    = oci_core_network_security_group.web_nsg.id
  source_type               = "NETWORK_SECURITY_GROUP"

  tcp_options {
    destination_port_range {
      min = 8080
      max = 8080
    }
  }
}

resource "oci_core_network_security_group_security_rule" "api_to_db_1521" {
  network_security_group_id = oci_core_network_security_group.api_nsg.id
  description               = "private_endpoint: api to db"
  direction                 = "EGRESS"
  protocol                  = "6"
  destination               = oci_core_network_security_group.db_nsg.id
  destination_type          = "NETWORK_SECURITY_GROUP"

  tcp_options {
    destination_port_range {
      min = 1521
      max = 1521
    }
  }
}

resource "oci_core_network_security_group_security_rule" "db_from_api_1521" {
  network_security_group_id = oci_core_network_security_group.db_nsg.id
  description               = "private_endpoint: api to db"
  direction                 = "INGRESS"
  protocol                  = "6"
  source                    = oci_core_network_security_group.api_nsg.id
  source_type               = "NETWORK_SECURITY_GROUP"

  tcp_options {
    destination_port_range {
      min = 1521
      max = 1521
    }
  }
}

resource "oci_core_network_security_group_security_rule" "api_to_db_1522" {
  network_security_group_id = oci_core_network_security_group.api_nsg.id
  description               = "private_endpoint: api to db"
  direction                 = "EGRESS"
  protocol                  = "6"
  destination               = oci_core_network_security_group.db_nsg.id
  destination_type          = "NETWORK_SECURITY_GROUP"

  tcp_options {
    destination_port_range {
      min = 1522
      max = 1522
    }
  }
}

resource "oci_core_network_security_group_security_rule" "db_from_api_1522" {
  network_security_group_id = oci_core_network_security_group.db_nsg.id
  description               = "private_endpoint: api to db"
  direction                 = "INGRESS"
  protocol                  = "6"
  source                    = oci_core_network_security_group.api_nsg.id
  source_type               = "NETWORK_SECURITY_GROUP"

  tcp_options {
    destination_port_range {
      min = 1522
      max = 1522
    }
  }
}

resource "oci_core_network_security_group_security_rule" "api_to_db_443" {
  network_security_group_id = oci_core_network_security_group.api_nsg.id
  description               = "private_endpoint: api to db"
  direction                 = "EGRESS"
  protocol                  = "6"
  destination               = oci_core_network_security_group.db_nsg.id
  destination_type          = "NETWORK_SECURITY_GROUP"

  tcp_options {
    destination_port_range {
      min = 443
      max = 443
    }
  }
}

resource "oci_core_network_security_group_security_rule" "db_from_api_443" {
  network_security_group_id = oci_core_network_security_group.db_nsg.id
  description               = "private_endpoint: api to db"
  direction                 = "INGRESS"
  protocol                  = "6"
  source                    = oci_core_network_security_group.api_nsg.id
  source_type               = "NETWORK_SECURITY_GROUP"

  tcp_options {
    destination_port_range {
      min = 443
      max = 443
    }
  }
}

resource "oci_core_network_security_group_security_rule" "api_to_lake_443" {
  network_security_group_id = oci_core_network_security_group.api_nsg.id
  description               = "service_gateway: api to lake"
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

resource "oci_core_network_security_group_security_rule" "web_ssh_22" {
  network_security_group_id = oci_core_network_security_group.web_nsg.id
  description               = "ssh 22 from 203.0.113.0/24"
  direction                 = "INGRESS"
  protocol                  = "6"
  source                    = "203.0.113.0/24"
  source_type               = "CIDR_BLOCK"

  tcp_options {
    destination_port_range {
      min = 22
      max = 22
    }
  }
}

resource "oci_core_network_security_group_security_rule" "web_public_80" {
  network_security_group_id = oci_core_network_security_group.web_nsg.id
  description               = "public 80 from 0.0.0.0/0"
  direction                 = "INGRESS"
  protocol                  = "6"
  source                    = "0.0.0.0/0"
  source_type               = "CIDR_BLOCK"

  tcp_options {
    destination_port_range {
      min = 80
      max = 80
    }
  }
}

resource "oci_core_network_security_group_security_rule" "web_public_443" {
  network_security_group_id = oci_core_network_security_group.web_nsg.id
  description               = "public 443 from 0.0.0.0/0"
  direction                 = "INGRESS"
  protocol                  = "6"
  source                    = "0.0.0.0/0"
  source_type               = "CIDR_BLOCK"

  tcp_options {
    destination_port_range {
      min = 443
      max = 443
    }
  }
}

resource "oci_core_network_security_group_security_rule" "web_out_web_80" {
  network_security_group_id = oci_core_network_security_group.web_nsg.id
  description               = "web to web 80"
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

resource "oci_core_network_security_group_security_rule" "web_out_web_443" {
  network_security_group_id = oci_core_network_security_group.web_nsg.id
  description               = "web to web 443"
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

resource "oci_core_network_security_group_security_rule" "api_out_web_80" {
  network_security_group_id = oci_core_network_security_group.api_nsg.id
  description               = "api to web 80"
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

resource "oci_core_network_security_group_security_rule" "api_out_web_443" {
  network_security_group_id = oci_core_network_security_group.api_nsg.id
  description               = "api to web 443"
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
