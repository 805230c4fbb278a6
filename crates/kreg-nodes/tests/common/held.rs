//! What nodes are found to hold, as the agent's program and the plan have to judge it.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::fs;

use kreg_nodes::LocalRoot;

use crate::common::{CA, Tree};

pub const MAIN: &str = "/etc/containerd/config.toml";
pub const OWN: &str = "/etc/containerd/certs.d/docker-registry:5000";
const OS: &str = "/etc/os-release";
pub const DAEMON: &str = "/etc/docker/daemon.json";
const DAEMON_JSON: &str = "{\n  \"exec-opts\": [\"native.cgroupdriver=systemd\"],\n  \"log-driver\": \"json-file\",\n\t\
    \"log-opts\": { \"max-size\": \"100m\" },\r\n  \"debug\": false, \"mtu\": 1450, \"insecure-registries\": [],\n  \
    \"default-ulimits\": {\"nofile\": {\"Name\": \"nofile\", \"Hard\": 64000, \"Soft\": -1}}\n}\n";
const V2: &str = "plugins.\"io.containerd.grpc.v1.cri\"";
const V3: &str = "plugins.'io.containerd.cri.v1.images'";

/// Files of a node, and what the cluster says of its runtime.
#[derive(Clone, Debug, Default)]
pub struct Case {
    files: Vec<(String, String)>,
    runtime: &'static str,
}

impl Case {
    pub fn config(text: impl Into<String>) -> Case {
        Case::default().file(MAIN, text)
    }

    pub fn file(mut self, path: &str, text: impl Into<String>) -> Case {
        self.files.push((path.to_owned(), text.into()));
        self
    }

    pub fn runtime(mut self, runtime: &'static str) -> Case {
        self.runtime = runtime;
        self
    }

