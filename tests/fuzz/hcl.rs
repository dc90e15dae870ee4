//! Override files made by grammar: what Terraform's language has, what it must not do here, in any nesting.

use std::fmt::Write;

use bolero::TypeGenerator;

use crate::words::WORDS;

/// A file.
#[derive(Debug, Clone, TypeGenerator)]
pub struct File(#[generator(bolero::produce_with::<Vec<Top>>().len(1..5usize))] Vec<Top>);

#[derive(Debug, Clone, TypeGenerator)]
enum Top {
    Typed(bool, u8, u8, Body),
    Named(u8, u8, Body),
    Locals(Body),
    Other(u8, Body),
    Loose(Item),
    Word(u8),
}

#[derive(Debug, Clone, TypeGenerator)]
struct Body(#[generator(bolero::produce_with::<Vec<Item>>().len(0..5usize))] Vec<Item>);

#[derive(Debug, Clone, TypeGenerator)]
enum Item {
    Argument(u8, Expr),
    Block(u8, Box<Body>),
    Dynamic(u8, Expr, Box<Body>),
    Comment(u8, u8),
}

#[derive(Debug, Clone, TypeGenerator)]
enum Expr {
    Number(i16),
    Bool(bool),
    Null,
    Name(u8),
    Text(Parts),
    Heredoc(bool, Parts),
    Call(u8, Many),
    Foreign(u8, Many),
    List(Many),
    Map(u8, Box<Expr>, Box<Expr>),
    ForList(Box<Expr>, Box<Expr>, bool),
    ForMap(Box<Expr>, Box<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    Index(Box<Expr>, Box<Expr>),
    Splat(Box<Expr>, bool),
    Paren(Box<Expr>),
    Not(u8, Box<Expr>),
    Binary(u8, Box<Expr>, Box<Expr>),
}

#[derive(Debug, Clone, TypeGenerator)]
struct Many(#[generator(bolero::produce_with::<Vec<Expr>>().len(0..3usize))] Vec<Expr>);

#[derive(Debug, Clone, TypeGenerator)]
struct Parts(#[generator(bolero::produce_with::<Vec<Part>>().len(0..4usize))] Vec<Part>);

#[derive(Debug, Clone, TypeGenerator)]
enum Part {
    Word(u8),
    Plain(u8),
    Insert(bool, Box<Expr>),
    If(Box<Expr>, Box<Parts>),
    For(Box<Expr>, Box<Parts>),
}

const TYPES: [&str; 8] = [
    "oci_core_vcn",
    "oci_objectstorage_bucket",
    "oci_objectstorage_object",
    "oci_core_images",
    "oci_identity_availability_domains",
    "external",
    "null_resource",
    "oci_no_such_thing",
];
const KEYWORDS: [&str; 10] = ["terraform", "provider", "module", "import", "moved", "removed", "check", "ephemeral", "resource", "data"];
const BLOCKS: [&str; 8] =
    ["provisioner", "connection", "lifecycle", "timeouts", "validation", "precondition", "create_vnic_details", "filter"];
const ARGUMENTS: [&str; 12] = [
    "compartment_id",
    "namespace",
    "name",
    "source",
    "content",
    "provider",
    "ephemeral",
    "count",
    "for_each",
    "depends_on",
    "value",
    "default",
];
const FUNCTIONS: [&str; 16] = [
    "file",
    "filebase64",
    "templatefile",
    "templatestring",
    "fileset",
    "abspath",
    "pathexpand",
    "nonsensitive",
    "timestamp",
    "jsonencode",
    "substr",
    "try",
    "merge",
    "toset",
    "cidrsubnet",
    "format",
];
const NAMES: [&str; 10] = [
    "var.region",
    "var.compartment_ocid",
    "local.a",
    "path.cwd",
    "path",
    "each.key",
    "data.oci_core_images.i.images",
    "oci_core_vcn.v.id",
    "self.id",
    "terraform.workspace",
];

fn pick<'t>(list: &[&'t str], number: u8) -> &'t str {
    list[usize::from(number) % list.len()]
}

impl File {
    /// The text of the file.
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.0.iter().for_each(|top| top.write(&mut out));
        out
    }
}

impl Top {
    fn write(&self, out: &mut String) {
        match self {
            Top::Typed(data, kind, label, body) => {
                let _ = write!(out, "{} \"{}\" \"l{label}\" ", if *data { "data" } else { "resource" }, pick(&TYPES, *kind));
                body.write(out);
            }
            Top::Named(kind, label, body) => {
                let _ = write!(out, "{} \"n{label}\" ", if *kind % 2 == 0 { "variable" } else { "output" });
                body.write(out);
            }
            Top::Locals(body) => {
                out.push_str("locals ");
                body.write(out);
            }
            Top::Other(keyword, body) => {
                let _ = write!(out, "{} \"x\" ", pick(&KEYWORDS, *keyword));
                body.write(out);
            }
            Top::Loose(item) => item.write(out),
            Top::Word(number) => out.push_str(&WORDS[usize::from(*number) % WORDS.len()]),
        }
    }
}

impl Body {
    fn write(&self, out: &mut String) {
        out.push_str("{\n");
        self.0.iter().for_each(|item| item.write(out));
        out.push_str("}\n");
    }
}

impl Item {
    fn write(&self, out: &mut String) {
        match self {
            Item::Argument(name, value) => {
                let _ = write!(out, "{} = ", pick(&ARGUMENTS, *name));
                value.write(out);
                out.push('\n');
            }
            Item::Block(name, body) => {
                let label = if *name % 2 == 0 { " \"local-exec\"" } else { "" };
                let _ = write!(out, "{}{label} ", pick(&BLOCKS, *name / 2));
                body.write(out);
            }
            Item::Dynamic(name, each, body) => {
                let _ = write!(out, "dynamic \"{}\" {{\nfor_each = ", pick(&BLOCKS, *name));
                each.write(out);
                out.push_str("\ncontent ");
                body.write(out);
                out.push_str("}\n");
            }
            Item::Comment(kind, number) => {
                let (open, close) = [("# ", "\n"), ("// ", "\n"), ("/* ", " */\n")][usize::from(*kind) % 3];
                let _ = write!(out, "{open}{}{close}", WORDS[usize::from(*number) % WORDS.len()]);
            }
        }
    }
}

impl Expr {
    fn write(&self, out: &mut String) {
        let around = |out: &mut String, open: &str, inner: &Expr, close: &str| {
            out.push_str(open);
            inner.write(out);
            out.push_str(close);
        };
        match self {
            Expr::Number(number) => drop(write!(out, "{number}")),
            Expr::Bool(flag) => drop(write!(out, "{flag}")),
            Expr::Null => out.push_str("null"),
            Expr::Name(number) => out.push_str(pick(&NAMES, *number)),
            Expr::Text(parts) => {
                out.push('"');
                parts.write(out);
                out.push('"');
            }
            Expr::Heredoc(flush, parts) => {
                out.push_str(if *flush { "<<-EOT\n" } else { "<<EOT\n" });
                parts.write(out);
                out.push_str("\nEOT\n");
            }
            Expr::Call(name, args) => {
                let _ = write!(out, "{}(", pick(&FUNCTIONS, *name));
                args.write(out);
                out.push(')');
            }
            Expr::Foreign(name, args) => {
                let _ = write!(out, "provider::oci::{}(", pick(&FUNCTIONS, *name));
                args.write(out);
                out.push(')');
            }
            Expr::List(items) => {
                out.push('[');
                items.write(out);
                out.push(']');
            }
            Expr::Map(kind, key, value) => {
                let (open, close) = if *kind % 2 == 0 { ("{ (", ")") } else { ("{ ", "") };
                around(out, open, key, close);
                around(out, if *kind % 3 == 0 { " : " } else { " = " }, value, " }");
            }
            Expr::ForList(over, each, grouped) => {
                around(out, "[for x in ", over, " : ");
                around(out, "", each, if *grouped { " if x]" } else { "]" });
            }
            Expr::ForMap(over, each) => {
                around(out, "{ for k, v in ", over, " : k => ");
                around(out, "", each, "... }");
            }
            Expr::If(condition, yes, no) => {
                around(out, "", condition, " ? ");
                around(out, "", yes, " : ");
                no.write(out);
            }
            Expr::Index(of, at) => {
                of.write(out);
                around(out, "[", at, "]");
            }
            Expr::Splat(of, full) => around(out, "", of, if *full { "[*].id" } else { ".*.id" }),
            Expr::Paren(inner) => around(out, "(", inner, ")"),
            Expr::Not(sign, inner) => around(out, if *sign % 2 == 0 { "!" } else { "-" }, inner, ""),
            Expr::Binary(sign, left, right) => {
                left.write(out);
                let _ = write!(out, " {} ", pick(&["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||"], *sign));
                right.write(out);
            }
        }
    }
}

impl Many {
    fn write(&self, out: &mut String) {
        for (at, item) in self.0.iter().enumerate() {
            out.push_str(if at > 0 { ", " } else { "" });
            item.write(out);
        }
    }
}

impl Parts {
    fn write(&self, out: &mut String) {
        let around = |out: &mut String, open: &str, condition: &Expr, inner: &Parts, close: &str| {
            out.push_str(open);
            condition.write(out);
            out.push('}');
            inner.write(out);
            out.push_str(close);
        };
        for part in &self.0 {
            match part {
                Part::Word(number) => out.push_str(&WORDS[usize::from(*number) % WORDS.len()].replace('"', "\\\"").replace('\n', "\\n")),
                Part::Plain(number) => out.push_str(pick(&["a", " ", "$", "%", "$$", "%%", "{", "}", "\\u0024", "~}", "データ"], *number)),
                Part::Insert(strip, inner) => {
                    out.push_str(if *strip { "${~ " } else { "${" });
                    inner.write(out);
                    out.push_str(if *strip { " ~}" } else { "}" });
                }
                Part::If(condition, inner) => around(out, "%{ if ", condition, inner, "%{ else }b%{ endif }"),
                Part::For(over, inner) => around(out, "%{ for x in ", over, inner, "%{ endfor }"),
            }
        }
    }
}
