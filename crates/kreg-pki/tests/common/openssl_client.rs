//! The verdict of `openssl verify`, at the security level that Debian, Ubuntu
//! and Red Hat set for TLS.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use super::case::Case;

pub(crate) fn verdicts(cases: &[Case], scratch: &Path) -> Vec<Option<String>> {
    cases
        .iter()
        .map(|case| verdict(case, scratch).err())
        .collect()
}

fn verdict(case: &Case, scratch: &Path) -> Result<(), String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let blocks: Vec<_> = case.chain.split(BEGIN).skip(1).collect();
    let join = |blocks: &[&str]| -> String {
        blocks
            .iter()
            .map(|block| format!("{BEGIN}{block}"))
            .collect()
    };
    let file = |name: &str, text: &str| {
        let path = scratch.join(name);
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let leaf = file("leaf.pem", &join(&blocks[..1]));
    let links = file("links.pem", &join(&blocks[1..]));
    let trust = file("trust.pem", &case.trust);
    if let Some(key) = &case.key {
        let key = file("key.pem", key);
        let of_key = openssl(&["pkey", "-in", &key, "-pubout"])?;
        let of_leaf = openssl(&["x509", "-in", &leaf, "-pubkey", "-noout"])?;
        if of_key != of_leaf {
            return Err("key values mismatch".to_owned());
        }
    }
    let at = case.now.unix_timestamp().to_string();
    for endpoint in &case.endpoints {
        let by = match endpoint.parse::<IpAddr>() {
            Ok(_) => "-verify_ip",
            Err(_) => "-verify_hostname",
        };
        let mut arguments = vec!["verify", "-no-CApath", "-no-CAstore", "-CAfile", &trust];
        if blocks.len() > 1 {
            arguments.extend(["-untrusted", &links]);
        }
        arguments.extend(["-purpose", "sslserver", "-auth_level", "2", "-attime", &at]);
        arguments.extend([by, endpoint, &leaf]);
        openssl(&arguments)?;
    }
    Ok(())
}

/// Standard output, or standard error if the command failed.
pub(crate) fn openssl(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("the `openssl` command is needed for this test");
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
