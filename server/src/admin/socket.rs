//! The socket in the data directory that `confer turn` speaks to.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::Router;
use tokio::net::UnixListener;

const NAME: &str = "control.sock";

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen at {}; a path may have some 100 bytes, so a shorter --data-dir may help",
    path.display()
)]
pub(crate) struct SocketError {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

/// Where it is.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

/// Opens the socket for this user alone; what is returned serves it until it is dropped.
pub(crate) fn listen(
    data_dir: &Path,
    routes: Router,
) -> Result<impl Future<Output = ()> + Send + use<>, SocketError> {
    let path = path(data_dir);
    // One process uses a data directory at a time, so what is there is of one that was killed.
    let _ = std::fs::remove_file(&path);
    let open = || {
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    let listener = open().map_err(|cause| SocketError { path: path.clone(), cause })?;
    Ok(async move {
        // It never ends by itself.
        let _ = axum::serve(listener, routes).await;
    })
}
