//! The readers themselves.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::ssl::{SslContext, SslMethod};
use openssl::x509::X509Ref;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Answer;
use super::common::go_client;
use super::files::{self, File, Kind};

pub(crate) fn go(files: &[File], scratch: &Path) -> Vec<Answer> {
    let encode = |bytes: &[u8]| STANDARD.encode(bytes);
    let known: Vec<_> = files::known().iter().map(|der| encode(der)).collect();
    let input: Vec<_> = files
        .iter()
        .map(|file| {
            let kind = match file.kind {
                Kind::Bundle => "bundle",
                Kind::Chain => "chain",
                Kind::Key => "key",
            };
            json!({
                "kind": kind,
                "file": encode(&file.bytes),
                "other": encode(file.other.as_bytes()),
                "known": if file.kind == Kind::Bundle { &known[..] } else { &[] },
            })
        })
        .collect();
    let answers: Vec<Value> = go_client::ask("./pem", &input, scratch);
    let answer = |answer: Value| match answer["refused"].as_str() {
        Some("") => {
            let prints = answer["certificates"].as_array();
            let prints = prints.into_iter().flatten().filter_map(Value::as_str);
            let mut prints: Vec<_> = prints.map(str::to_owned).collect();
            prints.retain(|print| files::prints().contains(print));
            Ok(prints)
        }
        _ => Err(()),
    };
    let answers = answers.into_iter().map(answer);
    let sorted = |(file, answer): (&File, Answer)| match file.kind {
        Kind::Bundle => answer.map(sort),
        _ => answer,
    };
    files.iter().zip(answers).map(sorted).collect()
}

fn sort(mut prints: Vec<String>) -> Vec<String> {
    prints.sort();
    prints.dedup();
    prints
}

pub(crate) fn rustls(files: &[File]) -> Vec<Answer> {
    let print = |der: &CertificateDer<'_>| hex::encode(Sha256::digest(der));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let read = |file: &File| -> Option<Vec<String>> {
        if file.kind == Kind::Key {
            let key = PrivateKeyDer::from_pem_slice(&file.bytes).ok()?;
            let held = CertificateDer::from_pem_slice(file.other.as_bytes()).ok()?;
            return match CertifiedKey::from_der(vec![held], key, &provider) {
                Err(Error::InconsistentKeys(_)) | Ok(_) => Some(Vec::new()),
                Err(_) => None,
            };
        }
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&file.bytes)
            .collect::<Result<_, _>>()
            .ok()?;
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).ok()?;
        }
        let prints: Vec<_> = certificates.iter().map(print).collect();
        match file.kind {
            _ if prints.is_empty() => None,
            Kind::Bundle => Some(sort(prints)),
            _ => Some(prints),
        }
    };
    files.iter().map(|file| read(file).ok_or(())).collect()
}

pub(crate) fn openssl(files: &[File], scratch: &Path) -> Vec<Answer> {
    let path = scratch.join("file.pem");
    let print =
        |certificate: &X509Ref| hex::encode(certificate.digest(MessageDigest::sha256()).unwrap());
    let read = |file: &File| -> Option<Vec<String>> {
        fs::write(&path, &file.bytes).unwrap();
        let mut context = SslContext::builder(SslMethod::tls()).unwrap();
        match file.kind {
            Kind::Bundle => {
                context.set_ca_file(&path).ok()?;
                let held = context.build().cert_store().all_certificates();
                Some(sort(held.iter().map(&print).collect()))
            }
            Kind::Chain => {
                context.set_certificate_chain_file(&path).ok()?;
                let context = context.build();
                let mut prints = vec![print(context.certificate()?)];
                // Without links there is no stack to look at.
                let links = std::panic::catch_unwind(|| {
                    let links = context.extra_chain_certs().iter();
                    links.map(&print).collect::<Vec<_>>()
                });
                prints.extend(links.unwrap_or_default());
                Some(prints)
            }
            // No password is asked for.
            Kind::Key => PKey::private_key_from_pem_callback(&file.bytes, |_| Ok(0))
                .ok()
                .map(|_| Vec::new()),
        }
    };
    files.iter().map(|file| read(file).ok_or(())).collect()
}

/// Whether `openssl` reads it: x509 a certificate, pkey a key, and by -CAfile a bundle.
pub(crate) fn openssl_command(files: &[File], scratch: &Path) -> Vec<bool> {
    let path = |name: &str| scratch.join(name).into_os_string().into_string().unwrap();
    let (file_path, leaf) = (path("file.pem"), path("leaf.pem"));
    fs::write(&leaf, files::leaf()).unwrap();
    let read = |file: &File| {
        fs::write(&file_path, &file.bytes).unwrap();
        let arguments: &[&str] = match file.kind {
            Kind::Bundle => &[
                "verify",
                "-partial_chain",
                "-no-CApath",
                "-no-CAstore",
                "-CAfile",
                &file_path,
                &leaf,
            ],
            Kind::Chain => &["x509", "-noout", "-in", &file_path],
            Kind::Key => &["pkey", "-noout", "-passin", "pass:", "-in", &file_path],
        };
        let status = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.expect("the `openssl` command is needed").success()
    };
    files.iter().map(read).collect()
}
