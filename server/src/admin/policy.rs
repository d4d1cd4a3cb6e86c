//! Whether the relay reaches an address, in words.

use std::net::{IpAddr, SocketAddr};

use confer_turn_core::policy::canonical;
use confer_turn_core::{PeerPolicy, Rule, TenantId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::assemble::relay::Shape;
use crate::config::Config;

/// A decision of the relay's peer policy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Judged {
    /// As it was asked for.
    pub(crate) address: String,
    /// What the address means in the end, if that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) canonical: Option<String>,
    pub(crate) permitted: bool,
    /// The rule that decides.
    pub(crate) why: String,
}

/// The policy of a tenant, or of `[turn]` itself.
pub(crate) async fn of(shape: &Shape, config: &Config, tenant: Option<&str>) -> Option<PeerPolicy> {
    let core = shape.core(config).await;
    let place = match tenant {
        None => 0,
        Some(name) => 1 + config.turn.tenants.iter().position(|tenant| tenant.name == name)?,
    };
    core.credentials.tenant(TenantId(place)).map(|tenant| tenant.policy.clone())
}

/// Decides about an address with or without a port; `None` when it is neither.
pub(crate) fn judge(policy: &PeerPolicy, text: &str) -> Option<Judged> {
    let bare = || text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let (ip, rule) = match text.parse::<SocketAddr>() {
        Ok(peer) => (peer.ip(), policy.judge(peer)),
        Err(_) => {
            let ip = bare()?;
            (ip, policy.judge_network(ip))
        }
    };
    let means = canonical(ip);
    Some(Judged {
        address: text.to_owned(),
        canonical: (means != ip).then(|| means.to_string()),
        permitted: rule.permits(),
        why: words(rule),
    })
}

fn words(rule: Rule) -> String {
    match rule {
        Rule::OwnMedia => "it is this server's own media plane".to_owned(),
        Rule::OwnRelay => "this server relays from there (turn.external-addresses)".to_owned(),
        Rule::OwnService => {
            "it is this server itself, its database or its Redis, which nobody reaches".to_owned()
        }
        Rule::NoPort => "nothing listens at port 0".to_owned(),
        Rule::Denied(net) => format!("{net} is denied (turn.denied-peers, or cloud metadata)"),
        Rule::Allowed(net) => format!("{net} is allowed (turn.allowed-peers)"),
        Rule::Global => "it is globally routable".to_owned(),
        Rule::NotGlobal => {
            "it is not globally routable, and turn.allowed-peers does not name it".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_told_with_its_rule_and_what_the_address_means() {
        let policy = PeerPolicy {
            allowed: vec!["10.0.0.0/8".parse().expect("a literal")],
            own_services: ["10.0.0.1:5432".parse().expect("a literal")].into(),
            ..PeerPolicy::default()
        };
        let told = |text| judge(&policy, text).expect("an address");
        assert!(told("10.1.2.3").permitted);
        assert!(!told("10.0.0.1:5432").permitted);
        let hidden = told("[::ffff:192.168.0.1]:80");
        assert!(!hidden.permitted);
        assert_eq!(hidden.canonical.as_deref(), Some("192.168.0.1"));
        assert!(told("2606:4700::1111").permitted);
        assert!(judge(&policy, "example.org").is_none());
    }
}
