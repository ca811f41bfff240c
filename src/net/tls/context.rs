//! The TLS contexts: what the configuration says, as rustls takes it.

use super::certificates::{facts, load_chain, load_key, load_trusted};
use super::ciphers::{self, Choice};
use super::materials::Materials;
use super::names::PeerNames;
use super::session::Session;
use super::sessions::SessionStore;
use super::stream::Stream;
use super::verify::{ClientVerifier, ServerVerifier, Trust};
use crate::net::tls_settings::{CertificateFacts, ClientAuth, Facts, Settings};
use crate::sys::clock::Duration;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

/// The contexts of connections that clients open, and of those that this server opens.
#[derive(Clone, Debug)]
pub struct Contexts {
    /// By `ClientAuth`: a change of `tls-auth-clients` needs no other context.
    servers: [Arc<ServerConfig>; 3],
    client: Arc<ClientConfig>,
    facts: Arc<Facts>,
    /// The files that they were made of, as they were before they were read.
    materials: Materials,
}

impl Contexts {
    /// Builds the contexts.
    ///
    /// Adds lines for the log about what cannot be done as configured to `warnings`.
    ///
    /// # Errors
    /// A line for the log.
    pub fn new(settings: &Settings, warnings: &mut Vec<String>) -> Result<Contexts, String> {
        let materials = Materials::of(settings);
        if settings.cert_file.is_empty() {
            return Err("No tls-cert-file configured!".into());
        }
        if settings.key_file.is_empty() {
            return Err("No tls-key-file configured!".into());
        }
        let has_trusted = !settings.ca_cert_file.is_empty() || !settings.ca_cert_dir.is_empty();
        if settings.verifies_peers && !has_trusted {
            return Err(
                "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when \
                        tls-cluster, tls-replication or tls-auth-clients are enabled!"
                    .into(),
            );
        }
        let versions = versions(&settings.protocols, warnings)?;
        let (provider, versions) = provider(settings, versions, warnings)?;
        let provider = Arc::new(provider);
        let trusted = load_trusted(&settings.ca_cert_file, &settings.ca_cert_dir);
        let trusted = trusted.map_err(|why| {
            format!("Failed to configure CA certificate(s) file/directory: {why}")
        })?;
        let (cert, key, password) = (
            &settings.cert_file,
            &settings.key_file,
            &settings.key_password,
        );
        let key = own_key(cert, key, password, &trusted)?;
        let client_key = match (
            settings.client_cert_file.as_str(),
            settings.client_key_file.as_str(),
        ) {
            ("", _) | (_, "") => key.clone(),
            (cert, key) => own_key(cert, key, &settings.client_key_password, &trusted)?,
        };
        check_dh_params(&settings.dh_params_file)?;
        let first = |key: &CertifiedKey| key.cert.first().and_then(facts).unwrap_or_default();
        let facts = Facts {
            server: first(&key),
            client: match Arc::ptr_eq(&key, &client_key) {
                true => CertificateFacts::default(),
                false => first(&client_key),
            },
            ca: earliest(&trusted),
        };
        let trust = Arc::new(Trust::new(trusted, &provider));
        let build = |auth| server(settings, &provider, &versions, &trust, &key, auth);
        let names = PeerNames::new(&settings.peer_names);
        match names.count_domains() {
            0 => {}
            n => warnings.push(format!(
                "tls-expected-peer-name: {n} names begin with a dot and mean any subdomain, of any \
                 depth."
            )),
        }
        Ok(Contexts {
            servers: [
                build(ClientAuth::No)?,
                build(ClientAuth::Optional)?,
                build(ClientAuth::Yes)?,
            ],
            client: client(&provider, &versions, trust.clone(), names, client_key)?,
            facts: Arc::new(facts),
            materials,
        })
    }

    /// Returns what INFO shows of the certificates.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns the files that the contexts were made of.
    pub fn materials(&self) -> &Materials {
        &self.materials
    }

    /// Returns the session of an accepted connection.
    pub fn accept(&self, auth: ClientAuth) -> Result<Session, rustls::Error> {
        let config = self.servers[auth as usize].clone();
        ServerConnection::new(config).map(Session::accepted)
    }

    /// Returns the session of a connection that this server opens to `host`.
    pub fn connect(&self, host: &str) -> Result<Session, rustls::Error> {
        ClientConnection::new(self.client.clone(), name_of(host)).map(Session::connecting)
    }

    /// Makes the handshake on a blocking connection to `host`, within a time limit.
    pub fn shake_hands(
        &self,
        socket: TcpStream,
        host: &str,
        limit: Duration,
    ) -> io::Result<Stream> {
        let connection = ClientConnection::new(self.client.clone(), name_of(host));
        Stream::new(connection.map_err(io::Error::other)?, socket, limit)
    }
}

/// Returns what there is to show of the certificate that expires first.
fn earliest(certificates: &[CertificateDer<'static>]) -> CertificateFacts {
    let all = certificates.iter().filter_map(facts);
    all.min_by_key(|facts| facts.expires_s).unwrap_or_default()
}

/// Returns what a server is told about the name that was dialled. Nothing for an address, and for
/// what is no name.
fn name_of(host: &str) -> ServerName<'static> {
    let nameless = || ServerName::from(std::net::IpAddr::from(Ipv4Addr::UNSPECIFIED));
    ServerName::try_from(host.to_owned()).unwrap_or_else(|_| nameless())
}

