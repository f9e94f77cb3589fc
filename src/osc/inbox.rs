//! Messages that wait for their frame, from every door.
//!
//! Filled on the threads of the doors, emptied by the frame, which is handed a bounded number of messages. What one
//! datagram holds stays together. Each sender has a queue of its own: where too much waits, the fullest queue loses
//! its oldest, and the frame is served from all queues in turn, so a flood costs nobody else a message. Bounded in
//! messages and in bytes. Absent: what an address means.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::decode::{Datagram, Decoded};
use super::remarks::Remarks;
use super::tags::{Clocks, TimeTags, ahead_secs};
use super::{Message, Sender};
use crate::control::hand::Value;
use crate::latest::lock;
use crate::worker::caught;

/// Messages that a frame is handed; more only where one datagram holds more.
pub const BUDGET: usize = 512;
/// Messages that wait for a frame; and groups that wait for the time they are due.
const MOST: usize = 1024;
/// Newest groups of a sender that stay even where they hold more messages than that.
const STAY: usize = 4;
/// Bytes that wait, and as many again.
const HEAVIEST: usize = 4 << 20;
/// Senders with a queue of their own; all others share one.
const MOST_QUEUES: usize = 64;
/// The queue of all others.
const OTHERS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
/// Shortest hold that the monitor tells of.
const WORTH_TELLING: Duration = Duration::from_millis(500);

/// What one datagram holds for one moment.
struct Group {
    /// Counts the groups as they come.
    number: u64,
    messages: Vec<Message>,
    /// Bytes of memory, about.
    weight: usize,
}

/// What one sender has sent.
#[derive(Default)]
struct Queue {
    groups: VecDeque<Group>,
    messages: usize,
    weight: usize,
}

/// A group that waits for the time it is due.
struct Held {
    due: Instant,
    group: Group,
    from: SocketAddr,
}

/// What came, and what was done to it on the way.
#[derive(Default)]
struct Waiting {
    /// None of them is empty.
    queues: BTreeMap<SocketAddr, Queue>,
    messages: usize,
    weight: usize,
    /// The queue that was served last.
    served: Option<SocketAddr>,
    held: Vec<Held>,
    clocks: Clocks,
    remarks: Remarks,
    number: u64,
    counts: Counts,
}

/// Messages that wait for their frame, from every door; clones share it.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<Waiting>>);

/// Counts of all doors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that found the queues full.
    pub dropped: u64,
    /// Datagrams, or elements of a bundle, that were no messages or came from somebody who may not.
    pub refused: u64,
    /// Why the last of them was refused.
    pub why: String,
}

impl Inbox {
    /// The messages for this frame, oldest first; at most [`BUDGET`], unless one datagram holds more. What is left
    /// waits for the next frame.
    pub fn messages(&self) -> Vec<Message> {
        self.messages_at(Instant::now(), BUDGET)
    }

    /// The same for a frame at `now`, with a budget of so many messages.
    pub fn messages_at(&self, now: Instant, budget: usize) -> Vec<Message> {
        let mut waiting = lock(&self.0);
        waiting.release(now);
        waiting.serve(budget)
    }

    /// Lines for the monitor about what came since the last call: what was rejected and why, and what is held for
    /// later. Bounded, however much came.
    pub fn remarks(&self) -> Vec<String> {
        lock(&self.0).remarks.take(Instant::now())
    }

    /// How things stand.
    pub fn counts(&self) -> Counts {
        lock(&self.0).counts.clone()
    }

    /// What is done about the time tags of bundles from now on.
    pub fn set_time_tags(&self, policy: TimeTags) {
        lock(&self.0).clocks.policy = policy;
    }

    /// Refuses what came, with the reason.
    pub(super) fn refuse(&self, from: Sender, why: &str) {
        lock(&self.0).refuse(None, from, why, Instant::now());
    }

    /// Takes a datagram; what is no message in it is refused.
    pub(super) fn receive(&self, datagram: &[u8], from: Sender) {
        let (now, arrived) = (Instant::now(), SystemTime::now());
        match caught(|| Datagram::read(datagram)) {
            // Under one lock, so that a bundle falls into one frame.
            Ok(read) => lock(&self.0).take(read, from, now, arrived),
            Err(panic) => self.refuse(from, &format!("not OSC: {panic}")),
        }
    }
}

impl Waiting {
    fn refuse(&mut self, address: Option<&str>, from: Sender, why: &str, now: Instant) {
        self.counts.refused += 1;
        self.counts.why = format!("{from}: {why}");
        let line = match address {
            Some(address) => format!("{} rejected: {why} · {from}", cut(address)),
            None => format!("refused {from}: {why}"),
        };
        self.remarks.say(line, now);
    }

