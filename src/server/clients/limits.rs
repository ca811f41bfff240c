//! Memory limits of a client: its query buffer and its output.
//!
//! A hard limit disconnects the client at once; a soft limit once it has been exceeded continuously
//! for its seconds, which a timer checks.

use crate::config::OutputLimit;
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::describe;
use crate::server::clients::session::{ClientId, Ending, Peer, Session, Special};
use crate::server::timers::Timer;

/// Query buffer limit of an unauthenticated client, in bytes. Replies to it are short, and a client
/// that does not read them is not waited for.
const STRANGER_QUERY: usize = 1 << 20;

/// Minimum reply limit in bytes, below which a server could not even describe its commands. An
/// empty server already uses about as much, so that no data fits under a smaller `maxmemory`.
const LEAST_BOUND: u64 = 1 << 20;

/// Maximum pending output of a client without a stricter limit, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct ReplyBounds {
    /// `maxmemory`, at most half of the machine's memory.
    pub most: usize,
    /// The same, or the hard limit of normal clients.
    normal: usize,
}

impl Default for ReplyBounds {
    fn default() -> ReplyBounds {
        ReplyBounds {
            most: usize::MAX,
            normal: usize::MAX,
        }
    }
}

/// Derives the reply limits from the configuration.
pub fn apply_reply_bounds(server: &mut Server) {
    let half = crate::sys::process::total_system_memory() / 2;
    let half = half.max(LEAST_BOUND);
    let most = match server.config.maxmemory {
        0 => half,
        limit => limit.max(LEAST_BOUND).min(half),
    };
    let normal = match server.config.client_output_buffer_limit[0].hard_bytes {
        0 => most,
        hard => hard.min(most),
    };
    server.clients.reply_bounds = ReplyBounds {
        most: most as usize,
        normal: normal as usize,
    };
}

/// Returns the maximum size of the replies to a client, in bytes.
#[inline(always)]
pub fn reply_limit(server: &Server, session: &Session) -> usize {
    let bounds = &server.clients.reply_bounds;
    match session.special.has(Special::SUBSCRIBER) {
        true => bounds.most,
        false => bounds.normal,
    }
}

/// Closes a client whose unfinished request has grown past `client-query-buffer-limit`.
#[inline]
pub fn check_query_limit(server: &mut Server, client: &mut Client) {
    let Some(query) = &client.query else { return };
    let multi = client.session.multi.as_ref();
    // Commands queued for EXEC count too: they have not run either.
    let queued = multi.map_or(0, |multi| multi.argument_bytes());
    let held = query.pending_bytes() + query.argument_bytes() + queued;
    if held <= STRANGER_QUERY {
        return;
    }
    let stranger = !client.session.authenticated;
    if stranger || held > server.config.client_query_buffer_limit {
        let line = describe::client_line(server, client);
        log::warn!("Closing client that reached max query buffer length: {line}");
        server.stats.query_limit_disconnections += 1;
        client.session.ending = Ending::Now;
    }
}

/// Closes a client whose pending output exceeds its limits, or starts the soft limit's timer.
#[inline]
pub fn check_output_limit(server: &mut Server, client: &mut Client) {
    let pending = client.output.pending();
    if std::mem::take(&mut client.output.is_over) {
        return end_slow_reader(server, client);
    }
    if client.output.buffer.holds(pending) || client.session.ending == Ending::Now {
        client.over_soft_limit_ms = None;
        return;
    }
    judge_output(server, client, pending);
}

#[cold]
fn judge_output(server: &mut Server, client: &mut Client, pending: usize) {
    let buffer = &mut client.output.buffer;
    buffer.note(pending);
    let counted = buffer.counted(pending) as u64;
    let [normal, replica, pubsub] = server.config.client_output_buffer_limit;
    let limit = match client.session.peer {
        Peer::Replica => replica,
        _ if client.is_subscriber() => pubsub,
        _ => normal,
    };
    let OutputLimit {
        hard_bytes,
        soft_bytes,
        soft_seconds,
    } = limit;
    // The output of replicas is the stream, which has its own limits.
    let bound = match client.session.peer {
        Peer::Replica => 0,
        _ => server.clients.reply_bounds.most as u64,
    };
    let over = |limit| limit > 0 && counted >= limit;
    let over_hard = over(hard_bytes) || over(bound);
    if over_hard || !client.session.authenticated {
        return end_slow_reader(server, client);
    }
    if soft_bytes == 0 || counted < soft_bytes {
        let limits = [hard_bytes, soft_bytes, bound].into_iter();
        client.output.buffer.judged(limits.filter(|&n| n > 0).min());
        client.over_soft_limit_ms = None;
        return;
    }
    client.output.buffer.judge_anew();
    let now_ms = server.clock.mono_ms();
    let patience_ms = u64::from(soft_seconds) * 1000;
    match client.over_soft_limit_ms {
        Some(since_ms) if now_ms - since_ms > patience_ms => end_slow_reader(server, client),
        Some(_) => {}
        None => {
            client.over_soft_limit_ms = Some(now_ms);
            let timer = Timer::SlowReader(client.session.id);
            server.timers.arm(now_ms + patience_ms + 1, timer);
        }
    }
}

