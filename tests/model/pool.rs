//! Real documents inside small states: shared, and compared by a hash of what they are.

use std::fmt::{self, Debug};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

/// A value that is equal to another one exactly when their Debug texts are, as far as 128 bits of hash can tell.
pub struct Kept<T> {
    hash: (u64, u64),
    value: Rc<T>,
}

impl<T: Debug + 'static> Kept<T> {
    pub fn new(value: T) -> Self {
        let text = format!("{value:?}");
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, &text).hash(&mut hasher);
            hasher.finish()
        };
        Kept { hash: (half(0), half(1)), value: Rc::new(value) }
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Kept { hash: self.hash, value: self.value.clone() }
    }
}
impl<T> PartialEq for Kept<T> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}
impl<T> Eq for Kept<T> {}
impl<T> Hash for Kept<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}
impl<T> Deref for Kept<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}
impl<T> Debug for Kept<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{:08x}", self.hash.0 >> 32)
    }
}
