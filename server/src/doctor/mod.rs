//! `confer doctor turn`: looks at a relay as its clients do, and says what works, what does not,
//! what that most likely means, and what to do.
//!
//! [`checks`] and [`payload`] take the steps, [`entrance`], [`way`] and [`link`] reach the relay, [`verdict`] and [`codes`] know
//! what a failure means (they touch nothing), [`report`] tells it.

mod certificate;
mod checks;
mod codes;
mod dtls;
mod entrance;
mod layout;
mod link;
mod login;
mod payload;
mod report;
mod target;
mod trouble;
mod trust;
mod verdict;
mod way;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use confer_turn_core::{Family, Transport};
use tokio::time::timeout;

use crate::cli::{PeerFamily, TurnDoctorArgs};
use checks::{Practice, Visit, Wanted};
use login::{Login, LoginError};
use report::{Finding, Form, Outcome, Report, Standing, Step};
pub(crate) use target::Asked;
use target::{Goal, Place};
use trouble::{Trouble, span};
use trust::{Trust, TrustError};
use verdict::{Scene, explain};

/// Addresses of one name that are looked at.
const ADDRESSES: usize = 4;
/// The variable with a password.
const PASSWORD: &str = "CONFER_TURN_PASSWORD";
/// The variable with a file of trusted certificates.
const TRUSTED: &str = "SSL_CERT_FILE";

/// Why nothing was looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoctorError {
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// Looks at everything that is asked for; gives whether all of it works.
pub(crate) async fn turn(
    args: &TurnDoctorArgs,
    environment: &BTreeMap<String, String>,
) -> Result<bool, DoctorError> {
    let named = environment.get(TRUSTED);
    let practice = Practice {
        login: Login::read(
            args.user.as_deref(),
            args.password_file.as_ref(),
            args.secret_file.as_ref(),
            environment.get(PASSWORD).map(String::as_str),
        )?,
        trust: Arc::new(Trust::read(named.map(Path::new), args.ca.as_deref())?),
        patience: args.timeout,
        family: args.peer_family.map(|family| match family {
            PeerFamily::V4 => Family::V4,
            PeerFamily::V6 => Family::V6,
        }),
    };
    let report = Report::new(if args.json { Form::Json } else { Form::Text });
    let mut doctor = Doctor { practice, report, resolved: BTreeMap::new() };
    for goal in args.urls.iter().flat_map(|Asked(goals)| goals) {
        doctor.look_at(goal).await;
    }
    Ok(doctor.report.end())
}

struct Doctor {
    practice: Practice,
    report: Report,
    /// Hosts that were asked for, so that each is asked for once.
    resolved: BTreeMap<String, Result<Vec<IpAddr>, String>>,
}

impl Doctor {
    /// Tries every place of a goal. One that works is enough.
    async fn look_at(&mut self, goal: &Goal) {
        let mut standing = Standing::Fails("nothing was tried".to_owned());
        let mut transport = Transport::Udp;
        for place in &goal.places {
            transport = place.transport;
            let found = match self.resolve(place).await {
                Ok(addresses) => self.visit(place, &addresses, goal.optional).await,
                Err(reason) => Standing::Fails(reason),
            };
            // What works wins; of failures the first, which is at the most usual place.
            let first = *place == goal.places[0];
            if matches!(found, Standing::Works(_)) || first {
                standing = found;
            }
        }
        self.report.goal(goal, transport, standing);
    }

    /// Looks at every address of a place. All that this machine can reach must work.
    async fn visit(&mut self, place: &Place, addresses: &[IpAddr], optional: bool) -> Standing {
        let mut standing = None;
        for ip in addresses {
            let address = SocketAddr::new(*ip, place.port);
            self.report.place(place, address);
            let wanted = Wanted { optional, dispensable: addresses.len() > 1 };
            Visit::new(&self.practice, place, address, wanted, &mut self.report).make().await;
            let found = self.report.left();
            standing = Some(match (standing, found) {
                (None | Some(Standing::Skipped(_)), found) => found,
                (Some(earlier), Standing::Skipped(_)) => earlier,
                (Some(failed @ (Standing::Fails(_) | Standing::Absent(_))), _) => failed,
                (Some(Standing::Works(_)), found) => found,
            });
        }
        standing.unwrap_or_else(|| Standing::Fails("it has no address".to_owned()))
    }

    /// The addresses of a host, or why there are none.
    async fn resolve(&mut self, place: &Place) -> Result<Vec<IpAddr>, String> {
        if let Ok(literal) = place.host.parse() {
            return Ok(vec![literal]);
        }
        if let Some(known) = self.resolved.get(&place.host) {
            return known.clone();
        }
        self.report.begin(Step::Name);
        let began = Instant::now();
        let patience = self.practice.patience;
        let looked_up =
            timeout(patience, tokio::net::lookup_host((place.host.as_str(), place.port))).await;
        let found = match looked_up {
            Ok(Ok(addresses)) => {
                let mut found: Vec<IpAddr> = Vec::new();
                for address in addresses {
                    if !found.contains(&address.ip()) {
                        found.push(address.ip());
                    }
                }
                found.truncate(ADDRESSES);
                found.sort_by_key(IpAddr::is_ipv6);
                if found.is_empty() { Err("no record".to_owned()) } else { Ok(found) }
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {}", span(patience))),
        };
        let told = match found {
            Ok(addresses) => {
                let list: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
                let (step, outcome, says) = (Step::Name, Outcome::Good, list.join(", "));
                let took = Some(began.elapsed());
                let finding = Finding { step, outcome, says, means: None, next: None, took };
                self.report.name(&place.host, finding);
                Ok(addresses)
            }
            Err(why) => {
                let scene = Scene {
                    place,
                    login: &self.practice.login,
                    step: Step::Name,
                    patience,
                    now: crate::clock::unix_seconds(),
                    misnamed: false,
                };
                let verdict = explain(&Trouble::NoAddress(why), &scene);
                let says = verdict.says.clone();
                self.report.name(&place.host, verdict.finding(Step::Name, began.elapsed()));
                Err(says)
            }
        };
        self.resolved.insert(place.host.clone(), told.clone());
        told
    }
}

#[cfg(test)]
mod tests;
