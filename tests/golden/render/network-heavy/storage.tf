resource "oci_objectstorage_bucket" "lake" {
  compartment_id = var.compartment_ocid
  namespace      = data.oci_objectstorage_namespace.namespace.namespace
  name           = "Data-Lake-ba579c"
  access_type    = "NoPublicAccess"
  storage_tier   = "Standard"
  versioning     = "Enabled"
  freeform_tags = {
    "galley-address" = "oci_objectstorage_bucket.lake"
    "galley-design"  = "11111111-2222-3333-4444-555555555555"
    "galley-session" = "s-01h"
  }
}
