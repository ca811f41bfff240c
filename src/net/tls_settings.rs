//! What TLS contexts are made of, as plain values: with and without the feature `tls`.

/// What INFO shows of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// In hexadecimal digits; `none` without a certificate.
    pub serial: String,
    /// The last second in which it is good, in Unix time.
    pub expires_s: Option<i64>,
}

impl Default for CertificateFacts {
    fn default() -> CertificateFacts {
        CertificateFacts {
            serial: "none".into(),
            expires_s: None,
        }
    }
}

/// What INFO shows of the certificates in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub server: CertificateFacts,
    /// That of connections that this server opens, if it is another.
    pub client: CertificateFacts,
    /// That of the trusted certificates which expires first.
    pub ca: CertificateFacts,
}

/// Certificates made for development; see `tls::dev`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevFiles {
    pub ca: String,
    pub cert: String,
    pub key: String,
    /// SHA-256 of the authority's certificate, in hexadecimal digits.
    pub fingerprint: String,
}

/// Whether clients have to present a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    No,
    Optional,
    Yes,
}

/// The directives that contexts are made of; an empty text is one that is not set.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    not(feature = "tls"),
    expect(dead_code, reason = "nothing is built of them without TLS")
)]
pub struct Settings {
    pub cert_file: String,
    pub key_file: String,
    pub key_password: String,
    /// The certificate, key and password of connections that this server opens. Those above are
    /// used unless both files are set.
    pub client_cert_file: String,
    pub client_key_file: String,
    pub client_key_password: String,
    pub ca_cert_file: String,
    pub ca_cert_dir: String,
    pub dh_params_file: String,
    pub protocols: String,
    pub ciphers: String,
    pub ciphersuites: String,
    pub prefers_own_ciphers: bool,
    pub caches_sessions: bool,
    pub cache_size: usize,
    pub cache_timeout_s: u32,
    /// The names one of which the certificate of a server that is connected to must have; none are
    /// checked if this is empty.
    pub peer_names: String,
    /// A trusted certificate is needed: clients, primaries or nodes are verified.
    pub verifies_peers: bool,
}
