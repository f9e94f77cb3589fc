//! MIDI messages in, movements of controls and steps of the transport out.
//!
//! Fed by `midi` with the bytes of one message and its time, from the queue of one device; read by the mapping.
//! A control change is always told as what it is; if it is also half of a 14-bit value or of an NRPN, the whole
//! is told as well, and the mapping takes the one it names. What is no message, system exclusive and active
//! sensing give nothing. The state is of a fixed size, but for the values of at most `MOST_PARAMETERS` NRPNs
//! a channel.

use std::collections::BTreeMap;

use midly::MidiMessage;
use midly::live::{LiveEvent, SystemCommon, SystemRealtime};

use crate::control::hand::{Moved, What};

/// Longest time that a high byte waits for its low byte, in microseconds.
const WAIT_MICROS: u64 = 10_000;
/// Most parameters of a channel whose values are remembered; the others step from 0.
const MOST_PARAMETERS: usize = 256;
/// Largest value of 14 bits; as the number of a parameter it means none.
const MOST: u16 = 16_383;

/// One step of a sequencer's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// 24 a quarter note.
    Tick,
    /// Plays from the beginning.
    Start,
    /// Plays on from where it stands.
    Continue,
    /// Stops where it stands.
    Stop,
    /// In sixteenth notes.
    Position(u16),
}

/// What one message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    Moved(Moved),
    Transport(Transport),
}

/// The messages of one device.
#[derive(Default)]
pub struct Decoder {
    channels: [Channel; 16],
}

impl Decoder {
    /// Adds to `out` what one message says. `micros` is its time in microseconds, on any clock that `flush`
    /// goes by as well.
    pub fn decode(&mut self, bytes: &[u8], micros: u64, out: &mut Vec<Decoded>) {
        match LiveEvent::parse(bytes) {
            Ok(LiveEvent::Midi { channel, message }) => {
                let mut tell = Teller { channel: channel.as_int() + 1, out };
                match message {
                    MidiMessage::NoteOff { key, .. } => tell.moved(What::Note, key.as_int().into(), 0),
                    MidiMessage::NoteOn { key, vel } => {
                        tell.moved(What::Note, key.as_int().into(), vel.as_int().into());
                    }
                    MidiMessage::Aftertouch { key, vel } => {
                        tell.moved(What::PolyPressure, key.as_int().into(), vel.as_int().into());
                    }
                    MidiMessage::Controller { controller, value } => {
                        let (number, value) = (controller.as_int(), value.as_int());
                        tell.moved(What::Cc, number.into(), value.into());
                        if let Some(channel) = self.channels.get_mut(usize::from(channel.as_int())) {
                            channel.pair(number, value, micros, &mut tell);
                            channel.entry.control(number, value, micros, &mut tell);
                        }
                    }
                    MidiMessage::ProgramChange { program } => tell.moved(What::Program, program.as_int().into(), 127),
                    MidiMessage::ChannelAftertouch { vel } => tell.moved(What::Pressure, 0, vel.as_int().into()),
                    MidiMessage::PitchBend { bend } => tell.moved(What::PitchBend, 0, bend.0.as_int()),
                }
            }
            Ok(LiveEvent::Realtime(realtime)) => {
                let step = match realtime {
                    SystemRealtime::TimingClock => Transport::Tick,
                    SystemRealtime::Start => Transport::Start,
                    SystemRealtime::Continue => Transport::Continue,
                    SystemRealtime::Stop => Transport::Stop,
                    SystemRealtime::ActiveSensing | SystemRealtime::Reset | SystemRealtime::Undefined(_) => return,
                };
                out.push(Decoded::Transport(step));
            }
            Ok(LiveEvent::Common(SystemCommon::SongPosition(at))) => {
                out.push(Decoded::Transport(Transport::Position(at.as_int())));
            }
            Ok(LiveEvent::Common(_)) | Err(_) => {}
        }
    }

    /// High bytes whose low byte has not come within 10 ms count with a low byte of 0. Called once a frame.
    pub fn flush(&mut self, micros: u64, out: &mut Vec<Decoded>) {
        for (number, channel) in (1..).zip(&mut self.channels) {
            let mut tell = Teller { channel: number, out };
            for (number, pair) in (0..).zip(&mut channel.pairs) {
                if let Some(value) = pair.due(micros) {
                    tell.moved(What::Cc14, number, value);
                }
            }
            if let Some(value) = channel.entry.data.due(micros) {
                channel.entry.tell(value, &mut tell);
            }
        }
    }
}

