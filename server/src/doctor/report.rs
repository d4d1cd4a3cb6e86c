//! What was found, line by line while it is looked for, and as JSON.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use confer_turn_core::Transport;
use serde::Serialize;

use super::layout::text;
use super::target::{Goal, Place, word};

/// What is looked at, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Step {
    Name,
    Connect,
    Handshake,
    Certificate,
    Binding,
    Allocate,
    Peer,
    Relay,
    Release,
}

impl Step {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Connect => "connect",
            Self::Handshake => "handshake",
            Self::Certificate => "certificate",
            Self::Binding => "binding",
            Self::Allocate => "allocate",
            Self::Peer => "peer",
            Self::Relay => "relay",
            Self::Release => "release",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Good,
    Warning,
    Failed,
    /// It is not there, nor need it be.
    Absent,
    /// It was not tried.
    Skipped,
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warn",
            Self::Failed => "FAIL",
            Self::Absent => "none",
            Self::Skipped => "-",
        }
    }
}

/// One line: what a step came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) step: Step,
    pub(crate) outcome: Outcome,
    pub(crate) says: String,
    /// What that most likely means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) means: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub(crate) took: Option<Duration>,
}

fn milliseconds<S: serde::Serializer>(took: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    // Microseconds are as exact as a network is.
    let rounded = |took: &Duration| took.as_micros() as f64 / 1000.0;
    took.as_ref().map(rounded).serialize(to)
}

/// What a place, or a goal, came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The word for it.
    Works(&'static str),
    Fails(String),
    /// Nothing is there, nor need it be.
    Absent(String),
    /// This machine has no way there.
    Skipped(String),
}

/// One address of one place.
#[derive(Debug, Serialize)]
pub(crate) struct PlaceReport {
    url: String,
    address: SocketAddr,
    works: bool,
    checks: Vec<Finding>,
}

/// A host name.
#[derive(Debug, Serialize)]
pub(crate) struct NameReport {
    host: String,
    #[serde(flatten)]
    finding: Finding,
}

#[derive(Debug, Serialize)]
pub(crate) struct GoalReport {
    name: String,
    transport: &'static str,
    optional: bool,
    works: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    places: Vec<PlaceReport>,
    #[serde(skip)]
    sentence: String,
}

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Whether all that was asked for works.
    pub(crate) works: bool,
    pub(crate) summary: String,
    names: Vec<NameReport>,
    goals: Vec<GoalReport>,
    #[serde(skip)]
    form: Form,
    /// The next goal's.
    #[serde(skip)]
    places: Vec<PlaceReport>,
    /// Explanations that were printed; each is read once.
    #[serde(skip)]
    explained: BTreeSet<String>,
}

/// How a report is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Lines as they are found.
    #[default]
    Text,
    /// One object at the end.
    Json,
}

impl Report {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, ..Self::default() }
    }

    /// Says what is being waited for, where somebody watches.
    pub(crate) fn begin(&self, step: Step) {
        let mut stderr = std::io::stderr();
        if self.form == Form::Text && stderr.is_terminal() {
            let _ = write!(stderr, "\r  …              {}", step.word());
        }
    }

    fn print(&self, text: &str) {
        match self.form {
            Form::Json => {}
            Form::Text => {
                let mut stderr = std::io::stderr();
                if stderr.is_terminal() {
                    // What was waited for is over: the line is cleared.
                    let _ = write!(stderr, "\r\x1b[K");
                }
                crate::print(&crate::harmless(text));
            }
        }
    }

    /// What a host name came to.
    pub(crate) fn name(&mut self, host: &str, finding: Finding) {
        let line = text(&finding, &mut self.explained);
        self.print(&format!("{host}\n{line}\n"));
        self.names.push(NameReport { host: host.to_owned(), finding });
    }

    /// An address of a place comes next.
    pub(crate) fn place(&mut self, place: &Place, address: SocketAddr) {
        let at = if place.host == address.ip().to_string() {
            String::new()
        } else {
            format!(" at {}", address.ip())
        };
        self.print(&format!("{place}{at}\n"));
        let checks = Vec::new();
        self.places.push(PlaceReport { url: place.to_string(), address, works: false, checks });
    }

    /// What a step came to, at the address that was told last.
    pub(crate) fn found(&mut self, finding: Finding) {
        let line = text(&finding, &mut self.explained);
        self.print(&line);
        if let Some(place) = self.places.last_mut() {
            place.checks.push(finding);
        }
    }

    /// All steps at the address that was told last are done.
    pub(crate) fn left(&mut self) -> Standing {
        self.print("\n");
        let Some(place) = self.places.last_mut() else { return Standing::Fails(String::new()) };
        let first = |outcome| place.checks.iter().find(move |check| check.outcome == outcome);
        let standing = match (first(Outcome::Failed), place.checks.as_slice()) {
            (Some(failed), _) => Standing::Fails(failed.says.clone()),
            (None, [only]) if only.outcome == Outcome::Absent => {
                Standing::Absent(only.says.clone())
            }
            (None, [only]) if only.outcome == Outcome::Skipped => {
                Standing::Skipped(only.says.clone())
            }
            (None, checks) => Standing::Works(works(checks)),
        };
        place.works = matches!(standing, Standing::Works(_));
        standing
    }

    /// All places of a goal are done.
    pub(crate) fn goal(&mut self, goal: &Goal, transport: Transport, standing: Standing) {
        let name = goal.name();
        let (works, reason) = match &standing {
            Standing::Works(_) => (true, None),
            Standing::Fails(reason) | Standing::Absent(reason) | Standing::Skipped(reason) => {
                (false, Some(reason.clone()))
            }
        };
        let short = match goal.places.as_slice() {
            [_] | [] => format!("{} ({name})", word(transport)),
            [..] => name.clone(),
        };
        let sentence = match standing {
            Standing::Works(word) => format!("{short} {word}{}", self.ports(goal)),
            Standing::Fails(reason) => format!("{short} does not work: {reason}"),
            Standing::Absent(_) => format!("{short} is not served, nor need it be"),
            Standing::Skipped(reason) => format!("{short} was not tried: {reason}"),
        };
        let (transport, optional) = (transport_word(transport), goal.optional);
        let places = std::mem::take(&mut self.places);
        self.goals.push(GoalReport { name, transport, optional, works, reason, places, sentence });
    }

    /// Where it works, when that is only one of several places.
    fn ports(&self, goal: &Goal) -> String {
        if goal.places.len() < 2 {
            return String::new();
        }
        let working = self.places.iter().filter(|place| place.works);
        let ports: BTreeSet<u16> = working.map(|place| place.address.port()).collect();
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        format!(" at port {}", ports.join(" and "))
    }

    /// Ends the report; gives whether all that was asked for works.
    pub(crate) fn end(mut self) -> bool {
        self.works = self.goals.iter().all(|goal| goal.works || goal.optional);
        let sentences: Vec<&str> = self.goals.iter().map(|goal| goal.sentence.as_str()).collect();
        self.summary = format!("{}.", sentences.join("; "));
        match self.form {
            Form::Text => self.print(&format!("{}.\n", sentences.join(".\n"))),
            Form::Json => {
                let told = serde_json::to_string_pretty(&self).expect("maps have text as keys");
                crate::print(&format!("{told}\n"));
            }
        }
        self.works
    }
}