    pub fn tree(&self) -> Tree {
        let tree = Tree::new();
        fs::remove_file(tree.at(MAIN)).unwrap();
        for (path, text) in &self.files {
            let path = tree.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        tree
    }

    pub fn local(&self, tree: &Tree, shell: &[&str]) -> LocalRoot {
        let local = tree.local().shell(shell.iter().copied());
        match self.runtime {
            "" => local,
            runtime => local.env("KREG_RUNTIME", runtime),
        }
    }
}

pub fn v2(registry: &str) -> String {
    format!("version = 2\n[{V2}.registry]\n{registry}\n")
}

/// What nodes are found to hold. The word says what both must come to.
pub fn corpus() -> Vec<(&'static str, &'static str, Case)> {
    let kubeadm = "disabled_plugins = []\nimports = []\noom_score = 0\nplugin_dir = \"\"\nrequired_plugins = []\n\
        root = \"/var/lib/containerd\"\nstate = \"/run/containerd\"\ntemp = \"\"\nversion = 2\n\n[cgroup]\n  path = \"\"\n\n\
        [debug]\n  address = \"\"\n  level = \"\"\n  uid = 0\n\n[plugins]\n\n  [plugins.\"io.containerd.gc.v1.scheduler\"]\n    \
        deletion_threshold = 0\n    pause_threshold = 0.02\n    startup_delay = \"100ms\"\n\n  \
        [plugins.\"io.containerd.grpc.v1.cri\"]\n    device_ownership_from_security_context = false\n    \
        sandbox_image = \"registry.k8s.io/pause:3.6\"\n\n    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n      \
        SystemdCgroup = true # kubeadm\n\n    [plugins.\"io.containerd.grpc.v1.cri\".registry]\n      config_path = \"CERTS\"\n\n      \
        [plugins.\"io.containerd.grpc.v1.cri\".registry.auths]\n\n      [plugins.\"io.containerd.grpc.v1.cri\".registry.configs]\n\n      \
        [plugins.\"io.containerd.grpc.v1.cri\".registry.headers]\n\n      [plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors]\n\n\
        [proxy_plugins]\n\n[stream_processors]\n\n  [stream_processors.\"io.containerd.ocicrypt.decoder.v1.tar\"]\n    \
        accepts = [\"application/vnd.oci.image.layer.v1.tar+encrypted\"]\n    env = [\"OCICRYPT_KEYPROVIDER_CONFIG=/etc/containerd/k.conf\"]\n\n\
        [timeouts]\n  \"io.containerd.timeout.bolt.open\" = \"0s\"\n";
    let with = |certs: &str| Case::config(kubeadm.replace("CERTS", certs));
    let certs = "config_path = \"/etc/containerd/certs.d\"";
    let good = || Case::config(v2(certs));
    let v3 = format!(
        "version = 3\n[{V3}.registry]\nconfig_path = '/etc/containerd/certs.d:/etc/docker/certs.d'\n"
    );
    let docker = |json: &str| good().runtime("dockerd 24.0").file(DAEMON, json);
    let stores = |yes: bool| format!("{{\"features\": {{\"containerd-snapshotter\": {yes}}}}}\n");
    let shadow = "/etc/docker/certs.d/docker-registry_5000_/ca.crt";
    let toml = "/etc/docker/certs.d/docker-registry:5000/hosts.toml";
    vec![
        (
            "done",
            "kubeadm's file with config_path",
            with("/etc/containerd/certs.d"),
        ),
        ("refused", "containerd's own default, 1.x", with("")),
        (
            "refused",
            "the same, release known",
            with("").runtime("containerd 1.7"),
        ),
        (
            "done",
            "built in from 2.2 on",
            with("").runtime("containerd 2.2"),
        ),
        (
            "done",
            "no file at all, 2.3",
            Case::default().runtime("containerd 2.3"),
        ),
        (
            "refused",
            "no file at all, 2.1",
            Case::default().runtime("containerd 2.1"),
        ),
        ("refused", "nothing known, nothing there", Case::default()),
        (
            "done",
            "schema 3, single quotes, two roots",
            Case::config(&v3).runtime("containerd 2.1"),
        ),
        (
            "refused",
            "schema 3, and no release known: 1.x does not read it",
            Case::config(&v3),
        ),
        (
            "done",
            "schema 3's table in a file of schema 2, 2.1",
            Case::config(v3.replace("version = 3", "version = 2")).runtime("containerd 2.1"),
        ),
        (
            "refused",
            "schema 3's table in a file of schema 2, 1.7",
            Case::config(v3.replace("version = 3", "version = 2")).runtime("containerd 1.7"),
        ),
        (
            "done",
            "schema 1, short name, 1.6",
            Case::config(format!("[plugins.cri.registry]\n{certs}\n")).runtime("containerd 1.6"),
        ),
        (
            "refused",
            "schema 1, short name, 2.1: it migrates the name and not the table",
            Case::config(format!("[plugins.cri.registry]\n{certs}\n")).runtime("containerd 2.1"),
        ),
        (
            "done",
            "a drop-in by imports",
            Case::config(
                "version = 2\nimports = [\n  # more\n  '/etc/containerd/conf.d/*.toml',\n]\n",
            )
            .file("/etc/containerd/conf.d/a.toml", v2(certs)),
        ),
        (
            "done",
            "a relative import",
            Case::config("version = 2\nimports = [\"./more.toml\"]\n")
                .file("/etc/containerd/more.toml", v2(certs)),
        ),
        (
            "refused",
            "an import of a file that is not there",
            Case::config(format!("imports = [\"/etc/none.toml\"]\n{}", v2(certs))),
        ),
        (
            "done",
            "drop-ins and no file: they are not read",
            Case::default()
                .runtime("containerd 2.2")
                .file("/etc/containerd/conf.d/a.toml", &v3),
        ),
        (
            "refused",
            "a later file replaces the table, 1.x",
            Case::config(format!(
                "imports = ['/etc/containerd/x.toml']\n{}",
                v2(certs)
            ))
            .runtime("containerd 1.7")
            .file(
                "/etc/containerd/x.toml",
                format!("version = 2\n[{V2}.containerd]\nsnapshotter = 'x'\n"),
            ),
        ),
        (
            "done",
            "a later file is merged, 2.0",
            Case::config(format!(
                "imports = ['/etc/containerd/x.toml']\n{}",
                v2(certs)
            ))
            .runtime("containerd 2.0")
            .file(
                "/etc/containerd/x.toml",
                format!("version = 2\n[{V2}.containerd]\nsnapshotter = 'x'\n"),
            ),
        ),
        (
            "refused",
            "mirrors beside config_path",
            Case::config(v2(&format!(
                "{certs}\n[{V2}.registry.mirrors.\"x:5\"]\nendpoint = [\"http://x:5\"]"
            ))),
        ),
        (
            "done",
            "an empty table of mirrors",
            Case::config(v2(&format!("{certs}\n[{V2}.registry.mirrors]"))),
        ),
        (
            "refused",
            "tls beside config_path, 1.7",
            Case::config(v2(&format!(
                "{certs}\n[{V2}.registry.configs.\"x\".tls]\ninsecure_skip_verify = true"
            )))
            .runtime("containerd 1.7"),
        ),
        (
            "done",
            "tls beside config_path, 2.0",
            Case::config(v2(&format!(
                "{certs}\n[{V2}.registry.configs.\"x\".tls]\ninsecure_skip_verify = true"
            )))
            .runtime("containerd 2.0"),
        ),
        (
            "done",
            "auth beside config_path",
            Case::config(v2(&format!(
                "{certs}\n[{V2}.registry.configs.\"x\".auth]\nusername = \"u\""
            ))),
        ),
        (
            "refused",
            "CRI turned off",
            Case::config(format!("disabled_plugins = [\"cri\"]\n{}", v2(certs))),
        ),
        (
            "refused",
            "no TOML",
            Case::config("version = 2\n[plugins\n"),
        ),
        (
            "refused",
            "a key twice",
            Case::config(v2(&format!("{certs}\n{certs}"))),
        ),
        (
            "refused",
            "a table twice",
            Case::config(format!(
                "{}{}",
                v2(certs),
                v2(certs).replace("version = 2\n", "")
            )),
        ),
        (
            "refused",
            "a table below a value",
            Case::config(format!("a = 1\n{}[a.b]\n", v2(certs))),
        ),
        (
            "done",
            "lists of tables elsewhere",
            Case::config(format!(
                "{}[[plugins.x.list]]\na = 'b'\n[[plugins.x.list]]\na = 'c'\n",
                v2(certs)
            )),
        ),
        (
            "refused",
            "a directory that hides kreg's",
            good().file("/etc/containerd/certs.d/docker-registry_5000_/x", ""),
        ),
        (
            "done",
            "one that does not",
            good().file("/etc/containerd/certs.d/_default/hosts.toml", ""),
        ),
        (
            "refused",
            "a file of others",
            good().file(&format!("{OWN}/hosts.toml"), "# theirs\n"),
        ),
        (
            "done",
            "a file of others that is as wanted",
            good().file(&format!("{OWN}/ca.crt"), CA),
        ),
        (
            "refused",
            "a directory where a file belongs",
            good().file(&format!("{OWN}/ca.crt/x"), ""),
        ),
        (
            "refused",
            "broken markers",
            good().file("/etc/hosts", "# BEGIN kreg docker-registry\n"),
        ),
        (
            "refused",
            "a zero byte in the hosts file",
            good().file("/etc/hosts", "1.1.1.1 a\0b\n"),
        ),
        (
            "done",
            "Docker by what the cluster says",
            good().runtime("dockerd 24.0"),
        ),
        (
            "refused",
            "k3s by what the cluster says",
            good().runtime("k3s-agent 1.7"),
        ),
        (
            "by the plan alone",
            "CRI-O by what the cluster says",
            good().runtime("crio 1.30").file(
                "/etc/containers/policy.json",
                r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
            ),
        ),
        (
            "refused",
            "an import that is a directory",
            Case::config(format!("imports = ['/etc/containerd/d']\n{}", v2(certs)))
                .file("/etc/containerd/d/x", ""),
        ),
        (
            "done",
            "carriage returns",
            Case::config(v2(certs).replace('\n', "\r\n")),
        ),
        (
            "done",
            "no newline at the end",
            Case::config(v2(certs).trim_end()),
        ),
        (
            "done",
            "a root with a slash at its end",
            Case::config(v2("config_path = \"/etc/containerd/certs.d/\"")),
        ),
        (
            "refused",
            "a root that is relative to where containerd was started",
            Case::config(v2("config_path = \"/etc/containerd/certs.d:relative\"")),
        ),
        (
            "done",
            "a list, which some releases do not split",
            Case::config(v2("config_path = \"/etc/containerd/certs.d:/opt/certs.d/\"")),
        ),
        (
            "done",
            "the default configuration of 2.4",
            Case::config(format!(
                "version = 4\nimports = ['/etc/containerd/conf.d/*.toml']\n[{V3}.registry]\nconfig_path = ''\n"
            ))
            .runtime("containerd 2.4"),
        ),
        (
            "refused",
            "an empty string overrides the default of 2.2.1",
            Case::config(format!("version = 3\n[{V3}.registry]\nconfig_path = ''\n"))
                .runtime("containerd 2.2"),
        ),
        (
            "refused",
            "a directory that hides kreg's where the list is not split",
            Case::default().runtime("containerd 2.4").file(
                "/etc/containerd/certs.d:/etc/docker/certs.d/docker-registry_5000_/x",
                "",
            ),
        ),
        (
            "done",
            "the same, where lists are split",
            Case::config(v2("config_path = '/etc/containerd/certs.d:/etc/docker/certs.d'"))
                .runtime("containerd 1.7")
                .file(
                    "/etc/containerd/certs.d:/etc/docker/certs.d/docker-registry_5000_/x",
                    "",
                ),
        ),
        (
            "refused",
            "a file that kreg did not write where the list is not split",
            Case::default().runtime("containerd 2.4").file(
                "/etc/containerd/certs.d:/etc/docker/certs.d/docker-registry:5000/hosts.toml",
                "x = 1\n",
            ),
        ),
        (
            "refused",
            "a drop-in of schema 3 beside a file of schema 2, 2.1",
            Case::config(format!(
                "imports = ['/etc/containerd/x.toml']\n{}",
                v2(certs)
            ))
            .runtime("containerd 2.1")
            .file("/etc/containerd/x.toml", "version = 3\n"),
        ),
        (
            "done",
            "the same, 2.4",
            Case::config(format!(
                "imports = ['/etc/containerd/x.toml']\n{}",
                v2(certs)
            ))
            .runtime("containerd 2.4")
            .file("/etc/containerd/x.toml", "version = 3\n"),
        ),
        (
            "refused",
            "Talos",
            good().file(OS, "NAME=\"Talos\"\nID=talos\nVERSION_ID=v1.11.2\n"),
        ),
        ("refused", "Bottlerocket", good().file(OS, "ID='bottlerocket'")),
        (
            "done",
            "a system of another name",
            good().file(OS, "ID=debian\nID_LIKE=talos\n"),
        ),
        (
            "refused",
            "k0s, whose containerd starts from a file of its own",
            good().file("/etc/k0s/containerd.toml", "# k0s_managed=true\nversion = 2\n"),
        ),
        (
            "refused",
            "MicroK8s, by the service that snapd made",
            good()
                .runtime("containerd 2.2")
                .file("/etc/systemd/system/snap.microk8s.daemon-containerd.service", "[Service]\n"),
        ),
        (
            "refused",
            "Flatcar with its own file on /usr",
            Case::default()
                .runtime("containerd 2.2")
                .file(OS, "ID=flatcar\n"),
        ),
        (
            "refused",
            "NixOS with a file in its store",
            Case::default()
                .runtime("containerd 2.2")
                .file(OS, "ID=nixos\n"),
        ),
        (
            "done",
            "Flatcar with a file of the administrator's",
            good().file(OS, "ID=flatcar\n"),
        ),
        (
            "refused",
            "OpenShift by its system",
            docker("{}").file(OS, "ID=\"rhcos\"\r\n"),
        ),
        (
            "refused",
            "OpenShift by its machine-config daemon",
            docker("{}").file("/etc/machine-config-daemon/currentconfig", ""),
        ),
        ("done", "a blank daemon.json", docker(" \n\n")),
        ("done", "a daemon.json as kubeadm wants it", docker(DAEMON_JSON)),
        ("refused", "a daemon.json that is cut", docker("{")),
        ("refused", "a daemon.json that is a list", docker("[]")),
        (
            "refused",
            "a daemon.json with a comma too many",
            docker("{\"debug\": true,}"),
        ),
        (
            "refused",
            "a daemon.json with two objects",
            docker("{} {}"),
        ),
        (
            "refused",
            "a daemon.json with a zero byte",
            docker("{\"a\": \"b\0\"}"),
        ),
        (
            "done",
            "a daemon.json with a byte order mark",
            docker("\u{feff}{\"debug\": true}"),
        ),
        (
            "refused",
            "a daemon.json with a byte order mark, Docker 20.10",
            good().runtime("dockerd 20.10").file(DAEMON, "\u{feff}{}"),
        ),
        (
            "by the plan alone",
            "a daemon.json with an escape",
            docker("{\"data-root\": \"\\u002fsrv\"}"),
        ),
        (
            "refused",
            "containerd's image store and a directory that hides kreg's",
            docker(&stores(true)).file(shadow, CA),
        ),
        (
            "refused",
            "containerd's image store and a hosts.toml of others",
            docker(&stores(true)).file(toml, "# theirs\n"),
        ),
        (
            "done",
            "containerd's image store and nothing in the way",
            docker(&stores(true)),
        ),
        (
            "done",
            "Docker's own image store, said to be",
            docker(&stores(false)).file(shadow, CA),
        ),
        (
            "done",
            "Docker's own image store, by its release",
            docker(DAEMON_JSON).file(shadow, CA),
        ),
        (
            "refused",
            "features twice, of which the last counts",
            docker("{\"features\": {\"containerd-snapshotter\": false}, \"features\": {\"containerd-snapshotter\": true}}")
                .file(shadow, CA),
        ),
        // The plan warns, and nobody reads an agent's warnings.
        (
            "by the plan alone",
            "an image store that depends on Docker's first release",
            good().runtime("dockerd 29.1").file(shadow, CA),
        ),
    ]
}
