//! Time tags of bundles: how long one is held, and what is known of its sender's clock.
//!
//! Used by the inbox, on the threads of the doors. A tag is honoured up to ten seconds ahead; what is older or further
//! is for now, as is everything with the policy [`TimeTags::Ignore`]. A clock that is seconds ahead would hold every
//! message, so it is learnt from the tags themselves. A clock that is behind never holds anything. Absent: asking
//! anybody for the time.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Furthest time tag that is waited for, in seconds.
const AHEAD_SECS: f64 = 10.0;
/// Tags of a sender that are remembered.
const REMEMBERED: usize = 16;
/// Tags that it takes to judge a clock.
const ENOUGH: usize = 4;
/// Programs schedule up to about half a second ahead; a sender whose every tag is further ahead than this in seconds
/// has a clock that is wrong.
const PLAUSIBLE_SECS: f64 = 1.5;
/// Senders whose clocks are remembered.
const MOST_SENDERS: usize = 64;
/// Seconds from 1900, where OSC counts from, to 1970.
const TO_1970: u64 = 2_208_988_800;

/// What is done about the time tags of bundles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeTags {
    /// They count by the sender's clock: one that proves to be seconds ahead is corrected.
    #[default]
    Learn,
    /// They count by this machine's clock.
    Exact,
    /// Everything is for now.
    Ignore,
}

/// How far ahead of `now` a time tag is, in seconds, negative in the past; none for "at once".
pub(super) fn ahead_secs(tag: u64, now: SystemTime) -> Option<f64> {
    let (secs, fraction) = (tag >> 32, (tag & 0xffff_ffff) as f64 / 4_294_967_296.0);
    // From 2036 on the seconds begin at 0 again.
    let secs = if secs < 0x8000_0000 { secs + (1 << 32) } else { secs };
    if tag <= 1 {
        return None;
    }
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    let whole = (secs as i64) - (TO_1970 as i64) - (now.as_secs() as i64);
    Some(whole as f64 + fraction - f64::from(now.subsec_nanos()) / 1e9)
}

/// One sender's clock.
#[derive(Default)]
struct Clock {
    /// How far ahead its last tags were when they came, in seconds.
    ahead: VecDeque<f64>,
    /// How far its clock is ahead as far as is known, in seconds.
    offset: f64,
    /// When it was last heard, as a count.
    heard: u64,
}

/// The clocks of all senders.
#[derive(Default)]
pub(super) struct Clocks {
    pub policy: TimeTags,
    clocks: BTreeMap<IpAddr, Clock>,
    heard: u64,
}

impl Clocks {
    /// Learns from one datagram's tag, which was `ahead` seconds ahead; gives a sentence if that changes much.
    pub fn learn(&mut self, from: IpAddr, ahead: f64) -> Option<String> {
        // What is further ahead is for now anyway.
        if self.policy != TimeTags::Learn || ahead > AHEAD_SECS {
            return None;
        }
        if self.clocks.len() >= MOST_SENDERS && !self.clocks.contains_key(&from) {
            let oldest = self.clocks.iter().min_by_key(|(_, clock)| clock.heard).map(|(ip, _)| *ip)?;
            self.clocks.remove(&oldest);
        }
        self.heard += 1;
        let clock = self.clocks.entry(from).or_default();
        clock.heard = self.heard;
        if clock.ahead.len() >= REMEMBERED {
            clock.ahead.pop_front();
        }
        clock.ahead.push_back(ahead);
        let offset = clock.estimate();
        let before = std::mem::replace(&mut clock.offset, offset);
        if before > 0.0 && offset == 0.0 {
            Some(format!("the clock of {from} is right again"))
        } else if (offset - before).abs() > 1.0 {
            Some(format!(
                "the clock of {from} is {offset:.1} s ahead, and its time tags are corrected by that; \
                 [osc] clock = \"exact\" takes them as they are"
            ))
        } else {
            None
        }
    }

    /// How long a message is held whose tag is `ahead` seconds ahead.
    pub fn hold(&self, from: IpAddr, ahead: f64) -> Duration {
        let offset = match self.policy {
            TimeTags::Ignore => return Duration::ZERO,
            TimeTags::Exact => 0.0,
            TimeTags::Learn => self.clocks.get(&from).map_or(0.0, |clock| clock.offset),
        };
        let held = ahead - offset;
        if held > 0.0 && ahead <= AHEAD_SECS { Duration::from_secs_f64(held) } else { Duration::ZERO }
    }
}