/// Where the movements of one channel go.
struct Teller<'a> {
    channel: u8,
    out: &'a mut Vec<Decoded>,
}

impl Teller<'_> {
    fn moved(&mut self, what: What, number: u16, value: u16) {
        self.out.push(Decoded::Moved(Moved { what, channel: self.channel, number, value }));
    }
}

/// What has to be remembered of one channel.
#[derive(Default)]
struct Channel {
    /// Controls 0 to 31, with 32 to 63 for their low bytes.
    pairs: [Pair; 32],
    entry: Entry,
}

impl Channel {
    fn pair(&mut self, number: u8, value: u8, micros: u64, tell: &mut Teller) {
        let (of, fine) = (number % 32, number >= 32);
        if number < 64
            && let Some(pair) = self.pairs.get_mut(usize::from(of))
            && let Some(value) = if fine { pair.low(value) } else { pair.high(value, micros) }
        {
            tell.moved(What::Cc14, of.into(), value);
        }
    }
}

/// A high and a low byte that make one value.
#[derive(Clone, Copy, Default)]
struct Pair {
    high: Option<u8>,
    /// When the high byte came, as long as it waits for its low byte.
    since: Option<u64>,
    /// Whether a low byte ever came: if not, none is waited for.
    fine: bool,
}

impl Pair {
    /// The value that a high byte completes: its own, or that of the high byte before it, which had waited
    /// for a low byte in vain.
    fn high(&mut self, high: u8, micros: u64) -> Option<u16> {
        let before = self.settle();
        self.high = Some(high);
        if self.fine {
            self.since = Some(micros);
            before
        } else {
            // The same bits again, so that 127 becomes the largest value.
            Some(join(high, high))
        }
    }

    /// The value that a low byte completes, if there ever was a high byte.
    fn low(&mut self, low: u8) -> Option<u16> {
        (self.fine, self.since) = (true, None);
        self.high.map(|high| join(high, low))
    }

    /// What waits for its low byte, without it.
    fn settle(&mut self) -> Option<u16> {
        self.since.take().and(self.high).map(|high| join(high, 0))
    }

    /// What has waited long enough.
    fn due(&mut self, micros: u64) -> Option<u16> {
        let since = self.since?;
        if micros.saturating_sub(since) >= WAIT_MICROS { self.settle() } else { None }
    }
}

/// Data entry: controls 98 and 99 choose a parameter, 6 and 38 set it, 96 and 97 step it.
#[derive(Default)]
struct Entry {
    /// The halves of the chosen parameter's number.
    high: Option<u8>,
    low: Option<u8>,
    /// The parameter that `data` belongs to.
    of: u16,
    data: Pair,
    /// The last value of each parameter.
    values: BTreeMap<u16, u16>,
}

impl Entry {
    fn control(&mut self, number: u8, value: u8, micros: u64, tell: &mut Teller) {
        match number {
            99 => self.high = Some(value),
            98 => self.low = Some(value),
            // A registered parameter is chosen: what is entered now is not for us.
            100 | 101 => (self.high, self.low) = (None, None),
            6 | 38 | 96 | 97 => self.data(number, value, micros, tell),
            _ => {}
        }
    }

    fn data(&mut self, number: u8, value: u8, micros: u64, tell: &mut Teller) {
        let (Some(high), Some(low)) = (self.high, self.low) else { return };
        let of = join(high, low);
        if of == MOST {
            return;
        }
        if of != self.of || number >= 96 {
            if let Some(value) = self.data.settle() {
                self.tell(value, tell);
            }
            self.of = of;
            self.data.high = self.last().map(high_byte);
        }
        let told = match number {
            6 => self.data.high(value, micros),
            38 => self.data.low(value),
            _ => {
                let last = self.last().unwrap_or(0);
                let next = if number == 96 { (last + 1).min(MOST) } else { last.saturating_sub(1) };
                self.data.high = Some(high_byte(next));
                Some(next)
            }
        };
        if let Some(value) = told {
            self.tell(value, tell);
        }
    }

    fn last(&self) -> Option<u16> {
        self.values.get(&self.of).copied()
    }

    fn tell(&mut self, value: u16, tell: &mut Teller) {
        if self.values.len() < MOST_PARAMETERS || self.values.contains_key(&self.of) {
            self.values.insert(self.of, value);
        }
        tell.moved(What::Nrpn, self.of, value);
    }
}

