//! The verifiers of the certificates that clients present, and of those of servers that this server
//! connects to.
//!
//! Chains are checked by webpki. It refuses two kinds of certificates that OpenSSL, and therefore
//! Redis, accepts, and which people have: those of X.509 version 1 (`openssl x509 -req` without
//! extensions makes them), and a self-signed one that is trusted itself. This file decides about
//! those two, and about nothing else.
//!
//! What is accepted beyond webpki, each within its dates and for its purpose:
//!
//! - a certificate that is byte for byte one of the trusted ones;
//! - a leaf of version 1 that is signed by a trusted certificate, which its issuer names.
//!
//! As in Redis, the name of a server is not compared with the address that was dialled, but with
//! `tls-expected-peer-name` where that is set.

use super::names::PeerNames;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate, X509Version};

/// The side that presents a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Client,
    Server,
}

/// The trusted certificates, and the algorithms that signatures may have.
#[derive(Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    certificates: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trust {
    /// Trusts these certificates. Those that webpki cannot parse are left out: a bundle of a system
    /// may hold some.
    pub fn new(certificates: Vec<CertificateDer<'static>>, provider: &CryptoProvider) -> Trust {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        Trust {
            roots: Arc::new(roots),
            certificates,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// Judges a certificate that webpki has refused with `refusal`.
    fn judge_refused(
        &self,
        leaf: &CertificateDer,
        now: UnixTime,
        purpose: Purpose,
        refusal: Error,
    ) -> Result<(), Error> {
        let Ok((_, parsed)) = X509Certificate::from_der(leaf) else {
            return Err(refusal);
        };
        let is_trusted = self.certificates.iter().any(|trusted| trusted == leaf);
        let is_first_version = parsed.version() == X509Version::V1;
        if !(is_trusted || is_first_version && self.has_issuer(&parsed, now)) {
            return Err(refusal);
        }
        check_dates(&parsed, now)?;
        match is_for(&parsed, purpose) {
            true => Ok(()),
            false => Err(CertificateError::InvalidPurpose.into()),
        }
    }

    /// Returns whether a trusted certificate, within its dates, has signed this one.
    fn has_issuer(&self, leaf: &X509Certificate, now: UnixTime) -> bool {
        self.certificates.iter().any(|der| {
            let Ok((_, issuer)) = X509Certificate::from_der(der) else {
                return false;
            };
            issuer.subject() == leaf.issuer()
                && check_dates(&issuer, now).is_ok()
                && may_sign(&issuer)
                && self.is_signed_by(leaf, issuer.public_key())
        })
    }

    fn is_signed_by(&self, leaf: &X509Certificate, key: &SubjectPublicKeyInfo) -> bool {
        let Some(algorithm) = signature_algorithm(leaf) else {
            return false;
        };
        let candidates = self.algorithms.all.iter();
        let mut fitting = candidates.filter(|one| one.signature_alg_id().as_ref() == algorithm);
        // As OpenSSL: a signature is a whole number of bytes.
        if leaf.signature_value.unused_bits != 0 {
            return false;
        }
        let message = leaf.tbs_certificate.as_ref();
        fitting.any(|one| verifies(*one, key, message, &leaf.signature_value.data))
    }

    /// Checks the signature of a handshake made with the key of a certificate of version 1.
    fn check_handshake(
        &self,
        message: &[u8],
        leaf: &X509Certificate,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let mut mapping = self.algorithms.mapping.iter();
        let found = mapping.find(|(scheme, _)| *scheme == signed.scheme);
        let candidates = found.map_or(&[][..], |(_, algorithms)| *algorithms);
        let key = leaf.public_key();
        let is_valid = candidates
            .iter()
            .any(|one| verifies(*one, key, message, signed.signature()));
        match is_valid {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }

    fn tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match of_first_version(leaf) {
            Some(leaf) => self.check_handshake(message, &leaf, signed),
            None => verify_tls12_signature(message, leaf, signed, &self.algorithms),
        }
    }

    fn tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match of_first_version(leaf) {
            // As rustls requires of others: PKCS #1 and SHA-1 are not for TLS 1.3.
            Some(leaf) if is_for_tls13(signed.scheme) => {
                self.check_handshake(message, &leaf, signed)
            }
            Some(_) => Err(CertificateError::BadSignature.into()),
            None => verify_tls13_signature(message, leaf, signed, &self.algorithms),
        }
    }
}

fn of_first_version<'a>(leaf: &'a CertificateDer) -> Option<X509Certificate<'a>> {
    let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
    (leaf.version() == X509Version::V1).then_some(leaf)
}

