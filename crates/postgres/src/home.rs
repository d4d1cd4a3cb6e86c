//! The directory a cluster lives in: made, reachable for Postgres' user, and locked.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::StartError;
use crate::installation::{Installation, Origin};
use crate::settings::Settings;

/// Makes the directory if it is missing, and says where it really is.
///
/// A root process often stands where nobody else may enter, such as below `/root`. Postgres cannot
/// be root, so a new cluster then goes to [`Settings::elsewhere`] and a link takes its place.
pub(crate) fn settle(settings: &Settings, account: &Account) -> Result<PathBuf, StartError> {
    let dir = settings.data_dir.as_path();
    let not_writable = |cause| StartError::NotWritable { path: dir.to_owned(), cause };
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent).map_err(not_writable)?;
    }
    if dir.symlink_metadata().is_err() {
        let parent = dir.parent().and_then(|parent| parent.canonicalize().ok());
        let planned = parent.zip(dir.file_name()).map(|(parent, name)| parent.join(name));
        let unreachable = planned.as_deref().map(|planned| account.can_reach(planned));
        match (unreachable, &settings.elsewhere) {
            (Some(Err(_)), Some(elsewhere)) => make_elsewhere(dir, elsewhere)?,
            _ => make_private(dir).map_err(not_writable)?,
        }
    }
    // Postgres changes its working directory, and /proc shows directories in their canonical form.
    let home = dir.canonicalize().map_err(not_writable)?;
    if !home.is_dir() {
        return Err(not_writable(std::io::ErrorKind::NotADirectory.into()));
    }
    account.can_reach(&home)?;
    Ok(home)
}

fn make_private(dir: &Path) -> std::io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn make_elsewhere(dir: &Path, elsewhere: &Path) -> Result<(), StartError> {
    let not_writable = |cause| StartError::NotWritable { path: elsewhere.to_owned(), cause };
    DirBuilder::new().recursive(true).mode(0o755).create(elsewhere).map_err(not_writable)?;
    let home = elsewhere.join(format!("postgres-{}", crate::cluster::fresh_name()));
    make_private(&home).map_err(not_writable)?;
    std::os::unix::fs::symlink(&home, dir)
        .map_err(|cause| StartError::NotWritable { path: dir.to_owned(), cause })?;
    tracing::info!(
        "the database is in {}: below {} its user could not reach it",
        home.display(),
        dir.display()
    );
    Ok(())
}

/// Keeps other processes from this directory for as long as the file is open.
pub(crate) fn lock(home: &Path) -> Result<File, StartError> {
    let path = home.join("lock");
    let not_writable = |cause| StartError::NotWritable { path: home.to_owned(), cause };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(not_writable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(32).read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => "another".to_owned(),
                number => number.to_owned(),
            };
            return Err(StartError::InUse { path: home.to_owned(), holder });
        }
        Err(TryLockError::Error(cause)) => return Err(not_writable(cause)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(not_writable)?;
    Ok(file)
}

/// The installation itself, or a copy of the embedded tree in a place the other user can enter.
pub(crate) fn reachable(
    installation: Installation,
    account: &Account,
    home: &Path,
) -> Result<Installation, StartError> {
    let Err(unreachable) = account.can_reach(&installation.bin().join("postgres")) else {
        return Ok(installation);
    };
    let (Origin::Embedded, Some(tree)) = (installation.origin(), installation.bin().parent())
    else {
        return Err(unreachable);
    };
    let copy = home.join(format!("server-{}", installation.version()));
    if !copy.exists() {
        let fresh = home.join("server.new");
        let _ = std::fs::remove_dir_all(&fresh);
        copy_tree(tree, &fresh, account)
            .and_then(|()| std::fs::rename(&fresh, &copy))
            .map_err(StartError::io(format!("copy {} to {}", tree.display(), copy.display())))?;
    }
    Ok(installation.moved_to(&copy))
}

fn copy_tree(from: &Path, to: &Path, account: &Account) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    account.own(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target, account)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
            account.own(&target)?;
        }
    }
    Ok(())
}
