//! Parts of a node that most nodes never need.

use std::ops::{Deref, DerefMut};

/// A part that is made when it is first written to; until then it reads as nothing, and takes eight bytes.
#[derive(Debug, Default)]
pub(super) struct Lazily<T>(Option<Box<T>>);

impl<T> Lazily<T> {
    /// Whether it was never written to.
    pub(super) fn is_untouched(&self) -> bool {
        self.0.is_none()
    }
}

/// What a part that was never written to reads as.
pub(super) trait Untouched: Default + 'static {
    fn untouched() -> &'static Self;
}

impl<T: Untouched> Deref for Lazily<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(part) => part,
            None => T::untouched(),
        }
    }
}

impl<T: Untouched> DerefMut for Lazily<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}
