output "vcn_id" {
  description = "OCID of the VCN"
  value       = oci_core_vcn.vcn.id
}

output "vm_id" {
  description = "OCID of the instance"
  value       = oci_core_instance.vm.id
}

output "vm_private_ip" {
  description = "Private IP"
  value       = oci_core_instance.vm.private_ip
}

output "adb_id" {
  description = "OCID of the database"
  value       = oci_database_autonomous_database.adb.id
}

output "adb_connection_strings" {
  description = "Connection strings"
  value       = oci_database_autonomous_database.adb.connection_strings
  sensitive   = true
}
