//! What TLS contexts are made of, as plain values: with and without the feature `tls`.

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
