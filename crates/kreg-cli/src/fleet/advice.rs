//! What a remedy's setting is called here.

use std::error::Error as _;

use kreg_nodes::{AccessError, Advice};

use crate::error::Error;

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Self {
        let remedy = error.remedy.clone();
        let help = remedy.map(|remedy| match &error.advice {
            Some(advice) => worded(&remedy, advice),
            None => remedy,
        });
        let failed = Self::failed(&error.what).help_if(help);
        match error.source() {
            Some(cause) => failed.because(cause),
            None => failed,
        }
    }
}

/// The remedy with the flag or the command that does what it says.
pub(super) fn worded(remedy: &str, advice: &Advice) -> String {
    let flag = match advice {
        Advice::Adopt => {
            return format!("{remedy} (--adopt of `kreg up` or `kreg nodes trust`)");
        }
        Advice::AdoptNamespace => {
            return format!(
                "{remedy}; `kreg export rbac` prints such a namespace, and --adopt takes it over"
            );
        }
        // What it begins with is what the flag does; what it ends with may be lines to set.
        Advice::Restart => return format!("with --allow-runtime-restart, {remedy}"),
        Advice::Agents => "run `kreg up` again, or `kreg nodes trust`",
        Advice::Configuration => "--ssh-config none, or --ssh-config FILE",
        Advice::Identity => "--ssh-identity FILE",
        Advice::KnownHosts => "--ssh-known-hosts FILE",
        Advice::NoRestart => "leave out --allow-runtime-restart",
        Advice::Openssh => "--nodes-by openssh",
        Advice::Rights => "`kreg export rbac` lists it",
        Advice::User(name) => return format!("{remedy}: --ssh-user {name}"),
        _ => return remedy.to_owned(),
    };
    format!("{remedy}: {flag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_has_its_flag() {
        for (advice, words) in [
            (Advice::User("ubuntu".to_owned()), "x: --ssh-user ubuntu"),
            (Advice::Restart, "with --allow-runtime-restart, x"),
            (Advice::Openssh, "x: --nodes-by openssh"),
        ] {
            assert_eq!(worded("x", &advice), words);
        }
        let error = AccessError::new("why").with_remedy("x");
        let help = |error: AccessError| Error::from(error).help;
        assert_eq!(help(AccessError::new("why")), None);
        assert_eq!(
            help(error.with_advice(Advice::Rights)).as_deref(),
            Some("x: `kreg export rbac` lists it")
        );
    }
}
