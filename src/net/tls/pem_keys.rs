//! Private keys with a password in the older form of PEM, which OpenSSL 1.x writes and
//! `openssl rsa -traditional` still does: the headers of RFC 1421 name the cipher and its
//! initialization vector, and the key of the cipher is made of the password by MD5
//! (`EVP_BytesToKey` of OpenSSL, one round).

use super::certificates::{BAD_DECRYPT, NO_PASSWORD, UNSUPPORTED_KEY};
use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipher, BlockDecryptMut, KeyInit, KeyIvInit};
use des::TdesEde3;
use md5::{Digest, Md5};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivateSec1KeyDer};

/// The length of the salt, which is the start of the initialization vector, in bytes.
const SALT: usize = 8;

/// Decrypts a key in this form; `None` if the file has none. The error is the reason.
pub fn decrypt(pem: &[u8], password: &str) -> Option<Result<PrivateKeyDer<'static>, String>> {
    let text = std::str::from_utf8(pem).ok()?;
    let block = Block::find(text)?;
    if password.is_empty() {
        return Some(Err(NO_PASSWORD.into()));
    }
    Some(block.decrypt(password.as_bytes()))
}

/// An encrypted key.
struct Block<'a> {
    /// `RSA` or `EC`.
    kind: &'a str,
    cipher: &'a str,
    iv: Vec<u8>,
    /// Base64.
    body: String,
}

impl<'a> Block<'a> {
    fn find(text: &'a str) -> Option<Block<'a>> {
        let mut lines = text.lines().map(str::trim_end);
        let kind = lines.find_map(|line| {
            let name = line.strip_prefix("-----BEGIN ")?;
            name.strip_suffix(" PRIVATE KEY-----")
        })?;
        let proc_type = lines.next()?.strip_prefix("Proc-Type:")?;
        if proc_type.trim() != "4,ENCRYPTED" {
            return None;
        }
        let info = lines.next()?.strip_prefix("DEK-Info:")?;
        let (cipher, iv) = info.trim().split_once(',')?;
        let body = lines.take_while(|line| !line.starts_with("-----END "));
        Some(Block {
            kind,
            cipher,
            iv: hex(iv)?,
            body: body.collect(),
        })
    }

    fn decrypt(&self, password: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
        // The decoder of PEM reads base64, too; the label matters not.
        let pem = format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
            self.body
        );
        let encrypted = PrivatePkcs1KeyDer::from_pem_slice(pem.as_bytes());
        let encrypted = encrypted.map_err(|_| UNSUPPORTED_KEY.to_owned())?;
        let encrypted = encrypted.secret_pkcs1_der();
        let der = match self.cipher {
            "AES-128-CBC" => self.cbc::<Aes128>(encrypted, password),
            "AES-192-CBC" => self.cbc::<Aes192>(encrypted, password),
            "AES-256-CBC" => self.cbc::<Aes256>(encrypted, password),
            "DES-EDE3-CBC" => self.cbc::<TdesEde3>(encrypted, password),
            _ => return Err(UNSUPPORTED_KEY.into()),
        };
        // A wrong password that leaves a valid padding, one in 256, leaves no sequence.
        let der = der.filter(|der| der.first() == Some(&0x30));
        let der = der.ok_or_else(|| BAD_DECRYPT.to_owned())?;
        match self.kind {
            "RSA" => Ok(PrivatePkcs1KeyDer::from(der).into()),
            "EC" => Ok(PrivateSec1KeyDer::from(der).into()),
            _ => Err(UNSUPPORTED_KEY.into()),
        }
    }

    /// Decrypts with a block cipher in the mode CBC. `None` if the vector or the padding is wrong.
    fn cbc<C>(&self, encrypted: &[u8], password: &[u8]) -> Option<Vec<u8>>
    where
        C: BlockCipher + BlockDecryptMut + KeyInit,
    {
        let salt = self.iv.get(..SALT)?;
        let key = derive(password, salt, C::key_size());
        let cipher = cbc::Decryptor::<C>::new_from_slices(&key, &self.iv).ok()?;
        let mut bytes = encrypted.to_vec();
        let plain = cipher.decrypt_padded_mut::<Pkcs7>(&mut bytes).ok()?;
        Some(plain.to_vec())
    }
}

/// Makes a key of so many bytes: each digest is of the one before, the password and the salt.
fn derive(password: &[u8], salt: &[u8], len: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(len + 16);
    let mut last = Vec::new();
    while key.len() < len {
        let digest = Md5::new()
            .chain_update(&last)
            .chain_update(password)
            .chain_update(salt)
            .finalize();
        last = digest.to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(len);
    key
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.trim().as_bytes();
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let pairs = digits.chunks(2).map(|pair| match *pair {
        [high, low] => Some(value(high)? << 4 | value(low)?),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encrypted(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls");
        std::fs::read(format!("{folder}/{name}")).expect("it is there")
    }

    #[test]
    fn keys_of_each_cipher_are_decrypted() {
        let plain = PrivateKeyDer::from_pem_slice(&encrypted("old-sec1.key")).expect("it is plain");
        for name in ["aes128", "aes192", "aes256", "des3"] {
            let pem = encrypted(&format!("old-{name}.key"));
            let key = decrypt(&pem, "secret").expect("it is of this form");
            let key = key.unwrap_or_else(|why| panic!("{name}: {why}"));
            assert_eq!(key.secret_der(), plain.secret_der(), "{name}");
            for (password, why) in [("", NO_PASSWORD), ("wrong", BAD_DECRYPT)] {
                let refused = decrypt(&pem, password).expect("it is of this form");
                assert_eq!(refused.err().as_deref(), Some(why), "{name}");
            }
        }
        assert!(decrypt(&encrypted("old.key"), "secret").is_none());
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let pem = String::from_utf8(encrypted("old-aes256.key")).expect("it is text");
        for damaged in [
            pem.replace("AES-256-CBC", "IDEA-CBC"),
            pem.replace("AES-256-CBC,", "AES-256-CBC,00"),
            pem.replacen("\n\n", "\n\n!", 1),
        ] {
            assert!(decrypt(damaged.as_bytes(), "secret").is_some_and(|key| key.is_err()));
        }
        for len in 0..pem.len() {
            let _ = decrypt(&pem.as_bytes()[..len], "secret");
        }
    }
}
