//! What helps against an error of the library, in words of this program.

use kreg::certificates::CertificatesError;
use kreg::material::MaterialError;
use kreg::{
    CollectionError, CopiesError, Error, FindError, IntentError, IssuedError, NotUp, UsersError,
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
        let mut own = Self::new(ending(&error), error.to_string()).help_if(help(&error));
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
        other if other.is_input() => Ending::Usage,
        _ => Ending::Failed,
    }
}

fn help(error: &Error) -> Option<String> {
    Some(match error {
        Error::Find(error) => return of_find(error),
        Error::NotUp(NotUp::Unreadable { .. }) => return None,
        Error::NotUp(NotUp::Credentials { .. }) => {
            "run `kreg up`: it makes them again".to_owned()
        }
        Error::NotUp(NotUp::NotRecorded(_)) => "run `kreg up` once more, which notes it".to_owned(),
        Error::NotUp(_) => "run `kreg up`".to_owned(),
        Error::Intent(error) => return of_intent(error),
        Error::Material(error) => return of_material(error),
        Error::Issued(error) => return of_issued(error),
        Error::NoNode(_) => {
            "see the flags --ssh-user, --ssh-identity and --ssh-known-hosts, or [nodes.ssh] in kreg.toml"
                .to_owned()
        }
        Error::DirectoryTaken(_) => {
            "choose another directory, or run `kreg down --delete-data` for the registry that owns it; images that \
             nobody owns any more are taken over with --adopt"
                .to_owned()
        }
        Error::Users(error) => return of_users(error),
        Error::Login(LoginError::Late { .. }) => {
            "the kubelet refreshes a mounted Secret within about 90 s; look again with `kreg user check`"
                .to_owned()
        }
        Error::Certificates(error) => return of_certificates(error),
        Error::Collection(error) => return of_collection(error),
        Error::Tunnel(error) => return super::tunnel::help(error),
        Error::UnknownNode { known, .. } => format!("its nodes are {}", known.join(", ")),
        Error::Copies(CopiesError::NoNamespace) => {
            "`kubectl get namespaces --show-labels`".to_owned()
        }
        Error::Proof(error) => return fixes::lacking(error).map(str::to_owned),
        Error::TaintRights { .. } => {
            "`kreg export rbac --startup-taint` has that right too".to_owned()
        }
        Error::TaintStays { .. } => {
            "run the same command again, or `kubectl taint node` by hand".to_owned()
        }
        _ => return None,
    })
}

fn of_find(error: &FindError) -> Option<String> {
    Some(match error {
        FindError::NotThere { .. } => {
            "run `kreg up`, or name the right one with --name, --namespace and --profile".to_owned()
        }
        FindError::Several(_) => "say which one with --namespace and --name".to_owned(),
        FindError::Claimed {
            namespace, profile, ..
        } => format!(
            "to work on that one say --profile {profile} --namespace {namespace}; for a second one choose another \
             --name; to replace it run `kreg down --profile {profile} --namespace {namespace}` first"
        ),
        FindError::Elsewhere {
            namespace, profile, ..
        } => format!("to remove that one say --profile {profile} --namespace {namespace}"),
        FindError::Unconfirmed {
            object, namespace, ..
        } => format!(
            "if that is your registry, say so with --namespace {namespace}: `kreg up` then records it; if not, remove \
             {object}"
        ),
        _ => return None,
    })
}

fn of_intent(error: &IntentError) -> Option<String> {
    Some(match error {
        IntentError::Namespace { namespace } => format!(
            "if only administrators can get at it, say --namespace {namespace}; else choose another"
        ),
        IntentError::OtherStorage { wanted, .. } => format!(
            "give its --storage again, or in kreg.toml; to begin without images at `{wanted}` say --change-storage"
        ),
        IntentError::NoS3Keys => crate::s3::sources(),
        _ => return None,
    })
}

