//! Index of the provider schema (8.28.0, core types) with ForceNew, defaults and enums: compact and lazy.
