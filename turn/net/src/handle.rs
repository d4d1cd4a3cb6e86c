//! The way to the relay for other parts of the server.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use confer_turn_core::{Event, FiveTuple, SessionInfo, Transport};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, oneshot};

use crate::certificate::{Certificate, CertificateError, CertificateStore};
use crate::inbox::canonical;
use crate::link::{Control, Link};
use crate::stats::{Counters, StatsSnapshot};
use crate::stream::Streams;

/// The way to the relay for other parts of the server.
#[derive(Clone)]
pub struct TurnHandle {
    pub(crate) links: Arc<[Link]>,
    pub(crate) counters: Arc<[Arc<Counters>]>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) certificates: Option<Arc<CertificateStore>>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) listening: Arc<[SocketAddr]>,
}

impl TurnHandle {
    /// The addresses that were bound, in the order of the configuration.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// The counters now.
    pub fn stats(&self) -> StatsSnapshot {
        let threads = self.counters.iter().map(AsRef::as_ref);
        StatsSnapshot::gather(threads, &self.streams.counters)
    }

    /// What happens to allocations from now on: [`Event::Allocated`], [`Event::Refreshed`] with
    /// what was carried so far, [`Event::Moved`], [`Event::Closed`]. Who does not keep up loses
    /// the oldest and is told how many.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Ends every allocation of an identity, whose right to relay ended, and the connections over
    /// which it was held or used; says how many allocations there were.
    /// Of an identity that is written `a/b`, each part alone ends all that it is a part of.
    pub async fn kick(&self, user: &str) -> usize {
        self.end(user, None).await
    }

    /// As [`TurnHandle::kick`], and with its ephemeral credentials that expire up to this Unix time
    /// the identity makes no further ones.
    pub async fn revoke(&self, user: &str, until: u64) -> usize {
        self.end(user, Some(until)).await
    }

    async fn end(&self, user: &str, until: Option<u64>) -> usize {
        let ask = |ended| Control::Kick { user: user.to_owned(), until, ended };
        self.ask(ask).await.into_iter().sum()
    }

    /// Every allocation.
    pub async fn sessions(&self) -> Vec<SessionInfo> {
        let found = self.ask(|found| Control::Sessions { found }).await;
        found.into_iter().flatten().collect()
    }

    /// From now on no allocation is made; those that are live on.
    pub async fn drain(&self) {
        for link in self.links.iter() {
            link.request(Control::Drain).await;
        }
    }

    /// Takes changed secrets, users, limits and policies. Allocations stay, but permissions that
    /// the policy no longer gives are dropped. Tenants must keep their places.
    pub async fn reconfigure(&self, core: confer_turn_core::Config) {
        for (shard, link) in (0..=u8::MAX).zip(self.links.iter()) {
            let core = Box::new(confer_turn_core::Config { shard, ..core.clone() });
            link.request(Control::Reconfigure { core }).await;
        }
    }

    /// Shows another certificate from now on. Connections stay.
    ///
    /// # Errors
    /// When it cannot be used; the one before stays then.
    pub fn set_certificate(&self, certificate: &Certificate) -> Result<(), CertificateError> {
        match &self.certificates {
            Some(store) => store.set(certificate),
            // Nothing is served over TLS, so nobody will be shown anything.
            None => Ok(()),
        }
    }

    /// Takes over a connection that somebody else accepted, from which TLS was taken off if
    /// `transport` is [`Transport::Tls`], and of which `first_bytes` were read. It counts for its
    /// network's share of connections, and not for any listener's.
    pub fn adopt<S>(
        &self,
        stream: S,
        (client, server): (SocketAddr, SocketAddr),
        transport: Transport,
        first_bytes: Vec<u8>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (client, server) = (canonical(client), canonical(server));
        self.streams.adopt(stream, FiveTuple { client, server, transport }, first_bytes);
    }

    /// Asks all threads the same; those that are gone do not answer.
    async fn ask<A>(&self, request: impl Fn(oneshot::Sender<A>) -> Control) -> Vec<A> {
        let mut answers = Vec::new();
        for link in self.links.iter() {
            let (sender, answer) = oneshot::channel();
            if link.request(request(sender)).await
                && let Ok(answer) = answer.await
            {
                answers.push(answer);
            }
        }
        answers
    }
}

impl fmt::Debug for TurnHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnHandle").field("listening", &self.listening).finish_non_exhaustive()
    }
}
