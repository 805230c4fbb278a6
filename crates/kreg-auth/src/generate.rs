//! Random passwords.

use secrecy::SecretString;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::credentials::PASSWORD_MAX_BYTES;

/// Letters and digits without those that are mistaken for one another (`0O 1Il`).
const ALPHABET: &[u8] = b"23456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";

/// How long a generated password is.
///
/// The alphabet is fixed: the 57 ASCII letters and digits that cannot be mistaken for one
/// another (no `0 O 1 I l`). No character of it needs quoting in a shell, in JSON, in YAML or
/// in a URL. Each is worth log2(57) = 5.83 bits; bytes come from the operating system's
/// generator, and those that would favour some letters are thrown away.
///
/// ```
/// use kreg_auth::{ExposeSecret, PasswordRecipe};
/// let password = PasswordRecipe::default().generate()?;
/// assert_eq!(password.expose_secret().len(), 24);
/// assert!(PasswordRecipe::with_length(4).is_err());
/// # Ok::<(), kreg_auth::RecipeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRecipe {
    length: usize,
}

/// Why no password was generated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The length would make a weak password or one the registry cannot take.
    #[error("a generated password has 12 to 72 characters, not {length}; 24 is a good length")]
    Length {
        /// The length as given.
        length: usize,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes ({reason}); on Linux see random(7)")]
    Randomness {
        /// What it said.
        reason: String,
    },
}

impl PasswordRecipe {
    /// The shortest length, 12 characters: 70 bits.
    pub const MIN_LENGTH: usize = 12;

    /// Passwords of `length` characters (each one byte), from 12 to 72.
    ///
    /// # Errors
    /// [`RecipeError::Length`] outside of these.
    pub fn with_length(length: usize) -> Result<PasswordRecipe, RecipeError> {
        if (PasswordRecipe::MIN_LENGTH..=PASSWORD_MAX_BYTES).contains(&length) {
            Ok(PasswordRecipe { length })
        } else {
            Err(RecipeError::Length { length })
        }
    }

    /// The characters that generated passwords are made of.
    #[must_use]
    pub fn alphabet() -> &'static [u8] {
        ALPHABET
    }

    /// A fresh random password.
    ///
    /// # Errors
    /// [`RecipeError::Randomness`] if the operating system has none.
    pub fn generate(self) -> Result<SecretString, RecipeError> {
        // Bytes at or above the largest multiple of the alphabet would favour its start.
        let fair = 256 - 256 % ALPHABET.len();
        let mut password = Zeroizing::new(String::with_capacity(self.length));
        let mut bytes = Zeroizing::new([0u8; PASSWORD_MAX_BYTES]);
        while password.len() < self.length {
            getrandom::fill(bytes.as_mut_slice()).map_err(|error| RecipeError::Randomness {
                reason: error.to_string(),
            })?;
            let room = self.length - password.len();
            let letters = bytes.iter().map(|byte| usize::from(*byte));
            for letter in letters.filter(|byte| *byte < fair).take(room) {
                password.push(char::from(ALPHABET[letter % ALPHABET.len()]));
            }
        }
        Ok(SecretString::from(password.as_str()))
    }
}

impl Default for PasswordRecipe {
    /// 24 characters, 140 bits: beyond any search, short enough to type.
    fn default() -> PasswordRecipe {
        PasswordRecipe { length: 24 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use secrecy::ExposeSecret;

    use super::*;
    use crate::credentials::check_password;

    #[test]
    fn lengths_are_kept_and_bounded() {
        for length in [12, 24, 71, 72] {
            let password = PasswordRecipe::with_length(length)
                .unwrap()
                .generate()
                .unwrap();
            assert_eq!(password.expose_secret().len(), length);
            check_password(&password).unwrap();
        }
        for length in [0, 11, 73] {
            assert!(PasswordRecipe::with_length(length).is_err());
        }
    }

    #[test]
    fn every_letter_comes_about_equally_often() {
        let recipe = PasswordRecipe::with_length(57).unwrap();
        let mut seen: HashMap<u8, u32> = HashMap::new();
        for _ in 0..10_000 {
            for letter in recipe.generate().unwrap().expose_secret().bytes() {
                *seen.entry(letter).or_default() += 1;
            }
        }
        // 10000 of each expected, deviation 99; bytes taken modulo 57 would be 1100 off.
        assert_eq!(seen.len(), ALPHABET.len());
        for (letter, count) in seen {
            assert!(ALPHABET.contains(&letter));
            assert!(
                (9400..10_600).contains(&count),
                "{}: {count}",
                char::from(letter)
            );
        }
    }
}
