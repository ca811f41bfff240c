//! Reasons of failures, in the words of OpenSSL, which Redis writes into its log.
//!
//! Only the texts and numbers are OpenSSL's (`error:` + library and reason code + names); what maps
//! to them is decided here.

use super::session::begins_handshake;
use rustls::{AlertDescription, Error, PeerIncompatible};
use std::io;

/// The peer went away without a farewell.
pub const UNEXPECTED_EOF: &str = "error:0A000126:SSL routines::unexpected eof while reading";
/// A record that is not one, or more of them than a session holds.
pub const RECORD_REFUSED: &str = "error:0A0000C6:SSL routines::packet length too long";

const CERTIFICATE_REFUSED: &str = "error:0A000086:SSL routines::certificate verify failed";
const NO_CERTIFICATE: &str = "error:0A0000C7:SSL routines::peer did not return a certificate";
const NO_SHARED_CIPHER: &str = "error:0A0000C1:SSL routines::no shared cipher";
const UNSUPPORTED_PROTOCOL: &str = "error:0A000102:SSL routines::unsupported protocol";
const WRONG_VERSION: &str = "error:0A00010B:SSL routines::wrong version number";
const HTTP_REQUEST: &str = "error:0A00009C:SSL routines::http request";

/// Returns why the first bytes of a connection are no TLS; `None` if they may be.
pub fn of_no_tls(bytes: &[u8]) -> Option<&'static str> {
    const METHODS: [&[u8]; 4] = [b"GET ", b"POST ", b"HEAD ", b"PUT "];
    match () {
        () if bytes.is_empty() || begins_handshake(bytes) => None,
        () if METHODS.iter().any(|method| bytes.starts_with(method)) => Some(HTTP_REQUEST),
        () => Some(WRONG_VERSION),
    }
}

/// Returns why a file could not be read.
pub fn of_system(error: &io::Error) -> String {
    let number = error.raw_os_error().unwrap_or_default() as u32;
    let text = crate::sys::reason(error);
    format!("error:{:08X}:system library::{text}", 0x8000_0000 + number)
}

/// Returns why a session failed.
pub fn of_error(error: &Error) -> String {
    match error {
        Error::NoCertificatesPresented => NO_CERTIFICATE.into(),
        Error::InvalidCertificate(_) => CERTIFICATE_REFUSED.into(),
        Error::PeerIncompatible(why) => of_incompatible(why).into(),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::InvalidMessage(_) => WRONG_VERSION.into(),
        other => format!("error:0A000001:SSL routines::{other}"),
    }
}

fn of_incompatible(why: &PeerIncompatible) -> &'static str {
    use PeerIncompatible::*;
    match why {
        Tls12NotOffered
        | Tls12NotOfferedOrEnabled
        | SupportedVersionsExtensionRequired
        | ServerDoesNotSupportTls12Or13
        | ServerTlsVersionIsDisabledByOurConfig => UNSUPPORTED_PROTOCOL,
        _ => NO_SHARED_CIPHER,
    }
}

/// Returns the reason of an alert of the peer: 1000 and its number, with the name of its age.
fn of_alert(alert: AlertDescription) -> String {
    let number = u32::from(u8::from(alert));
    let name = match alert {
        AlertDescription::UnexpectedMessage => "ssl/tls alert unexpected message",
        AlertDescription::BadRecordMac => "ssl/tls alert bad record mac",
        AlertDescription::HandshakeFailure => "ssl/tls alert handshake failure",
        AlertDescription::BadCertificate => "ssl/tls alert bad certificate",
        AlertDescription::UnsupportedCertificate => "ssl/tls alert unsupported certificate",
        AlertDescription::CertificateRevoked => "ssl/tls alert certificate revoked",
        AlertDescription::CertificateExpired => "ssl/tls alert certificate expired",
        AlertDescription::CertificateUnknown => "ssl/tls alert certificate unknown",
        AlertDescription::IllegalParameter => "ssl/tls alert illegal parameter",
        AlertDescription::UnknownCA => "tlsv1 alert unknown ca",
        AlertDescription::AccessDenied => "tlsv1 alert access denied",
        AlertDescription::DecodeError => "tlsv1 alert decode error",
        AlertDescription::DecryptError => "tlsv1 alert decrypt error",
        AlertDescription::ProtocolVersion => "tlsv1 alert protocol version",
        AlertDescription::InsufficientSecurity => "tlsv1 alert insufficient security",
        AlertDescription::InternalError => "tlsv1 alert internal error",
        AlertDescription::InappropriateFallback => "tlsv1 alert inappropriate fallback",
        AlertDescription::UserCanceled => "tlsv1 alert user cancelled",
        AlertDescription::NoRenegotiation => "tlsv1 alert no renegotiation",
        AlertDescription::CertificateRequired => "tlsv13 alert certificate required",
        _ => "reason(unknown alert)",
    };
    format!("error:{:08X}:SSL routines::{name}", 0x0A00_03E8 + number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_openssl() {
        assert_eq!(
            of_alert(AlertDescription::UnknownCA),
            "error:0A000418:SSL routines::tlsv1 alert unknown ca"
        );
        assert_eq!(of_no_tls(b"GET / HTTP/1.1"), Some(HTTP_REQUEST));
        assert_eq!(of_no_tls(b"*1\r\n$4\r\nPING\r\n"), Some(WRONG_VERSION));
        assert_eq!(of_no_tls(&[22, 3, 1]), None);
    }
}
