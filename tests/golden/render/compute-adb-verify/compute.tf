data "oci_core_images" "vm" {
  compartment_id           = var.compartment_ocid
  operating_system         = "Oracle Linux"
  operating_system_version = "9"
  shape                    = "VM.Standard.E4.Flex"
  state                    = "AVAILABLE"
  sort_by                  = "TIMECREATED"
  sort_order               = "DESC"
}

resource "oci_core_instance" "vm" {
  compartment_id      = var.compartment_ocid
  availability_domain = data.oci_identity_availability_domains.availability_domains.availability_domains[0].name
  display_name        = "Dev Compute Instance"
  shape               = "VM.Standard.E4.Flex"
  freeform_tags = {
    "galley-address" = "oci_core_instance.vm"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }

  shape_config {
    ocpus         = 1
    memory_in_gbs = 8
  }

  create_vnic_details {
    subnet_id        = oci_core_subnet.vcn_private_app.id
    assign_public_ip = "false"
    nsg_ids = [
      oci_core_network_security_group.vm_nsg.id
    ]
  }

  source_details {
    source_type = "image"
    source_id   = data.oci_core_images.vm.images[0].id
  }

  lifecycle {
    ignore_changes = [
      source_details[0].source_id
    ]
  }
}
