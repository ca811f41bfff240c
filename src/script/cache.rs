//! The scripts of EVAL and SCRIPT LOAD, by the SHA1 of their text.
//!
//! Scripts of SCRIPT LOAD stay. Of those that only EVAL brought, which clients may not rely on,
//! the five hundred used last stay: programs that put values into the text of their scripts would
//! otherwise fill the memory.

use super::flags::ScriptFlags;
use super::lua::Kept;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// The name of a script: forty hexadecimal digits.
pub type Sha = [u8; 40];

/// Parses the name of a script, in digits of either case.
pub fn parse_sha(text: &[u8]) -> Option<Sha> {
    let mut sha: Sha = text.try_into().ok()?;
    sha.make_ascii_lowercase();
    Some(sha)
}

/// Scripts of EVAL that are kept, as in Redis.
const EVAL_MAX: usize = 500;

/// A compiled script.
#[derive(Debug)]
pub struct Cached {
    pub function: Kept,
    pub flags: ScriptFlags,
    /// The sequence number of its last use, if it may be evicted.
    used: Option<u64>,
    /// The text, for SCRIPT SHOW.
    body: Box<[u8]>,
}

/// The cached scripts, by the SHA1 of their text.
#[derive(Default, Debug)]
pub struct Cache {
    scripts: HashMap<Sha, Cached>,
    /// Those that may be evicted, the one used longest ago first.
    evictable: BTreeMap<u64, Sha>,
    clock: u64,
    bytes: usize,
}

/// Bytes of an entry beside the text of its script.
const ENTRY: usize = 96;

impl Cache {
    pub fn get(&self, sha: &Sha) -> Option<&Cached> {
        self.scripts.get(sha)
    }

    /// The text of a script.
    pub fn body(&self, sha: &Sha) -> Option<&[u8]> {
        self.scripts.get(sha).map(|cached| &*cached.body)
    }

    pub fn contains(&self, sha: &Sha) -> bool {
        self.scripts.contains_key(sha)
    }

    pub fn len(&self) -> usize {
        self.scripts.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A script was used. What it was compiled to comes back.
    pub fn touch(&mut self, sha: &Sha) -> Option<(Kept, ScriptFlags)> {
        let cached = self.scripts.get_mut(sha)?;
        if let Some(used) = &mut cached.used
            && *used != self.clock
        {
            self.evictable.remove(used);
            self.clock += 1;
            *used = self.clock;
            self.evictable.insert(self.clock, *sha);
        }
        Some((cached.function, cached.flags))
    }

    /// Adds a script; if another must go for it, that comes back.
    pub fn add(
        &mut self,
        sha: Sha,
        function: Kept,
        flags: ScriptFlags,
        body: &[u8],
        evictable: bool,
    ) -> Option<Kept> {
        let mut evicted = None;
        let used = evictable.then(|| {
            if self.evictable.len() >= EVAL_MAX
                && let Some((_, oldest)) = self.evictable.pop_first()
            {
                evicted = self.scripts.remove(&oldest);
            }
            self.clock += 1;
            self.evictable.insert(self.clock, sha);
            self.clock
        });
        let cached = Cached {
            function,
            flags,
            used,
            body: body.into(),
        };
        self.bytes += body.len() + ENTRY;
        self.scripts.insert(sha, cached);
        let evicted = evicted?;
        self.bytes -= evicted.body.len() + ENTRY;
        Some(evicted.function)
    }

    /// A script shall stay.
    pub fn pin(&mut self, sha: &Sha) {
        if let Some(cached) = self.scripts.get_mut(sha)
            && let Some(used) = cached.used.take()
        {
            self.evictable.remove(&used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::lua::Lua;

    #[test]
    fn the_least_recently_used_scripts_are_evicted() {
        let mut lua = Lua::new(1 << 20);
        let mut stack = lua.stack();
        stack.push_nil();
        let kept = stack.keep();
        let mut cache = Cache::default();
        let sha = |n: usize| {
            let mut sha = [b'0'; 40];
            sha[..4].copy_from_slice(format!("{n:04}").as_bytes());
            sha
        };
        cache.add(sha(9999), kept, ScriptFlags::default(), b"x", false);
        for n in 0..EVAL_MAX {
            assert!(
                cache
                    .add(sha(n), kept, ScriptFlags::default(), b"x", true)
                    .is_none()
            );
        }
        cache.touch(&sha(0));
        cache.pin(&sha(1));
        assert!(
            cache
                .add(sha(600), kept, ScriptFlags::default(), b"x", true)
                .is_none()
        );
        assert!(
            cache
                .add(sha(601), kept, ScriptFlags::default(), b"x", true)
                .is_some()
        );
        assert!(cache.contains(&sha(0)) && cache.contains(&sha(1)) && !cache.contains(&sha(2)));
        assert!(cache.contains(&sha(9999)));
        assert_eq!(cache.bytes(), cache.len() * (1 + ENTRY));
    }
}
