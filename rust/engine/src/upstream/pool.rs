//! Idle connections of one core, by origin, last used first out: the freshest is the least likely to be dead.

use std::time::{Duration, Instant};

use foldhash::HashMap;

use super::counts::IdleShare;
use super::{Connection, Origin};

/// One core's idle connections.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: HashMap<String, IdleConnections>,
}

#[derive(Debug)]
struct IdleConnections {
    connections: Vec<Idle>,
    shown: IdleShare,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// A live connection to the origin, if one is idle (or shareable).
    pub(crate) fn take(&mut self, origin: &Origin, now: Instant) -> Option<Connection> {
        let idle = &mut self.idle.get_mut(origin.key())?.connections;
        while let Some(mut candidate) = idle.pop() {
            if !candidate.connection.is_usable() {
                continue;
            }
            if let Some(shared) = candidate.connection.share() {
                candidate.since = now;
                idle.push(candidate);
                return Some(shared);
            }
            return Some(candidate.connection);
        }
        None
    }

    /// Keeps a connection for later, unless it is spent or enough are kept already.
    pub(crate) fn keep(&mut self, origin: &Origin, mut connection: Connection, limit: usize, now: Instant) {
        if !connection.is_usable() {
            return;
        }
        let idle = match self.idle.get_mut(origin.key()) {
            Some(idle) => idle,
            None => self.idle.entry(origin.key().to_owned()).or_insert_with(|| IdleConnections {
                connections: Vec::new(),
                shown: IdleShare::new(&origin.connections),
            }),
        };
        if idle.connections.len() < limit {
            idle.connections.push(Idle { connection, since: now });
        }
    }

    /// Drops connections that have been idle for too long or that the peer has closed.
    pub(crate) fn sweep(&mut self, now: Instant, idle_timeout: Duration) {
        self.idle.retain(|_, idle| {
            let connections = &mut idle.connections;
            connections
                .retain_mut(|entry| now.duration_since(entry.since) < idle_timeout && entry.connection.is_usable());
            idle.shown.set(connections.len());
            !connections.is_empty()
        });
    }
}
