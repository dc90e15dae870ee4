//! End-to-end tests with real Terraform.
