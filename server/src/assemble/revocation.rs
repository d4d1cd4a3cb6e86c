use std::time::Duration;

use confer_accounts::Ended;
use confer_signaling_core::ports::Presence;
use confer_signaling_net::Signaling;
use confer_turn_net::TurnHandle;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::clock;

/// Closes the sockets, ends the calls and takes away the relays of everybody whose right to be here
/// has ended. Runs until accounts have stopped.
pub(super) async fn enforce(
    mut ended: broadcast::Receiver<Ended>,
    signaling: Signaling,
    relay: Option<TurnHandle>,
    credential_lifetime: Duration,
) {
    loop {
        match ended.recv().await {
            Ok(ended) => {
                signaling.revoke(ended.whose());
                if let Some(relay) = &relay {
                    // Whatever it was given so far has expired by then.
                    let until = clock::unix_seconds() + credential_lifetime.as_secs();
                    relay.revoke(&ended.whose().to_string(), until).await;
                }
            }
            // They lose their sockets when these must present a fresh token, which they cannot.
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "some ended logins keep their sockets for a while");
            }
            Err(RecvError::Closed) => return,
        }
    }
}
