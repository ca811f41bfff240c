//! TLS as clients see it. The certificates in tests/data/tls are good for a hundred years: `server`
//! and `client` are signed by `ca`, `old` too but of X.509 version 1, `self` signs itself, and
//! `stranger` is of another authority.

use super::*;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// The path of a file of tests/data/tls.
pub(super) fn file(name: &str) -> String {
    format!("{}/tests/data/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A server that listens for TLS as well; returns it with that port.
pub(super) fn start(words: &[&str]) -> (Server, u16) {
    let port = support::server::free_port();
    let (cert, key, ca) = (file("server.crt"), file("server.key"), file("ca.crt"));
    let own = [
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
    ];
    let server = Server::ours().with(&own).with(words).start();
    (server, port)
}

/// Accepts every server: the tests are about what the server accepts.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The configuration of a client that presents this certificate, if any.
pub(super) fn config(
    certificate: Option<&str>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the versions are known")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    let config = match certificate {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let pem =
                |end: &str| std::fs::read(file(&format!("{name}.{end}"))).expect("it is there");
            let chain = CertificateDer::from_pem_slice(&pem("crt")).expect("it is a certificate");
            let key = PrivateKeyDer::from_pem_slice(&pem("key")).expect("it is a key");
            let key = rustls::crypto::ring::sign::any_supported_type(&key).expect("it is P-256");
            let own = rustls::sign::CertifiedKey::new(vec![chain], key);
            let own = rustls::sign::SingleCertAndKey::from(own);
            builder.with_client_cert_resolver(Arc::new(own))
        }
    };
    Arc::new(config)
}

/// A socket that sends one byte at a time.
struct Trickle(TcpStream);

impl Read for Trickle {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Trickle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

pub(super) fn socket(port: u16) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    socket.set_nodelay(true).expect("it is a TCP socket");
    let patience = Some(Duration::from_secs(60));
    socket.set_read_timeout(patience).expect("it is above zero");
    socket
}

