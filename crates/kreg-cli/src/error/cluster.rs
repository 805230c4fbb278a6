//! What helps against an error of kreg-k8s, in words of this program.

use kreg_k8s::{Error, ObjectRef, Remedy, Unfit};

/// The error as a person reads it: what is wrong, and what helps.
pub(crate) fn said(error: &Error) -> String {
    let text = error.to_string();
    let Some(help) = help(error) else {
        return text;
    };
    match error {
        // What shows it comes last.
        Error::Stuck(_) => match text.split_once('\n') {
            Some((what, evidence)) => format!("{what}; {help}\n{evidence}"),
            None => format!("{text}; {help}"),
        },
        Error::Rights { .. } => format!("{text}\n{help}"),
        Error::Foreign { .. } => format!("{text}: {help}"),
        _ => format!("{text}; {help}"),
    }
}

/// What to do about it, where this program knows.
pub(crate) fn help(error: &Error) -> Option<String> {
    let text = match error {
        Error::Kubeconfig { .. } => {
            "point --kubeconfig or $KUBECONFIG at one, or choose another of its contexts with --context"
        }
        Error::Foreign { .. } => {
            "choose another name or namespace, remove what is there, or take it over with --adopt"
        }
        Error::Replaced { .. } => {
            "if only administrators can get at it, say so with --namespace, and the next `kreg up` records it"
        }
        Error::Immutable { .. } => {
            "keep its present setting, or remove it with `kreg down --delete-data` first"
        }
        Error::Stuck(cause) => return Some(of_cause(&cause.remedy)),
        Error::Timeout { .. } => "look at it with `kubectl describe`, or allow more with --timeout",
        Error::Rights { .. } => {
            "have an administrator apply what `kreg export rbac` prints (--for says whether for setup, for operation or \
             for single commands), and bind it to you"
        }
        Error::Unreadable { .. } => "restore it, or delete this Secret: `kreg up` makes it again",
        Error::BadRecord { .. } => "run `kreg up`, which writes it again",
        Error::Unfit(unfit) => return of_unfit(unfit),
        _ => return None,
    };
    Some(text.to_owned())
}

fn of_unfit(unfit: &Unfit) -> Option<String> {
    Some(match unfit {
        Unfit::AddressOutOfRange { ranges, .. } => {
            format!("choose --cluster-ip from {}", ranges.join(", "))
        }
        Unfit::NoNode { known, .. } => format!("choose another: {}", list(known)),
        Unfit::NoDefaultClass { known } => format!(
            "choose with --storage: a StorageClass by name ({}), a directory on one node, an existing claim, or an \
             emptyDir that is lost with the Pod",
            list(known)
        ),
        Unfit::NoClass { known, .. } => format!("choose another with --storage: {}", list(known)),
        Unfit::NoClaim(_) => of_cause(&Remedy::MakeClaim),
        Unfit::ClaimStuck(cause) | Unfit::VolumeStuck(cause) => of_cause(&cause.remedy),
        Unfit::OtherClaim { claim, .. } => format!(
            "use it as it is, with the images on it: choose --storage claim:{} and leave the other options as they are",
            claim.name()
        ),
        Unfit::Unproved {
            node,
            node_ready: false,
            ..
        } => format!(
            "bring node {node} back and wait a minute, or make sure that it is switched off, then run this again"
        ),
        other => return of_plain_unfit(other).map(str::to_owned),
    })
}

