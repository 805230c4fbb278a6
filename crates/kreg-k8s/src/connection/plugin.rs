//! The program that a kubeconfig names for credentials (KEP-541). kube runs it; here is what kubectl checks before, and
//! what is said when it fails.
//!
//! Source: client-go, `plugin/pkg/client/auth/exec/exec.go`, `tools/clientcmd/validation.go`.

use kube::{
    client::AuthError,
    config::{ExecConfig, ExecInteractiveMode},
};

use crate::error::Error;

const GROUP: &str = "client.authentication.k8s.io";
/// The most characters of a program's standard error that are repeated.
const WORDS_MAX: usize = 2000;

/// Whether kubectl would run it, and with which standard input. Without a terminal the program gets none, and what it
/// says is kept for the error; with one it speaks for itself.
pub(super) fn check(exec: &mut ExecConfig, is_terminal: bool) -> Result<(), String> {
    let program = match exec.command.as_deref() {
        Some(command) if !command.is_empty() => command,
        _ => return Err("the exec section of the kubeconfig's user names no command".to_owned()),
    };
    let version = exec.api_version.as_deref().unwrap_or_default();
    let is_v1 = version == format!("{GROUP}/v1");
    if !is_v1 && version != format!("{GROUP}/v1beta1") {
        return Err(format!(
            "the apiVersion {version:?} of the program {program:?} is not valid: it must be {GROUP}/v1 or \
             {GROUP}/v1beta1; see whether that program has a newer release"
        ));
    }
    let mode = match exec.interactive_mode.take() {
        None if is_v1 => {
            return Err(format!(
                "interactiveMode is missing for the program {program:?}; with {GROUP}/v1 it must be Never, \
                 IfAvailable or Always"
            ));
        }
        Some(ExecInteractiveMode::Always) if !is_terminal => {
            return Err(format!(
                "the program {program:?} must ask you something, but standard input is not a terminal"
            ));
        }
        None | Some(ExecInteractiveMode::IfAvailable) if is_terminal => {
            ExecInteractiveMode::IfAvailable
        }
        None | Some(ExecInteractiveMode::IfAvailable) => ExecInteractiveMode::Never,
        Some(mode) => mode,
    };
    exec.interactive_mode = Some(mode);
    Ok(())
}

/// Reports its failure: the command, and what it said on standard error. Neither its arguments nor what it
/// printed are repeated, because both may be secret.
pub(super) fn failed(exec: &ExecConfig, error: &kube::Error) -> Error {
    let problem = match error {
        kube::Error::Auth(AuthError::AuthExecStart(error))
            if error.kind() == std::io::ErrorKind::NotFound =>
        {
            "it was not found".to_owned()
        }
        kube::Error::Auth(AuthError::AuthExecStart(error)) => format!("it does not start: {error}"),
        kube::Error::Auth(AuthError::AuthExecRun { out, .. }) => {
            let said = String::from_utf8_lossy(&out.stderr);
            match said.trim() {
                "" => format!("it ended with {}", out.status),
                said => {
                    let said: String = said.chars().take(WORDS_MAX).collect();
                    format!("it ended with {} and said: {said}", out.status)
                }
            }
        }
        kube::Error::Auth(AuthError::AuthExecParse(_)) => {
            "what it printed is not an ExecCredential".to_owned()
        }
        kube::Error::Auth(AuthError::ExecPluginFailed) => {
            "what it printed has no status, and so no credentials".to_owned()
        }
        other => other.to_string(),
    };
    let hint = exec.install_hint.as_deref().map(str::trim);
    Error::CredentialProgram {
        program: exec.command.clone().unwrap_or_default(),
        problem,
        hint: hint.filter(|hint| !hint.is_empty()).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(yaml: &str, is_terminal: bool) -> Result<Option<ExecInteractiveMode>, String> {
        let mut exec: ExecConfig = serde_saphyr::from_str(yaml).unwrap();
        check(&mut exec, is_terminal).map(|()| exec.interactive_mode)
    }

    #[test]
    fn a_program_is_interactive_where_it_may_be_and_can_be() {
        let beta = "{command: aws, apiVersion: client.authentication.k8s.io/v1beta1}";
        assert_eq!(checked(beta, false), Ok(Some(ExecInteractiveMode::Never)));
        assert_eq!(
            checked(beta, true),
            Ok(Some(ExecInteractiveMode::IfAvailable))
        );
        let never =
            "{command: aws, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}";
        assert_eq!(checked(never, true), Ok(Some(ExecInteractiveMode::Never)));
        let always = never.replace("Never", "Always");
        assert_eq!(
            checked(&always, true),
            Ok(Some(ExecInteractiveMode::Always))
        );
        assert!(checked(&always, false).unwrap_err().contains("terminal"));
    }

    #[test]
    fn what_kubectl_refuses_is_refused_and_named() {
        let mode = checked(
            "{command: aws, apiVersion: client.authentication.k8s.io/v1}",
            true,
        );
        assert!(mode.unwrap_err().contains("interactiveMode"));
        let old = checked(
            "{command: aws, apiVersion: client.authentication.k8s.io/v1alpha1}",
            true,
        );
        let old = old.unwrap_err();
        assert!(old.contains("v1alpha1") && old.contains("aws"), "{old}");
        let none = checked("{apiVersion: client.authentication.k8s.io/v1beta1}", true);
        assert!(none.unwrap_err().contains("command"));
    }
}
