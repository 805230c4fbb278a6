//! What helps against an error of the library, in words of this program.

use kreg::certificates::CertificatesError;
use kreg::{
    CollectionError, CopiesError, Error, FindError, IntentError, IssuedError, MaterialError, NotUp,
    UsersError,
};
use kreg_stream::ExecError;
use kreg_verify::LoginError;

use super::Ending;
use crate::fixes;

impl From<Error> for super::Error {
    fn from(error: Error) -> Self {
        if let Error::Access(error) = error {
            return error.into();
        }
        let help = with_facts(&error).or_else(|| plain(&error).map(str::to_owned));
        let mut own = Self::new(ending(&error), error.to_string()).help_if(help);
        if let Some(source) = std::error::Error::source(&error) {
            own = own.because(source);
        }
        own
    }
}

impl From<MaterialError> for super::Error {
    fn from(error: MaterialError) -> Self {
        Error::from(error).into()
    }
}

fn ending(error: &Error) -> Ending {
    match error {
        Error::Certificates(
            CertificatesError::NotTrusted(_) | CertificatesError::Behind { .. },
        ) => Ending::Partial,
        Error::Users(UsersError::Refused(_) | UsersError::Divided(_)) => Ending::ProofFailed,
        other if other.is_input() => Ending::Usage,
        _ => Ending::Failed,
    }
}

/// Help that repeats what the error names.
fn with_facts(error: &Error) -> Option<String> {
    Some(match error {
        Error::Tunnel(error) => return super::tunnel::help(error),
        Error::NoSuchNode(error) => format!("its nodes are {}", error.known.join(", ")),
        Error::Find(FindError::Claimed {
            namespace, profile, ..
        }) => format!(
            "to work on that one say --profile {profile} --namespace {namespace}; for a second one choose another \
             --name; to replace it run `kreg down --profile {profile} --namespace {namespace}` first"
        ),
        Error::Find(FindError::Elsewhere {
            namespace, profile, ..
        }) => format!("to remove that one say --profile {profile} --namespace {namespace}"),
        Error::Find(FindError::Unconfirmed {
            object, namespace, ..
        }) => format!(
            "if that is your registry, say so with --namespace {namespace}: `kreg up` then records it; if not, remove \
             {object}"
        ),
        Error::Intent(IntentError::Namespace { namespace }) => format!(
            "if only administrators can get at it, say --namespace {namespace}; else choose another"
        ),
        Error::Intent(IntentError::OtherStorage { wanted, .. }) => format!(
            "give its --storage again, or in kreg.toml; to begin without images at `{wanted}` say --change-storage"
        ),
        Error::Intent(IntentError::NoS3Keys) => crate::s3::sources(),
        _ => return None,
    })
}

/// Help that is the same whatever the error names.
fn plain(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Find(FindError::NotThere { .. }) => {
            "run `kreg up`, or name the right one with --name, --namespace and --profile"
        }
        Error::Find(FindError::Several(_)) => "say which one with --namespace and --name",
        Error::NotUp(NotUp::Unreadable { .. }) => return None,
        Error::NotUp(NotUp::Credentials { .. }) => "run `kreg up`: it makes them again",
        Error::NotUp(NotUp::NotRecorded(_)) => "run `kreg up` again, which records it",
        Error::NotUp(_) => "run `kreg up`",
        Error::Material(error) => return of_material(error),
        Error::Issued(error) => return of_issued(error),
        Error::NoAddress(_) => "give its address under [nodes.ssh.addresses] in kreg.toml",
        Error::NoNode(_) => {
            "see the flags --ssh-user, --ssh-identity and --ssh-known-hosts, or [nodes.ssh] in kreg.toml"
        }
        Error::DirectoryTaken(_) => {
            "choose another directory, or run `kreg down --delete-data` for the registry that owns it; images that \
             nobody owns any more are taken over with --adopt"
        }
        Error::Users(UsersError::PullUser { .. }) => {
            "every Pod that uses it would stop pulling: `kreg up --user OTHER` changes it first"
        }
        Error::Users(UsersError::Late { .. }) | Error::Login(LoginError::Late { .. }) => {
            "the kubelet refreshes a mounted Secret within about 90 s; look again with `kreg user check`"
        }
        Error::Users(UsersError::Refused(_)) => {
            "`kreg user list` shows who can log in; `kreg user passwd` sets a new password"
        }
        Error::Users(UsersError::Divided(_)) => {
            "one of them has not read the users yet: ask again in a minute"
        }
        Error::Certificates(error) => return of_certificates(error),
        Error::Collection(error) => return of_collection(error),
        Error::Copies(CopiesError::NoNamespace) => "`kubectl get namespaces --show-labels`",
        Error::Proof(error) => return fixes::lacking(error),
        Error::TaintRights { .. } => "`kreg export rbac --startup-taint` has that right too",
        Error::TaintStays { .. } => "run the same command again, or `kubectl taint node` by hand",
        _ => return None,
    })
}