/// Returns the versions that a list of `tls-protocols` names: those that rustls has.
fn versions(
    list: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    if list.is_empty() {
        return Ok(vec![&TLS13, &TLS12]);
    }
    let (mut versions, mut old) = (Vec::new(), false);
    for word in list.split(' ') {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1" | "tlsv1.1" => old = true,
            "tlsv1.2" => versions.push(&TLS12),
            "tlsv1.3" => versions.push(&TLS13),
            _ => {
                return Err(
                    "Invalid tls-protocols specified. Use a combination of 'TLSv1', \
                            'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'."
                        .into(),
                );
            }
        }
    }
    if versions.is_empty() {
        return Err(
            "tls-protocols names TLSv1 or TLSv1.1 alone: this server has TLSv1.2 and \
                    TLSv1.3."
                .into(),
        );
    }
    if old {
        warnings.push(
            "tls-protocols: TLSv1 and TLSv1.1 are left out, this server has TLSv1.2 and TLSv1.3."
                .into(),
        );
    }
    Ok(versions)
}

/// Returns the algorithms with the suites that are configured, and the versions that they serve.
fn provider(
    settings: &Settings,
    mut versions: Vec<&'static SupportedProtocolVersion>,
    warnings: &mut Vec<String>,
) -> Result<(CryptoProvider, Vec<&'static SupportedProtocolVersion>), String> {
    let mut provider = ring::default_provider();
    let of_12 = match settings.ciphers.as_str() {
        "" => None,
        list => match ciphers::choose(list) {
            Choice::Unknown => return Err(format!("Failed to configure ciphers: {list}")),
            Choice::Suites(suites) => Some(suites),
        },
    };
    let of_13 = match settings.ciphersuites.as_str() {
        "" => None,
        list => match ciphers::choose_13(list) {
            Choice::Unknown => return Err(format!("Failed to configure ciphersuites: {list}")),
            Choice::Suites(suites) => Some(suites),
        },
    };
    for (version, suites, list) in [
        (&TLS12, &of_12, &settings.ciphers),
        (&TLS13, &of_13, &settings.ciphersuites),
    ] {
        if suites.as_ref().is_some_and(Vec::is_empty) {
            versions.retain(|one| one.version != version.version);
            warnings.push(format!(
                "None of the ciphers {list} is available: this server has ECDHE with AES-GCM or \
                 ChaCha20-Poly1305."
            ));
            if versions.is_empty() {
                return Err(format!("Failed to configure ciphers: {list}"));
            }
        }
    }
    for chosen in [of_13, of_12].into_iter().flatten() {
        restrict(&mut provider, &chosen);
    }
    Ok((provider, versions))
}

/// Replaces the suites of the version that `chosen` speaks of.
fn restrict(provider: &mut CryptoProvider, chosen: &[CipherSuite]) {
    let Some(first) = chosen.first() else { return };
    let all = std::mem::take(&mut provider.cipher_suites);
    let of_version = |wanted: CipherSuite| all.iter().find(|one| one.suite() == wanted);
    let Some(version) = of_version(*first).map(|one| one.version().version) else {
        return;
    };
    let others = all.iter().filter(|one| one.version().version != version);
    let chosen = chosen.iter().filter_map(|wanted| of_version(*wanted));
    provider.cipher_suites = chosen.chain(others).copied().collect();
}

fn own_key(
    cert: &str,
    key: &str,
    password: &str,
    trusted: &Vec<CertificateDer<'static>>,
) -> Result<Arc<CertifiedKey>, String> {
    let chain = load_chain(cert, trusted)
        .map_err(|why| format!("Failed to load certificate: {cert}: {why}"))?;
    let key = load_key(key, password, &chain[0])
        .map_err(|why| format!("Failed to load private key: {key}: {why}"))?;
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// Checks that the file of parameters for Diffie-Hellman is one. Nothing uses it: the suites that
/// would are not there.
fn check_dh_params(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Ok(());
    }
    match std::fs::read(path) {
        Err(error) => Err(format!(
            "Failed to load {path}: {}",
            crate::sys::reason(&error)
        )),
        Ok(pem) if memchr::memmem::find(&pem, b"-----BEGIN DH PARAMETERS-----").is_none() => {
            Err(format!("{path}: failed to read DH params."))
        }
        Ok(_) => Ok(()),
    }
}

fn server(
    settings: &Settings,
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    trust: &Arc<Trust>,
    key: &Arc<CertifiedKey>,
    auth: ClientAuth,
) -> Result<Arc<ServerConfig>, String> {
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| format!("Failed to configure TLS: {error}"))?;
    let builder = match auth {
        ClientAuth::No => builder.with_no_client_auth(),
        auth => {
            let is_mandatory = auth == ClientAuth::Yes;
            let verifier = ClientVerifier::new(trust.clone(), provider.clone(), is_mandatory);
            builder.with_client_cert_verifier(Arc::new(verifier))
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key.clone())));
    config.ignore_client_order = settings.prefers_own_ciphers;
    if settings.caches_sessions {
        let (size, timeout_s) = (settings.cache_size, settings.cache_timeout_s);
        config.session_storage = Arc::new(SessionStore::new(size, u64::from(timeout_s)));
    } else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

fn client(
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    trust: Arc<Trust>,
    names: PeerNames,
    key: Arc<CertifiedKey>,
) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| format!("Failed to configure TLS: {error}"))?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerVerifier::new(trust, names)))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    // Connections are few, and each one verifies the certificate of its server.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