fn is_for_tls13(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::ECDSA_NISTP256_SHA256
            | SignatureScheme::ECDSA_NISTP384_SHA384
            | SignatureScheme::ED25519
            | SignatureScheme::RSA_PSS_SHA256
            | SignatureScheme::RSA_PSS_SHA384
            | SignatureScheme::RSA_PSS_SHA512
    )
}

fn check_dates(certificate: &X509Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = certificate.validity();
    let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    match () {
        () if now_s < validity.not_before.timestamp() => Err(CertificateError::NotValidYet.into()),
        () if now_s > validity.not_after.timestamp() => Err(CertificateError::Expired.into()),
        () => Ok(()),
    }
}

/// Returns whether a certificate may sign others: one of version 1 may, as for OpenSSL, because it
/// cannot say otherwise.
fn may_sign(issuer: &X509Certificate) -> bool {
    if issuer.version() == X509Version::V1 {
        return true;
    }
    let usage = issuer.key_usage().ok().flatten();
    issuer.is_ca() && usage.is_none_or(|usage| usage.value.key_cert_sign())
}

/// Returns whether the extended key usage, if there is one, allows this purpose.
fn is_for(certificate: &X509Certificate, purpose: Purpose) -> bool {
    match certificate.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(extended)) => {
            let named = match purpose {
                Purpose::Client => extended.value.client_auth,
                Purpose::Server => extended.value.server_auth,
            };
            named || extended.value.any
        }
        Err(_) => false,
    }
}

fn verifies(
    algorithm: &dyn rustls::pki_types::SignatureVerificationAlgorithm,
    key: &SubjectPublicKeyInfo,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let of_key = key_algorithm(key);
    of_key.as_deref() == Some(algorithm.public_key_alg_id().as_ref())
        && algorithm
            .verify_signature(&key.subject_public_key.data, message, signature)
            .is_ok()
}

/// Returns the content of the algorithm identifier of a key, in DER.
fn key_algorithm(key: &SubjectPublicKeyInfo) -> Option<Vec<u8>> {
    // SEQUENCE { SEQUENCE { algorithm }, BIT STRING }
    let outer = content(key.raw)?;
    Some(content(outer)?.to_vec())
}

/// Returns the content of the algorithm identifier of a certificate's signature, in DER.
fn signature_algorithm<'a>(leaf: &'a X509Certificate) -> Option<&'a [u8]> {
    // SEQUENCE { what is signed, SEQUENCE { algorithm }, BIT STRING }
    let signed = leaf.tbs_certificate.as_ref().len();
    content(content(leaf.as_raw())?.get(signed..)?)
}

/// Returns the content of the DER sequence at the start of `der`.
fn content(der: &[u8]) -> Option<&[u8]> {
    let (&[0x30, first], rest) = der.split_first_chunk()? else {
        return None;
    };
    let (len, rest) = match first {
        len @ 0..=0x7f => (usize::from(len), rest),
        0x81..=0x84 => {
            let (len, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (
                len.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)),
                rest,
            )
        }
        _ => return None,
    };
    rest.get(..len)
}

/// The verifier of client certificates.
#[derive(Debug)]
pub struct ClientVerifier {
    trust: Arc<Trust>,
    /// None without a trusted certificate: every client is refused.
    webpki: Option<Arc<dyn ClientCertVerifier>>,
    is_mandatory: bool,
}

