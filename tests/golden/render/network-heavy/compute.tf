data "oci_core_images" "web" {
  compartment_id           = var.compartment_ocid
  operating_system         = "Oracle Linux"
  operating_system_version = "9"
  shape                    = "VM.Standard.E4.Flex"
  state                    = "AVAILABLE"
  sort_by                  = "TIMECREATED"
  sort_order               = "DESC"
}

data "oci_core_images" "api" {
  compartment_id           = var.compartment_ocid
  operating_system         = "Canonical Ubuntu"
  operating_system_version = "22.04"
  shape                    = "VM.Standard.A1.Flex"
  state                    = "AVAILABLE"
  sort_by                  = "TIMECREATED"
  sort_order               = "DESC"
}

resource "oci_core_instance" "web" {
  compartment_id      = var.compartment_ocid
  availability_domain = data.oci_identity_availability_domains.availability_domains.availability_domains[0].name
  display_name        = "Web"
  shape               = "VM.Standard.E4.Flex"
  metadata = {
    "ssh_authorized_keys" = "ssh-ed25519 AAAAC3Nza me@x"
  }
  freeform_tags = {
    "galley-address" = "oci_core_instance.web"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }

  shape_config {
    ocpus         = 1
    memory_in_gbs = 16
  }

  create_vnic_details {
    subnet_id        = oci_core_subnet.public.id
    assign_public_ip = "true"
    nsg_ids = [
      oci_core_network_security_group.web_nsg.id
    ]
  }

  source_details {
    source_type             = "image"
    source_id               = data.oci_core_images.web.images[0].id
    boot_volume_size_in_gbs = "100"
  }

  lifecycle {
    ignore_changes = [
      source_details[0].source_id
    ]
  }
}

resource "oci_core_instance" "api" {
  compartment_id      = var.compartment_ocid
  availability_domain = data.oci_identity_availability_domains.availability_domains.availability_domains[0].name
  display_name        = "api"
  shape               = "VM.Standard.A1.Flex"
  freeform_tags = {
    "galley-address" = "oci_core_instance.api"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }

  shape_config {
    ocpus         = 1
    memory_in_gbs = 16
  }

  create_vnic_details {
    subnet_id        = oci_core_subnet.app.id
    assign_public_ip = "false"
    nsg_ids = [
      oci_core_network_security_group.api_nsg.id
    ]
  }

  source_details {
    source_type = "image"
    source_id   = data.oci_core_images.api.images[0].id
  }

  lifecycle {
    ignore_changes = [
      source_details[0].source_id
    ]
  }
}