pub(super) fn over<S: Read + Write>(
    socket: S,
    config: Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, S> {
    let name = ServerName::try_from("localhost").expect("it is a name");
    let connection = ClientConnection::new(config, name).expect("the configuration is whole");
    StreamOwned::new(connection, socket)
}

pub(super) const BOTH: &[&rustls::SupportedProtocolVersion] = rustls::ALL_VERSIONS;

/// Sends commands in one piece and reads replies of this many bytes.
pub(super) fn ask(
    stream: &mut (impl Read + Write),
    bytes: &[u8],
    replied: usize,
) -> io::Result<Vec<u8>> {
    stream.write_all(bytes)?;
    stream.flush()?;
    let mut reply = vec![0; replied];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

/// Whether a client with this certificate gets a reply.
fn is_served(port: u16, certificate: Option<&str>) -> bool {
    let mut stream = over(socket(port), config(certificate, BOTH));
    ask(&mut stream, b"PING\r\n", 7).is_ok_and(|reply| reply == b"+PONG\r\n")
}

#[test]
fn clients_are_served_over_both_versions() {
    let (server, port) = start(&[]);
    let mut plain = server.client();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut stream = over(socket(port), config(Some("client"), &[version]));
        let big = "x".repeat(3_000_000);
        let set = support::client::encode(&["SET", "big", &big]);
        assert_eq!(ask(&mut stream, &set, 5).expect("it is served"), b"+OK\r\n");
        let whole = format!("${}\r\n{big}\r\n", big.len());
        let got = ask(&mut stream, b"GET big\r\n", whole.len()).expect("it is served");
        assert!(got == whole.as_bytes());
        let pipeline = "PING\r\n".repeat(10_000);
        let replies = ask(&mut stream, pipeline.as_bytes(), 70_000).expect("it is served");
        assert!(replies == "+PONG\r\n".repeat(10_000).as_bytes());
        assert_eq!(number(&mut plain, "STRLEN big"), 3_000_000);
    }
    server.wait_for_log("Ready to accept connections tls");
    let listener = info_field(&mut plain, "listener2").expect("it listens");
    assert_eq!(listener, format!("name=tls,bind=127.0.0.1,port={port}"));
}

#[test]
fn bytes_may_come_one_by_one() {
    let (_server, port) = start(&[]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut stream = over(Trickle(socket(port)), config(Some("client"), &[version]));
        let reply = ask(&mut stream, b"ECHO slow\r\n", 10).expect("it is served");
        assert_eq!(reply, b"$4\r\nslow\r\n");
    }
}

#[test]
fn slow_readers_get_everything() {
    let (_server, port) = start(&[]);
    let mut stream = over(socket(port), config(Some("client"), BOTH));
    let value = "y".repeat(100_000);
    let set = support::client::encode(&["SET", "k", &value]);
    ask(&mut stream, &set, 5).expect("it is served");
    stream
        .write_all("GET k\r\n".repeat(100).as_bytes())
        .expect("the server reads");
    std::thread::sleep(Duration::from_millis(200));
    let one = format!("$100000\r\n{value}\r\n");
    for _ in 0..100 {
        let mut reply = vec![0; one.len()];
        stream.read_exact(&mut reply).expect("it comes in time");
        assert!(reply == one.as_bytes());
    }
}

#[test]
fn certificates_are_asked_for_as_configured() {
    let (server, port) = start(&[]);
    let mut plain = server.client();
    assert!(is_served(port, Some("client")));
    // OpenSSL accepts a certificate of version 1, which many people have.
    assert!(is_served(port, Some("old")));
    assert!(!is_served(port, Some("stranger")));
    server.wait_for_log("error:0A000086:SSL routines::certificate verify failed");
    assert!(!is_served(port, Some("self")));
    assert!(!is_served(port, None));
    server.wait_for_log("error:0A0000C7:SSL routines::peer did not return a certificate");
    plain.run("CONFIG SET tls-auth-clients optional");
    assert!(is_served(port, None));
    assert!(!is_served(port, Some("stranger")));
    plain.run("CONFIG SET tls-auth-clients no");
    assert!(is_served(port, Some("stranger")));
    // A certificate that is trusted itself is accepted, too.
    plain.call(&[
        "CONFIG",
        "SET",
        "tls-auth-clients",
        "yes",
        "tls-ca-cert-file",
        &file("self.crt"),
    ]);
    assert!(is_served(port, Some("self")));
    assert!(!is_served(port, Some("client")));
}

#[test]
fn a_certificate_names_its_user() {
    let (server, port) = start(&["--tls-auth-clients-user", "CN"]);
    let mut plain = server.client();
    let who = |name: &str| {
        let mut stream = over(socket(port), config(Some(name), BOTH));
        ask(&mut stream, b"ACL WHOAMI\r\n", 11).expect("it is served")
    };
    assert_eq!(who("client"), b"$7\r\ndefault");
    assert_eq!(info(&mut plain, "acl_access_denied_tls_cert"), 1);
    let entry = plain.run("ACL LOG").items().remove(0);
    for (name, value) in [
        ("reason", "tls-cert"),
        ("object", ""),
        ("username", "alice"),
    ] {
        assert_eq!(
            entry.field(name).map(|value| value.text()),
            Some(value.into())
        );
    }
    plain.run("ACL SETUSER alice on nopass +@all ~*");
    assert_eq!(who("client"), b"$5\r\nalice\r\n");
    plain.run("ACL SETUSER alice off");
    assert_eq!(who("client"), b"$7\r\ndefault");
}

#[test]
fn a_uri_in_a_certificate_names_its_user() {
    let (server, port) = start(&["--tls-auth-clients-user", "URI"]);
    let mut plain = server.client();
    plain.run("ACL SETUSER urn:redis:alice on nopass ~* +@all");
    // The first one that is a user, not the first one.
    let mut stream = over(socket(port), config(Some("uri"), BOTH));
    let reply = ask(&mut stream, b"ACL WHOAMI\r\n", 22).expect("it is served");
    assert_eq!(reply, b"$15\r\nurn:redis:alice\r\n");
    plain.run("ACL DELUSER urn:redis:alice");
    let mut stream = over(socket(port), config(Some("uri"), BOTH));
    let reply = ask(&mut stream, b"ACL WHOAMI\r\n", 13).expect("it is served");
    assert_eq!(reply, b"$7\r\ndefault\r\n");
}

#[test]
fn certificates_that_are_exchanged_on_disk_are_taken_into_use() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let install = |name: &str| {
        for end in ["crt", "key"] {
            let (from, to) = (file(&format!("{name}.{end}")), path(&format!("own.{end}")));
            std::fs::copy(from, &to).expect("it can be copied");
        }
    };
    install("server");
    let port = support::server::free_port().to_string();
    let (cert, key, ca) = (path("own.crt"), path("own.key"), file("ca.crt"));
    let server = Server::ours()
        .with(&["--tls-port", &port, "--tls-auth-clients", "no"])
        .with(&["--tls-cert-file", &cert, "--tls-key-file", &key])
        .with(&["--tls-ca-cert-file", &ca, "--tls-auto-reload-interval", "1"])
        .start();
    let mut plain = server.client();
    let serial = |plain: &mut Client| info_field(plain, "tls_server_cert_serial");
    let first = serial(&mut plain).expect("it is shown");
    assert!(info(&mut plain, "tls_ca_cert_expires_in_seconds") > 1_000_000_000);
    assert_eq!(
        info_field(&mut plain, "tls_client_cert_serial").as_deref(),
        Some("none")
    );
    // One that does not fit its key is not taken.
    std::fs::copy(file("self.crt"), &cert).expect("it can be copied");
    server.wait_for_log("Background TLS reload failed");
    assert!(is_served(port.parse().expect("a number"), None));
    install("self");
    server.wait_for_log("TLS materials reloaded successfully");
    wait_until("the new one is shown", || {
        serial(&mut plain).is_some_and(|one| one != first)
    });
    assert!(is_served(port.parse().expect("a number"), None));
}

