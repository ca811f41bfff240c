//! Who may do what. For now there is one user, `default`, with the password of `requirepass`; the
//! full rules will live here, and callers ask already as if they did.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The one user there is.
pub const DEFAULT_USER: &str = "default";

/// The users and what they may do.
#[derive(Default)]
pub struct Acl {
    /// The digest of the default user's password; `None` lets everybody in.
    password: Option<[u8; 32]>,
}

impl Acl {
    /// `requirepass`; an empty one lets everybody in.
    pub fn set_default_password(&mut self, password: &[u8]) {
        self.password = (!password.is_empty()).then(|| Sha256::digest(password).into());
    }

    /// Whether a new connection is the default user without saying so.
    pub fn admits_strangers(&self) -> bool {
        self.password.is_none()
    }

    pub fn has_user(&self, user: &[u8]) -> bool {
        user == DEFAULT_USER.as_bytes()
    }

    /// Whether this name and password are right.
    pub fn authenticate(&self, user: &[u8], password: &[u8]) -> bool {
        if user != DEFAULT_USER.as_bytes() {
            return false;
        }
        match &self.password {
            None => true,
            Some(digest) => Sha256::digest(password).ct_eq(digest).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_opens() {
        let mut acl = Acl::default();
        assert!(acl.admits_strangers() && acl.authenticate(b"default", b"anything"));
        acl.set_default_password(b"secret");
        assert!(!acl.admits_strangers());
        assert!(acl.authenticate(b"default", b"secret"));
        assert!(!acl.authenticate(b"default", b"secreT") && !acl.authenticate(b"eve", b"secret"));
    }
}
