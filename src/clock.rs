//! Time as sketches know it: seconds, beats, bars; live or frame by frame.
//!
//! Whoever runs the loop says how many real seconds have passed; the clock knows speed, hold and tempo.
//! Nothing is summed up frame by frame: every change of speed or tempo sets a new anchor and time is reckoned
//! from there in f64, so that a month of running costs no precision (2.6e6 s to 5e-10 s).

/// Beats of a bar.
pub const BAR: f64 = 4.0;

/// One instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// Frames since the start.
    pub frame: u64,
    /// Seconds of the walk (with speed and hold).
    pub secs: f64,
    /// Seconds of the walk since the last frame.
    pub dt: f64,
    /// Real seconds since the last frame: what smoothing and fades go by.
    pub real_dt: f64,
    /// Beats since the start, with fractions.
    pub beat: f64,
    /// Beats a minute.
    pub bpm: f64,
}

impl Tick {
    /// The bar, counted from 0.
    pub fn bar(&self) -> f64 {
        self.beat / BAR
    }

    /// 0..1, once in so many beats; 0 for a period that is not above 0.
    pub fn phase(&self, beats: f64) -> f64 {
        if beats > 0.0 && beats.is_finite() { (self.beat / beats).rem_euclid(1.0) } else { 0.0 }
    }
}

/// Where walk time stood at a real time.
#[derive(Clone, Copy)]
struct Anchor {
    real: f64,
    secs: f64,
    beat: f64,
}

/// The clock of a show.
pub struct Clock {
    anchor: Anchor,
    speed: f64,
    held: bool,
    bpm: f64,
    /// Of the last frame, with what pushes it.
    last: Tick,
    /// Seconds and beats of the last frame, without.
    base: (f64, f64),
    /// Beats that a hand has pushed the walk further.
    push: f64,
    /// Where somebody else's clock stands, and stood in the last frame.
    lead: Option<f64>,
    led: Option<f64>,
    last_real: f64,
    taps: Vec<f64>,
}

/// Tempo from the pauses between taps is believed within these bounds.
const TEMPO: std::ops::RangeInclusive<f64> = 20.0..=400.0;

impl Clock {
    /// At the start, with beats at `bpm` a minute.
    pub fn new(bpm: f64) -> Self {
        let bpm = if TEMPO.contains(&bpm) { bpm } else { 120.0 };
        Self {
            anchor: Anchor { real: 0.0, secs: 0.0, beat: 0.0 },
            speed: 1.0,
            held: false,
            bpm,
            last: Tick { frame: 0, secs: 0.0, dt: 0.0, real_dt: 0.0, beat: 0.0, bpm },
            base: (0.0, 0.0),
            push: 0.0,
            lead: None,
            led: None,
            last_real: 0.0,
            taps: Vec::new(),
        }
    }

    fn pace(&self) -> f64 {
        if self.held { 0.0 } else { self.speed }
    }

    fn at(&self, real: f64) -> (f64, f64) {
        let secs = (real - self.anchor.real) * self.pace();
        (self.anchor.secs + secs, self.anchor.beat + secs * self.bpm / 60.0)
    }

    fn set_anchor(&mut self) {
        // Where another clock leads, beats are where it has taken them.
        let (secs, beat) = if self.lead.is_some() { self.base } else { self.at(self.last_real) };
        self.anchor = Anchor { real: self.last_real, secs, beat };
    }

    /// The next frame, `real` seconds after the start. The first one is frame 0.
    pub fn frame(&mut self, real: f64, first: bool) -> Tick {
        let real = if real.is_finite() { real.max(self.last_real) } else { self.last_real };
        let (secs, mut beat) = self.at(real);
        if let Some(lead) = self.lead {
            beat = self.base.1 + self.pace() * self.led.map_or(0.0, |led| lead - led);
            self.anchor = Anchor { real, secs, beat };
        }
        self.led = self.lead;
        self.base = (secs, beat);
        let frame = if first { 0 } else { self.last.frame + 1 };
        let (secs, beat) = (secs + self.push * 60.0 / self.bpm, beat + self.push);
        let (dt, real_dt) = (secs - self.last.secs, real - self.last_real);
        self.last_real = real;
        self.last = Tick { frame, secs, dt, real_dt, beat, bpm: self.bpm };
        self.last
    }

    /// Takes a frame as it was: a performance is played again.
    pub fn replay(&mut self, tick: Tick, real: f64) {
        (self.last, self.last_real, self.bpm) = (tick, real, tick.bpm);
        self.base = (tick.secs, tick.beat);
    }

    /// Real seconds of the last frame.
    pub fn real(&self) -> f64 {
        self.last_real
    }

    /// Somebody else's clock leads: its beat and its tempo at the next frame; or nobody's. The walk's beats go
    /// as far as that clock's do, times the speed.
    pub fn follow(&mut self, lead: Option<(f64, f64)>) {
        if lead.is_none() && self.lead.is_some() {
            self.set_anchor();
        }
        self.lead = lead.map(|(beat, _)| beat);
        if let Some((_, bpm)) = lead.filter(|(_, bpm)| TEMPO.contains(bpm)) {
            self.bpm = bpm;
        }
    }

    /// Whether somebody else's clock leads.
    pub fn led(&self) -> bool {
        self.lead.is_some()
    }

    /// Puts the walk to a beat.
    pub fn seek(&mut self, beat: f64) {
        if beat.is_finite() {
            self.set_anchor();
            self.anchor.beat = beat - self.push;
            self.base.1 = self.anchor.beat;
            // What leads counts on from there.
            self.led = self.led.map(|_| beat);
        }
    }

