//! Cipher suites as OpenSSL names and lists them, mapped to those of rustls.
//!
//! A list for TLS 1.2 is evaluated over the suites that OpenSSL has by default, because words such as
//! `DEFAULT:!ECDHE` speak of those too; of the result the six suites remain that rustls has. Suites
//! of TLS 1.3 are named one by one. The grammar is that of the manual page `openssl-ciphers`.

use rustls::CipherSuite;

/// How the keys are exchanged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exchange {
    Ecdhe,
    Dhe,
    Rsa,
}

/// What the key of the certificate is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signer {
    Ecdsa,
    Rsa,
}

/// What encrypts records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cipher {
    AesGcm,
    AesCbc,
    ChaCha20,
}

/// What authenticates records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mac {
    Aead,
    Sha1,
    Sha256,
    Sha384,
}

/// A suite of OpenSSL.
struct Suite {
    name: &'static str,
    exchange: Exchange,
    signer: Signer,
    cipher: Cipher,
    bits: u16,
    mac: Mac,
    ours: Option<CipherSuite>,
}

const fn suite(
    name: &'static str,
    exchange: Exchange,
    signer: Signer,
    cipher: Cipher,
    bits: u16,
    mac: Mac,
    ours: Option<CipherSuite>,
) -> Suite {
    Suite {
        name,
        exchange,
        signer,
        cipher,
        bits,
        mac,
        ours,
    }
}

/// The suites of OpenSSL for TLS 1.2, in its order of preference.
#[rustfmt::skip]
static SUITES: &[Suite] = &[
    suite("ECDHE-ECDSA-AES256-GCM-SHA384", Exchange::Ecdhe, Signer::Ecdsa, Cipher::AesGcm, 256, Mac::Aead, Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)),
    suite("ECDHE-RSA-AES256-GCM-SHA384", Exchange::Ecdhe, Signer::Rsa, Cipher::AesGcm, 256, Mac::Aead, Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384)),
    suite("DHE-RSA-AES256-GCM-SHA384", Exchange::Dhe, Signer::Rsa, Cipher::AesGcm, 256, Mac::Aead, None),
    suite("ECDHE-ECDSA-CHACHA20-POLY1305", Exchange::Ecdhe, Signer::Ecdsa, Cipher::ChaCha20, 256, Mac::Aead, Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)),
    suite("ECDHE-RSA-CHACHA20-POLY1305", Exchange::Ecdhe, Signer::Rsa, Cipher::ChaCha20, 256, Mac::Aead, Some(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256)),
    suite("DHE-RSA-CHACHA20-POLY1305", Exchange::Dhe, Signer::Rsa, Cipher::ChaCha20, 256, Mac::Aead, None),
    suite("ECDHE-ECDSA-AES128-GCM-SHA256", Exchange::Ecdhe, Signer::Ecdsa, Cipher::AesGcm, 128, Mac::Aead, Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)),
    suite("ECDHE-RSA-AES128-GCM-SHA256", Exchange::Ecdhe, Signer::Rsa, Cipher::AesGcm, 128, Mac::Aead, Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)),
    suite("DHE-RSA-AES128-GCM-SHA256", Exchange::Dhe, Signer::Rsa, Cipher::AesGcm, 128, Mac::Aead, None),
    suite("ECDHE-ECDSA-AES256-SHA384", Exchange::Ecdhe, Signer::Ecdsa, Cipher::AesCbc, 256, Mac::Sha384, None),
    suite("ECDHE-RSA-AES256-SHA384", Exchange::Ecdhe, Signer::Rsa, Cipher::AesCbc, 256, Mac::Sha384, None),
    suite("DHE-RSA-AES256-SHA256", Exchange::Dhe, Signer::Rsa, Cipher::AesCbc, 256, Mac::Sha256, None),
    suite("ECDHE-ECDSA-AES128-SHA256", Exchange::Ecdhe, Signer::Ecdsa, Cipher::AesCbc, 128, Mac::Sha256, None),
    suite("ECDHE-RSA-AES128-SHA256", Exchange::Ecdhe, Signer::Rsa, Cipher::AesCbc, 128, Mac::Sha256, None),
    suite("DHE-RSA-AES128-SHA256", Exchange::Dhe, Signer::Rsa, Cipher::AesCbc, 128, Mac::Sha256, None),
    suite("ECDHE-ECDSA-AES256-SHA", Exchange::Ecdhe, Signer::Ecdsa, Cipher::AesCbc, 256, Mac::Sha1, None),
    suite("ECDHE-RSA-AES256-SHA", Exchange::Ecdhe, Signer::Rsa, Cipher::AesCbc, 256, Mac::Sha1, None),
    suite("DHE-RSA-AES256-SHA", Exchange::Dhe, Signer::Rsa, Cipher::AesCbc, 256, Mac::Sha1, None),
    suite("ECDHE-ECDSA-AES128-SHA", Exchange::Ecdhe, Signer::Ecdsa, Cipher::AesCbc, 128, Mac::Sha1, None),
    suite("ECDHE-RSA-AES128-SHA", Exchange::Ecdhe, Signer::Rsa, Cipher::AesCbc, 128, Mac::Sha1, None),
    suite("DHE-RSA-AES128-SHA", Exchange::Dhe, Signer::Rsa, Cipher::AesCbc, 128, Mac::Sha1, None),
    suite("AES256-GCM-SHA384", Exchange::Rsa, Signer::Rsa, Cipher::AesGcm, 256, Mac::Aead, None),
    suite("AES128-GCM-SHA256", Exchange::Rsa, Signer::Rsa, Cipher::AesGcm, 128, Mac::Aead, None),
    suite("AES256-SHA256", Exchange::Rsa, Signer::Rsa, Cipher::AesCbc, 256, Mac::Sha256, None),
    suite("AES128-SHA256", Exchange::Rsa, Signer::Rsa, Cipher::AesCbc, 128, Mac::Sha256, None),
    suite("AES256-SHA", Exchange::Rsa, Signer::Rsa, Cipher::AesCbc, 256, Mac::Sha1, None),
    suite("AES128-SHA", Exchange::Rsa, Signer::Rsa, Cipher::AesCbc, 128, Mac::Sha1, None),
];

