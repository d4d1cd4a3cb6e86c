//! Empties subscribers' sockets while a benchmark runs, and counts.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often it looks. To be woken by every packet would take the processor from what is measured.
const LOOK: Duration = Duration::from_micros(500);

/// A thread that reads.
pub(crate) struct Readers {
    thread: std::thread::JoinHandle<()>,
    arrived: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Readers {
    /// Reads from sockets that do not block, and counts datagrams of at least so many bytes.
    pub(crate) fn start(sockets: Vec<UdpSocket>, least: usize) -> Self {
        let (arrived, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, end) = (Arc::clone(&arrived), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || read_all(&sockets, least, &counter, &end));
        Self { thread, arrived, is_over }
    }

    /// How many came so far.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Ends, and says how many came in all.
    pub(crate) fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the reader does not panic");
        self.arrived.load(Ordering::Relaxed)
    }
}

fn read_all(sockets: &[UdpSocket], least: usize, arrived: &AtomicU64, is_over: &AtomicBool) {
    let mut buffer = [0; 2_048];
    while !is_over.load(Ordering::Relaxed) {
        for socket in sockets {
            loop {
                match socket.recv(&mut buffer) {
                    Ok(length) if length >= least => {
                        arrived.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("a subscriber's socket failed: {error}"),
                }
            }
        }
        std::thread::sleep(LOOK);
    }
}
