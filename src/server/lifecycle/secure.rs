//! TLS of the server: its contexts, made of the directives, and what happens when a handshake is
//! over.

use crate::config::{Config, TlsAuthClients, TlsAuthClientsUser};
use crate::net::Link;
use crate::net::tls::Contexts;
use crate::net::tls_settings::{ClientAuth, Settings};
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::session::Ending;
use crate::server::core::permissions;
use std::io;

/// The reply to a non-local connection in protected mode, while the default user has no password.
pub const DENIED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is \
    enabled and no password is set for the default user. In this mode connections are only \
    accepted from the loopback interface. Set a password (requirepass) or, if the network is \
    trusted, turn protected mode off: CONFIG SET protected-mode no from a local connection, or \
    'protected-mode no' in the configuration file.\r\n";

fn settings(config: &Config) -> Settings {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let verifies_clients = config.tls_auth_clients != TlsAuthClients::No;
    Settings {
        cert_file: text(&config.tls_cert_file),
        key_file: text(&config.tls_key_file),
        key_password: text(&config.tls_key_file_pass),
        client_cert_file: text(&config.tls_client_cert_file),
        client_key_file: text(&config.tls_client_key_file),
        client_key_password: text(&config.tls_client_key_file_pass),
        peer_names: text(&config.tls_expected_peer_name),
        ca_cert_file: text(&config.tls_ca_cert_file),
        ca_cert_dir: text(&config.tls_ca_cert_dir),
        dh_params_file: text(&config.tls_dh_params_file),
        protocols: text(&config.tls_protocols),
        ciphers: text(&config.tls_ciphers),
        ciphersuites: text(&config.tls_ciphersuites),
        prefers_own_ciphers: config.tls_prefer_server_ciphers,
        caches_sessions: config.tls_session_caching,
        cache_size: config.tls_session_cache_size as usize,
        cache_timeout_s: config.tls_session_cache_timeout,
        verifies_peers: verifies_clients || config.tls_replication || config.tls_cluster,
    }
}

/// Builds the contexts anew, if the configuration needs any. If that fails, the old ones stay, and
/// the reason is in the log.
pub fn rebuild(server: &mut Server) -> Result<(), NotBuilt> {
    let config = &server.config;
    if config.tls_port == 0 && !config.tls_replication && !config.tls_cluster {
        return Ok(());
    }
    let mut warnings = Vec::new();
    let built = Contexts::new(&settings(&server.config), &mut warnings);
    for warning in warnings {
        log::warn!("{warning}");
    }
    match built {
        Ok(contexts) => {
            server.doors.set_contexts(contexts);
            Ok(())
        }
        Err(why) => {
            log::warn!("{why}");
            Err(NotBuilt)
        }
    }
}

/// The contexts could not be built; the reason is in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct NotBuilt;

/// Starts the session of an accepted connection. `None` if there is no context for it.
pub fn accept(server: &Server, link: Link) -> Option<Link> {
    let auth = match server.config.tls_auth_clients {
        TlsAuthClients::No => ClientAuth::No,
        TlsAuthClients::Optional => ClientAuth::Optional,
        TlsAuthClients::Yes => ClientAuth::Yes,
    };
    let contexts = server.doors.contexts()?;
    match contexts.accept(auth) {
        Ok(session) => Some(link.secure(session)),
        Err(error) => {
            log::warn!("Error accepting a client connection: {error}");
            None
        }
    }
}

/// Returns whether a connection is refused by protected mode.
pub fn is_refused(server: &Server, link: &Link) -> bool {
    server.config.protected_mode && server.acl.is_open() && !link.is_local()
}

/// Admits a client whose handshake is over, or refuses it: only now can it read why.
pub fn established(server: &mut Server, client: &mut Client) {
    if is_refused(server, &client.link) {
        server.stats.rejected_connections += 1;
        client.output.append(DENIED);
        client.session.ending = Ending::AfterReply;
        return;
    }
    if server.config.tls_auth_clients_user == TlsAuthClientsUser::Cn
        && let Some(tls) = client.link.session()
        && tls.has_peer_certificate()
    {
        match tls.peer_common_name() {
            Some(name) => permissions::log_in_by_certificate(server, client, &name),
            None => log::info!("TLS: Failed to extract field 'CN' from certificate"),
        }
    }
}

/// Logs that a handshake has failed.
pub fn failed(client: &Client, why: &io::Error) {
    let (peer, here) = &*client.session.addresses;
    let why = crate::sys::reason(why);
    log::warn!("Error accepting a client connection: {why} (addr={peer} laddr={here})");
}