fn join(high: u8, low: u8) -> u16 {
    u16::from(high & 127) << 7 | u16::from(low & 127)
}

fn high_byte(value: u16) -> u8 {
    (value >> 7 & 127) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(decoder: &mut Decoder, bytes: &[u8], micros: u64) -> Vec<Decoded> {
        let mut out = Vec::new();
        decoder.decode(bytes, micros, &mut out);
        out
    }

    fn moved(what: What, channel: u8, number: u16, value: u16) -> Decoded {
        Decoded::Moved(Moved { what, channel, number, value })
    }

    /// Sends control changes on channel 3, then waits 10 ms; what came but is no plain control change.
    fn check(decoder: &mut Decoder, controls: &[(u8, u8)], expected: &[(What, u16, u16)]) {
        let mut out = Vec::new();
        controls.iter().for_each(|&(number, value)| decoder.decode(&[0xB2, number, value], 1000, &mut out));
        decoder.flush(10_999, &mut out);
        out.push(Decoded::Transport(Transport::Stop));
        decoder.flush(11_000, &mut out);
        let mut told = out.clone();
        told.retain(|d| !matches!(d, Decoded::Moved(Moved { what: What::Cc, .. }) | Decoded::Transport(_)));
        let expected: Vec<Decoded> =
            expected.iter().map(|&(what, number, value)| moved(what, 3, number, value)).collect();
        assert_eq!(told, expected, "{controls:?}: {out:?}");
        let plain = out.iter().filter(|d| matches!(d, Decoded::Moved(Moved { what: What::Cc, .. }))).count();
        assert_eq!(plain, controls.len());
    }

    #[test]
    fn every_kind_is_told() {
        let check = |bytes: &[u8], expected: &[Decoded]| {
            assert_eq!(decoded(&mut Decoder::default(), bytes, 0), expected, "{bytes:x?}");
        };
        check(&[0xBF, 127, 5], &[moved(What::Cc, 16, 127, 5)]);
        check(&[0xB0, 7, 127], &[moved(What::Cc, 1, 7, 127), moved(What::Cc14, 1, 7, 16_383)]);
        check(&[0x91, 60, 100], &[moved(What::Note, 2, 60, 100)]);
        check(&[0x91, 60, 0], &[moved(What::Note, 2, 60, 0)]);
        check(&[0x81, 60, 64], &[moved(What::Note, 2, 60, 0)]);
        check(&[0xA0, 61, 3], &[moved(What::PolyPressure, 1, 61, 3)]);
        check(&[0xD0, 99], &[moved(What::Pressure, 1, 0, 99)]);
        check(&[0xC4, 9], &[moved(What::Program, 5, 9, 127)]);
        check(&[0xE0, 0, 0], &[moved(What::PitchBend, 1, 0, 0)]);
        check(&[0xE0, 0, 64], &[moved(What::PitchBend, 1, 0, 8192)]);
        check(&[0xE0, 127, 127], &[moved(What::PitchBend, 1, 0, 16_383)]);
        check(&[0xF8], &[Decoded::Transport(Transport::Tick)]);
        check(&[0xFA], &[Decoded::Transport(Transport::Start)]);
        check(&[0xFB], &[Decoded::Transport(Transport::Continue)]);
        check(&[0xFC], &[Decoded::Transport(Transport::Stop)]);
        check(&[0xF2, 1, 2], &[Decoded::Transport(Transport::Position(257))]);
        let nothing: [&[u8]; 9] =
            [&[], &[0xFE], &[0xFF], &[0xF0, 1, 2, 0xF7], &[0xF1], &[0xB0, 7], &[0xB0, 7, 200], &[7, 7], &[0xF2, 1]];
        nothing.iter().for_each(|bytes| check(bytes, &[]));
    }

    #[test]
    fn fourteen_bits_reach_every_value() {
        let mut decoder = Decoder::default();
        let mut seen = vec![false; 16_384];
        for value in 0..16_384_u16 {
            let mut out = decoded(&mut decoder, &[0xB0, 31, high_byte(value)], 0);
            out.extend(decoded(&mut decoder, &[0xB0, 63, (value & 127) as u8], 0));
            assert_eq!(out.last(), Some(&moved(What::Cc14, 1, 31, value)));
            seen[usize::from(value)] = true;
            decoder.flush(1 << 40, &mut out);
            assert_eq!(out.len(), if value == 0 { 4 } else { 3 }, "{out:?}");
        }
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn halves_that_come_alone() {
        let pair = |high: u8, low: u8| join(high, low);
        let mut decoder = Decoder::default();
        check(&mut decoder, &[(33, 5)], &[]);
        check(&mut decoder, &[(2, 64)], &[(What::Cc14, 2, pair(64, 64))]);
        check(&mut decoder, &[(1, 64)], &[(What::Cc14, 1, pair(64, 0))]);
        check(&mut decoder, &[(33, 9)], &[(What::Cc14, 1, pair(64, 9))]);
        check(&mut decoder, &[(1, 3), (33, 4)], &[(What::Cc14, 1, pair(3, 4))]);
        let two = [(What::Cc14, 1, pair(3, 0)), (What::Cc14, 1, pair(5, 0))];
        check(&mut decoder, &[(1, 3), (1, 5)], &two);
        check(&mut decoder, &[(64, 127)], &[]);
    }

    #[test]
    fn parameters_are_chosen_set_and_stepped() {
        let nrpn = |number: u16, value: u16| (What::Nrpn, number, value);
        let cc14 = |value: u16| (What::Cc14, 6, value);
        let mut decoder = Decoder::default();
        check(&mut decoder, &[(6, 127)], &[cc14(16_383)]);
        check(&mut decoder, &[(99, 1), (98, 2), (6, 127)], &[cc14(16_383), nrpn(130, 16_383)]);
        check(&mut decoder, &[(6, 1), (38, 0)], &[cc14(129), nrpn(130, 129), cc14(128), nrpn(130, 128)]);
        check(&mut decoder, &[(97, 0), (97, 0), (96, 0)], &[nrpn(130, 127), nrpn(130, 126), nrpn(130, 127)]);
        check(&mut decoder, &[(38, 5)], &[cc14(133), nrpn(130, 5)]);
        check(&mut decoder, &[(6, 2)], &[cc14(256), nrpn(130, 256)]);
        // The low byte of another parameter has nothing to do with this one's high byte.
        check(&mut decoder, &[(98, 3), (38, 7)], &[cc14(263)]);
        check(&mut decoder, &[(96, 0)], &[nrpn(131, 1)]);
        // What still waits is told of the parameter it was meant for.
        check(&mut decoder, &[(6, 4), (98, 2), (96, 0)], &[nrpn(131, 512), nrpn(130, 257), cc14(512)]);
        check(&mut decoder, &[(99, 127), (98, 127), (96, 0), (38, 1)], &[cc14(513)]);
        check(&mut decoder, &[(99, 1), (98, 2), (101, 0), (100, 0), (96, 0)], &[]);
        check(&mut decoder, &[(99, 1), (96, 0), (98, 2), (96, 0)], &[nrpn(130, 258)]);
    }

    #[test]
    fn steps_stay_within_the_range_and_memory_within_its_bounds() {
        let mut decoder = Decoder::default();
        check(&mut decoder, &[(99, 0), (98, 0), (97, 0)], &[(What::Nrpn, 0, 0)]);
        check(
            &mut decoder,
            &[(6, 127), (96, 0)],
            &[(What::Cc14, 6, 16_383), (What::Nrpn, 0, 16_383), (What::Nrpn, 0, 16_383)],
        );
        for number in 0..MOST {
            for bytes in [[0xB2, 99, high_byte(number)], [0xB2, 98, (number & 127) as u8], [0xB2, 6, 1]] {
                decoded(&mut decoder, &bytes, 0);
            }
        }
        assert_eq!(decoder.channels[2].entry.values.len(), MOST_PARAMETERS);
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut state = 1_u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let mut decoder = Decoder::default();
        for micros in 0..100_000 {
            let length = usize::from(next() % 9);
            let mut bytes: Vec<u8> = (0..length).map(|_| next()).collect();
            // Every other message is likely to be one.
            if micros % 2 == 0 && !bytes.is_empty() {
                bytes[0] |= 0x80;
                bytes[1..].iter_mut().for_each(|byte| *byte &= 0x7F);
            }
            let mut out = Vec::new();
            decoder.decode(&bytes, micros, &mut out);
            decoder.flush(micros, &mut out);
            for decoded in out {
                if let Decoded::Moved(moved) = decoded {
                    let wide = matches!(moved.what, What::Cc14 | What::Nrpn | What::PitchBend);
                    assert!((1..=16).contains(&moved.channel) && moved.number < 16_384, "{moved:?}");
                    assert!(moved.value <= if wide { MOST } else { 127 }, "{moved:?}");
                }
            }
        }
    }
}
