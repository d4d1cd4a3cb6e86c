use confer_accounts::Ended;
use confer_signaling_core::ports::Presence;
use confer_signaling_net::Signaling;
use confer_turn_net::TurnHandle;
use tokio::sync::broadcast::{self, error::RecvError};

/// Closes the sockets, ends the calls and takes away the relays of everybody whose right to be here
/// has ended. Runs until accounts have stopped.
pub(super) async fn enforce(
    mut ended: broadcast::Receiver<Ended>,
    signaling: Signaling,
    relay: Option<TurnHandle>,
) {
    loop {
        match ended.recv().await {
            Ok(ended) => {
                signaling.revoke(ended.whose());
                if let Some(relay) = &relay {
                    relay.kick(&ended.whose().to_string()).await;
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
