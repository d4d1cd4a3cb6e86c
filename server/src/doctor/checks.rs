//! The steps at one address of one place, in their order. Each ends in a finding.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use confer_turn_core::client::{Ask, Grant};
use confer_turn_core::{Family, PeerPolicy};

use super::link::Link;
use super::login::Login;
use super::report::{Finding, Outcome, Report, Step};
use super::target::{Place, Service};
use super::trouble::{Language, Trouble, span};
use super::trust::Trust;
use super::verdict::{self, Scene, Verdict, explain};
use super::way::Manner;

/// What is the same for every place.
pub(crate) struct Practice {
    pub(crate) login: Login,
    pub(crate) trust: Arc<Trust>,
    pub(crate) patience: Duration,
    pub(crate) family: Option<Family>,
}

/// The steps at one address.
pub(crate) struct Visit<'a> {
    pub(super) practice: &'a Practice,
    pub(super) place: &'a Place,
    pub(super) address: SocketAddr,
    pub(super) wanted: Wanted,
    pub(super) report: &'a mut Report,
    pub(super) manner: Manner,
    pub(super) began: Instant,
    pub(super) step: Step,
    /// Where the server sees us.
    pub(super) seen: Option<SocketAddr>,
    misnamed: bool,
}

/// How much a place is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Nobody asked for it by name, and few servers have it.
    pub(crate) optional: bool,
    /// The name has another address, which may do when there is no way to this one.
    pub(crate) dispensable: bool,
}

impl<'a> Visit<'a> {
    pub(crate) fn new(
        practice: &'a Practice,
        place: &'a Place,
        address: SocketAddr,
        wanted: Wanted,
        report: &'a mut Report,
    ) -> Self {
        Self {
            practice,
            place,
            address,
            wanted,
            report,
            manner: Manner { alpn: true, lenient: false },
            began: Instant::now(),
            step: Step::Connect,
            seen: None,
            misnamed: false,
        }
    }

    /// Takes every step that the ones before it allow.
    pub(crate) async fn make(mut self) {
        let Some((way, own)) = self.enter().await else { return };
        let now = crate::clock::unix_seconds();
        let proof = match self.manner.lenient {
            // Whoever shows a false certificate gets no proof to guess the password by.
            true => None,
            false => self.practice.login.proof(now),
        };
        let mut link = Link::new(way, proof.as_ref(), self.practice.patience);
        if !self.binding(&mut link, own).await || self.place.service == Service::Stun {
            return;
        }
        let Some(relayed) = self.allocate(&mut link).await else { return };
        self.peer(&mut link, relayed).await;
        let other = self.relay(&mut link, relayed, proof.as_ref()).await;
        self.release(link, other).await;
    }

    /// Asks for our own address. Says whether somebody is there who can be asked for more.
    async fn binding(&mut self, link: &mut Link, own: SocketAddr) -> bool {
        self.begin(Step::Binding);
        match link.ask(Ask::Binding).await {
            Ok(Grant { mapped: Some(seen), .. }) => {
                self.tell(Outcome::Good, &verdict::mapped(seen, own));
                self.seen = Some(seen);
                true
            }
            Ok(_) => self.trouble(&Trouble::Incomplete),
            // The binding service may be switched off where the relay is not.
            Err(Trouble::Code { code, .. }) if self.place.service == Service::Turn => {
                self.tell(Outcome::Warning, &format!("{code}: the server does not tell addresses"));
                true
            }
            Err(trouble @ Trouble::Silent) => match link.betrayed().await {
                Some(language @ (Language::Http | Language::Ssh | Language::Mail)) => {
                    self.trouble(&Trouble::Speaks(language))
                }
                Some(Language::Tls | Language::Unknown) | None => self.trouble(&trouble),
            },
            Err(trouble) => self.trouble(&trouble),
        }
    }

