//! A user who is put in with the removal of another, and taken out again once the registry lets it in: proof that the
//! registry has read the file without the removed user.
//!
//! Each removal has a witness of its own, or two at the same time would wait for each other's.

use kreg_auth::{Credentials, Htpasswd, HtpasswdError};
use time::{Duration, OffsetDateTime};

use crate::error::{Error, MaterialError, Tried as _};

const PREFIX: &str = "kreg-witness";

/// Longer than any removal; a witness older than that was left by one that was killed.
const LIFE: Duration = Duration::HOUR;

/// A new witness, with a password that nobody knows.
pub(crate) fn new(now: OffsetDateTime) -> Result<Credentials, Error> {
    let name = format!("{PREFIX}-{}", now.unix_timestamp_nanos());
    Credentials::generate(name).tried("cannot make a password")
}

/// Takes out the witnesses of removals that were killed.
pub(crate) fn remove_left(file: &mut Htpasswd, now: OffsetDateTime) -> Result<(), HtpasswdError> {
    for user in file.users() {
        if made_at(&user.name).is_some_and(|made| now - made > LIFE) && file.contains(&user.name) {
            file.remove(&user.name)?;
        }
    }
    Ok(())
}

/// Takes this witness out; it need not be there.
pub(crate) fn remove(file: &mut Htpasswd, witness: &Credentials) -> Result<(), HtpasswdError> {
    if file.contains(witness.username()) {
        return file.remove(witness.username());
    }
    Ok(())
}

/// Nobody can have such a name: the user would be taken out with a later change.
pub(crate) fn refuse_name(name: &str) -> Result<(), MaterialError> {
    if name.starts_with(PREFIX) {
        return Err(MaterialError::ReservedUser {
            name: name.to_owned(),
            prefix: PREFIX,
        });
    }
    Ok(())
}

/// When a witness of this name was made; nothing for anybody else.
fn made_at(name: &str) -> Option<OffsetDateTime> {
    let nanos = name.strip_prefix(PREFIX)?.strip_prefix('-')?.parse().ok()?;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
}

#[cfg(test)]
mod tests {
    use kreg_auth::Cost;

    use super::*;

    #[test]
    fn only_old_witnesses_are_left_ones() {
        let now = time::macros::datetime!(2026-11-24 12:00 UTC);
        let mut file = Htpasswd::parse("# team\nkreg-witness-me:x\nann:y\n");
        let (old, young) = (new(now - Duration::hours(2)).unwrap(), new(now).unwrap());
        assert_ne!(old.username(), young.username());
        for witness in [&old, &young] {
            file.add(witness, Cost::MIN).unwrap();
        }
        remove_left(&mut file, now).unwrap();
        assert!(!file.contains(old.username()) && file.contains(young.username()));
        remove(&mut file, &young).unwrap();
        remove(&mut file, &young).unwrap();
        assert_eq!(file.to_bytes(), b"# team\nkreg-witness-me:x\nann:y\n");
    }

    #[test]
    fn nobody_else_has_such_a_name() {
        assert!(refuse_name(new(OffsetDateTime::UNIX_EPOCH).unwrap().username()).is_err());
        assert!(refuse_name("kreg-witness").is_err());
        assert!(refuse_name("kreg").is_ok() && refuse_name("witness").is_ok());
    }
}