#[test]
fn certificates_for_development_are_made_and_reused() {
    let port = support::server::free_port();
    let options = ["--tls-dev", "yes", "--tls-port", &port.to_string()];
    let mut server = Server::ours().with(&options).start();
    let ca = server.path().join("tls-dev/ca.crt");
    let first = std::fs::read(&ca).expect("it was made");
    let is_trusted = || {
        let mut roots = rustls::RootCertStore::empty();
        let pem = std::fs::read(&ca).expect("it is there");
        let der = CertificateDer::from_pem_slice(&pem).expect("it is a certificate");
        roots.add(der).expect("it is an authority");
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(BOTH)
                .expect("the versions are known")
                .with_root_certificates(roots)
                .with_no_client_auth();
        let mut stream = over(socket(port), Arc::new(config));
        ask(&mut stream, b"PING\r\n", 7).expect("the name is right, too") == b"+PONG\r\n"
    };
    assert!(is_trusted());
    server.wait_for_log("--cacert");
    server.restart();
    assert!(is_trusted());
    assert_eq!(std::fs::read(&ca).expect("it is there"), first);
}

#[test]
fn keys_in_the_older_form_have_passwords() {
    let port = support::server::free_port().to_string();
    let (cert, key, ca) = (file("old.crt"), file("old-aes256.key"), file("ca.crt"));
    let own = [
        "--tls-port",
        &port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-key-file-pass",
        "secret",
    ];
    let server = Server::ours().with(&own).start();
    assert!(is_served(port.parse().expect("a number"), Some("client")));
    let mut plain = server.client();
    assert!(plain.run("CONFIG SET tls-key-file-pass wrong").is_error());
    server.wait_for_log("bad decrypt");
}