    /// Queues what a datagram holds, or keeps it until it is due.
    fn take(&mut self, read: Datagram, from: Sender, now: Instant, arrived: SystemTime) {
        for wrong in read.wrong {
            self.refuse(wrong.address.as_deref(), from, &wrong.why, now);
        }
        self.counts.refused += read.more_wrong;
        let ip = from.address().ip();
        let ahead = |tag: Option<u64>| tag.and_then(|tag| ahead_secs(tag, arrived));
        if let Some(said) = ahead(read.tag).and_then(|ahead| self.clocks.learn(ip, ahead)) {
            self.remarks.say(said, now);
        }
        // Nested bundles may each have a time of their own.
        let mut groups: Vec<(Duration, Vec<Message>)> = Vec::new();
        for Decoded { address, values, tag } in read.messages {
            let hold = ahead(tag).map_or(Duration::ZERO, |ahead| self.clocks.hold(ip, ahead));
            let message = Message { address, values, from };
            match groups.last_mut() {
                Some((same, messages)) if *same == hold => messages.push(message),
                _ => groups.push((hold, vec![message])),
            }
        }
        for (hold, messages) in groups {
            self.number += 1;
            let weight = messages.iter().map(weight).sum();
            let group = Group { number: self.number, messages, weight };
            if hold.is_zero() {
                self.push(group, from.address());
            } else {
                self.hold(group, from, hold, now);
            }
        }
    }

    /// Keeps a group until it is due, and says so; one that finds no room is for now.
    fn hold(&mut self, group: Group, from: Sender, hold: Duration, now: Instant) {
        let address = from.address();
        if !self.has_room(&group, address) {
            self.remarks.say(format!("too much is held by time tags, so this is for now · {from}"), now);
            return self.push(group, address);
        }
        if hold >= WORTH_TELLING
            && let Some(first) = group.messages.first()
        {
            let (first, secs) = (cut(&first.address), (hold.as_secs_f64() * 10.0).round() / 10.0);
            let more = group.messages.len() - 1;
            let others = if more > 0 { format!(" and {more} more") } else { String::new() };
            self.remarks.say(format!("{first}{others} held for {secs} s by the time tag · {from}"), now);
        }
        self.held.push(Held { due: now + hold, group, from: address });
    }

    /// Whether a group may wait for its time. No sender gets more than half of the room.
    fn has_room(&self, group: &Group, from: SocketAddr) -> bool {
        let (mut all, mut own) = ((1, group.weight), (1, group.weight));
        for held in &self.held {
            all = (all.0 + 1, all.1 + held.group.weight);
            if held.from == from {
                own = (own.0 + 1, own.1 + held.group.weight);
            }
        }
        all.0 <= MOST && all.1 <= HEAVIEST && own.0 <= MOST / 2 && own.1 <= HEAVIEST / 2
    }

    /// Queues a group for the next frame; what is too much is dropped.
    fn push(&mut self, group: Group, from: SocketAddr) {
        let own = self.queues.len() < MOST_QUEUES || self.queues.contains_key(&from);
        let queue = self.queues.entry(if own { from } else { OTHERS }).or_default();
        let (messages, weight) = (group.messages.len(), group.weight);
        queue.messages += messages;
        queue.weight += weight;
        queue.groups.push_back(group);
        self.messages += messages;
        self.weight += weight;
        loop {
            let heavy = self.weight > HEAVIEST && self.weight > weight;
            if !heavy && self.messages <= MOST {
                return;
            }
            // Large bundles would else drop each other, so a sender keeps a few whatever they hold.
            let may = |queue: &&Queue| heavy || queue.groups.len() > STAY;
            let size = |queue: &Queue| if heavy { queue.weight } else { queue.messages };
            let fullest = self.queues.iter().filter(|(_, queue)| may(queue)).max_by_key(|(_, queue)| size(queue));
            let Some(dropped) = fullest.map(|(from, _)| *from).and_then(|from| self.pop(from)) else { return };
            self.counts.dropped += dropped.messages.len() as u64;
        }
    }

    /// Takes the oldest group of a queue.
    fn pop(&mut self, from: SocketAddr) -> Option<Group> {
        let queue = self.queues.get_mut(&from)?;
        let group = queue.groups.pop_front()?;
        queue.messages -= group.messages.len();
        queue.weight -= group.weight;
        if queue.groups.is_empty() {
            self.queues.remove(&from);
        }
        self.messages -= group.messages.len();
        self.weight -= group.weight;
        Some(group)
    }

