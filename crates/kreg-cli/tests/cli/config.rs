//! `kreg.toml` and the kubeconfig: each fault ends with 2, and names file and key.

use std::fs;

use crate::sandbox::Sandbox;

#[test]
fn a_fault_of_the_configuration_names_file_and_key() {
    let sandbox = Sandbox::new();
    for (text, words) in [
        ("[registry]\nport = 70000\n", ["port", "70000"].as_slice()),
        ("[registry]\nprot = 5000\n", &["prot", "port"]),
        ("[registy]\n", &["registy", "registry"]),
        ("[registry\n", &["line 1"]),
        ("[registry]\nprofile = \"other\"\n", &["other", "tutorial"]),
        ("[nodes]\nbackend = \"telnet\"\n", &["telnet", "ssh"]),
        ("[nodes.ssh]\nport = \"x\"\n", &["port"]),
    ] {
        let file = sandbox.write("bad.toml", text);
        let file = file.to_str().unwrap();
        for command in ["up", "plan", "down", "status", "verify", "gc", "doctor"] {
            let command = &mut sandbox.kreg([command, "--config", file]);
            sandbox.refused(command, words);
            sandbox.refused(command, &[file, "kreg init -"]);
        }
    }
}

#[test]
fn a_value_of_the_configuration_is_judged_as_that_of_a_flag_is() {
    let sandbox = Sandbox::new();
    for (text, words) in [
        (
            "[registry]\nname = \"A.b\"\n",
            ["A.b", "DNS-1123"].as_slice(),
        ),
        ("[registry]\nport = 0\n", &["`0`", "port"]),
        ("[registry]\nnamespace = \"-\"\n", &["-", "DNS-1123"]),
        ("[storage]\nkind = \"nfs:/x\"\n", &["nfs:/x"]),
        ("[storage]\nsize = \"lots\"\n", &["lots"]),
        ("[auth]\nuser = \"a:b\"\n", &["a:b"]),
        ("[auth]\nbcrypt_cost = 99\n", &["bcrypt_cost", "99"]),
        ("[auth]\npassword_file = \"none-here\"\n", &["none-here"]),
        ("[tls]\nsans = [\"a b\"]\n", &["a b"]),
        ("[nodes]\nstartup_taint = \"a/b/c\"\n", &["a/b/c"]),
    ] {
        sandbox.write("bad.toml", text);
        sandbox.refused(&mut sandbox.kreg(["up", "--config", "bad.toml"]), words);
    }
}

#[test]
fn a_configuration_that_is_not_there_is_named_by_flag_and_by_variable() {
    let sandbox = Sandbox::new();
    let words = ["absent.toml", "kreg init"];
    sandbox.refused(
        &mut sandbox.kreg(["status", "--config", "absent.toml"]),
        &words,
    );
    let command = &mut sandbox.kreg(["status"]);
    sandbox.refused(command.env("KREG_CONFIG", "absent.toml"), &words);
}

#[test]
fn without_a_kubeconfig_nothing_is_tried_and_the_way_to_one_is_shown() {
    let sandbox = Sandbox::new();
    let absent = sandbox.path("no-such-kubeconfig");
    let absent = absent.to_str().unwrap();
    for command in [
        ["up"].as_slice(),
        &["plan"],
        &["down", "--yes"],
        &["status"],
        &["verify"],
        &["nodes", "status"],
        &["nodes", "trust"],
        &["nodes", "untrust"],
        &["nodes", "admit"],
        &["nodes", "script", "probe"],
        &["cert", "show"],
        &["cert", "lint"],
        &["cert", "renew"],
        &["user", "list"],
        &["user", "remove", "ann"],
        &["user", "add", "ann", "--generate"],
        &["secret", "apply", "--all-namespaces"],
        &["secret", "remove", "--all-namespaces"],
        &["doctor"],
        &["gc"],
        &["tunnel"],
        &["export", "plain", "out"],
        &["export", "kustomize", "out"],
    ] {
        let mut none = sandbox.kreg(command.iter().copied());
        sandbox.refused(
            none.env_remove("KUBECONFIG"),
            &["kubeconfig", "--kubeconfig"],
        );
        let named = command.iter().copied().chain(["--kubeconfig", absent]);
        sandbox.refused(&mut sandbox.kreg(named), &[absent]);
    }
}

#[test]
fn a_kubeconfig_that_leads_nowhere_is_named() {
    let sandbox = Sandbox::new();
    let context = ["up", "--context", "no-such-context"];
    sandbox.refused(&mut sandbox.kreg(context), &["no-such-context"]);
    let broken = sandbox.write("broken", "clusters: [");
    let broken = broken.to_str().unwrap();
    sandbox.refused(&mut sandbox.kreg(["up", "--kubeconfig", broken]), &[broken]);
}

#[test]
fn init_prints_what_it_writes_and_overwrites_nothing() {
    let sandbox = Sandbox::new();
    let printed = sandbox.answer(&mut sandbox.kreg(["init", "-"]));
    sandbox
        .kreg(["init"])
        .assert()
        .code(0)
        .stdout("wrote kreg.toml\n");
    assert_eq!(
        fs::read_to_string(sandbox.path("kreg.toml")).unwrap(),
        printed
    );
    sandbox.refused(&mut sandbox.kreg(["init"]), &["kreg.toml", "overwrites"]);
    sandbox.refused(&mut sandbox.kreg(["init", "no/such/f"]), &["no/such/f"]);
    let rbac = ["export", "rbac", "--config", "kreg.toml"];
    assert!(
        sandbox
            .answer(&mut sandbox.kreg(rbac))
            .contains("kind: Role")
    );
}