/// The word for a place without failures: what was tried decides.
fn works(checks: &[Finding]) -> &'static str {
    let outcome = |step| checks.iter().find(|check| check.step == step).map(|check| check.outcome);
    match (outcome(Step::Relay), outcome(Step::Peer)) {
        (None, _) => "answers",
        (Some(Outcome::Good), Some(Outcome::Warning)) => {
            "works, though packets of peers do not reach it unasked"
        }
        (Some(Outcome::Good), _) => "works",
        (Some(_), _) => "grants relayed addresses; packets were not tried",
    }
}

fn transport_word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Dtls => "dtls",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(outcome: Outcome) -> Finding {
        Finding {
            step: Step::Binding,
            outcome,
            says: "no answer within 5 s".to_owned(),
            means: None,
            next: None,
            took: Some(Duration::from_micros(5_001_234)),
        }
    }

    #[test]
    fn the_report_says_what_works_and_what_does_not() {
        let goals = "turn.example.org".parse::<super::super::target::Asked>().expect("a host").0;
        let mut report = Report::new(Form::Json);
        let address = "192.0.2.7:3478".parse().expect("a literal");
        for goal in &goals {
            let place = &goal.places[0];
            report.place(place, address);
            let works = matches!(place.transport, Transport::Udp | Transport::Tls);
            report.found(finding(match (works, goal.optional) {
                (true, _) => Outcome::Warning,
                (false, true) => Outcome::Absent,
                (false, false) => Outcome::Failed,
            }));
            let standing = report.left();
            assert_eq!(matches!(standing, Standing::Works(_)), works);
            report.goal(goal, place.transport, standing);
        }
        let told = serde_json::to_value(&report).expect("it is text");
        assert_eq!(told["goals"][1]["transport"], "tcp");
        assert_eq!(told["goals"][1]["reason"], "no answer within 5 s");
        assert_eq!(told["goals"][0]["places"][0]["checks"][0]["step"], "binding");
        assert_eq!(told["goals"][0]["places"][0]["checks"][0]["milliseconds"], 5001.234);
        assert!(told["goals"][0]["reason"].is_null());
        let goals = &report.goals;
        assert_eq!(goals[2].sentence, "TLS to turn.example.org answers at port 3478");
        assert!(goals[3].sentence.contains("nor need it be"), "{}", goals[3].sentence);
        assert!(!report.end(), "TCP was asked for");
    }

    #[test]
    fn a_family_this_machine_lacks_is_no_failure_of_the_server() {
        let place = "turn:[2001:db8::7]".parse::<super::super::target::Asked>().expect("a URL");
        let mut report = Report::new(Form::Json);
        report.place(&place.0[0].places[0], "[2001:db8::7]:3478".parse().expect("a literal"));
        report.found(finding(Outcome::Skipped));
        assert!(matches!(report.left(), Standing::Skipped(_)));
    }
}
