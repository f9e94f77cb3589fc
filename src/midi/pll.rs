//! Steady beats from a jittery MIDI clock, 24 ticks a quarter note.
//!
//! Fed by `midi` with the arrival of every tick and with starts and song positions; asked by `show` once a frame
//! for the beat. Ticks are counted, so nothing drifts; in between, a loop of second order reckons when the last
//! tick should have come and how far ticks are apart (as F. Adriaensen, Using a DLL to filter time, Linux Audio
//! Conference 2005). Its gains are those of the expanding-memory alpha-beta filter, which is the straight line of
//! least squares through all ticks so far (E. Brookner, Tracking and Kalman Filtering Made Easy, 1998, chapter 1):
//! it locks within a few ticks and gets steadier for some seconds. A second loop with a short memory runs beside
//! it; when the two differ for longer than the jitter explains, the tempo has changed and the memory is cut.
//! A lost tick is not made up for. Whether the song runs is not known here: some clocks tick on while stopped.

use std::cell::Cell;

/// Ticks of a beat.
const TICKS: f64 = 24.0;
/// Shortest and longest time between ticks that is believed, in seconds: 400 and 20 beats a minute.
const PERIODS: [f64; 2] = [60.0 / 400.0 / TICKS, 60.0 / 20.0 / TICKS];
/// Ticks that the steady and the quick loop remember.
const STEADY: u32 = 300;
const QUICK: u32 = 24;
/// Ticks that are left of the memory after a change of tempo, and after a pause.
const AFTER_CHANGE: u32 = 6;
const AFTER_PAUSE: u32 = 4;
/// The loops differ if they do so by this many times the jitter, at least by so many seconds, for so many ticks.
const DIFFERENT: f64 = 2.0;
const LEAST_DIFFERENCE_SECS: f64 = 0.0015;
const TICKS_DIFFERENT: u32 = 6;
/// Ticks over which the jitter is measured.
const JITTER_TICKS: u32 = 256;
/// A tick that is late by more than so many ticks and so many times the jitter is not believed at once.
const LATE_TICKS: f64 = 1.5;
const LATE_JITTERS: f64 = 3.0;
/// After a gap of so many seconds the loop starts anew.
const PAUSE_SECS: f64 = 0.5;
/// A clock that has been silent for so many seconds is gone.
const STALE_SECS: f64 = 2.0;

/// An estimate of the last tick's time and of the time between ticks, in seconds.
#[derive(Clone, Copy, Default)]
struct Loop {
    at: f64,
    period: f64,
    /// Ticks that it remembers.
    memory: u32,
}

impl Loop {
    /// One tick; gives by how much it came late, in seconds.
    fn tick(&mut self, secs: f64, longest: u32) -> f64 {
        let k = f64::from(self.memory);
        let alpha = 2.0 * (2.0 * k + 1.0) / ((k + 1.0) * (k + 2.0));
        let beta = 6.0 / ((k + 1.0) * (k + 2.0));
        let expected = self.at + self.period;
        let late = secs - expected;
        self.at = expected + alpha * late;
        self.period = (self.period + beta * late).clamp(PERIODS[0], PERIODS[1]);
        self.memory = (self.memory + 1).min(longest);
        late
    }
}

/// The clock of one device.
pub struct Pll {
    steady: Loop,
    quick: Loop,
    /// Ticks that came, and when the last of them did.
    ticks: u32,
    last_secs: f64,
    /// The last tick's place in the song, in ticks.
    place: f64,
    /// The beat that the next tick falls on, if it does not just follow the last.
    next: Option<f64>,
    /// Mean square of the jitter.
    jitter: f64,
    /// Ticks since the loops agreed.
    different: u32,
    /// Whether the last tick was held up on its way.
    held: bool,
    /// The last beat told: none before it is told again.
    told: Cell<f64>,
}

impl Default for Pll {
    fn default() -> Self {
        Self {
            steady: Loop::default(),
            quick: Loop::default(),
            ticks: 0,
            last_secs: 0.0,
            place: 0.0,
            next: Some(0.0),
            jitter: 0.0,
            different: 0,
            held: false,
            told: Cell::new(0.0),
        }
    }
}

