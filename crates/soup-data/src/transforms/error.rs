//! What can be wrong with a pipeline or with what it is given.

/// What can be wrong with a pipeline or with what it is given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// A transform has a parameter that makes no sense, or cannot work on what comes out of the one
    /// before it.
    #[error("transform {position} ({kind}): {problem}")]
    Transform {
        /// Place in the list, from 1.
        position: usize,
        /// The word after `kind`.
        kind: &'static str,
        /// What is wrong and what is allowed.
        problem: String,
    },

    /// The image that goes in cannot be transformed at all.
    #[error("the image to transform: {problem}")]
    Input {
        /// What is wrong.
        problem: String,
    },

    /// A slice has another length than the image that it holds or must hold.
    #[error("the buffer for the {what} image has {found} values, but {expected} are needed")]
    Buffer {
        /// `input` or `transformed`.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },
}

impl From<TransformError> for crate::Error {
    fn from(error: TransformError) -> Self {
        match error {
            TransformError::Buffer {
                found, expected, ..
            } => Self::Buffer {
                what: "pixels",
                found,
                expected,
            },
            other => Self::setting("transforms", other.to_string()),
        }
    }
}
