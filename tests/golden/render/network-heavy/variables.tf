variable "region" {
  description = "OCI region identifier"
  type        = string
}

variable "compartment_ocid" {
  description = "OCID of the compartment everything is created in"
  type        = string
}

variable "db_admin_password" {
  description = "Password of the ADMIN user"
  type        = string
  sensitive   = true
}
