resource "oci_database_autonomous_database" "adb" {
  compartment_id           = var.compartment_ocid
  display_name             = "Autonomous DB (ATP)"
  db_name                  = "devatp"
  db_workload              = "OLTP"
  is_free_tier             = true
  admin_password           = var.adb_admin_password
  license_model            = "LICENSE_INCLUDED"
  cpu_core_count           = 1
  data_storage_size_in_tbs = 1
  freeform_tags = {
    "galley-address" = "oci_database_autonomous_database.adb"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}
