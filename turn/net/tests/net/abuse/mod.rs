//! What somebody can try who means harm, one theme by file. Each is bounded, counted by its reason,
//! and changes nothing for somebody else, whose packets flow all the while.

mod floods;
mod half_open;
mod peers;
mod replay;
mod slow_readers;
mod slow_streams;
mod spoofed;

use confer_turn_core::DropReason;
use confer_turn_net::{Transport, TurnHandle};

use crate::client::Client;
use crate::support::{V4, echo, until};

/// Somebody with a call of its own, which has to go on.
struct Bystander(Client);

impl Bystander {
    async fn calls(handle: &TurnHandle, transport: Transport) -> Self {
        let peer = echo(V4).await;
        let mut client = Client::connect(handle, transport).await;
        client.allocate().await;
        client.bind(0x4000, peer).await;
        let mut bystander = Self(client);
        bystander.goes_on().await;
        bystander
    }

    async fn goes_on(&mut self) {
        self.0.echoes(0x4000, &[3; 160]).await;
    }
}

fn dropped(handle: &TurnHandle, reason: DropReason) -> u64 {
    handle.stats().dropped.get(&reason).copied().unwrap_or(0)
}

/// Waits until so many requests were refused with a code.
async fn until_refused(handle: &TurnHandle, code: u16, times: u64) {
    until(handle, |stats| stats.refused.get(&code) == Some(&times)).await;
}
