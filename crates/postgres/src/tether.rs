use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// A child process that does not outlive this one.
///
/// The kernel signals the child when the *thread* that started it ends (prctl(2),
/// `PR_SET_PDEATHSIG`), so that thread does nothing but start the child and wait for it.
#[derive(Debug)]
pub struct Tether {
    pid: Pid,
    ended: Arc<Ended>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Ended {
    status: Mutex<Option<ExitStatus>>,
    changed: Condvar,
}

impl Tether {
    /// Starts `command` in a session of its own, so that a Ctrl-C at the terminal reaches it only
    /// through this process. Should this process end in any way, the child gets `farewell`.
    ///
    /// # Errors
    /// When the thread or the program cannot be started.
    pub fn spawn(mut command: Command, farewell: Signal) -> io::Result<Self> {
        let ended = Arc::new(Ended::default());
        let told = Arc::clone(&ended);
        let (send_pid, pid) = mpsc::sync_channel(1);
        let thread =
            std::thread::Builder::new().name("child-keeper".to_owned()).spawn(move || {
                match start(&mut command, farewell) {
                    Ok(mut child) => {
                        let _ = send_pid.send(Ok(Pid::from_child(&child)));
                        // Waiting for one's own child fails only when it was waited for already.
                        let status = child.wait().unwrap_or_default();
                        *told.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
                        told.changed.notify_all();
                    }
                    Err(error) => {
                        let _ = send_pid.send(Err(error));
                    }
                }
            })?;
        let pid = pid.recv().map_err(|_| io::Error::other("the keeper thread ended"))??;
        Ok(Self { pid, ended, thread: Some(thread) })
    }

    /// The child's process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// How the child ended, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        *self.ended.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a signal, unless the child has ended, when its number may be another's.
    pub fn signal(&self, signal: Signal) {
        if self.status().is_none() {
            // It may end between the two; nobody but the keeper reaps it, so the number still is its.
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Waits for the end of the child, no longer than `limit`.
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        let mut status = self.ended.status.lock().unwrap_or_else(PoisonError::into_inner);
        while status.is_none() {
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.ended.changed.wait_timeout(status, left);
            status = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *status
    }
}

impl Drop for Tether {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[expect(unsafe_code, reason = "what runs between fork and exec can be set up in no other way")]
fn start(command: &mut Command, farewell: Signal) -> io::Result<Child> {
    let parent = rustix::process::getpid();
    let prepare = move || {
        rustix::process::setsid()?;
        end_with_parent(parent, farewell)
    };
    // SAFETY: `prepare` only makes system calls; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
    command.spawn()
}

/// Runs after the user was changed, because that clears the wish.
#[cfg(target_os = "linux")]
fn end_with_parent(parent: Pid, farewell: Signal) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(farewell))?;
    // The parent may have ended before it was asked.
    if rustix::process::getppid() == Some(parent) {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(rustix::io::Errno::CHILD.raw_os_error()))
    }
}

/// Other systems have no such call: after a `kill -9` the next start stops what still runs.
#[cfg(not(target_os = "linux"))]
fn end_with_parent(_: Pid, _: Signal) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_signalled_waited_for_and_reported() {
        let mut command = Command::new("sleep");
        command.arg("1000");
        let child = Tether::spawn(command, Signal::TERM).expect("sleep starts");
        assert_eq!(child.status(), None);
        child.signal(Signal::TERM);
        let status = child.wait(Duration::from_secs(30)).expect("it ends");
        assert!(!status.success());
        assert_eq!(child.status(), Some(status));
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let error = Tether::spawn(Command::new("/no/such/program"), Signal::TERM);
        assert_eq!(error.expect_err("there is none").kind(), io::ErrorKind::NotFound);
    }
}
