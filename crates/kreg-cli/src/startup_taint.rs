//! The word for the startup taint.

use clap::Args;
use kreg_k8s::taint::StartupTaint;

use crate::config::Config;
use crate::error::Error;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TaintArgs {
    /// Take this taint off each node whose own pull is proven; it keeps Pods off nodes until then, and the kubelet puts
    /// it there (--register-with-taints) [default: nodes.startup_taint of kreg.toml, else none; without a KEY:
    /// kreg.dev/untrusted]
    #[arg(long, value_name = "KEY", num_args = 0..=1, require_equals = true,
          default_missing_value = StartupTaint::KEY, help_heading = "Nodes that join")]
    startup_taint: Option<String>,
}

impl TaintArgs {
    /// By flag, else by file; `None` unless one of them says so.
    pub(crate) fn taint(&self, config: &Config) -> Result<Option<StartupTaint>, Error> {
        let key = self
            .startup_taint
            .as_ref()
            .or(config.nodes.startup_taint.as_ref());
        key.map(|key| StartupTaint::new(key))
            .transpose()
            .map_err(|cause| Error::usage("this startup taint cannot be lifted").because(&cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_off_unless_somebody_says_so() {
        let taint = |flag: Option<&str>, file: &str| {
            let args = TaintArgs {
                startup_taint: flag.map(str::to_owned),
            };
            let taint = args.taint(&Config::parse(file).unwrap());
            taint.map(|taint| taint.map(|taint| taint.key().to_owned()))
        };
        let file = "[nodes]\nstartup_taint = \"a.b/c\"\n";
        assert_eq!(taint(None, "").unwrap(), None);
        assert_eq!(taint(None, file).unwrap().as_deref(), Some("a.b/c"));
        assert_eq!(
            taint(Some("d.e/f"), file).unwrap().as_deref(),
            Some("d.e/f")
        );
        assert!(taint(Some("node.kubernetes.io/unreachable"), "").is_err());
    }
}
