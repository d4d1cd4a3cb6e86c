//! The next deadline of a thread, among what it waits for.
//!
//! A wait with a timeout has the kernel start and stop a timer around every packet. This timer is
//! touched only when a deadline comes closer or has passed, and waits have no timeout.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// A timer of zero would be none at all.
const SHORTEST: Duration = Duration::from_nanos(1);

/// Becomes readable at a deadline, or before it.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: OwnedFd,
    set_for: Option<Instant>,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { timer, set_for: None })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    /// Sees to it that there is a ring at `deadline` at the latest. A deadline that moves away
    /// leaves the timer where it is: ringing once too often costs less than following it.
    pub(crate) fn set(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        if self.set_for.is_some_and(|earlier| earlier <= deadline) {
            return;
        }
        let left = deadline.saturating_duration_since(Instant::now()).max(SHORTEST);
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)
            .expect("the timer is one and the time is normalised");
        self.set_for = Some(deadline);
    }

    /// It rang: nothing is set any more.
    pub(crate) fn rang(&mut self) {
        let mut rings = [0; 8];
        // Nothing to read would mean that it had been set again meanwhile.
        let _read = rustix::io::read(&self.timer, &mut rings);
        self.set_for = None;
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn rings_within(alarm: &Alarm, timeout: Timespec) -> bool {
        let mut fds = [PollFd::new(&alarm.timer, PollFlags::IN)];
        poll(&mut fds, Some(&timeout)).expect("nothing interrupts") > 0
    }

    const NOT_AT_ALL: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    const A_LONG_TIME: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

    #[test]
    fn a_deadline_that_has_passed_rings_and_then_is_over() {
        let mut alarm = Alarm::new().expect("Linux has timers");
        alarm.set(Some(Instant::now()));
        assert!(rings_within(&alarm, A_LONG_TIME));
        alarm.rang();
        assert!(!rings_within(&alarm, NOT_AT_ALL));
    }

    #[test]
    fn an_earlier_deadline_comes_before_one_that_was_set() {
        let mut alarm = Alarm::new().expect("Linux has timers");
        let now = Instant::now();
        alarm.set(Some(now + Duration::from_secs(3_600)));
        assert!(!rings_within(&alarm, NOT_AT_ALL));
        alarm.set(Some(now));
        assert!(rings_within(&alarm, A_LONG_TIME));
    }

    #[test]
    fn without_a_deadline_nothing_rings() {
        let mut alarm = Alarm::new().expect("Linux has timers");
        alarm.set(None);
        assert!(!rings_within(&alarm, NOT_AT_ALL));
    }
}
