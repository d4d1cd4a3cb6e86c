//! The directory that is this server: its keys, its certificate, its private database.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "confer.lock";

/// For this user only.
const PRIVATE: u32 = 0o700;
/// For this user only, but others may pass through to directories that are theirs.
const PASSABLE: u32 = 0o711;

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    #[error(
        "cannot write to the data directory {}; make it writable for this user or choose another \
         one with --data-dir", path.display()
    )]
    NotWritable {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },

    #[error(
        "the data directory {} is in use by another confer (process {holder}); stop that one or \
         choose another directory with --data-dir", path.display()
    )]
    InUse { path: PathBuf, holder: String },
}

/// The directory, locked for this process.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is missing, and locks it until this value is dropped.
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let not_writable = |cause| DataDirError::NotWritable { path: path.to_owned(), cause };
        let created = !path.exists();
        if created {
            DirBuilder::new().recursive(true).mode(PRIVATE).create(path).map_err(not_writable)?;
        }
        let path = path.canonicalize().map_err(not_writable)?;
        // Postgres refuses to be root, so it runs as another user in a directory inside this one.
        let mode = if rustix::process::geteuid().is_root() { PASSABLE } else { PRIVATE };
        if created {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(not_writable)?;
        }
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn lock(dir: &Path) -> Result<File, DataDirError> {
    let not_writable = |cause| DataDirError::NotWritable { path: dir.to_owned(), cause };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(dir.join(LOCK_FILE)).map_err(not_writable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => "unknown".to_owned(),
                pid => pid.to_owned(),
            };
            return Err(DataDirError::InUse { path: dir.to_owned(), holder });
        }
        Err(TryLockError::Error(cause)) => return Err(not_writable(cause)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(not_writable)?;
    Ok(file)
}

/// Writes a file that only this user may read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_added_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_who_has_the_directory() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("data");
        let first = DataDir::open(&path).expect("a fresh directory");
        let error = DataDir::open(&path).expect_err("it is locked");
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");

        drop(first);
        DataDir::open(&path).expect("free again");
    }

    #[test]
    fn what_is_no_directory_is_not_used() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("a written file");
        let error = DataDir::open(&file.join("data")).expect_err("below a file");
        assert!(matches!(error, DataDirError::NotWritable { .. }), "{error}");
    }

    #[test]
    fn private_files_are_for_this_user_only() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("key");
        write_private(&path, b"secret").expect("a written file");
        let mode = std::fs::metadata(&path).expect("it exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