impl Pll {
    /// One tick, `secs` after some fixed start.
    pub fn tick(&mut self, secs: f64) {
        if !secs.is_finite() {
            return;
        }
        self.place = self.next.take().map_or(self.place + 1.0, |beat| beat * TICKS);
        let secs = if self.ticks == 0 { secs } else { secs.max(self.last_secs) };
        let gap = secs - self.last_secs;
        self.last_secs = secs;
        self.ticks = self.ticks.saturating_add(1);
        if self.ticks == 1 || gap > PAUSE_SECS {
            // The tempo is kept until the next tick tells it anew.
            let period = if self.ticks == 1 { PERIODS[1] } else { self.steady.period };
            self.steady = Loop { at: secs, period, memory: 1 };
            self.quick = self.steady;
            (self.different, self.held) = (0, false);
            return;
        }
        if self.held_up(secs, gap) {
            self.steady.at += self.steady.period;
            self.quick.at += self.quick.period;
            return;
        }
        let late = self.steady.tick(secs, STEADY);
        self.quick.tick(secs, QUICK);
        self.compare(late);
    }

    /// Whether a tick is so late that it was held up on its way, as others right behind it will show, and says
    /// nothing. If the next one keeps its distance instead, the clock has paused and goes on from here.
    fn held_up(&mut self, secs: f64, gap: f64) -> bool {
        let period = self.steady.period;
        let late = (secs - self.steady.at) / period - 1.0;
        let most = LATE_TICKS + LATE_JITTERS * self.jitter.sqrt() / period;
        let before = std::mem::replace(&mut self.held, false);
        if before && late > 1.0 && gap > 0.5 * period {
            self.forget(AFTER_PAUSE);
            self.steady.at = secs - period;
            self.quick = self.steady;
        } else {
            self.held = if before { late > 1.0 } else { late > most && self.steady.memory > QUICK };
        }
        self.held
    }

    /// Follows the quick loop once the two have differed for long enough.
    fn compare(&mut self, late: f64) {
        if self.ticks > 2 {
            let ticks = (self.ticks - 2).min(JITTER_TICKS);
            self.jitter += (late * late - self.jitter) / f64::from(ticks);
        }
        let difference = (self.quick.at - self.steady.at).abs();
        let most = (DIFFERENT * self.jitter.sqrt()).max(LEAST_DIFFERENCE_SECS);
        self.different = if difference > most { self.different + 1 } else { 0 };
        if self.different >= TICKS_DIFFERENT {
            self.steady = self.quick;
            self.forget(AFTER_CHANGE);
        }
    }

    fn forget(&mut self, memory: u32) {
        self.steady.memory = self.steady.memory.min(memory);
        self.quick.memory = self.quick.memory.min(memory);
        self.different = 0;
    }

    /// The next tick is the first of the song, with a `beat` of 0, or that of a song position.
    pub fn seek(&mut self, beat: f64) {
        if beat.is_finite() {
            self.next = Some(beat);
            self.told.set(beat);
        }
    }

    /// Beats since the start of the song at `secs`, at most one beat ahead of the last tick; none until two
    /// ticks have come, or if the clock is gone. They never run backwards but after `seek`, which is answered
    /// until the next tick comes.
    pub fn beat(&self, secs: f64) -> Option<f64> {
        if self.ticks < 2 || self.stale(secs) {
            return None;
        }
        if self.next.is_none() {
            let ahead = ((secs - self.steady.at) / self.steady.period).min(TICKS);
            self.told.set(self.told.get().max((self.place + ahead) / TICKS));
        }
        Some(self.told.get())
    }

    /// Beats a minute, 20..400; none until two ticks have come.
    pub fn bpm(&self) -> Option<f64> {
        (self.ticks >= 2).then(|| 60.0 / TICKS / self.steady.period)
    }

