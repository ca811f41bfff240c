//! Certificates for development (`tls-dev yes`): an authority of its own, and a certificate for this
//! machine that it has signed. They are reused while they are good for another month.
//!
//! ```text
//!   tls-dev/ca.crt      the authority, which clients have to trust; ten years
//!   tls-dev/ca.key      its key, which signs nothing else
//!   tls-dev/server.crt  localhost and this machine; 397 days, the most that clients accept
//!   tls-dev/server.key
//! ```

use crate::net::tls_settings::DevFiles;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

const DAY_S: i64 = 86_400;
/// How long the certificates are good, in days.
const CA_DAYS: i64 = 3650;
const LEAF_DAYS: i64 = 397;
/// With less than this left a certificate is made anew, in days.
const LEFT_DAYS: i64 = 30;
/// Seconds that they are good before they were made: clocks differ.
const EARLY_S: i64 = 3_600;

/// Returns the certificates in a folder, made there if there are none.
///
/// # Errors
/// A line for the log.
pub fn prepare(folder: &Path, hostname: Option<&str>, now_s: i64) -> Result<DevFiles, String> {
    let failed = |why: &dyn std::fmt::Display| format!("tls-dev: {}: {why}", folder.display());
    fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let folder = folder.canonicalize().map_err(|error| failed(&error))?;
    let path = |name: &str| folder.join(name);
    let [ca, ca_key, cert, key] = ["ca.crt", "ca.key", "server.crt", "server.key"].map(path);
    let has_ca = is_good(&ca, now_s) && ca_key.is_file();
    let authority = match has_ca {
        true => read_key(&ca_key),
        false => KeyPair::generate().map_err(|error| error.to_string()),
    };
    let authority = authority.map_err(|why| failed(&why))?;
    if !has_ca {
        let made = authority_params(now_s).self_signed(&authority);
        let made = made.map_err(|error| failed(&error))?;
        write(&ca_key, &authority.serialize_pem(), 0o600).map_err(|error| failed(&error))?;
        write(&ca, &made.pem(), 0o644).map_err(|error| failed(&error))?;
    }
    if !(has_ca && is_good(&cert, now_s) && key.is_file()) {
        let own = KeyPair::generate().map_err(|error| failed(&error))?;
        let issuer = Issuer::new(authority_params(now_s), authority);
        let made = leaf_params(hostname, now_s).and_then(|leaf| leaf.signed_by(&own, &issuer));
        let made = made.map_err(|error| failed(&error))?;
        write(&key, &own.serialize_pem(), 0o600).map_err(|error| failed(&error))?;
        write(&cert, &made.pem(), 0o644).map_err(|error| failed(&error))?;
    }
    let text = |path: &Path| path.to_string_lossy().into_owned();
    Ok(DevFiles {
        fingerprint: fingerprint(&ca).map_err(|error| failed(&error))?,
        ca: text(&ca),
        cert: text(&cert),
        key: text(&key),
    })
}

/// Returns whether there is a certificate that is good for another while.
fn is_good(path: &Path, now_s: i64) -> bool {
    let Some(der) = read_certificate(path) else {
        return false;
    };
    X509Certificate::from_der(&der).is_ok_and(|(_, certificate)| {
        let end_s = certificate.validity().not_after.timestamp();
        end_s - now_s > LEFT_DAYS * DAY_S
    })
}

fn read_certificate(path: &Path) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(&fs::read(path).ok()?).ok()
}

fn read_key(path: &Path) -> Result<KeyPair, String> {
    let pem = fs::read_to_string(path).map_err(|error| error.to_string())?;
    KeyPair::from_pem(&pem).map_err(|error| error.to_string())
}

fn fingerprint(path: &Path) -> Result<String, &'static str> {
    let der = read_certificate(path).ok_or("ca.crt is no certificate")?;
    let digest = Sha256::digest(&der);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn moment(unix_s: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(unix_s).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn params(now_s: i64, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = moment(now_s - EARLY_S);
    params.not_after = moment(now_s + days * DAY_S);
    params
}

/// What the authority is: the same each time, but for the dates.
fn authority_params(now_s: i64) -> CertificateParams {
    let mut params = params(now_s, CA_DAYS);
    let name = "Redwheel development authority";
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(hostname: Option<&str>, now_s: i64) -> Result<CertificateParams, rcgen::Error> {
    let mut names = vec![
        "localhost",
        "*.localhost",
        "127.0.0.1",
        "::1",
        "host.docker.internal",
    ];
    names.extend(hostname.filter(|name| !names.contains(name)));
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut params = params(now_s, LEAF_DAYS);
    params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
    params
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params)
}

/// Writes a file with these permissions; one that is there is replaced as a whole.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn certificates_are_made_once_and_renewed_in_time() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let folder = folder.path().join("tls-dev");
        let now_s = 1_800_000_000;
        let read = |path: &str| fs::read(path).expect("it is there");
        let first = prepare(&folder, Some("machine"), now_s).expect("they can be made");
        let (ca, cert) = (read(&first.ca), read(&first.cert));
        let mode = fs::metadata(&first.key).expect("it is there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let again = prepare(&folder, Some("machine"), now_s + 366 * DAY_S);
        assert_eq!(again.as_ref(), Ok(&first));
        assert_eq!(read(&first.cert), cert);
        // A month before its end the certificate is renewed, by the same authority.
        let later = prepare(&folder, Some("machine"), now_s + 368 * DAY_S);
        assert_eq!(later.as_ref(), Ok(&first));
        assert_ne!(read(&first.cert), cert);
        assert_eq!(read(&first.ca), ca);
        fs::write(&first.ca, "no certificate").expect("it can be written");
        let anew = prepare(&folder, None, now_s).expect("they can be made");
        assert_ne!(anew.fingerprint, first.fingerprint);
    }
}
