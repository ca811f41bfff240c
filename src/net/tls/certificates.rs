//! Certificates and keys from PEM files. Errors are reasons in the words of OpenSSL.

use super::pem_keys;
use super::reason;
use crate::net::tls_settings::CertificateFacts;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::SigningKey;
use std::path::Path;
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

const NO_START_LINE: &str = "error:0480006C:PEM routines::no start line";
const WRONG_TAG: &str = "error:068000A8:asn1 encoding routines::wrong tag";
const KEY_TOO_SMALL: &str = "error:0A00018F:SSL routines::ee key too small";
pub(super) const UNSUPPORTED_KEY: &str = "error:1E08010C:DECODER routines::unsupported";
const MISMATCH: &str = "error:05800074:x509 certificate routines::key values mismatch";
pub(super) const NO_PASSWORD: &str =
    "error:07880109:common libcrypto routines::interrupted or cancelled";
pub(super) const BAD_DECRYPT: &str = "error:1C800064:Provider routines::bad decrypt";
const NONE_FOUND: &str = "error:05800088:x509 certificate routines::no certificate or crl found";
/// The least bits of an RSA key.
const RSA_BITS: usize = 2048;

type Certificates = Vec<CertificateDer<'static>>;

fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| reason::of_system(&error))
}

/// Returns the certificates of a PEM file, in order; the error for none is `none`.
fn from_file(path: &str, none: &str) -> Result<Certificates, String> {
    let pem = read(path)?;
    let found: Result<Certificates, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|_| WRONG_TAG.to_owned())?;
    if found.is_empty() {
        return Err(none.into());
    }
    for one in &found {
        X509Certificate::from_der(one).map_err(|_| WRONG_TAG.to_owned())?;
    }
    Ok(found)
}

/// Returns the certificates that a server or client presents: its own first, then those between it
/// and the root, as the file has them. What is missing is completed from the trusted ones, as
/// OpenSSL does.
pub fn load_chain(path: &str, trusted: &Certificates) -> Result<Certificates, String> {
    let mut chain = from_file(path, NO_START_LINE)?;
    if is_too_small(&chain[0]) {
        return Err(KEY_TOO_SMALL.into());
    }
    if chain.len() == 1 {
        complete(&mut chain, trusted);
    }
    Ok(chain)
}

fn is_too_small(leaf: &CertificateDer) -> bool {
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
        return false;
    };
    match leaf.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() < RSA_BITS,
        _ => false,
    }
}

/// Appends the issuers of the last certificate, up to one that is self-signed or whose issuer is not
/// there.
fn complete(chain: &mut Certificates, trusted: &Certificates) {
    while chain.len() <= trusted.len() {
        let next = {
            let Some(Ok((_, last))) = chain.last().map(|last| X509Certificate::from_der(last))
            else {
                return;
            };
            if last.issuer() == last.subject() {
                return;
            }
            trusted.iter().find(|one| {
                X509Certificate::from_der(one)
                    .is_ok_and(|(_, issuer)| issuer.subject() == last.issuer())
            })
        };
        match next.cloned() {
            Some(issuer) => chain.push(issuer),
            None => return,
        }
    }
}

/// Returns the common name of a certificate's subject, if it has one.
pub fn common_name(der: &CertificateDer) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.subject().iter_common_name().next()?;
    Some(name.as_slice().to_vec())
}

/// Returns the serial number of a certificate in hexadecimal digits, and its end.
pub fn facts(der: &CertificateDer) -> Option<CertificateFacts> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let digits = certificate.raw_serial().iter();
    let digits: String = digits.map(|byte| format!("{byte:02X}")).collect();
    let serial = match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits if digits.len() % 2 == 1 => format!("0{digits}"),
        digits => digits.to_owned(),
    };
    Some(CertificateFacts {
        serial,
        expires_s: Some(certificate.validity().not_after.timestamp()),
    })
}

/// Returns the URIs among the alternative names of a certificate's subject.
pub fn uris(der: &CertificateDer) -> Vec<Vec<u8>> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = names.value.general_names.iter();
    let uris = names.filter_map(|name| match name {
        GeneralName::URI(uri) => Some(uri.as_bytes().to_vec()),
        _ => None,
    });
    uris.collect()
}

/// Returns the trusted certificates: those of a file, and of every regular file of a directory.
/// Either may be empty. In a directory, what is no certificate is passed over.
pub fn load_trusted(file: &str, directory: &str) -> Result<Certificates, String> {
    let mut all = match file {
        "" => Vec::new(),
        file => from_file(file, NONE_FOUND)?,
    };
    let entries = match directory {
        "" => None,
        // As in OpenSSL, a directory that is missing is no error.
        directory => std::fs::read_dir(Path::new(directory)).ok(),
    };
    for entry in entries.into_iter().flatten().flatten() {
        if entry.path().is_file()
            && let Some(path) = entry.path().to_str()
            && let Ok(found) = from_file(path, NONE_FOUND)
        {
            all.extend(found);
        }
    }
    Ok(all)
}

/// Returns the key of a PEM file: PKCS #8 (encrypted or not), PKCS #1 or SEC 1. `leaf` is the
/// certificate that it must belong to.
pub fn load_key(
    path: &str,
    password: &str,
    leaf: &CertificateDer,
) -> Result<Arc<dyn SigningKey>, String> {
    let pem = read(path)?;
    let der = match pem_keys::decrypt(&pem, password) {
        Some(decrypted) => decrypted?,
        None => match PrivateKeyDer::from_pem_slice(&pem) {
            Ok(der) => der,
            Err(_) => decrypt(&pem, password)?,
        },
    };
    let key = any_supported_type(&der).map_err(|_| UNSUPPORTED_KEY.to_owned())?;
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
        return Err(WRONG_TAG.into());
    };
    match key.public_key() {
        Some(public) if public.as_ref() != leaf.public_key().raw => Err(MISMATCH.into()),
        _ => Ok(key),
    }
}

/// Decrypts a key in the form PKCS #8.
fn decrypt(pem: &[u8], password: &str) -> Result<PrivateKeyDer<'static>, String> {
    const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    let text = String::from_utf8_lossy(pem);
    let block = text.find(BEGIN).and_then(|begin| {
        let end = text[begin..].find(END)? + begin + END.len();
        Some(&text[begin..end])
    });
    let Some(block) = block else {
        return Err(UNSUPPORTED_KEY.into());
    };
    let (_, document) =
        pkcs8::SecretDocument::from_pem(block).map_err(|_| UNSUPPORTED_KEY.to_owned())?;
    if password.is_empty() {
        return Err(NO_PASSWORD.into());
    }
    let encrypted = pkcs8::EncryptedPrivateKeyInfo::try_from(document.as_bytes());
    let encrypted = encrypted.map_err(|_| UNSUPPORTED_KEY.to_owned())?;
    let key = encrypted
        .decrypt(password)
        .map_err(|_| BAD_DECRYPT.to_owned())?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}