/// The suites of TLS 1.3; OpenSSL knows two more.
static SUITES_13: &[(&str, Option<CipherSuite>)] = &[
    (
        "TLS_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS13_AES_256_GCM_SHA384),
    ),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    ),
    (
        "TLS_AES_128_GCM_SHA256",
        Some(CipherSuite::TLS13_AES_128_GCM_SHA256),
    ),
    ("TLS_AES_128_CCM_SHA256", None),
    ("TLS_AES_128_CCM_8_SHA256", None),
];

impl Suite {
    /// Returns whether a word of a list selects this suite.
    fn is(&self, word: &str) -> bool {
        let is_aes = matches!(self.cipher, Cipher::AesGcm | Cipher::AesCbc);
        match word {
            "DEFAULT" | "ALL" | "HIGH" => true,
            "ECDHE" | "EECDH" | "kECDHE" | "kEECDH" | "ECDH" => self.exchange == Exchange::Ecdhe,
            "DHE" | "EDH" | "kDHE" | "kEDH" | "DH" => self.exchange == Exchange::Dhe,
            "kRSA" => self.exchange == Exchange::Rsa,
            "RSA" => self.exchange == Exchange::Rsa || self.signer == Signer::Rsa,
            "aRSA" => self.signer == Signer::Rsa,
            "ECDSA" | "aECDSA" => self.signer == Signer::Ecdsa,
            "AES" => is_aes,
            "AES128" => is_aes && self.bits == 128,
            "AES256" => is_aes && self.bits == 256,
            "AESGCM" => self.cipher == Cipher::AesGcm,
            "CHACHA20" => self.cipher == Cipher::ChaCha20,
            "SHA1" | "SHA" => self.mac == Mac::Sha1,
            "SHA256" => self.mac == Mac::Sha256,
            "SHA384" => self.mac == Mac::Sha384,
            "TLSv1.2" => self.mac != Mac::Sha1,
            "TLSv1" | "TLSv1.0" | "SSLv3" => self.mac == Mac::Sha1,
            name => self.name == name,
        }
    }
}

/// Words that OpenSSL knows and that select nothing here.
const EMPTY_WORDS: &[&str] = &[
    "COMPLEMENTOFDEFAULT",
    "COMPLEMENTOFALL",
    "MEDIUM",
    "LOW",
    "PSK",
    "AESCCM",
    "AESCCM8",
    "aNULL",
    "eNULL",
    "NULL",
    "3DES",
    "RC4",
    "MD5",
    "SEED",
    "CAMELLIA",
    "ARIA",
    "SRP",
    "aPSK",
    "aDSS",
    "DSS",
    "ADH",
    "AECDH",
    "EXPORT",
    "DES",
];

