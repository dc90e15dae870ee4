//! Functions that override files may call: those of Terraform 1.5 whose result depends on their arguments alone. Not here:
//! what reads the server's disk (`file*`, `templatefile`, `fileset`, `pathexpand`, `abspath`), what evaluates text
//! (`templatestring`), what uncovers secrets (`nonsensitive`), what differs at each plan (`timestamp`, `uuid`, `bcrypt`),
//! and functions of providers.

/// Sorted.
pub const ALLOWED: &[&str] = &[
    "abs", "alltrue", "anytrue", "base64decode", "base64encode", "base64gzip", "base64sha256", "base64sha512", "basename", "can",
    "ceil", "chomp", "chunklist", "cidrhost", "cidrnetmask", "cidrsubnet", "cidrsubnets", "coalesce", "coalescelist", "compact",
    "concat", "contains", "csvdecode", "dirname", "distinct", "element", "endswith", "flatten", "floor", "format", "formatdate",
    "formatlist", "indent", "index", "join", "jsondecode", "jsonencode", "keys", "length", "log", "lookup", "lower", "map",
    "matchkeys", "max", "md5", "merge", "min", "one", "parseint", "pow", "range", "regex", "regexall", "replace", "reverse",
    "sensitive", "setintersection", "setproduct", "setsubtract", "setunion", "sha1", "sha256", "sha512", "signum", "slice", "sort",
    "split", "startswith", "strcontains", "strrev", "substr", "sum", "textdecodebase64", "textencodebase64", "timeadd", "timecmp",
    "title", "tobool", "tolist", "tomap", "tonumber", "toset", "tostring", "transpose", "trim", "trimprefix", "trimspace",
    "trimsuffix", "try", "upper", "urlencode", "uuidv5", "values", "yamldecode", "yamlencode", "zipmap",
];