/// The arguments of .NET Aspire, which enables TLS for its Redis by default.
#[test]
fn the_arguments_of_aspire_start_both_ports() {
    let port = support::server::free_port();
    let (cert, key) = (file("self.crt"), file("self.key"));
    let own = ["--requirepass", "secret", "--save", "60", "1"];
    let server = Server::ours()
        .with(&own)
        .with(&["--tls-ca-cert-file", &cert, "--tls-cert-file", &cert])
        .with(&["--tls-key-file", &key, "--tls-auth-clients", "no"])
        .with(&["--tls-port", &port.to_string()])
        .start();
    let mut plain = server.client();
    assert_eq!(text(&mut plain, "AUTH secret"), "OK");
    let mut stream = over(socket(port), config(None, BOTH));
    let hello = b"HELLO 2 AUTH default secret\r\nPING\r\n";
    stream.write_all(hello).expect("it is read");
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    while !got.ends_with(b"+PONG\r\n") {
        let n = stream.read(&mut buffer).expect("it is served");
        got.extend_from_slice(&buffer[..n]);
    }
}

#[test]
fn a_storm_of_handshakes_ends_well() {
    let (server, port) = start(&["--max-new-tls-connections-per-cycle", "1000"]);
    let mut plain = server.client();
    let own = config(Some("client"), BOTH);
    let mut streams: Vec<_> = (0..200).map(|_| socket(port)).collect();
    let mut sessions: Vec<_> = streams
        .iter()
        .map(|_| {
            let name = ServerName::try_from("localhost").expect("it is a name");
            ClientConnection::new(own.clone(), name).expect("the configuration is whole")
        })
        .collect();
    // All of them begin before any goes on.
    for (stream, session) in streams.iter_mut().zip(&mut sessions) {
        while session.wants_write() {
            session.write_tls(stream).expect("it is read");
        }
    }
    assert_eq!(text(&mut plain, "PING"), "PONG");
    for (stream, session) in streams.into_iter().zip(sessions) {
        let mut stream = StreamOwned::new(session, stream);
        let reply = ask(&mut stream, b"PING\r\n", 7).expect("it is served");
        assert_eq!(reply, b"+PONG\r\n");
    }
}