    /// Pushes the walk so many beats further than its time has taken it.
    pub fn set_push(&mut self, beats: f64) {
        if beats.is_finite() {
            self.push = beats;
        }
    }

    /// The last frame's tick.
    pub fn now(&self) -> Tick {
        self.last
    }

    /// Beats a minute.
    pub fn bpm(&self) -> f64 {
        self.bpm
    }

    /// Walk speed, −8..8; 1 is normal.
    pub fn set_speed(&mut self, speed: f64) {
        if speed.is_finite() {
            self.set_anchor();
            self.speed = speed.clamp(-8.0, 8.0);
        }
    }

    /// The speed.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Stops or goes on with the walk.
    pub fn hold(&mut self, held: bool) {
        self.set_anchor();
        self.held = held;
    }

    /// Whether the walk is held.
    pub fn held(&self) -> bool {
        self.held
    }

    /// Puts the walk to a time of its own, as when a snapshot is recalled.
    pub fn set_time(&mut self, secs: f64, beat: f64) {
        if secs.is_finite() && beat.is_finite() {
            let push = (self.push * 60.0 / self.bpm, self.push);
            self.base = (secs - push.0, beat - push.1);
            self.anchor = Anchor { real: self.last_real, secs: self.base.0, beat: self.base.1 };
            (self.last.secs, self.last.beat) = (secs, beat);
        }
    }

    /// Beats a minute, 20..400; others are ignored.
    pub fn set_tempo(&mut self, bpm: f64) {
        if TEMPO.contains(&bpm) {
            self.set_anchor();
            self.bpm = bpm;
        }
    }

    /// One tap of a tempo: from the second one on, the mean pause of the last few counts.
    pub fn tap(&mut self) {
        let now = self.last_real;
        if self.taps.last().is_some_and(|last| now - last > 3.0) {
            self.taps.clear();
        }
        self.taps.push(now);
        if self.taps.len() > 8 {
            self.taps.remove(0);
        }
        if let [first, .., last] = self.taps[..]
            && last > first
        {
            self.set_tempo(60.0 * (self.taps.len() - 1) as f64 / (last - first));
        }
    }
}

/// The minute of the week by the clock on the wall of this place; Monday 0:00 is 0.
pub fn minute_of_week() -> u32 {
    let now = jiff::ZonedDateTime::now();
    let day = now.weekday().to_monday_zero_offset() as u32;
    day * 24 * 60 + now.hour() as u32 * 60 + now.minute() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_closes_exactly_and_a_month_later_too() {
        let mut clock = Clock::new(120.0);
        let month = 30.0 * 86_400.0;
        let tick = clock.frame(month, true);
        assert_eq!(tick.phase(8.0), (month * 2.0 / 8.0).rem_euclid(1.0));
        let next = clock.frame(month + 1.0 / 60.0, false);
        assert!((next.dt - 1.0 / 60.0).abs() < 1e-8);
        assert_eq!((tick.phase(0.0), tick.phase(f64::NAN)), (0.0, 0.0));
    }

    #[test]
    fn speed_and_hold_leave_no_jump() {
        let mut clock = Clock::new(60.0);
        clock.frame(0.0, true);
        clock.frame(10.0, false);
        clock.set_speed(2.0);
        assert_eq!(clock.frame(11.0, false).secs, 12.0);
        clock.hold(true);
        let held = clock.frame(20.0, false);
        assert_eq!((held.secs, held.dt, held.real_dt), (12.0, 0.0, 9.0));
        clock.hold(false);
        assert_eq!(clock.frame(21.0, false).beat, 14.0);
    }

    #[test]
    fn another_clock_leads_and_lets_go_without_a_jump() {
        let mut clock = Clock::new(120.0);
        clock.frame(0.0, true);
        clock.frame(1.0, false);
        clock.follow(Some((100.0, 60.0)));
        assert_eq!(clock.frame(1.1, false).beat, 2.0);
        clock.follow(Some((100.5, 60.0)));
        assert_eq!(clock.frame(1.6, false).beat, 2.5);
        // It starts its song.
        clock.seek(0.0);
        clock.follow(Some((0.25, 60.0)));
        assert_eq!(clock.frame(1.85, false).beat, 0.25);
        clock.hold(true);
        clock.follow(Some((1.25, 60.0)));
        assert_eq!(clock.frame(2.85, false).beat, 0.25);
        clock.hold(false);
        clock.follow(None);
        let free = clock.frame(3.85, false);
        assert!((free.beat - 1.25).abs() < 1e-9 && free.bpm == 60.0, "{free:?}");
    }

    #[test]
    fn a_push_moves_the_walk_and_comes_back() {
        let mut clock = Clock::new(60.0);
        clock.frame(0.0, true);
        clock.set_push(4.0);
        let pushed = clock.frame(1.0, false);
        assert_eq!((pushed.beat, pushed.secs, pushed.dt), (5.0, 5.0, 5.0));
        clock.set_push(0.0);
        assert_eq!(clock.frame(2.0, false).beat, 2.0);
    }

    #[test]
    fn taps_make_a_tempo() {
        let mut clock = Clock::new(120.0);
        for tap in 0..4 {
            clock.frame(f64::from(tap) * 0.4, tap == 0);
            clock.tap();
        }
        assert!((clock.frame(2.0, false).bpm - 150.0).abs() < 1e-9);
    }
}
