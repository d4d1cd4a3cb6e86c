//! The loop between one shard, its socket, and the relay of the same process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use confer_protocol::media::{MediaCommand, MediaEvent};
use confer_sfu_core::shard::Shard;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::command_queue::CommandQueue;
use crate::in_process::InProcess;
use crate::stats::{Published, ShardSnapshot};
use crate::udp::UdpPort;

/// Commands applied between two receive batches. An offer costs about as much as a hundred
/// packets.
const COMMANDS_PER_TURN: usize = 8;

/// How often counters are published while there is something to count.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);

/// How soon events are offered again that signaling had no room for.
const EVENT_RETRY: Duration = Duration::from_millis(10);

/// One media thread's belongings.
pub(crate) struct Driver {
    pub(crate) shard: Shard,
    pub(crate) port: UdpPort,
    pub(crate) in_process: InProcess,
    pub(crate) commands: Arc<CommandQueue>,
    pub(crate) events: mpsc::Sender<MediaEvent>,
    pub(crate) published: Arc<Published>,
}

/// Closes the queue however the thread ends, so that nobody waits for it.
struct CloseOnDrop(Arc<CommandQueue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Driver {
    /// Runs until the queue says stop.
    pub(crate) fn drive(mut self) {
        let _closing = CloseOnDrop(Arc::clone(&self.commands));
        let mut turn = Turn::default();
        let mut publish_at = Instant::now();
        while !self.commands.is_stopping() {
            // 1. Take one batch of datagrams of each way in; the shard says at once what it has to say.
            let now = Instant::now();
            turn.more_datagrams = !turn.is_port_empty
                && self.port.receive(|source, local, datagram| {
                    self.shard.handle_datagram(source, local, datagram, now);
                });
            turn.more_datagrams |= self.in_process.receive(|source, local, datagram| {
                self.shard.handle_datagram(source, local, datagram, now);
            });
            self.drain(&mut turn);

            // 2. Apply some commands.
            if turn.commands.is_empty() {
                self.commands.take(&mut turn.commands);
            }
            for _ in 0..COMMANDS_PER_TURN {
                let Some(command) = turn.commands.pop_front() else { break };
                self.shard.handle_command(command, Instant::now());
                self.drain(&mut turn);
            }

            // 3. Tell it the time if it asked to be told.
            let now = Instant::now();
            if self.shard.poll_timeout().is_some_and(|deadline| deadline <= now) {
                self.shard.handle_timeout(now);
                self.drain(&mut turn);
            }

            // 4. Leave the counters where others can read them.
            if now >= publish_at {
                self.publish();
                publish_at = now + PUBLISH_INTERVAL;
            }

            // 5. Wait for exactly one thing: datagrams, commands, or the shard's next deadline.
            self.wait(&mut turn, publish_at);
        }
        self.publish();
    }

    /// Sends everything the shard wants sent, and tells signaling everything it should know.
    fn drain(&mut self, turn: &mut Turn) {
        while let Some(transmit) = self.shard.poll_transmit() {
            if !self.in_process.send(&transmit) {
                self.port.send(&transmit);
            }
        }
        self.in_process.wake();
        turn.events_wait = false;
        loop {
            match self.events.try_reserve() {
                Ok(place) => match self.shard.poll_event() {
                    Some(event) => place.send(event),
                    None => return,
                },
                // They stay in the shard, in order, until there is room.
                Err(TrySendError::Full(())) => {
                    turn.events_wait = true;
                    return;
                }
                // Nobody listens any more: the server is going down.
                Err(TrySendError::Closed(())) => match self.shard.poll_event() {
                    Some(_unheard) => {}
                    None => return,
                },
            }
        }
    }

    fn publish(&self) {
        self.published.write(ShardSnapshot {
            shard: self.shard.stats(),
            socket: self.port.stats(),
            in_process: self.in_process.stats,
        });
    }

    fn wait(&mut self, turn: &mut Turn, publish_at: Instant) {
        turn.is_port_empty = false;
        // A stop that came after the loop looked has rung a bell that was rung already.
        if turn.more_datagrams || !turn.commands.is_empty() || self.commands.is_stopping() {
            return;
        }
        let now = Instant::now();
        let retry = turn.events_wait.then(|| now + EVENT_RETRY);
        let deadline = self.shard.poll_timeout();
        if deadline.is_none() {
            // It may sleep for long: what it counted last must not wait for its waking.
            self.publish();
        }
        let publish = deadline.map(|_| publish_at);
        let until = [deadline, retry, publish].into_iter().flatten().min();
        let timeout = until.map(|until| timespec(until.saturating_duration_since(now)));

        if !self.in_process.fall_asleep() {
            return;
        }
        let (port, bell) = (self.port.fd(), self.commands.bell());
        let mut ready = [PollFd::new(&port, PollFlags::IN), PollFd::new(&bell, PollFlags::IN)];
        // An interrupted wait is a short one.
        let _ready = poll(&mut ready, timeout.as_ref());
        self.in_process.awake();
        // Woken for something else, as by the relay: a call that finds nothing is spared.
        turn.is_port_empty = ready[0].revents().is_empty();
        if ready[1].revents().contains(PollFlags::IN) {
            self.commands.heard();
        }
    }
}

/// What is left over from one turn of the loop to the next.
#[derive(Default)]
struct Turn {
    commands: VecDeque<MediaCommand>,
    more_datagrams: bool,
    /// The kernel said so a moment ago.
    is_port_empty: bool,
    events_wait: bool,
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
