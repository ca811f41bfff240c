//! The names that the certificate of a peer must have one of (`tls-expected-peer-name`).
//!
//! The rules are those of OpenSSL's `X509_check_host` (its documentation): a name is compared with
//! the DNS names among the subject's alternative names, and with the common name only if there are
//! none. A certificate may have `*` for its whole first label. A name with a dot in front means any
//! subdomain, of any depth.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Names one of which a certificate must have. Without any, every certificate will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerNames(Vec<String>);

impl PeerNames {
    /// The names in a list with blanks between them.
    pub fn new(list: &str) -> PeerNames {
        let names = list.split(' ').filter(|name| !name.is_empty());
        PeerNames(names.map(str::to_ascii_lowercase).collect())
    }

    /// Returns how many names stand for all subdomains of a domain.
    pub fn count_domains(&self) -> usize {
        self.0.iter().filter(|name| name.starts_with('.')).count()
    }

    /// Returns whether a certificate has one of the names.
    pub fn accept(&self, der: &CertificateDer) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            return false;
        };
        let alternatives = certificate.subject_alternative_name();
        let Ok(alternatives) = alternatives else {
            return false;
        };
        let mut dns = Vec::new();
        for name in alternatives.iter().flat_map(|all| &all.value.general_names) {
            if let GeneralName::DNSName(name) = name {
                dns.push(*name);
            }
        }
        if dns.is_empty() {
            let common = certificate.subject().iter_common_name();
            dns.extend(common.filter_map(|name| name.as_str().ok()));
        }
        dns.iter().any(|pattern| self.fit(pattern))
    }

    fn fit(&self, pattern: &str) -> bool {
        let pattern = pattern.to_ascii_lowercase();
        self.0.iter().any(|name| fits(name, &pattern))
    }
}

/// Returns whether a name is meant by one of a certificate, both in lower case.
fn fits(name: &str, pattern: &str) -> bool {
    if name.starts_with('.') && name.len() > 1 {
        return pattern.len() > name.len() && pattern.ends_with(name);
    }
    match pattern.strip_prefix("*.") {
        // Two labels at least have to be left, or all of a top level domain were meant.
        Some(domain) if domain.contains('.') => {
            let label = name
                .strip_suffix(domain)
                .and_then(|rest| rest.strip_suffix('.'));
            label.is_some_and(|label| !label.is_empty() && !label.contains(['.', '*']))
        }
        _ => name == pattern && !name.contains('*'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_openssl_does() {
        for (name, pattern, fit) in [
            ("a.example.com", "a.example.com", true),
            ("a.example.com", "b.example.com", false),
            ("a.example.com", "*.example.com", true),
            ("a.b.example.com", "*.example.com", false),
            ("example.com", "*.example.com", false),
            (".example.com", "*.example.com", true),
            ("a.example.com", "a*.example.com", false),
            ("a.example.com", "*.com", false),
            ("*.example.com", "*.example.com", false),
            (".example.com", "a.example.com", true),
            (".example.com", "a.b.example.com", true),
            (".example.com", "example.com", false),
            (".example.com", "badexample.com", false),
            ("com", "*.com", false),
        ] {
            assert_eq!(fits(name, pattern), fit, "{name} {pattern}");
        }
    }

    #[test]
    fn names_are_told_apart_by_blanks() {
        let names = PeerNames::new("  A.example  .b.example ");
        assert_eq!(names.0, ["a.example", ".b.example"]);
        assert_eq!(names.count_domains(), 1);
        assert!(names.fit("x.y.B.example"));
        assert!(!names.fit("c.example"));
    }
}
