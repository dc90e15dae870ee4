resource "oci_database_autonomous_database" "db" {
  compartment_id           = var.compartment_ocid
  display_name             = "業務 DB"
  db_name                  = "dbf6db3c"
  db_workload              = "LH"
  is_free_tier             = false
  admin_password           = var.db_admin_password
  license_model            = "LICENSE_INCLUDED"
  compute_model            = "ECPU"
  compute_count            = 8
  data_storage_size_in_tbs = 1
  is_auto_scaling_enabled  = false
  subnet_id                = oci_core_subnet.vcn_private_db.id
  nsg_ids = [
    oci_core_network_security_group.db_nsg.id
  ]
  freeform_tags = {
    "galley-address" = "oci_database_autonomous_database.db"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}