    /// Asks for a relayed address.
    async fn allocate(&mut self, link: &mut Link) -> Option<SocketAddr> {
        self.begin(Step::Allocate);
        match link.ask(self.allocation()).await {
            Ok(Grant { relayed: Some(relayed), lifetime, .. }) => {
                self.allocated(link, relayed, lifetime);
                return Some(relayed);
            }
            Ok(_) => self.trouble(&Trouble::Incomplete),
            Err(Trouble::CredentialsWanted { realm }) if self.manner.lenient => {
                let says = format!(
                    "a relay answers (realm {realm:?}); no credentials are shown over an \
                     unverified connection"
                );
                self.tell(Outcome::Skipped, &says)
            }
            Err(trouble @ Trouble::Code { code: 401, .. }) => {
                let ahead = self.clock_is_ahead().await;
                self.trouble(if ahead { &Trouble::ClockAhead } else { &trouble })
            }
            Err(trouble) => self.trouble(&trouble),
        };
        None
    }

    pub(super) fn allocation(&self) -> Ask {
        self.practice.family.map_or(Ask::Allocate, Ask::AllocateIn)
    }

    fn allocated(&mut self, link: &Link, at: SocketAddr, lifetime: Option<u32>) {
        let lifetime = Duration::from_secs(lifetime.unwrap_or_default().into());
        let says = format!("relayed at {at} for {}", span(lifetime));
        let took = self.began.elapsed();
        let global = |ip: IpAddr| PeerPolicy::default().permits_address(ip);
        self.misnamed = global(self.address.ip()) && !global(at.ip());
        let verdict = if self.misnamed {
            verdict::private_address(says)
        } else if !link.challenged() {
            verdict::open_relay(says)
        } else {
            Verdict::good(says)
        };
        self.report.found(verdict.finding(Step::Allocate, took));
    }

    /// Whether a credential that was refused is taken when it expires much later.
    async fn clock_is_ahead(&self) -> bool {
        let Some(late) = self.practice.login.late_proof(crate::clock::unix_seconds()) else {
            return false;
        };
        let Ok(way) = self.again().await else { return false };
        let mut link = Link::new(way, Some(&late), self.practice.patience);
        if link.ask(self.allocation()).await.is_err() {
            return false;
        }
        // It expires by itself when this gets lost.
        let _ = link.ask(Ask::Refresh { seconds: 0 }).await;
        true
    }

    /// Gives up both allocations, so that nothing is left of the visit.
    async fn release(&mut self, mut link: Link, other: Option<Link>) {
        self.begin(Step::Release);
        if let Some(mut other) = other {
            // It is the first one's answer that counts; this one expires by itself.
            let _ = other.ask(Ask::Refresh { seconds: 0 }).await;
        }
        match link.ask(Ask::Refresh { seconds: 0 }).await {
            Ok(_) => self.tell(Outcome::Good, "the allocation is given up"),
            Err(trouble) => self.trouble(&trouble),
        };
    }

    pub(super) fn begin(&mut self, step: Step) {
        self.step = step;
        self.began = Instant::now();
        self.report.begin(step);
    }

    pub(super) fn scene(&self) -> Scene<'a> {
        Scene {
            place: self.place,
            login: &self.practice.login,
            step: self.step,
            patience: self.practice.patience,
            now: crate::clock::unix_seconds(),
            misnamed: self.misnamed,
        }
    }

    /// Reports what the step came to. Gives `false`, as nothing of it is granted.
    pub(super) fn trouble(&mut self, trouble: &Trouble) -> bool {
        let took = self.began.elapsed();
        let mut verdict = explain(trouble, &self.scene());
        let nobody = matches!(trouble, Trouble::Silent | Trouble::Refused | Trouble::Cut);
        if self.wanted.optional && nobody && self.step == Step::Handshake {
            verdict = verdict.absent();
        }
        self.report.found(verdict.finding(self.step, took));
        false
    }

    pub(super) fn tell(&mut self, outcome: Outcome, says: &str) -> bool {
        let took = Some(self.began.elapsed());
        let (step, says) = (self.step, says.to_owned());
        self.report.found(Finding { step, outcome, says, means: None, next: None, took });
        false
    }
}
