//! Whether the relay reaches an address, in words.

use std::net::{IpAddr, SocketAddr};

use confer_turn_core::policy::canonical;
use confer_turn_core::{Credentials, PeerPolicy, Rule, TenantId};
use serde::Serialize;
use utoipa::ToSchema;

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

/// The peer policies of a relay, by the names of its tenants. The first is what `[turn]` itself
/// says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies(Vec<(String, PeerPolicy)>);

impl Policies {
    pub(crate) fn of(credentials: &Credentials) -> Self {
        let tenants = (0..).map_while(|place| credentials.tenant(TenantId(place)));
        Self(tenants.map(|tenant| (tenant.name.clone(), tenant.policy.clone())).collect())
    }

    /// The names of the tenants, in the order of their places.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// That of a tenant, or of `[turn]` itself.
    pub(crate) fn find(&self, tenant: Option<&str>) -> Option<&PeerPolicy> {
        let (first, others) = self.0.split_first()?;
        let found = match tenant {
            None => first,
            Some(name) => others.iter().find(|(other, _)| other == name)?,
        };
        Some(&found.1)
    }

    /// What a tenant is called, also after it was taken away.
    pub(crate) fn name(&self, tenant: TenantId) -> Option<String> {
        self.0.get(tenant.0).map(|(name, _)| name.clone())
    }
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
        Rule::OwnHost => {
            "it is another service of this host, and turn.allowed-peers does not name it".to_owned()
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