    /// Queues what has waited for its time, in the order of these times.
    fn release(&mut self, now: Instant) {
        if self.held.iter().all(|held| held.due > now) {
            return;
        }
        let (mut due, held): (Vec<Held>, Vec<Held>) =
            std::mem::take(&mut self.held).into_iter().partition(|held| held.due <= now);
        self.held = held;
        due.sort_by_key(|held| (held.due, held.group.number));
        for Held { group, from, .. } in due {
            self.number += 1;
            self.push(Group { number: self.number, ..group }, from);
        }
    }

    /// Takes groups from all queues in turn, until the next one would be over the budget.
    fn serve(&mut self, budget: usize) -> Vec<Message> {
        let mut groups: Vec<Group> = Vec::new();
        let mut count = 0;
        loop {
            let after = |last: SocketAddr| self.queues.range(last..).map(|(from, _)| *from).find(|from| *from != last);
            let next = self.served.and_then(after).or_else(|| self.queues.keys().next().copied());
            let Some(from) = next else { break };
            let Some(size) = self.queues.get(&from).and_then(|queue| queue.groups.front()).map(|g| g.messages.len())
            else {
                break;
            };
            if count > 0 && count + size > budget {
                break;
            }
            let Some(group) = self.pop(from) else { break };
            count += size;
            self.served = Some(from);
            groups.push(group);
        }
        groups.sort_by_key(|group| group.number);
        groups.into_iter().flat_map(|group| group.messages).collect()
    }
}

/// About the memory that a message takes.
fn weight(message: &Message) -> usize {
    let texts = message.values.iter().map(|value| if let Value::Text(text) = value { text.len() } else { 0 });
    size_of::<Message>() + message.address.len() + message.values.len() * size_of::<Value>() + texts.sum::<usize>()
}