fn end_slow_reader(server: &mut Server, client: &mut Client) {
    let line = describe::client_line(server, client);
    log::warn!("Client {line} scheduled to be closed ASAP for overcoming of output buffer limits.");
    server.stats.output_limit_disconnections += 1;
    client.session.ending = Ending::Now;
}

/// Returns the bytes of a client besides its buffers: queued commands, watched keys, subscriptions,
/// tracking and blocking.
pub fn session_bytes(server: &Server, session: &Session) -> usize {
    /// Bytes of a watched key in both indexes.
    const WATCHED: usize = 64;
    let id = session.id.0;
    let multi = session.multi.as_ref().map_or(0, |multi| multi.bytes());
    let fieldsets = session.fieldsets.as_ref().map_or(0, |sets| sets.bytes());
    let parked = session.parked.as_ref();
    let parked = parked.map_or(0, |parked| parked.argv.bytes());
    let watched = match server.watch.is_empty() {
        true => 0,
        false => server.watch.watched(id).len() * WATCHED,
    };
    let heard = match session.special.has(Special::SUBSCRIBER) {
        true => server.pubsub.bytes_of(id),
        false => 0,
    };
    let prefixes = match session.tracks {
        true => server
            .tracking
            .get(id)
            .map_or(0, |one| one.prefixes.len() * WATCHED),
        false => 0,
    };
    multi + fieldsets + parked + watched + heard + prefixes
}

/// Returns all bytes used by a client.
pub fn bytes_of(server: &Server, client: &Client) -> usize {
    let query = client.query.as_ref();
    let query = query.map_or(0, |query| {
        query.capacity() + query.argument_bytes() + query.index_bytes()
    });
    let output = client.output.held() + client.link.held();
    size_of::<Client>() + query + output + session_bytes(server, &client.session)
}

/// Updates a client's share of the total after a change, if `maxmemory-clients` is set.
#[inline]
pub fn recount(server: &mut Server, client: &mut Client) {
    if server.config.maxmemory_clients != 0 {
        recount_now(server, client);
    }
}

#[cold]
fn recount_now(server: &mut Server, client: &mut Client) {
    // A client closed with `Ending::Now` no longer counts.
    let bytes = match client.session.ending {
        Ending::Now => 0,
        _ if client.session.peer != Peer::Client => 0,
        _ => bytes_of(server, client),
    };
    server.clients.counted_bytes += bytes;
    server.clients.counted_bytes -= std::mem::replace(&mut client.counted_bytes, bytes);
}

/// Updates the share of a client in its slot.
#[inline]
pub fn recount_slot(server: &mut Server, slot: usize) {
    if server.config.maxmemory_clients != 0
        && let Some(mut client) = server.clients.check_out(slot)
    {
        recount_now(server, &mut client);
        server.clients.check_in(slot, client);
    }
}

/// Recounts all clients after a change of `maxmemory-clients`.
pub fn recount_all(server: &mut Server) {
    (0..server.clients.slots()).for_each(|slot| recount_slot(server, slot));
}

/// Closes the largest clients while the total exceeds `maxmemory-clients`; called before the loop
/// sleeps and before keys are evicted.
pub fn evict_clients(server: &mut Server) {
    let limit = server.config.maxmemory_clients_bytes() as usize;
    if limit == 0 || server.clients.counted_bytes < limit {
        return;
    }
    let mut candidates: Vec<(usize, usize)> = server
        .clients
        .iter()
        .filter(|(_, client)| !client.session.no_evict && client.session.ending == Ending::No)
        .filter(|(_, client)| client.session.peer == Peer::Client)
        .map(|(slot, client)| (client.counted_bytes, slot))
        .collect();
    candidates.sort_unstable();
    while server.clients.counted_bytes >= limit {
        let Some((_, slot)) = candidates.pop() else {
            log::warn!("Over client maxmemory after evicting all evictable clients");
            return;
        };
        let Some(client) = server.clients.get(slot) else {
            continue;
        };
        log::info!("Evicting client: {}", describe::client_line(server, client));
        server.stats.evicted_clients += 1;
        server.clients.drop_out(slot);
    }
}

/// Checks again a client that exceeded its soft limit.
pub fn check_slow_reader(server: &mut Server, id: ClientId) {
    let Some(slot) = server.clients.slot_of(id) else {
        return;
    };
    let Some(mut client) = server.clients.check_out(slot) else {
        return;
    };
    check_output_limit(server, &mut client);
    if client.session.ending == Ending::Now {
        server.clients.closing.push(slot);
    }
    server.clients.check_in(slot, client);
}

#[cfg(test)]
mod tests;
