//! The steps that send payload: between the relay and this machine, and through the relay to itself.

use std::net::SocketAddr;
use std::time::Duration;

use confer_turn_core::client::{Ask, Grant};

use super::checks::Visit;
use super::link::{Carriage, Link};
use super::login::Proof;
use super::report::{Outcome, Step};
use super::trouble::{Parcel, Trouble};
use super::way::datagrams;

/// Payload that fits everywhere, and payload as video has it.
const SIZES: [usize; 2] = [20, 1200];
/// The channel that both clients bind (RFC 8656, section 12).
const CHANNEL: u16 = 0x4000;
/// One that the second client does not bind elsewhere.
const PEER_CHANNEL: u16 = 0x4001;

impl Visit<'_> {
    /// Lets a plain socket of this machine be the peer. Packets between clients of one relay never
    /// pass the firewall in front of it; these do.
    pub(super) async fn peer(&mut self, link: &mut Link, relayed: SocketAddr) {
        let Some(seen) = self.seen else { return };
        self.begin(Step::Peer);
        if seen.is_ipv4() != relayed.is_ipv4() {
            // Nobody said by which address of that family we would be seen.
            self.tell(Outcome::Skipped, "not tried: the relayed address is of the other family");
            return;
        }
        let (socket, own) = match datagrams(relayed).await {
            Ok(opened) => opened,
            Err(trouble) => {
                self.trouble(&trouble);
                return;
            }
        };
        // Permissions are by address, so that the port that NAT will give matters to nobody.
        if let Err(trouble) = link.ask(Ask::Permit(SocketAddr::new(seen.ip(), own.port()))).await {
            self.trouble(&trouble);
            return;
        }
        if own.ip() != seen.ip() {
            // Without NAT on this way it is the peer's address; a refusal leaves the other one.
            let _ = link.ask(Ask::Permit(own)).await;
        }
        match link.meet(&socket, b"from a socket to a relay").await {
            Ok(Some(took)) => {
                let says = format!(
                    "a socket of this machine reaches the relayed address and is answered (there \
                     and back in {})",
                    short(took)
                );
                self.tell(Outcome::Good, &says);
            }
            Ok(None) => {
                // As in `lost`. Beyond NAT the port is not the one that packets come from.
                let ask = Ask::Bind { channel: PEER_CHANNEL, peer: own };
                let trouble = match link.ask(ask).await {
                    Err(refused @ Trouble::Code { code: 403, .. }) if own.ip() == seen.ip() => {
                        refused
                    }
                    Ok(_) | Err(_) => Trouble::Unreached,
                };
                self.trouble(&trouble);
            }
            Err(trouble) => {
                self.trouble(&trouble);
            }
        }
    }

    /// Makes a second allocation, and sends packets from each through both to the other. Gives
    /// the second client, so that it can be ended.
    pub(super) async fn relay(
        &mut self,
        link: &mut Link,
        relayed: SocketAddr,
        proof: Option<&Proof>,
    ) -> Option<Link> {
        self.begin(Step::Relay);
        let mut other = match self.again().await {
            Ok(way) => Link::new(way, proof, self.practice.patience),
            Err(trouble) => {
                self.trouble(&trouble);
                return None;
            }
        };
        let second = match other.ask(self.allocation()).await {
            Ok(Grant { relayed: Some(second), .. }) => second,
            Ok(_) => {
                self.trouble(&Trouble::Incomplete);
                return None;
            }
            Err(trouble) => {
                self.trouble(&trouble);
                return None;
            }
        };
        let mut ends = [(link, second), (&mut other, relayed)];
        match passed(&mut ends).await {
            Ok(fastest) => {
                let [small, large] = SIZES;
                let says = format!(
                    "{small} and {large} bytes pass both ways, in Send indications and in a \
                     channel (one way in {})",
                    short(fastest)
                );
                self.tell(Outcome::Good, &says);
            }
            Err(trouble) => {
                self.trouble(&trouble);
            }
        }
        Some(other)
    }
}

/// Sends packets of each size both ways, first in indications and then in channels. Gives the
/// shortest time that one took.
async fn passed(ends: &mut [(&mut Link, SocketAddr); 2]) -> Result<Duration, Trouble> {
    for (link, peer) in ends.iter_mut() {
        link.ask(Ask::Permit(*peer)).await?;
    }
    let mut fastest = Duration::MAX;
    let mut tag = 0;
    for in_channel in [false, true] {
        if in_channel {
            for (link, peer) in ends.iter_mut() {
                link.ask(Ask::Bind { channel: CHANNEL, peer: *peer }).await?;
            }
        }
        for (bytes, smaller_arrived) in SIZES.into_iter().zip([false, true]) {
            for forth in [true, false] {
                let [one, two] = &mut *ends;
                let ((from, peer), to) = if forth {
                    ((&mut *one.0, one.1), &mut *two.0)
                } else {
                    ((&mut *two.0, two.1), &mut *one.0)
                };
                let carriage = match in_channel {
                    true => Carriage::Channel(CHANNEL),
                    false => Carriage::Indication(peer),
                };
                // Each payload differs, so that a late one is not taken for the next.
                tag += 1;
                match from.pass(carriage, &vec![tag; bytes], to).await? {
                    Some(took) => fastest = fastest.min(took),
                    None => {
                        let parcel = Parcel { bytes, in_channel, smaller_arrived };
                        return Err(lost(from, peer, parcel).await);
                    }
                }
            }
        }
    }
    Ok(fastest)
}

/// Why a packet was lost. A permission is for an address and a channel for one port of it: a policy
/// that opens but some ports, such as those of its own media plane, drops indications in silence
/// and refuses the channel.
async fn lost(from: &mut Link, peer: SocketAddr, parcel: Parcel) -> Trouble {
    match from.ask(Ask::Bind { channel: CHANNEL, peer }).await {
        Err(refused @ Trouble::Code { code: 403, .. }) => refused,
        Ok(_) | Err(_) => Trouble::Lost(parcel),
    }
}

fn short(took: Duration) -> String {
    format!("{:.2} ms", took.as_secs_f64() * 1000.0)
}
