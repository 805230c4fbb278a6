//! Who signed a certificate, also where clients would not accept how.

use aws_lc_rs::signature::{self as aws, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::X509Certificate;

use crate::PublicKey;

/// Whether `issuer`'s key made the signature; `None` if it is of a kind that cannot be checked.
pub(crate) fn is_by(
    own: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
    issuer_key: PublicKey,
) -> Option<bool> {
    let key = issuer.public_key();
    if let Some(algorithm) = left_out_by_the_parser(own, issuer_key) {
        let key = UnparsedPublicKey::new(algorithm, &key.subject_public_key.data);
        let signed = own.tbs_certificate.as_ref();
        return Some(key.verify(signed, &own.signature_value.data).is_ok());
    }
    use x509_parser::error::X509Error::SignatureUnsupportedAlgorithm;
    match own.verify_signature(Some(key)) {
        Ok(()) => Some(true),
        Err(SignatureUnsupportedAlgorithm) => None,
        Err(_) => Some(false),
    }
}

/// What `x509_parser` has no table row for: small RSA keys, P-521, SHA-512 under ECDSA.
fn left_out_by_the_parser(
    own: &X509Certificate<'_>,
    issuer_key: PublicKey,
) -> Option<&'static dyn VerificationAlgorithm> {
    let made_with = &own.signature_algorithm.algorithm;
    let is = |known: oid::Oid<'static>| *made_with == known;
    match issuer_key {
        PublicKey::Rsa(1024..2048) if is(oid::OID_PKCS1_SHA256WITHRSA) => {
            Some(&aws::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY)
        }
        PublicKey::Rsa(1024..2048) if is(oid::OID_PKCS1_SHA512WITHRSA) => {
            Some(&aws::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY)
        }
        PublicKey::EcdsaP256 if is(oid::OID_SIG_ECDSA_WITH_SHA512) => {
            Some(&aws::ECDSA_P256_SHA512_ASN1)
        }
        PublicKey::EcdsaP384 if is(oid::OID_SIG_ECDSA_WITH_SHA512) => {
            Some(&aws::ECDSA_P384_SHA512_ASN1)
        }
        PublicKey::EcdsaP521 if is(oid::OID_SIG_ECDSA_WITH_SHA512) => {
            Some(&aws::ECDSA_P521_SHA512_ASN1)
        }
        PublicKey::EcdsaP521 if is(oid::OID_SIG_ECDSA_WITH_SHA384) => {
            Some(&aws::ECDSA_P521_SHA384_ASN1)
        }
        PublicKey::EcdsaP521 if is(oid::OID_SIG_ECDSA_WITH_SHA256) => {
            Some(&aws::ECDSA_P521_SHA256_ASN1)
        }
        _ => None,
    }
}
