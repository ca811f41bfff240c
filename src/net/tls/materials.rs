//! The files that contexts are made of, to see whether they have changed.

use crate::net::tls_settings::Settings;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// A file or directory: device, number, time of the last change in nanoseconds, and length.
type Mark = (u64, u64, i128, u64);

/// The state of all files; links are followed, so that an exchanged link is a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Materials(Vec<Option<Mark>>);

impl Materials {
    /// Looks at the files that the settings name.
    pub fn of(settings: &Settings) -> Materials {
        let paths = [
            &settings.cert_file,
            &settings.key_file,
            &settings.client_cert_file,
            &settings.client_key_file,
            &settings.ca_cert_file,
            &settings.ca_cert_dir,
        ];
        Materials(paths.map(|path| mark(path)).into())
    }
}

fn mark(path: &str) -> Option<Mark> {
    let data = fs::metadata(path).ok()?;
    let changed_ns = i128::from(data.mtime()) * 1_000_000_000 + i128::from(data.mtime_nsec());
    Some((data.dev(), data.ino(), changed_ns, data.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_under_the_same_name_is_a_change() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("cert");
        let settings = Settings {
            cert_file: path.to_string_lossy().into_owned(),
            ..Settings::default()
        };
        let missing = Materials::of(&settings);
        fs::write(&path, "one").expect("it can be written");
        let one = Materials::of(&settings);
        assert_ne!(missing, one);
        assert_eq!(one, Materials::of(&settings));
        let other = folder.path().join("other");
        fs::write(&other, "two").expect("it can be written");
        fs::rename(&other, &path).expect("it can be renamed");
        assert_ne!(one, Materials::of(&settings));
    }
}
