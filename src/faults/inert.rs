//! The build that people use: every fault point is nothing at all.

use std::io;
use std::path::Path;

use super::{Mutant, VARIABLES};

/// Does nothing in this build; orders that are given are refused, so that nobody believes they were carried out.
pub fn arm<'a>(order: impl Fn(&str) -> Option<&'a str>, _data: &Path) -> io::Result<()> {
    match VARIABLES.into_iter().find(|name| order(name).is_some()) {
        None => Ok(()),
        Some(name) => Err(io::Error::new(io::ErrorKind::Unsupported, format!("{name} needs a build with --features faults"))),
    }
}

/// A moment of a durable step that can fail.
#[inline(always)]
pub fn at(_area: &str, _what: &str, _moment: &str) -> io::Result<()> {
    Ok(())
}

/// A moment of writing the file of a key.
#[inline(always)]
pub fn file(_area: &str, _key: &str, _moment: &str) -> io::Result<()> {
    Ok(())
}

/// A moment that cannot fail.
#[inline(always)]
pub fn pass(_area: &str, _what: &str, _moment: &str) {}

/// A write is about to reach the disk.
#[inline(always)]
pub fn disk() -> io::Result<()> {
    Ok(())
}

/// A file is about to be replaced or removed; until [`synced`] a power cut may bring it back.
#[inline(always)]
pub fn replacing(_path: &Path) {}

/// The names of a directory are on the medium.
#[inline(always)]
pub fn synced(_directory: &Path) {}

/// The bytes of a file are not on the medium yet; until [`flushed`] a power cut may empty it.
#[inline(always)]
pub fn unsynced(_path: &Path) {}

/// The bytes of a file are on the medium.
#[inline(always)]
pub fn flushed(_path: &Path) {}

/// Seconds that the clock is wrong by.
#[inline(always)]
pub fn skew() -> i64 {
    0
}

/// Whether this promise is broken on purpose.
#[inline(always)]
pub fn is_broken(_mutant: Mutant) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_refused_by_a_build_that_cannot_carry_them_out() {
        assert!(arm(|_| None, Path::new("/")).is_ok());
        for variable in VARIABLES {
            let error = arm(|name| (name == variable).then_some("x"), Path::new("/")).unwrap_err();
            assert!(error.to_string().contains(variable), "{error}");
        }
        assert!(Mutant::ALL.iter().all(|(mutant, _)| !is_broken(*mutant)), "nothing is broken on purpose here");
    }
}
