//! Where the hosts of our own services were found last.
//!
//! What the relay refuses must not become reachable because a name server was not, just when the
//! configuration was read again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a name may take to resolve.
const RESOLVING: Duration = Duration::from_secs(2);

/// A host and a port.
type Place = (String, u16);

/// The last answer for each name that a configuration has had: a database's and a Redis's.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved(Arc<Mutex<BTreeMap<Place, Vec<SocketAddr>>>>);

impl Resolved {
    /// The addresses of a place, as it is known now or was before. `None` when it never was.
    pub(super) async fn addresses(&self, place: Place) -> Option<Vec<SocketAddr>> {
        let (host, port) = &place;
        let asking = tokio::net::lookup_host((host.as_str(), *port));
        let found = match tokio::time::timeout(RESOLVING, asking).await {
            Ok(Ok(addresses)) => Some(addresses.collect()),
            Ok(Err(_)) | Err(_) => None,
        };
        self.remember(place, found)
    }

    fn remember(&self, place: Place, found: Option<Vec<SocketAddr>>) -> Option<Vec<SocketAddr>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Some(found) => {
                known.insert(place, found.clone());
                Some(found)
            }
            None => known.get(&place).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_resolve_any_more_is_where_it_was() {
        let resolved = Resolved::default();
        let at = |last| vec![SocketAddr::from(([10, 0, 0, last], 5432))];
        let ask = |host: &str, found| resolved.remember((host.to_owned(), 5432), found);
        assert_eq!(ask("db.example", None), None);
        assert_eq!(ask("db.example", Some(at(5))), Some(at(5)));
        assert_eq!(ask("db.example", None), Some(at(5)));
        assert_eq!(ask("db.example", Some(at(6))), Some(at(6)));
        assert_eq!(ask("db.example", None), Some(at(6)));
        assert_eq!(ask("redis.example", None), None);
    }
}
