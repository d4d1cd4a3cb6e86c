//! Who has which address: relayed ones by relaying thread, announced ones by media thread.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports of an IP address, the one that does not exist among them.
const PORTS: usize = 1 << 16;
/// Relaying threads at most: an entry has 16 bits for one, and one of their values means nobody.
pub(crate) const MOST_THREADS: usize = u16::MAX as usize;
/// The part of an entry that counts how often the port was opened.
const TIMES: u32 = 0xffff << 16;
const ONE_TIME: u32 = 1 << 16;

/// Which relaying thread has a relayed address now: one number for each port of each IP address.
///
/// The number also counts how often the port was opened. It travels with each frame as its ticket,
/// and a frame whose ticket is not the number of now is for a holder that is gone: on the wire, its
/// socket would have been closed with what was in it. The count comes round after 65,536 openings of
/// one port, while a frame waits for milliseconds.
#[derive(Debug)]
pub(crate) struct Relayed {
    addresses: Vec<(IpAddr, Box<[AtomicU32]>)>,
}

impl Relayed {
    pub(crate) fn new(addresses: &[IpAddr]) -> Self {
        let ports = || (0..PORTS).map(|_| AtomicU32::new(0)).collect();
        let mut unique: Vec<(IpAddr, Box<[AtomicU32]>)> = Vec::new();
        for ip in addresses {
            if !unique.iter().any(|(known, _)| known == ip) {
                unique.push((*ip, ports()));
            }
        }
        Self { addresses: unique }
    }

    /// Notes that `thread`, which has just bound the socket, has this address.
    pub(crate) fn open(&self, relayed: SocketAddr, thread: usize) {
        self.change(relayed, |entry| {
            (entry & TIMES).wrapping_add(ONE_TIME) | holder_number(thread)
        });
    }

    /// Notes that `thread`, which is about to close the socket, has it no more.
    pub(crate) fn close(&self, relayed: SocketAddr, thread: usize) {
        self.change(relayed, |entry| cleared(entry, thread));
    }

    /// Notes that `thread` has no address any more.
    pub(crate) fn close_all(&self, thread: usize) {
        for entry in self.addresses.iter().flat_map(|(_, entries)| entries) {
            update(entry, |entry| cleared(entry, thread));
        }
    }

    /// The thread that has this address, and the ticket for frames to it.
    pub(crate) fn holder(&self, relayed: SocketAddr) -> Option<(usize, u32)> {
        let ticket = self.entry(relayed)?.load(Ordering::Acquire);
        let thread = (ticket & !TIMES).checked_sub(1)?;
        Some((thread as usize, ticket))
    }

    fn change(&self, relayed: SocketAddr, to: impl Fn(u32) -> u32) {
        if let Some(entry) = self.entry(relayed) {
            update(entry, to);
        }
    }

    fn entry(&self, address: SocketAddr) -> Option<&AtomicU32> {
        let (_, entries) = self.addresses.iter().find(|(ip, _)| *ip == address.ip())?;
        entries.get(usize::from(address.port()))
    }
}

fn update(entry: &AtomicU32, to: impl Fn(u32) -> u32) {
    let change = |entry| Some(to(entry));
    let _before = entry.fetch_update(Ordering::AcqRel, Ordering::Relaxed, change);
}

fn cleared(entry: u32, thread: usize) -> u32 {
    if entry & !TIMES == holder_number(thread) { entry & TIMES } else { entry }
}

fn holder_number(thread: usize) -> u32 {
    // There are at most `MOST_THREADS`, so this is never cut.
    u16::try_from(thread + 1).map_or(0, u32::from)
}

/// Where each media thread receives. Set when the thread starts, and fixed from then on.
#[derive(Debug)]
pub(crate) struct Announced {
    threads: Vec<OnceLock<Box<[SocketAddr]>>>,
}

impl Announced {
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads: (0..threads).map(|_| OnceLock::new()).collect() }
    }

    /// Only the first announcement of a thread counts.
    pub(crate) fn set(&self, thread: usize, addresses: &[SocketAddr]) {
        if let Some(own) = self.threads.get(thread) {
            let _first_stays = own.set(addresses.into());
        }
    }

    /// The thread that receives here. They are few, so they are looked through.
    pub(crate) fn thread(&self, address: SocketAddr) -> Option<usize> {
        let has = |own: &OnceLock<Box<[SocketAddr]>>| {
            own.get().is_some_and(|addresses| addresses.contains(&address))
        };
        self.threads.iter().position(has)
    }
}