fn of_issued(error: &IssuedError) -> Option<&'static str> {
    use IssuedError as E;
    Some(match error {
        E::NoAddress => "choose it with --cluster-ip, and have the certificate made for it too",
        E::NoName(_) => "write it as NAMESPACE/NAME",
        E::NoSecret(_) | E::NoEntry { .. } => {
            "name a Secret with tls.crt, tls.key and ca.crt, as cert-manager writes it, by --tls-secret NAMESPACE/NAME"
        }
        E::Refused(_) => {
            "`kreg cert lint --cert FILE --key FILE --ca FILE` says all that there is to say of such files"
        }
        _ => return None,
    })
}

fn of_material(error: &MaterialError) -> Option<&'static str> {
    use MaterialError as E;
    Some(match error {
        E::KeyWithoutCertificate => {
            "an earlier run was cut short before it stored the certificate: move the key file away and run `kreg up` \
             again; no node trusts that CA yet"
        }
        // Several `kreg up` that are all the first keep one CA, but each has written a key.
        E::Authority {
            key_is_outside: true,
            ..
        } => {
            "if the file of --ca-key holds the key of another CA, move it away and name the one that holds this CA's; \
             the person who first ran `kreg up` here has it"
        }
        E::NoCaKey { .. } => "name the file that holds it with --ca-key",
        E::ReservedUser { .. } => {
            "`kreg user remove` puts such a user in for a moment: choose another name"
        }
        _ => return None,
    })
}

fn of_certificates(error: &CertificatesError) -> Option<&'static str> {
    use CertificatesError as E;
    Some(match error {
        E::NoAuthority => "`kreg cert renew` without --ca replaces it, on every node first",
        E::IssuedElsewhere { .. } => {
            "put the new one where this one came from; `kreg up` takes it over from there, and a new CA reaches the nodes \
             first"
        }
        E::HalfRotation { .. } => {
            "nothing was changed; restore it, or delete it to give the rotation up"
        }
        E::StrangeKey => "nothing was changed; give the right file with --ca-key",
        E::NoKeyInFile(_) => "--ca-key names the file that `kreg up` was given",
        E::NoKeyInCluster => "name the file that holds it with --ca-key",
        E::KeyFileLeft { .. } => "the rotation is over; remove this key by hand",
        E::NothingServed => "look at its log; `kreg up` sets it up again",
        E::StillServed(_) => "look at its Pod; `kreg up` goes on from here",
        E::NoWorkload => "run `kreg up`",
        E::NotTrusted(_) => {
            "fix them and run the same command again; nodes.skip in kreg.toml leaves one out"
        }
        E::Behind { .. } => {
            "fix them and run the same command again; or leave one out with --excuse NODE; or go back with --roll-back"
        }
        E::Endless => "somebody else seems to work on it; run the same command again",
        _ => return None,
    })
}

fn of_collection(error: &CollectionError) -> Option<&'static str> {
    use CollectionError as E;
    Some(match error {
        E::BarePod => {
            "move to the default profile: `kreg down`, then `kreg up --storage claim:NAME` on a claim of your own"
        }
        E::NotReady(_) => "`kreg status` says why; nothing was changed",
        E::NotPrepared => "run `kreg up` first",
        E::NoPod => "`kreg status` says why",
        E::Begin(_) => {
            "if `kreg status` says that it is read-only, run `kreg gc` again: it puts it back"
        }
        E::NotReadOnly { .. } => {
            "nothing was removed; look at the registry's Pods, then run `kreg gc` again"
        }
        E::Program {
            source: ExecError::Refused(_),
            ..
        } => "it takes the right to `create pods/exec` in the registry's namespace",
        E::Program { .. } => "see that the API server can be reached, then run `kreg gc` again",
        E::Collector { .. } => {
            "what it removed was not needed; look at the registry's storage, then run `kreg gc` again"
        }
        E::Changed => "push again what was pushed in the last minutes",
        E::Left(_) => "look at the registry's log and storage, then run `kreg gc` again",
        E::Interrupted => "what was removed was not needed by any image; run `kreg gc` again",
        E::StaysReadOnly { .. } => {
            "run `kreg gc` or `kreg up`: both allow pushes again when it is safe"
        }
        E::MayRefuse { .. } => "it may still refuse pushes: run `kreg gc` or `kreg up` again",
        _ => return None,
    })
}