/// The result of evaluating a list.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    /// No suite that OpenSSL knows: the list is wrong.
    Unknown,
    /// The suites that rustls has, in order; possibly none.
    Suites(Vec<CipherSuite>),
}

/// Evaluates a list of suites for TLS 1.2.
pub fn choose(list: &str) -> Choice {
    let mut chosen: Vec<usize> = Vec::new();
    let mut banned = vec![false; SUITES.len()];
    for word in list.split([':', ',', ' ']).filter(|word| !word.is_empty()) {
        if word.starts_with('@') {
            if word == "@STRENGTH" {
                chosen.sort_by_key(|&at| std::cmp::Reverse(SUITES[at].bits));
            }
            continue;
        }
        let (sign, words) = match word.strip_prefix(['!', '-', '+']) {
            Some(words) => (word.as_bytes()[0], words),
            None => (0, word),
        };
        let is_selected = |at: &usize| {
            let mut parts = words.split('+');
            parts.all(|part| !EMPTY_WORDS.contains(&part) && SUITES[*at].is(part))
        };
        let selected: Vec<usize> = (0..SUITES.len()).filter(is_selected).collect();
        match sign {
            b'!' => {
                selected.iter().for_each(|&at| banned[at] = true);
                chosen.retain(|at| !selected.contains(at));
            }
            b'-' => chosen.retain(|at| !selected.contains(at)),
            b'+' => {
                let (moved, kept) = chosen.iter().partition(|at| selected.contains(at));
                chosen = kept;
                chosen.extend::<Vec<usize>>(moved);
            }
            _ => {
                let fresh = |at: &usize| !banned[*at] && !chosen.contains(at);
                let fresh: Vec<usize> = selected.into_iter().filter(fresh).collect();
                chosen.extend(fresh);
            }
        }
    }
    match chosen.is_empty() {
        true => Choice::Unknown,
        false => Choice::Suites(chosen.iter().filter_map(|&at| SUITES[at].ours).collect()),
    }
}

/// Evaluates a list of suites for TLS 1.3, separated by colons.
pub fn choose_13(list: &str) -> Choice {
    let words = list.split(':').filter(|word| !word.is_empty());
    let found = words.filter_map(|word| SUITES_13.iter().find(|(name, _)| *name == word));
    let found: Vec<_> = found.collect();
    match found.is_empty() {
        true => Choice::Unknown,
        false => Choice::Suites(found.iter().filter_map(|(_, ours)| *ours).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        match choose(list) {
            Choice::Unknown => vec!["unknown"],
            Choice::Suites(suites) => suites
                .iter()
                .filter_map(|ours| SUITES.iter().find(|one| one.ours == Some(*ours)))
                .map(|one| one.name)
                .collect(),
        }
    }

    #[test]
    fn lists_mean_what_they_mean_to_openssl() {
        assert_eq!(names("DEFAULT").len(), 6);
        assert_eq!(names("NOPE"), ["unknown"]);
        assert_eq!(
            names("NOPE:ECDHE-RSA-AES128-GCM-SHA256"),
            ["ECDHE-RSA-AES128-GCM-SHA256"]
        );
        assert_eq!(
            names("ECDHE+CHACHA20:!aRSA"),
            ["ECDHE-ECDSA-CHACHA20-POLY1305"]
        );
        assert_eq!(names("AES128-SHA256"), [""; 0]);
        assert_eq!(
            names("ECDSA+AESGCM:+AES256"),
            [
                "ECDHE-ECDSA-AES128-GCM-SHA256",
                "ECDHE-ECDSA-AES256-GCM-SHA384"
            ]
        );
        assert_eq!(choose("DEFAULT:!ALL"), Choice::Unknown);
    }

    #[test]
    fn suites_of_tls_1_3_are_named_one_by_one() {
        let one = CipherSuite::TLS13_AES_128_GCM_SHA256;
        assert_eq!(
            choose_13("TLS_AES_128_GCM_SHA256:NOPE"),
            Choice::Suites(vec![one])
        );
        assert_eq!(
            choose_13("TLS_AES_128_CCM_SHA256"),
            Choice::Suites(Vec::new())
        );
        assert_eq!(choose_13("NOPE"), Choice::Unknown);
    }
}