impl Clock {
    /// How far ahead the clock is: the first quarter of what was seen, because some tags are scheduled further ahead
    /// than others and some datagrams are late.
    fn estimate(&self) -> f64 {
        let mut sorted: Vec<f64> = self.ahead.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let least = sorted.get(sorted.len() / 4).copied().unwrap_or_default();
        if sorted.len() >= ENOUGH && least > PLAUSIBLE_SECS { least } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));

    /// Milliseconds that each tag is held, one after another.
    fn check(policy: TimeTags, ahead: &[f64]) -> Vec<u128> {
        let mut clocks = Clocks { policy, ..Clocks::default() };
        let mut held = |ahead: &f64| {
            clocks.learn(FROM, *ahead);
            clocks.hold(FROM, *ahead).as_millis()
        };
        ahead.iter().map(&mut held).collect()
    }

    #[test]
    fn tags_count_from_1900_and_on_after_2036() {
        let now = UNIX_EPOCH + Duration::from_millis(1_800_000_000_250);
        let tag = |secs: u64, fraction: u64| ((1_800_000_000 + TO_1970 + secs) << 32) | fraction;
        assert_eq!(ahead_secs(tag(3, 0), now), Some(2.75));
        assert_eq!(ahead_secs(tag(0, 0), now), Some(-0.25));
        assert_eq!(ahead_secs(tag(0, 1 << 31), now), Some(0.25));
        assert_eq!((ahead_secs(0, now), ahead_secs(1, now)), (None, None));
        let later = UNIX_EPOCH + Duration::from_secs(2_200_000_000);
        let wrapped = (2_200_000_001 + TO_1970) & 0xffff_ffff;
        assert_eq!(ahead_secs(wrapped << 32, later), Some(1.0));
        // Far ahead, and long past: for now.
        let clocks = Clocks::default();
        for tag in [u64::MAX, 0xffff_ffff << 32, 2, 1 << 63, 5 << 32] {
            let ahead = ahead_secs(tag, now).unwrap();
            assert_eq!(clocks.hold(FROM, ahead), Duration::ZERO, "{ahead}");
        }
    }

    #[test]
    fn a_right_clock_is_taken_at_its_word() {
        let ahead = [0.2, 0.21, 0.2, 3.0, 0.2, 5.0, 0.19, 9.5, 0.2];
        assert_eq!(check(TimeTags::Learn, &ahead), [200, 210, 200, 3000, 200, 5000, 190, 9500, 200]);
        assert_eq!(check(TimeTags::Learn, &[-0.1, 3.0, 10.5, 3600.0]), [0, 3000, 0, 0]);
    }

    #[test]
    fn a_clock_that_is_ahead_is_learnt() {
        let held = check(TimeTags::Learn, &[3.0, 3.01, 3.0, 3.0, 3.02, 3.2, 3.0, 5.0]);
        assert_eq!(held[..3], [3000, 3010, 3000]);
        // What was scheduled ahead of the others still is, and what is late is for now.
        assert!(held[3..7].iter().zip([0, 20, 200, 0]).all(|(held, due)| held.abs_diff(due) <= 1), "{held:?}");
        assert!(held[7].abs_diff(2000) <= 10, "{held:?}");
        assert_eq!(check(TimeTags::Exact, &[3.0; 20]), [3000; 20]);
        assert_eq!(check(TimeTags::Ignore, &[3.0; 20]), [0; 20]);
    }

    #[test]
    fn a_clock_that_is_set_right_is_learnt_again_and_one_behind_holds_nothing() {
        let mut ahead = vec![4.0; 16];
        // A network that stood still for two seconds changes nothing.
        ahead.extend([2.0, 2.5, 3.0, 4.0]);
        ahead.extend([0.1; 8]);
        ahead.push(2.0);
        let held = check(TimeTags::Learn, &ahead);
        assert_eq!((held[19], held[28]), (0, 2000));
        assert!(held[20..28].iter().all(|held| *held <= 100), "{held:?}");
        assert_eq!(check(TimeTags::Learn, &[-3.0; 8]), [0; 8]);
        let mut clocks = Clocks::default();
        let said: Vec<String> = (0..20).filter_map(|_| clocks.learn(FROM, 3.0)).collect();
        assert!(said.len() == 1 && said[0].contains("10.0.0.5 is 3.0 s ahead"), "{said:?}");
        for last in 0..200 {
            clocks.learn(IpAddr::from([10, 0, 1, last]), 3.0);
        }
        assert!(clocks.clocks.len() <= MOST_SENDERS);
    }
}
