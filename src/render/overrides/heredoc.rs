//! Whether Terraform's own reader sees the same file. The allowlist judges what `hcl-edit` reads; where the two disagree about
//! the end of a text, code of one is a text or a comment of the other, and `file()` gets past. Pure.
//!
//! They disagree about heredocs (found by running both on millions of files: hcl-edit 0.10, hashicorp/hcl 2.24). Terraform
//! ends one at the first line that is the marker and nothing else, white space of any kind aside. hcl-edit overlooks that
//! line when it is the first one or begins with white space that is not ASCII, and takes a marker with anything but a letter
//! behind it for the end. So a heredoc is taken only when both readings end it at the same line.

use hcl_edit::Span;
use hcl_edit::structure::Body;
use hcl_edit::template::{ForTemplateExpr, HeredocTemplate};
use hcl_edit::visit::{Visit, visit_for_template_expr, visit_heredoc_template};

use crate::validator::finding::{Both, both, quoted};

/// What the two could read differently in a file that can be read.
pub(super) fn doubtful(text: &str, body: &Body) -> Option<Both> {
    // To Terraform a carriage return alone is no end of a line, and no part of one either.
    if text.replace("\r\n", "").contains('\r') {
        return Some(both(
            "改行 (CR) が単独であります。LF か CRLF にしてください",
            "a carriage return stands alone: end lines with LF or CRLF",
        ));
    }
    let mut look = Look { text, inside: 0, found: None };
    look.visit_body(body);
    look.found.map(|marker| {
        let shown = quoted(&marker);
        both(
            format!("ヒアドキュメント {shown} の終わりがはっきりしません。終わりの行には {shown} だけを書き、中にその行を置かず、空にもしないでください"),
            format!("the end of heredoc {shown} is not certain: let {shown} stand alone in its last line and in no other, and do not leave it empty"),
        )
    })
}

struct Look<'t> {
    text: &'t str,
    /// heredocs around
    inside: usize,
    found: Option<String>,
}

impl Look<'_> {
    fn ends_once(&self, heredoc: &HeredocTemplate) -> bool {
        let marker = heredoc.delimiter.as_str();
        let read = || {
            let span = heredoc.template.span()?;
            Some((self.text.get(span.clone())?, self.text.get(span.end..)?.split('\n').next()?))
        };
        read().is_some_and(|(content, end)| end.trim() == marker && !content.split('\n').any(|line| line.trim() == marker))
    }
}

impl Visit for Look<'_> {
    fn visit_heredoc_template(&mut self, heredoc: &HeredocTemplate) {
        if self.inside > 0 || !self.ends_once(heredoc) {
            self.found.get_or_insert_with(|| heredoc.delimiter.as_str().to_owned());
        }
        self.inside += 1;
        visit_heredoc_template(self, heredoc);
        self.inside -= 1;
    }
    /// The library's own visitor leaves the collection of a `for` directive out.
    fn visit_for_template_expr(&mut self, each: &ForTemplateExpr) {
        self.visit_expr(&each.collection_expr);
        visit_for_template_expr(self, each);
    }
}
