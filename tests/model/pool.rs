//! Real documents inside small states: each distinct value is kept once and compared by its number.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

thread_local! {
    static POOLS: RefCell<HashMap<TypeId, Box<dyn Any>>> = RefCell::default();
}

/// A value that is equal to another one exactly when their Debug texts are.
pub struct Kept<T> {
    number: usize,
    value: Rc<T>,
}

impl<T: Debug + 'static> Kept<T> {
    pub fn new(value: T) -> Self {
        let text = format!("{value:?}");
        POOLS.with_borrow_mut(|pools| {
            let pool = pools.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(HashMap::<String, (usize, Rc<T>)>::new()));
            let pool = pool.downcast_mut::<HashMap<String, (usize, Rc<T>)>>().expect("one pool for each type");
            let number = pool.len();
            let (number, value) = pool.entry(text).or_insert_with(|| (number, Rc::new(value))).clone();
            Kept { number, value }
        })
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Kept { number: self.number, value: self.value.clone() }
    }
}
impl<T> PartialEq for Kept<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl<T> Eq for Kept<T> {}
impl<T> Hash for Kept<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
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
        write!(formatter, "#{}", self.number)
    }
}