/// An address as a line shows it.
fn cut(address: &str) -> String {
    address.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::super::decode::tests::{b, m, s};
    use super::*;

    fn from(port: u16) -> Sender {
        Sender::Udp(([127, 0, 0, 1], port).into())
    }

    fn addresses(inbox: &Inbox) -> Vec<String> {
        inbox.messages().into_iter().map(|message| message.address).collect()
    }

    /// A time tag so many seconds ahead.
    fn ahead(secs: f64) -> u64 {
        let since = SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64() + secs;
        ((since + 2_208_988_800.0) * 4_294_967_296.0) as u64
    }

    #[test]
    fn whatever_arrives_it_is_bounded() {
        let inbox = Inbox::default();
        let mut random = crate::random::RandomState::new(1);
        for length in 0..4000 {
            let bytes: Vec<u8> = (0..length % 300).map(|_| random.below(256) as u8).collect();
            inbox.receive(&bytes, from(5));
            inbox.receive(&m("/a", ",", &[]), from(5));
        }
        let nested = (0..40).fold(m("/deep", ",", &[]), |inner, _| b(u64::MAX, &[inner]));
        inbox.receive(&nested, from(5));
        inbox.receive(&[b'#'; 60_000], from(5));
        let inbox = lock(&inbox.0);
        assert!(inbox.messages == MOST && inbox.counts.dropped > 0 && inbox.held.len() <= MOST);
        assert!(inbox.counts.why.contains("60000 bytes"));
    }

    #[test]
    fn memory_is_bounded_in_bytes_too() {
        let inbox = Inbox::default();
        // Few bytes on the wire that are many in memory, for now and for later.
        let wide = m("/a", &(",".to_owned() + &"T".repeat(4000)), &[]);
        let texts = m("/b", ",s", &s(&"x".repeat(60_000)));
        for i in 0..2000 {
            inbox.receive(&b(1, &[wide.clone(), wide.clone()]), from(i));
            inbox.receive(&b(ahead(5.0), std::slice::from_ref(&texts)), from(i));
        }
        let waiting = lock(&inbox.0);
        let held: usize = waiting.held.iter().map(|held| held.group.weight).sum();
        let queued: usize = waiting.queues.values().flat_map(|q| &q.groups).map(|g| g.weight).sum();
        assert_eq!(queued, waiting.weight);
        assert!(waiting.queues.len() <= MOST_QUEUES + 1 && queued <= HEAVIEST && held <= HEAVIEST, "{queued} {held}");
    }

    #[test]
    fn a_flood_costs_another_sender_nothing() {
        let inbox = Inbox::default();
        let noise = m("/noise", ",i", &[0; 4]);
        (0..5000).for_each(|_| inbox.receive(&noise, from(1)));
        inbox.receive(&m("/good", ",", &[]), from(2));
        (0..5000).for_each(|_| inbox.receive(&noise, from(1)));
        let first = addresses(&inbox);
        assert!(first.len() == BUDGET && first.iter().any(|address| address == "/good"));
        let mut left = 0;
        while let count @ 1.. = inbox.messages().len() {
            left += count;
        }
        assert_eq!((left + first.len(), inbox.counts().dropped), (MOST, 10_001 - MOST as u64));
        assert!(lock(&inbox.0).queues.is_empty() && lock(&inbox.0).weight == 0);
    }

    #[test]
    fn a_bundle_falls_into_one_frame() {
        let inbox = Inbox::default();
        let many: Vec<Vec<u8>> = (0..1500).map(|i| m(&format!("/{i}"), ",f", &[0; 4])).collect();
        inbox.receive(&m("/before", ",", &[]), from(1));
        inbox.receive(&b(1, &many), from(1));
        inbox.receive(&m("/after", ",", &[]), from(1));
        let frames: Vec<usize> = (0..4).map(|_| addresses(&inbox).len()).collect();
        assert_eq!(frames, [1, 1500, 1, 0]);
        inbox.receive(&m("/before", ",", &[]), from(1));
        inbox.receive(&b(1, &many[..500]), from(1));
        inbox.receive(&m("/after", ",", &[]), from(1));
        assert_eq!(addresses(&inbox).len(), 502);
        inbox.receive(&b(1, &many), from(1));
        let all = addresses(&inbox);
        assert!(all.len() == 1500 && all[0] == "/0" && all[1499] == "/1499");
    }

    #[test]
    fn the_order_of_arrival_is_kept_between_senders() {
        let inbox = Inbox::default();
        for i in 0..20 {
            inbox.receive(&m(&format!("/{i}"), ",", &[]), from(100 - i));
        }
        assert_eq!(addresses(&inbox), (0..20).map(|i| format!("/{i}")).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_due_later_is_held_and_said() {
        let inbox = Inbox::default();
        let at = |secs: f64| inbox.messages_at(Instant::now() + Duration::from_secs_f64(secs), BUDGET).len();
        let cue = |secs: f64, address: &str| b(ahead(secs), &[m(address, ",i", &[0; 4]), m("/b", ",", &[])]);
        inbox.receive(&cue(3.0, "/flaneur/out/blackout"), from(5));
        let said = inbox.remarks();
        assert_eq!(said, ["/flaneur/out/blackout and 1 more held for 3 s by the time tag · osc 127.0.0.1:5"]);
        assert_eq!((at(0.0), at(2.9), at(3.0), at(9.0)), (0, 0, 2, 0));
        // The past, and what is too far ahead, is for now.
        for secs in [-3.0, -3600.0, 11.0, 3600.0] {
            inbox.receive(&cue(secs, "/a"), from(6));
            assert_eq!((at(0.0), inbox.remarks().len()), (2, 0), "{secs}");
        }
        // Later cues that are due before earlier ones come first.
        inbox.receive(&b(ahead(2.0), &[m("/late", ",", &[])]), from(7));
        inbox.receive(&b(ahead(1.0), &[m("/soon", ",", &[])]), from(7));
        let both = inbox.messages_at(Instant::now() + Duration::from_secs(5), BUDGET);
        assert_eq!(both.iter().map(|m| m.address.as_str()).collect::<Vec<_>>(), ["/soon", "/late"]);
        inbox.set_time_tags(TimeTags::Ignore);
        inbox.receive(&cue(3.0, "/a"), from(5));
        assert_eq!(at(0.0), 2);
    }

    #[test]
    fn a_sender_whose_clock_is_ahead_is_late_only_at_first() {
        let inbox = Inbox::default();
        let cue = || b(ahead(3.0), &[m("/a", ",", &[])]);
        (0..3).for_each(|_| inbox.receive(&cue(), from(5)));
        assert_eq!(inbox.messages().len(), 0);
        inbox.receive(&cue(), from(5));
        let soon = Instant::now() + Duration::from_millis(500);
        assert_eq!(inbox.messages_at(soon, BUDGET).len(), 1);
        assert!(inbox.remarks().iter().any(|line| line.contains("the clock of 127.0.0.1 is 3.0 s ahead")));
    }

    #[test]
    fn each_bad_element_is_a_rejection_with_its_reason() {
        let inbox = Inbox::default();
        let good = m("/flaneur/z/0", ",f", &1.0_f32.to_be_bytes());
        inbox.receive(&b(1, &[m("/flaneur/z/1", ",Q", &[0; 4]), good.clone(), vec![], good]), from(5));
        assert_eq!(addresses(&inbox).len(), 2);
        let said = inbox.remarks();
        assert_eq!(
            said[0],
            "/flaneur/z/1 rejected: type tag 'Q' is not known (element 1 of a bundle) · osc 127.0.0.1:5"
        );
        assert_eq!(said[1], "refused osc 127.0.0.1:5: an empty element (element 3 of a bundle)");
        assert_eq!((said.len(), inbox.counts().refused), (2, 2));
    }
}