fn of_issued(error: &IssuedError) -> Option<String> {
    let text = match error {
        IssuedError::NoAddress => {
            "choose it with --cluster-ip, and have the certificate made for it too"
        }
        IssuedError::NoSecret(_) | IssuedError::NoEntry { .. } => {
            "name a Secret with tls.crt, tls.key and ca.crt, as cert-manager writes it, by --tls-secret NAMESPACE/NAME"
        }
        IssuedError::Refused(_) => {
            "`kreg cert lint --cert FILE --key FILE --ca FILE` says all that there is to say of such files"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn of_material(error: &MaterialError) -> Option<String> {
    let text = match error {
        MaterialError::KeyWithoutCertificate => {
            "an earlier run was cut short before it stored the certificate: move the key file away and run `kreg up` \
             again; no node trusts that CA yet"
        }
        // Several `kreg up` that are all the first keep one CA, but each has written a key.
        MaterialError::Authority {
            key_is_outside: true,
            ..
        } => {
            "if the file of --ca-key holds the key of another CA, move it away and name the one that holds this CA's; \
             the person who first ran `kreg up` here has it"
        }
        MaterialError::NoCaKey { .. } => "name the file that holds it with --ca-key",
        MaterialError::ReservedUser { .. } => {
            "`kreg user remove` puts such a user in for a moment: choose another name"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn of_users(error: &UsersError) -> Option<String> {
    let text = match error {
        UsersError::PullUser { .. } => {
            "every Pod that uses it would stop pulling: `kreg up --user OTHER` changes it first"
        }
        UsersError::Late { .. } => {
            "the kubelet refreshes a mounted Secret within about 90 s; look again with `kreg user check`"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn of_certificates(error: &CertificatesError) -> Option<String> {
    let text = match error {
        CertificatesError::NoAuthority => {
            "`kreg cert renew` without --ca replaces it, on every node first"
        }
        CertificatesError::HalfRotation { .. } => {
            "nothing was changed; restore it, or delete it to give the rotation up"
        }
        CertificatesError::StrangeKey => "nothing was changed; give the right file with --ca-key",
        CertificatesError::NoKeyInFile(_) => "--ca-key names the file that `kreg up` was given",
        CertificatesError::NoKeyInCluster => "name the file that holds it with --ca-key",
        CertificatesError::KeyFileLeft { .. } => "the rotation is over; remove this key by hand",
        CertificatesError::NothingServed => "look at its log; `kreg up` sets it up again",
        CertificatesError::StillServed(_) => "look at its Pod; `kreg up` goes on from here",
        CertificatesError::NoWorkload => "run `kreg up`",
        CertificatesError::NotTrusted(_) => {
            "fix them and run the same command again; nodes.skip in kreg.toml leaves one out"
        }
        CertificatesError::Behind { .. } => {
            "fix them and run the same command again; or leave one out with --excuse NODE; or go back with --roll-back"
        }
        CertificatesError::Endless => {
            "somebody else seems to work on it; run the same command again"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn of_collection(error: &CollectionError) -> Option<String> {
    let text = match error {
        CollectionError::BarePod => {
            "move to the default profile: `kreg down`, then `kreg up --storage claim:NAME` on a claim of your own"
        }
        CollectionError::NotReady(_) => "`kreg status` says why; nothing was changed",
        CollectionError::NotPrepared => "run `kreg up` first",
        CollectionError::NoPod => "`kreg status` says why",
        CollectionError::Begin(_) => {
            "if `kreg status` says that it is read-only, run `kreg gc` again: it puts it back"
        }
        CollectionError::NotReadOnly { .. } => {
            "nothing was removed; look at the registry's Pods, then run `kreg gc` again"
        }
        CollectionError::Program {
            source: ExecError::Refused(_),
            ..
        } => "it takes the right to `create pods/exec` in the registry's namespace",
        CollectionError::Program { .. } => {
            "see that the API server can be reached, then run `kreg gc` again"
        }
        CollectionError::Collector { .. } => {
            "what it removed was not needed; look at the registry's storage, then run `kreg gc` again"
        }
        CollectionError::Changed => "push again what was pushed in the last minutes",
        CollectionError::Left(_) => {
            "look at the registry's log and storage, then run `kreg gc` again"
        }
        CollectionError::Interrupted => {
            "what was removed was not needed by any image; run `kreg gc` again"
        }
        CollectionError::StaysReadOnly { .. } => {
            "run `kreg gc` or `kreg up`: both allow pushes again when it is safe"
        }
        CollectionError::MayRefuse { .. } => {
            "it may still refuse pushes: run `kreg gc` or `kreg up` again"
        }
        _ => return None,
    };
    Some(text.to_owned())
}
