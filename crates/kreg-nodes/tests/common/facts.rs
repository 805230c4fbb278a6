//! Facts put together by hand, from files as they are on nodes.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use kreg_nodes::facts::{Found, FoundFile, Program};
use kreg_nodes::{InstanceId, NodeFacts, NodePlan, RefusalKind, Trust};

pub const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

/// A `policy.json` that allows every image, as packages bring it.
pub const ALLOW: &str = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;

/// A node on which CRI-O runs.
pub fn crio() -> Facts {
    Facts::new()
        .runs("crio", "crio version 1.34.1")
        .file("/etc/containers/policy.json", ALLOW)
}

/// What a node is made of in these tests.
pub struct Facts(pub NodeFacts);

impl Facts {
    pub fn new() -> Facts {
        Facts(NodeFacts::default())
    }

    /// A program that runs and says this of itself.
    pub fn runs(mut self, name: &str, version: &str) -> Facts {
        let program = self.0.programs.entry(name.to_owned()).or_default();
        program.running = true;
        program.version = Some(version.trim().to_owned());
        self
    }

    /// What else is known of a program.
    pub fn with(mut self, name: &str, set: impl FnOnce(&mut Program)) -> Facts {
        set(self.0.programs.entry(name.to_owned()).or_default());
        self
    }

    /// A containerd that was started with this configuration file.
    pub fn started_with(self, name: &str, file: &str) -> Facts {
        self.with(name, |program| program.config = Some(file.to_owned()))
    }

    /// Who started a program: the name of that process, and the service.
    pub fn started_by(self, name: &str, parent: &str, unit: &str) -> Facts {
        self.with(name, |program| {
            program.parent = Some(parent.to_owned());
            program.unit = Some(unit.to_owned());
        })
    }

    /// The endpoint that the kubelet was given.
    pub fn endpoint(mut self, endpoint: &str) -> Facts {
        self.0.runtime_endpoint = Some(endpoint.to_owned());
        self
    }

    /// A program that is only installed.
    pub fn has(mut self, name: &str) -> Facts {
        self.0.programs.entry(name.to_owned()).or_default().path = Some(format!("/usr/bin/{name}"));
        self
    }

    pub fn file(self, path: &str, text: &str) -> Facts {
        self.changed_at(1, path, text)
    }

    /// A file that was changed then.
    pub fn changed_at(mut self, modified: u64, path: &str, text: &str) -> Facts {
        let file = FoundFile {
            content: text.as_bytes().to_vec(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            modified,
        };
        self.0.found.insert(path.to_owned(), Found::File(file));
        self
    }

    pub fn dir(mut self, path: &str) -> Facts {
        self.0.found.insert(path.to_owned(), Found::Directory);
        self
    }

    /// Nothing is there.
    pub fn without(mut self, path: &str) -> Facts {
        self.0.found.remove(path);
        self
    }

    /// CRI-O was given this, by an argument or by a variable of its environment.
    pub fn told(mut self, name: &str, value: &str) -> Facts {
        let program = self.0.programs.entry("crio".to_owned()).or_default();
        program.options.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A file of credentials for the registry.
    pub fn login(mut self, path: &str) -> Facts {
        self.0.logins.insert(path.to_owned());
        self
    }

    pub fn os(mut self, id: &str, version: &str) -> Facts {
        self.0.os.id = id.to_owned();
        self.0.os.version_id = version.to_owned();
        self
    }

    pub fn cloud(mut self, file: &str, value: &str) -> Facts {
        self.0.cloud_hosts.insert(file.to_owned(), value.to_owned());
        self
    }

    pub fn decide(&self, trust: &Trust) -> Decision {
        match NodePlan::decide(&self.0, trust) {
            Ok(plan) => Decision::Plan(Box::new(plan)),
            Err(refused) => {
                let kinds = refused.0.iter().map(|refusal| refusal.kind).collect();
                let snippet = refused.snippet().map(str::to_owned);
                let text = format!("{}; {}", refused.reason(), refused.remedy());
                Decision::Refused(kinds, text, snippet)
            }
        }
    }
}

#[derive(Debug)]
pub enum Decision {
    Plan(Box<NodePlan>),
    Refused(Vec<RefusalKind>, String, Option<String>),
}

impl Decision {
    #[track_caller]
    pub fn plan(self) -> NodePlan {
        match self {
            Decision::Plan(plan) => *plan,
            refused => panic!("{refused:?}"),
        }
    }

    /// The one kind of refusal, reason and remedy, and the snippet.
    #[track_caller]
    pub fn refused(self) -> (RefusalKind, String, Option<String>) {
        match self {
            Decision::Refused(kinds, text, snippet) if kinds.len() == 1 => {
                (kinds[0], text, snippet)
            }
            other => panic!("{other:?}"),
        }
    }
}

pub fn paths(plan: &NodePlan) -> Vec<&str> {
    plan.edits().iter().map(kreg_nodes::Edit::path).collect()
}

/// Trust as `kreg up` has it: by address.
pub fn by_address() -> Trust {
    let instance = InstanceId::new("docker-registry").unwrap();
    let host = "docker-registry:5000".parse().unwrap();
    Trust::new(instance, host, CA)
        .unwrap()
        .with_endpoint("10.96.0.50".parse().unwrap())
}
