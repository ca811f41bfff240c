//! TLS.

use super::super::checks;
use super::super::directive::*;
use super::super::words::{TlsAuthClients, TlsAuthClientsUser};

/// A string the TLS context is made of.
const fn part(name: &'static str, place: Place) -> Directive {
    optional(name, place).apply(Apply::Tls)
}

pub static TABLE: &[Directive] = &[
    int("tls-port", 0, (0, 65535), at!(tls_port)).apply(Apply::TlsPort),
    part("tls-cert-file", at!(tls_cert_file)),
    part("tls-key-file", at!(tls_key_file)),
    part("tls-key-file-pass", at!(tls_key_file_pass)).sensitive(),
    part("tls-client-cert-file", at!(tls_client_cert_file)),
    part("tls-client-key-file", at!(tls_client_key_file)),
    part("tls-client-key-file-pass", at!(tls_client_key_file_pass)).sensitive(),
    part("tls-dh-params-file", at!(tls_dh_params_file)),
    part("tls-ca-cert-file", at!(tls_ca_cert_file)),
    part("tls-ca-cert-dir", at!(tls_ca_cert_dir)),
    words::<TlsAuthClients>("tls-auth-clients", 1, at!(tls_auth_clients)),
    words::<TlsAuthClientsUser>("tls-auth-clients-user", 1, at!(tls_auth_clients_user)),
    int(
        "tls-auto-reload-interval",
        0,
        (0, INT_MAX),
        at!(tls_auto_reload_interval),
    ),
    boolean("tls-dev", false, at!(tls_dev)).immutable().hidden(),
    text("tls-expected-peer-name", "", at!(tls_expected_peer_name))
        .apply(Apply::Tls)
        .check(checks::peer_names),
    boolean("tls-replication", false, at!(tls_replication)).apply(Apply::Tls),
    boolean("tls-cluster", false, at!(tls_cluster)).apply(Apply::Tls),
    part("tls-protocols", at!(tls_protocols)),
    part("tls-ciphers", at!(tls_ciphers)),
    part("tls-ciphersuites", at!(tls_ciphersuites)),
    boolean(
        "tls-prefer-server-ciphers",
        false,
        at!(tls_prefer_server_ciphers),
    )
    .apply(Apply::Tls),
    boolean("tls-session-caching", true, at!(tls_session_caching)).apply(Apply::Tls),
    int(
        "tls-session-cache-size",
        20480,
        (0, INT_MAX),
        at!(tls_session_cache_size),
    )
    .apply(Apply::Tls),
    int(
        "tls-session-cache-timeout",
        300,
        (0, INT_MAX),
        at!(tls_session_cache_timeout),
    )
    .apply(Apply::Tls),
    int(
        "max-new-tls-connections-per-cycle",
        1,
        (1, 1000),
        at!(max_new_tls_connections_per_cycle),
    ),
];
