//! TLS in a server that is built without it: there is no session, and no context can be built.

use super::Received;
use super::tls_settings::{ClientAuth, Facts, Settings};
use crate::sys::clock::Duration;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::RawFd;

/// A TLS session, of which there is none.
#[derive(Debug)]
pub enum Session {}

/// Whether this build has TLS.
pub const IS_THERE: bool = false;

/// The files of contexts, of which there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Materials;

impl Materials {
    pub fn of(_: &Settings) -> Materials {
        Materials
    }
}

/// Certificates for development, which need TLS.
pub mod dev {
    use crate::net::tls_settings::DevFiles;
    use std::path::Path;

    /// Always fails, with a line for the log.
    pub fn prepare(_: &Path, _: Option<&str>, _: i64) -> Result<DevFiles, String> {
        Err("tls-dev: TLS support is not compiled in".into())
    }
}

/// A blocking TLS connection, of which there is none.
#[derive(Debug)]
pub enum Stream {}

impl Stream {
    pub fn socket(&self) -> &TcpStream {
        match *self {}
    }
}

impl Read for Stream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl Write for Stream {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match *self {}
    }
}

/// The contexts of connections, of which there are none.
#[derive(Clone, Debug)]
pub enum Contexts {}

impl Contexts {
    /// Always fails, with a line for the log.
    pub fn new(_: &Settings, _: &mut Vec<String>) -> Result<Contexts, String> {
        Err("Missing implement of connection type tls".into())
    }

    pub fn facts(&self) -> &Facts {
        match *self {}
    }

    pub fn materials(&self) -> &Materials {
        match *self {}
    }

    pub fn accept(&self, _: ClientAuth) -> io::Result<Session> {
        match *self {}
    }

    pub fn connect(&self, _: &str) -> io::Result<Session> {
        match *self {}
    }

    pub fn shake_hands(&self, _: TcpStream, _: &str, _: Duration) -> io::Result<Stream> {
        match *self {}
    }
}

impl Session {
    pub fn shake_hands(&mut self, _: RawFd) -> io::Result<bool> {
        match *self {}
    }

    pub fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub fn take_established(&mut self) -> bool {
        match *self {}
    }

    pub fn has_peer_certificate(&self) -> bool {
        match *self {}
    }

    pub fn peer_uris(&self) -> Vec<Vec<u8>> {
        match *self {}
    }

    pub fn peer_common_name(&self) -> Option<Vec<u8>> {
        match *self {}
    }

    pub fn read(&mut self, _: RawFd, _: &mut Vec<u8>, _: usize) -> io::Result<Received> {
        match *self {}
    }

    pub fn write_pieces(&mut self, _: RawFd, _: &[IoSlice]) -> io::Result<usize> {
        match *self {}
    }

    pub fn flush(&mut self, _: RawFd) -> io::Result<()> {
        match *self {}
    }

    pub fn close(&mut self, _: RawFd) {
        match *self {}
    }

    pub fn held(&self) -> usize {
        match *self {}
    }
}
