//! TLS of the server: its contexts, made of the directives, and what happens when a handshake is
//! over.

use crate::config::{Config, TlsAuthClients, TlsAuthClientsUser, Word};
use crate::net::Link;
use crate::net::tls::{self, Contexts};
use crate::net::tls_settings::{ClientAuth, Settings};
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::session::{ClientId, Ending};
use crate::server::core::permissions;
use std::io;
use std::path::Path;

/// The reply to a non-local connection in protected mode, while the default user has no password.
pub const DENIED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is \
    enabled and no password is set for the default user. In this mode connections are only \
    accepted from the loopback interface. Set a password (requirepass) or, if the network is \
    trusted, turn protected mode off: CONFIG SET protected-mode no from a local connection, or \
    'protected-mode no' in the configuration file.\r\n";

/// The port of `tls-dev` where none is configured.
const DEV_PORT: u16 = 6380;

pub(super) fn settings(config: &Config) -> Settings {
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

/// Returns the last line of the log of a start without contexts.
pub fn start_failure() -> &'static str {
    match tls::IS_THERE {
        true => "Failed to configure TLS. Check logs for more info.",
        false => "Failed finding TLS support.",
    }
}

/// Returns why CONFIG SET failed for want of contexts.
pub fn set_failure(is_port: bool) -> &'static str {
    match (tls::IS_THERE, is_port) {
        (true, _) => "Unable to update TLS configuration. Check server logs.",
        (false, true) => "TLS support is not compiled in, cannot set a TLS port.",
        (false, false) => "TLS support is not compiled in, cannot enable TLS options.",
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
    log_in(server, client);
}

/// Logs a client in as the user that its certificate names, if the configuration says so.
fn log_in(server: &mut Server, client: &mut Client) {
    let field = server.config.tls_auth_clients_user;
    let tls = client.link.session();
    let Some(tls) = tls.filter(|tls| tls.has_peer_certificate()) else {
        return;
    };
    let name = match field {
        TlsAuthClientsUser::Off => return,
        TlsAuthClientsUser::Cn => tls.peer_common_name(),
        // As in Valkey, the first URI that is the name of an enabled user.
        TlsAuthClientsUser::Uri => {
            let uris = tls.peer_uris();
            let is_user = |uri: &&Vec<u8>| server.acl.user(uri).is_some_and(|user| user.enabled);
            uris.iter().find(is_user).or(uris.first()).cloned()
        }
    };
    match name {
        Some(name) => permissions::log_in_by_certificate(server, client, &name),
        None => {
            let field = field.word();
            log::info!("TLS: Failed to extract field '{field}' from certificate");
        }
    }
}

/// Disconnects a client whose handshake takes too long.
pub fn check_handshake(server: &mut Server, id: ClientId) {
    let Some(slot) = server.clients.slot_of(id) else {
        return;
    };
    let client = server.clients.get(slot);
    if let Some(client) = client.filter(|client| client.link.is_handshaking()) {
        failed(client, &io::ErrorKind::TimedOut.into());
        server.clients.close(slot, Ending::Now);
    }
}

/// Makes certificates for development if `tls-dev` asks for them and none are configured, and
/// prints how to trust them.
///
/// # Errors
/// If they cannot be made; the reason is in the log.
pub fn prepare_for_development(config: &mut Config, now_s: i64) -> Result<(), NotBuilt> {
    if !config.tls_dev || !config.tls_cert_file.is_empty() {
        return Ok(());
    }
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let hostname = hostname.as_deref().map(str::trim);
    let files = match tls::dev::prepare(Path::new("./tls-dev"), hostname, now_s) {
        Ok(files) => files,
        Err(why) => {
            log::warn!("{why}");
            return Err(NotBuilt);
        }
    };
    config.tls_cert_file = files.cert.into_bytes();
    config.tls_key_file = files.key.into_bytes();
    config.tls_ca_cert_file = files.ca.clone().into_bytes();
    config.tls_auth_clients = TlsAuthClients::No;
    if config.tls_port == 0 {
        config.tls_port = DEV_PORT;
    }
    let (port, ca) = (config.tls_port, files.ca);
    log::warn!(
        "tls-dev: certificates for development, not for production; redis-server does not know this \
         directive"
    );
    log::info!(
        "tls-dev: clients have to trust {ca} (SHA-256 {})",
        files.fingerprint
    );
    log::info!("tls-dev:   redis-cli -u rediss://localhost:{port} --cacert {ca}");
    log::info!("tls-dev:   NODE_EXTRA_CA_CERTS={ca} SSL_CERT_FILE={ca}");
    log::info!("tls-dev:   rediss://localhost:{port}?ssl_ca_certs={ca}");
    Ok(())
}

/// Logs that a handshake has failed.
pub fn failed(client: &Client, why: &io::Error) {
    let (peer, here) = &*client.session.addresses;
    let why = crate::sys::reason(why);
    log::warn!("Error accepting a client connection: {why} (addr={peer} laddr={here})");
}