impl ClientVerifier {
    /// Verifies against `trust`; clients without a certificate are refused if it `is_mandatory`.
    pub fn new(
        trust: Arc<Trust>,
        provider: Arc<CryptoProvider>,
        is_mandatory: bool,
    ) -> ClientVerifier {
        let roots = trust.roots.clone();
        let webpki = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
        ClientVerifier {
            trust,
            webpki: webpki.ok(),
            is_mandatory,
        }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.webpki {
            Some(webpki) => webpki.root_hint_subjects(),
            None => &[],
        }
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = match &self.webpki {
            Some(webpki) => webpki.verify_client_cert(leaf, intermediates, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        verified.or_else(|refusal| {
            let trust = &self.trust;
            trust.judge_refused(leaf, now, Purpose::Client, refusal)?;
            Ok(ClientCertVerified::assertion())
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

/// The verifier of the certificates of servers.
#[derive(Debug)]
pub struct ServerVerifier {
    trust: Arc<Trust>,
    names: PeerNames,
}

impl ServerVerifier {
    /// Verifies against `trust`; a certificate must have one of `names`, if there are any.
    pub fn new(trust: Arc<Trust>, names: PeerNames) -> ServerVerifier {
        ServerVerifier { trust, names }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (roots, algorithms) = (&self.trust.roots, self.trust.algorithms.all);
        let verified = ParsedCertificate::try_from(leaf).and_then(|parsed| {
            let chain = intermediates;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, chain, now, algorithms)
        });
        if let Err(refusal) = verified {
            self.trust
                .judge_refused(leaf, now, Purpose::Server, refusal)?;
        }
        match self.names.accept(leaf) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::NotValidForName.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;
    use std::time::Duration;

    fn certificate(name: &str) -> CertificateDer<'static> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls");
        let pem = std::fs::read(format!("{folder}/{name}.crt")).expect("it is there");
        CertificateDer::from_pem_slice(&pem).expect("it is a certificate")
    }

    /// Judges a certificate at a time in Unix seconds, where these are trusted.
    fn verify(trusted: &[&str], leaf: &CertificateDer, at_s: u64) -> Result<(), Error> {
        let provider = Arc::new(ring::default_provider());
        let trusted = trusted.iter().map(|name| certificate(name)).collect();
        let trust = Arc::new(Trust::new(trusted, &provider));
        let now = UnixTime::since_unix_epoch(Duration::from_secs(at_s));
        let verifier = ClientVerifier::new(trust, provider, true);
        verifier.verify_client_cert(leaf, &[], now).map(|_| ())
    }

    /// Judges the certificate of a server likewise, which must have one of these names.
    fn verify_server(trusted: &[&str], leaf: &CertificateDer, names: &str) -> Result<(), Error> {
        let provider = Arc::new(ring::default_provider());
        let trusted = trusted.iter().map(|name| certificate(name)).collect();
        let trust = Arc::new(Trust::new(trusted, &provider));
        let now = UnixTime::since_unix_epoch(Duration::from_secs(GOOD_S));
        let verifier = ServerVerifier::new(trust, PeerNames::new(names));
        let dialled = ServerName::try_from("another.example").expect("it is a name");
        let verified = verifier.verify_server_cert(leaf, &[], &dialled, &[], now);
        verified.map(|_| ())
    }

    /// Some time within the dates of all certificates, and one before.
    const GOOD_S: u64 = 2_000_000_000;
    const EARLY_S: u64 = 1_000_000_000;

    #[test]
    fn certificates_of_version_1_need_an_issuer_that_is_trusted() {
        let old = certificate("old");
        assert!(verify(&["ca"], &old, GOOD_S).is_ok());
        assert!(verify(&["stranger"], &old, GOOD_S).is_err());
        assert!(verify(&[], &old, GOOD_S).is_err());
        assert!(verify(&["ca"], &old, EARLY_S).is_err());
        // `self` names itself as its issuer, and has not signed this one.
        assert!(verify(&["self"], &old, GOOD_S).is_err());
    }

    #[test]
    fn no_changed_bit_is_accepted() {
        let old = certificate("old");
        for at in 0..old.len() {
            let mut bytes = old.to_vec();
            bytes[at] ^= 1;
            let changed = CertificateDer::from(bytes);
            assert!(verify(&["ca"], &changed, GOOD_S).is_err(), "byte {at}");
        }
        for len in 0..old.len() {
            let cut = CertificateDer::from(old[..len].to_vec());
            assert!(verify(&["ca"], &cut, GOOD_S).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_certificate_that_is_trusted_itself_is_accepted() {
        let own = certificate("self");
        assert!(verify(&["self"], &own, GOOD_S).is_ok());
        assert!(verify(&["ca"], &own, GOOD_S).is_err());
        assert!(verify(&["self"], &own, EARLY_S).is_err());
    }

    #[test]
    fn certificates_for_servers_are_not_for_clients() {
        assert!(verify(&["ca"], &certificate("client"), GOOD_S).is_ok());
        assert!(verify(&["ca"], &certificate("server"), GOOD_S).is_err());
        assert!(verify_server(&["ca"], &certificate("server"), "").is_ok());
        assert!(verify_server(&["ca"], &certificate("client"), "").is_err());
    }

    #[test]
    fn servers_are_verified_whatever_name_was_dialled() {
        let server = certificate("server");
        assert!(verify_server(&["stranger"], &server, "").is_err());
        assert!(verify_server(&["self"], &certificate("self"), "").is_ok());
        assert!(verify_server(&["ca"], &certificate("old"), "").is_ok());
        assert!(verify_server(&["stranger"], &certificate("old"), "").is_err());
        assert!(verify_server(&["ca"], &server, "no.example localhost").is_ok());
        assert!(verify_server(&["ca"], &server, "no.example").is_err());
    }
}