#[test]
fn certificates_change_under_load() {
    let (server, port) = start(&["--max-new-tls-connections-per-cycle", "10"]);
    let mut plain = server.client();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut steady = over(socket(port), config(Some("client"), BOTH));
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let reply = ask(&mut steady, b"PING\r\n", 7).expect("it goes on");
                    assert_eq!(reply, b"+PONG\r\n");
                    assert!(is_served(port, Some("client")));
                }
            });
        }
        for n in 0..40 {
            let name = ["self", "server"][n % 2];
            let (cert, key) = (file(&format!("{name}.crt")), file(&format!("{name}.key")));
            let set = [
                "CONFIG",
                "SET",
                "tls-cert-file",
                &cert,
                "tls-key-file",
                &key,
            ];
            assert_eq!(plain.call(&set).text(), "OK");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_cut_at_any_byte_of_a_handshake_harms_nothing() {
    let (server, port) = start(&["--max-new-tls-connections-per-cycle", "100"]);
    let mut plain = server.client();
    let own = config(Some("client"), BOTH);
    let name = ServerName::try_from("localhost").expect("it is a name");
    let mut session = ClientConnection::new(own, name).expect("the configuration is whole");
    let mut hello = Vec::new();
    session.write_tls(&mut hello).expect("a vector takes it");
    for len in 0..hello.len() {
        let mut stream = socket(port);
        stream.write_all(&hello[..len]).expect("it is read");
    }
    wait_until("the clients are gone", || {
        info(&mut plain, "connected_clients") == 1
    });
    assert!(is_served(port, Some("client")));
}

#[test]
fn what_is_no_tls_is_closed_without_a_byte() {
    let (server, port) = start(&[]);
    for (bytes, why) in [
        (
            &b"PING\r\n"[..],
            "error:0A00010B:SSL routines::wrong version number",
        ),
        (
            b"GET / HTTP/1.1\r\n\r\n",
            "error:0A00009C:SSL routines::http request",
        ),
        (
            b"",
            "error:0A000126:SSL routines::unexpected eof while reading",
        ),
    ] {
        let mut stream = socket(port);
        stream.write_all(bytes).expect("the server reads");
        stream
            .shutdown(std::net::Shutdown::Write)
            .expect("it is open");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert_eq!(rest, b"");
        server.wait_for_log(why);
    }
}

#[test]
fn the_context_is_replaced_as_a_whole_or_not_at_all() {
    let (server, port) = start(&[]);
    let mut plain = server.client();
    let mut held = over(socket(port), config(Some("client"), BOTH));
    ask(&mut held, b"PING\r\n", 7).expect("it is served");
    let failed = "-ERR CONFIG SET failed (possibly related to argument 'tls-cert-file') - Unable to \
                  update TLS configuration. Check server logs.\r\n";
    plain.send(&["CONFIG", "SET", "tls-cert-file", "/nope"]);
    assert_eq!(plain.reply_raw().expect("it replies"), failed.as_bytes());
    server.wait_for_log(
        "Failed to load certificate: /nope: error:80000002:system library::No such file or directory",
    );
    assert!(is_served(port, Some("client")));
    // Another key needs its certificate in the same command.
    let of_self = file("self.key");
    assert!(
        plain
            .call(&["CONFIG", "SET", "tls-key-file", &of_self])
            .is_error()
    );
    server.wait_for_log("error:05800074:x509 certificate routines::key values mismatch");
    let both = [
        "CONFIG",
        "SET",
        "tls-key-file",
        &of_self,
        "tls-cert-file",
        &file("self.crt"),
    ];
    assert!(!plain.call(&both).is_error());
    assert!(is_served(port, Some("client")));
    // A key with a password.
    let words = [
        "CONFIG",
        "SET",
        "tls-key-file",
        &file("server-encrypted.key"),
        "tls-cert-file",
        &file("server.crt"),
        "tls-key-file-pass",
        "secret",
    ];
    assert!(!plain.call(&words).is_error());
    assert!(plain.run("CONFIG SET tls-key-file-pass wrong").is_error());
    server.wait_for_log("error:1C800064:Provider routines::bad decrypt");
    assert!(is_served(port, Some("client")));
    // An existing connection goes on as it began.
    ask(&mut held, b"PING\r\n", 7).expect("it is served");
}

#[test]
fn the_port_changes_while_the_server_runs() {
    let (server, port) = start(&[]);
    let mut plain = server.client();
    let other = support::server::free_port();
    assert!(
        !plain
            .run(&format!("CONFIG SET tls-port {other}"))
            .is_error()
    );
    assert!(is_served(other, Some("client")));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!plain.run("CONFIG SET tls-port 0").is_error());
    assert!(TcpStream::connect(("127.0.0.1", other)).is_err());
    let taken = server.port;
    assert!(
        plain
            .run(&format!("CONFIG SET tls-port {taken}"))
            .is_error()
    );
}

#[test]
fn many_handshakes_leave_no_memory_behind() {
    let (server, port) = start(&["--max-new-tls-connections-per-cycle", "100"]);
    let mut plain = server.client();
    let handshakes = |count: usize| {
        for _ in 0..count {
            assert!(is_served(port, Some("client")));
        }
    };
    handshakes(50);
    let before = info(&mut plain, "used_memory");
    handshakes(200);
    wait_until("the clients are gone", || {
        info(&mut plain, "connected_clients") == 1
    });
    let after = info(&mut plain, "used_memory");
    // Sessions to be resumed are kept, about a kilobyte each.
    assert!(after < before + (1 << 20), "{before} became {after}");
}
