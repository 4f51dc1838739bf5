//! Who may ask: a bearer token (RFC 6750) that lies in a file.

use std::{fmt, fs, path::Path};

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use crate::ServeError;

/// Fewer characters could be guessed.
const SHORTEST: usize = 16;

/// A secret that a request must carry as `Authorization: Bearer TOKEN`.
#[derive(Clone)]
pub struct Token(Vec<u8>);

impl Token {
    /// Reads the token; blanks and line ends around it do not count.
    ///
    /// # Errors
    /// [`ServeError::Token`] where the file cannot be read or holds no token.
    pub fn read(path: &Path) -> Result<Self, ServeError> {
        let wrong = |problem: String| ServeError::Token {
            path: path.to_path_buf(),
            problem,
        };
        let bytes = fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let token = bytes.trim_ascii();
        if token.len() < SHORTEST || !token.iter().all(u8::is_ascii_graphic) {
            return Err(wrong(format!(
                "a token is one word of at least {SHORTEST} visible ASCII characters; \
                 `openssl rand -hex 32` makes one"
            )));
        }
        Ok(Self(token.to_vec()))
    }

    /// Whether a request carries the token. Takes as long for any wrong one of its length.
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(header::AUTHORIZATION);
        let words = value.and_then(|value| value.as_bytes().split_first_chunk::<7>());
        match words {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
                self.0.ct_eq(token.trim_ascii()).into()
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token")
    }
}