    /// Whether the last tick is more than 2 s ago, or there was none.
    pub fn stale(&self, secs: f64) -> bool {
        // Written so that a time that is no number is stale.
        let fresh = self.ticks > 0 && secs - self.last_secs <= STALE_SECS;
        !fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evenly spread numbers, −1..1, the same ones every time.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as f64 / f64::from(1_u32 << 30) - 1.0
        }
    }

    /// A clock at 120 beats a minute, at `bpm` from `CHANGE_SECS` on, whose ticks jitter by so many seconds and
    /// then wait for the end of a buffer of so many; asked 60 times a second.
    fn run(jitter: f64, buffer: f64, bpm: f64, until: f64, mut see: impl FnMut(f64, f64, f64)) {
        let mut random = Random(1);
        let mut arrivals = (0..).map(|tick| {
            let beat = f64::from(tick) / TICKS;
            let secs = beat.min(CHANGE_SECS * 2.0) / 2.0 + (beat - CHANGE_SECS * 2.0).max(0.0) * 60.0 / bpm;
            let arrival = secs + jitter * random.next();
            if buffer > 0.0 { (arrival / buffer).ceil() * buffer } else { arrival }
        });
        let mut next = arrivals.next().unwrap();
        let (mut pll, mut last) = (Pll::default(), f64::MIN);
        for frame in 0..(until * 60.0) as u32 {
            let now = f64::from(frame) / 60.0;
            while next <= now {
                pll.tick(next);
                next = arrivals.next().unwrap();
            }
            let right = now.min(CHANGE_SECS) * 2.0 + (now - CHANGE_SECS).max(0.0) * bpm / 60.0;
            if let (Some(beat), Some(tempo)) = (pll.beat(now), pll.bpm()) {
                assert!(beat >= last, "{beat} after {last} at {now} s");
                last = beat;
                let rate = if now < CHANGE_SECS { 120.0 } else { bpm };
                see(now, (beat - right) * 60_000.0 / rate, tempo);
            }
        }
    }

    const CHANGE_SECS: f64 = 32.0;
    const BUFFER_SECS: f64 = 1024.0 / 48_000.0;

    /// Root mean square and mean of the errors after `from` seconds, in ms.
    fn errors(jitter: f64, buffer: f64, from: f64, until: f64) -> (f64, f64) {
        let mut errors = Vec::new();
        run(jitter, buffer, 120.0, until, |now, error, _| {
            if now >= from {
                errors.push(error);
            }
        });
        let count = errors.len() as f64;
        assert!(count > 60.0 * (until - from) - 2.0);
        let mean = |of: &dyn Fn(f64) -> f64| errors.iter().map(|error| of(*error)).sum::<f64>() / count;
        (mean(&|error| error * error).sqrt(), mean(&|error| error))
    }

    #[test]
    fn jitter_is_smoothed() {
        let (rms, _) = errors(0.003, 0.0, 2.0, 22.0);
        assert!(rms < 0.5, "{rms} ms");
    }

    #[test]
    fn buffers_are_smoothed() {
        let (rms, mean) = errors(0.003, BUFFER_SECS, 10.0, 30.0);
        let around = (rms * rms - mean * mean).sqrt();
        assert!(around < 1.0, "{around} ms around {mean} ms");
        assert!(mean.abs() < 0.6 * BUFFER_SECS * 1000.0);
    }

    #[test]
    fn a_change_of_tempo_is_followed() {
        let check = |jitter: f64, buffer: f64, bpm: f64, late: f64, off: f64| {
            let mut seen = 0;
            run(jitter, buffer, bpm, CHANGE_SECS + 4.0, |now, error, tempo| {
                if now >= CHANGE_SECS + 1.5 {
                    seen += 1;
                    assert!(error.abs() < late, "{error} ms at {now} s, {jitter} {buffer} {bpm}");
                    assert!((tempo - bpm).abs() < off, "{tempo} for {bpm} at {now} s, {jitter} {buffer}");
                }
            });
            assert!(seen > 140);
        };
        for jitter in [0.0, 0.001, 0.003] {
            check(jitter, 0.0, 128.0, 5.0, 0.5);
            check(jitter, 0.0, 121.0, 5.0, 0.5);
            check(jitter, 0.0, 80.0, 10.0, 1.5);
            check(jitter, 0.0, 174.0, 10.0, 1.5);
            check(jitter, BUFFER_SECS, 128.0, 10.0 + 0.6 * BUFFER_SECS * 1000.0, 1.5);
        }
    }

    /// Ticks at 120 beats a minute, and what is told right after each.
    fn steady(pll: &mut Pll, from: f64, ticks: u32) -> f64 {
        (0..ticks).for_each(|tick| pll.tick(from + f64::from(tick) / 48.0));
        from + f64::from(ticks.saturating_sub(1)) / 48.0
    }

    #[test]
    fn a_pause_moves_nothing_and_is_over_soon() {
        for pause in [0.1, 0.3, 0.7, 1.9, 60.0] {
            let mut pll = Pll::default();
            let stopped = steady(&mut pll, 0.0, 481);
            assert!((pll.beat(stopped).unwrap() - 20.0).abs() < 1e-6);
            let ahead = pll.beat(stopped + 1.9).unwrap();
            assert!((ahead - 21.0).abs() < 1e-6, "{ahead}");
            let now = steady(&mut pll, stopped + pause, 96);
            let beat = pll.beat(now).unwrap();
            assert!((beat - 24.0).abs() < 1e-3, "{beat} after {pause} s");
            assert!((pll.bpm().unwrap() - 120.0).abs() < 0.5);
        }
    }

    #[test]
    fn ticks_that_were_held_up_are_no_change() {
        let mut pll = Pll::default();
        let stopped = steady(&mut pll, 0.0, 481);
        let late = stopped + 0.3;
        (0..14).for_each(|_| pll.tick(late));
        assert!((pll.beat(late).unwrap() * 0.5 - late).abs() < 1e-3);
        assert!((pll.bpm().unwrap() - 120.0).abs() < 0.01);
        let now = steady(&mut pll, stopped + 15.0 / 48.0, 10);
        assert!((pll.beat(now).unwrap() * 0.5 - now).abs() < 1e-3);
    }

    #[test]
    fn it_is_silent_until_two_ticks_and_when_the_clock_is_gone() {
        let mut pll = Pll::default();
        assert!(pll.stale(0.0) && pll.beat(0.0).is_none() && pll.bpm().is_none());
        pll.tick(5.0);
        assert!(!pll.stale(5.0) && pll.beat(5.0).is_none() && pll.bpm().is_none());
        pll.tick(5.0 + 1.0 / 48.0);
        assert!(pll.beat(5.1).is_some());
        assert!(!pll.stale(7.0) && pll.stale(7.1) && pll.beat(7.1).is_none());
        assert!(pll.stale(f64::NAN) && pll.beat(f64::NAN).is_none());
    }

    #[test]
    fn the_song_starts_where_it_is_told_to() {
        let mut pll = Pll::default();
        let now = steady(&mut pll, 0.0, 100);
        pll.seek(0.0);
        assert_eq!(pll.beat(now + 0.2), Some(0.0));
        let now = steady(&mut pll, now + 1.0 / 48.0, 25);
        assert!((pll.beat(now).unwrap() - 1.0).abs() < 1e-6);
        pll.seek(64.25);
        pll.seek(f64::NAN);
        assert_eq!(pll.beat(now), Some(64.25));
        let now = steady(&mut pll, now + 1.0 / 48.0, 13);
        assert!((pll.beat(now).unwrap() - 64.75).abs() < 1e-6);
        // Between two ticks it is between them.
        assert!((pll.beat(now + 0.5 / 48.0).unwrap() - 64.75 - 0.5 / 24.0).abs() < 1e-6);
    }

    #[test]
    fn any_clock_gives_finite_beats_that_never_run_backwards() {
        let mut random = Random(7);
        for scale in [0.0, 0.001, 0.005, 0.02, 0.1, 0.3, 2.0] {
            let (mut pll, mut now, mut last) = (Pll::default(), 0.0, 0.0);
            for step in 0..20_000 {
                now += scale * (random.next() + 1.0);
                pll.tick(if step % 100 == 0 { f64::NAN } else { now - 0.01 * random.next().max(0.9) });
                if let Some(beat) = pll.beat(now) {
                    assert!(beat.is_finite() && beat >= last, "{beat} after {last}");
                    last = beat;
                    assert!((19.999..400.001).contains(&pll.bpm().unwrap()));
                }
            }
        }
    }
}
