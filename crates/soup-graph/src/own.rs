//! What a program brings along in place of a variant of ours.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// A head, transform or loss of a program's own, under a name.
///
/// It stands among the settings as the variants do. What it does is code, so the name alone is written and compared,
/// and what is read from a file is a name without code, which [`code`](Self::code) refuses.
#[derive(Serialize, Deserialize)]
#[serde(bound = "", deny_unknown_fields)]
pub struct Own<T: ?Sized> {
    name: String,
    #[serde(skip)]
    code: Option<Arc<T>>,
}

/// A name that was read, of code that this program has not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not built in: only the program that brought it along has it")]
pub struct NotHere(String);

impl<T: ?Sized> Own<T> {
    /// This code under this name; choose one that no variant has, and another one when the code changes.
    pub fn new(name: &str, code: Arc<T>) -> Self {
        Self {
            name: name.to_owned(),
            code: Some(code),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    ///
    /// # Errors
    /// [`NotHere`] where it was read from a file.
    pub fn code(&self) -> Result<&T, NotHere> {
        self.code.as_deref().ok_or(NotHere(self.name.clone()))
    }
}

impl<T: ?Sized> Clone for Own<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            code: self.code.clone(),
        }
    }
}

impl<T: ?Sized> PartialEq for Own<T> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<T: ?Sized> Eq for Own<T> {}

impl<T: ?Sized> fmt::Debug for Own<T> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Own({:?})", self.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    trait Number {
        fn number(&self) -> u32;
    }

    impl Number for u32 {
        fn number(&self) -> u32 {
            *self
        }
    }

    #[test]
    fn the_name_is_written_and_compared_and_brings_no_code_back() {
        let own = |name: &str| -> Own<dyn Number> { Own::new(name, Arc::new(7)) };
        let seven = own("seven");
        assert_eq!(seven.clone().code().unwrap().number(), 7);
        let text = serde_json::to_string(&seven).unwrap();
        assert_eq!(text, r#"{"name":"seven"}"#);
        let read: Own<dyn Number> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, seven);
        assert_ne!(read, own("eight"));
        let error = read.code().map(Number::number).unwrap_err();
        assert!(error.to_string().starts_with("'seven' is not built in"));
    }
}
