output "vcn_id" {
  description = "OCID of the VCN"
  value       = oci_core_vcn.vcn.id
}

output "public_id" {
  description = "OCID of the subnet"
  value       = oci_core_subnet.public.id
}

output "app_id" {
  description = "OCID of the subnet"
  value       = oci_core_subnet.app.id
}

output "private_rt_id" {
  description = "OCID of the route table"
  value       = oci_core_route_table.private_rt.id
}

output "web_list_id" {
  description = "OCID of the security list"
  value       = oci_core_security_list.web_list.id
}

output "igw_id" {
  description = "OCID of the gateway"
  value       = oci_core_internet_gateway.igw.id
}

output "web_id" {
  description = "OCID of the instance"
  value       = oci_core_instance.web.id
}

output "web_private_ip" {
  description = "Private IP"
  value       = oci_core_instance.web.private_ip
}

output "web_public_ip" {
  description = "Public IP"
  value       = oci_core_instance.web.public_ip
}

output "api_id" {
  description = "OCID of the instance"
  value       = oci_core_instance.api.id
}

output "api_private_ip" {
  description = "Private IP"
  value       = oci_core_instance.api.private_ip
}

output "db_id" {
  description = "OCID of the database"
  value       = oci_database_autonomous_database.db.id
}

output "db_connection_strings" {
  description = "Connection strings by level"
  value       = try(oci_database_autonomous_database.db.connection_strings[0].all_connection_strings, {})
}

output "db_database_actions_url" {
  description = "URL of Database Actions"
  value       = try(oci_database_autonomous_database.db.connection_urls[0].sql_dev_web_url, null)
}

output "db_private_endpoint" {
  description = "Host name of the private endpoint"
  value       = oci_database_autonomous_database.db.private_endpoint
}

output "lake_name" {
  description = "Name of the bucket"
  value       = oci_objectstorage_bucket.lake.name
}

output "lake_namespace" {
  description = "Namespace"
  value       = oci_objectstorage_bucket.lake.namespace
}