/// Those whose help is the same whatever they name.
fn of_plain_unfit(unfit: &Unfit) -> Option<&'static str> {
    Some(match unfit {
        Unfit::NoReadyNode(_) => "wait for one (`kubectl get nodes`), or look at why it is not",
        Unfit::AddressTaken { .. } | Unfit::AddressRefused { .. } => {
            "remove that Service, or choose another address with --cluster-ip: image names stay as they are"
        }
        Unfit::NoAddress(_) => {
            "nodes reach the registry by it; remove that Service and run this again"
        }
        Unfit::ClaimGoes(_) => {
            "wait until it is gone (`kubectl get` it to see what holds it), or choose other storage with --storage"
        }
        Unfit::ClaimOfOnePod { .. } => {
            "have one Pod (--replicas 1), a claim that is ReadWriteMany, or an S3 bucket"
        }
        Unfit::Adopted { .. } => {
            "kreg deletes nothing of others: delete it yourself, if nobody needs it, and run this again, or choose \
             another --name"
        }
        Unfit::ServiceFixed { .. } => {
            "leave its address as it is (no --cluster-ip, or the present one), or run `kreg down` and then `kreg up` \
             with the new one: images stay where they are"
        }
        Unfit::Terminating { .. } => {
            "wait until it is gone (`kubectl get` it to see what holds it) and run this again"
        }
        Unfit::NoNamespaces(_) => "make it first (`kubectl create namespace`); nothing was changed",
        Unfit::NoAccount(_) => {
            "make it, or name others with --service-account; then run this again"
        }
        Unfit::NoSecret(_) | Unfit::NoEntry { .. } => "run `kreg up`, which makes it",
        Unfit::NoWorkload(_) => "put the registry up first",
        Unfit::Unproved { .. } => "wait a minute, then run this again",
        Unfit::File { .. } => "name a folder that you may write to",
        Unfit::OtherFile(_) => "name another folder, or move that file away",
        Unfit::FileGone(_) => "see who else works in that folder",
        Unfit::NoRandomness(_) => "see that /dev/urandom can be read",
        _ => return None,
    })
}

fn of_cause(remedy: &Remedy) -> String {
    let text = match remedy {
        Remedy::FreeVolume(volume) => {
            return format!(
                "free it (the files on it stay): kubectl patch pv {} --type json \
                 -p '[{{\"op\":\"remove\",\"path\":\"/spec/claimRef/uid\"}}]'",
                volume.name()
            );
        }
        Remedy::Image(image) => {
            return format!(
                "check that the nodes can reach and may pull {image}, load it onto them, or choose another with --image"
            );
        }
        Remedy::Log(pod) => {
            return format!(
                "what it wrote last is below; the whole log: kubectl -n {} logs {} --previous",
                namespace(pod),
                pod.name()
            );
        }
        Remedy::Describe(pod) => {
            return format!(
                "look at it with: kubectl -n {} describe pod {}",
                namespace(pod),
                pod.name()
            );
        }
        Remedy::MakeClaim => "make it, or choose other storage with --storage",
        Remedy::ExistingClass => {
            "name one that exists (`kubectl get storageclass`) or choose other storage with --storage"
        }
        Remedy::NameClass => "name a StorageClass or choose other storage with --storage",
        Remedy::Provisioner => "fix the provisioner, or choose other storage with --storage",
        Remedy::StartOver => {
            "the images are gone with it: `kreg down --delete-data`, then `kreg up`"
        }
        Remedy::Storage => {
            "the claim has no volume that the Pod's node can use; choose other storage with --storage"
        }
        Remedy::Room => {
            "make room on a node, remove a taint, or lower the registry's resource requests"
        }
        Remedy::Parts => {
            "a Secret, ConfigMap or directory it needs is missing; run `kreg up` again"
        }
        Remedy::Admission => {
            "the API server takes no such Pod in this namespace; fix the quota, policy or webhook it names"
        }
        _ => "look at it with `kubectl describe`",
    };
    text.to_owned()
}

fn namespace(pod: &ObjectRef) -> &str {
    pod.namespace().unwrap_or("default")
}

fn list(known: &[String]) -> String {
    if known.is_empty() {
        return "there is none".to_owned();
    }
    format!("there are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use kreg_k8s::{Cause, Kind};

    use super::*;

    #[test]
    fn help_follows_what_is_wrong_and_evidence_comes_last() {
        let cause = Cause {
            object: ObjectRef::new(Kind::Pod, "n", "p"),
            reason: "ImagePullBackOff".to_owned(),
            message: "not found".to_owned(),
            evidence: vec!["Failed: x".to_owned()],
            remedy: Remedy::Image("nowhere/registry:9".to_owned()),
        };
        let text = said(&Error::Stuck(Box::new(cause)));
        assert!(
            text.starts_with("Pod n/p is stuck: ImagePullBackOff: not found; check that"),
            "{text}"
        );
        assert!(text.ends_with("--image\n    Failed: x"), "{text}");
    }

    #[test]
    fn what_there_is_to_choose_from_is_named() {
        let error = |known: &[&str]| {
            let known = known.iter().map(|&name| name.to_owned()).collect();
            said(&Unfit::NoDefaultClass { known }.into())
        };
        assert!(error(&["fast", "slow"]).contains("(there are fast, slow)"));
        assert!(error(&[]).contains("(there is none)"));
    }
}
