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
  description = "Connection strings by level"
  value       = try(oci_database_autonomous_database.adb.connection_strings[0].all_connection_strings, {})
}

output "adb_database_actions_url" {
  description = "URL of Database Actions"
  value       = try(oci_database_autonomous_database.adb.connection_urls[0].sql_dev_web_url, null)
}
