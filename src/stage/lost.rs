//! A window that shows nothing any more: what is to be done about it, and when.
//!
//! A graphics driver may lose a window's surface (after a switch of modes, an unplugged display, a driver's reset), and
//! Bevy only logs that. Read by `output` once a frame, with the time handed in; knows no windows.

/// Seconds without a presented frame after which the surface is made anew.
const SURFACE_SECS: f64 = 3.0;
/// The same for the window, if another surface did not help; doubled with each window, up to `MOST_SECS`.
const WINDOW_SECS: f64 = 6.0;
const MOST_SECS: f64 = 60.0;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    Nothing,
    NewSurface,
    NewWindow,
}

/// Follows whether frames are presented.
#[derive(Debug)]
pub(super) struct Watch {
    /// When a frame was presented last, or there was no reason why one should.
    shown: f64,
    surfaces: u32,
    /// Windows that were opened since then, and when the last one was.
    windows: u32,
    opened: f64,
}

impl Watch {
    pub(super) fn new(now: f64) -> Self {
        Self { shown: now, surfaces: 0, windows: 0, opened: now }
    }

    /// Looks at `now` (seconds): whether a frame was presented since the last look, and whether the window is hidden,
    /// so that none is to be expected.
    pub(super) fn look(&mut self, now: f64, presented: bool, hidden: bool) -> Remedy {
        if presented || hidden {
            *self = Self::new(now);
            return Remedy::Nothing;
        }
        let dark = now - self.shown;
        let patience = (WINDOW_SECS * f64::from(1_u32 << self.windows.min(8))).min(MOST_SECS);
        if dark >= WINDOW_SECS && now - self.opened >= patience {
            self.windows += 1;
            self.opened = now;
            return Remedy::NewWindow;
        }
        if dark >= SURFACE_SECS && self.surfaces == 0 {
            self.surfaces = 1;
            return Remedy::NewSurface;
        }
        Remedy::Nothing
    }

    /// Whether the window has been dark for so long that the player has to know.
    pub(super) fn dark(&self) -> bool {
        self.surfaces > 0 || self.windows > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done in `secs` seconds at four looks a second, with the time of each.
    fn run(watch: &mut Watch, from: f64, secs: f64, presented: bool, hidden: bool) -> Vec<(f64, Remedy)> {
        let looks = (1..=(secs * 4.0) as u32).map(|n| from + f64::from(n) / 4.0);
        let all = looks.map(|now| (now, watch.look(now, presented, hidden)));
        all.filter(|(_, remedy)| *remedy != Remedy::Nothing).collect()
    }

    #[test]
    fn a_dark_window_gets_a_surface_and_then_new_windows_ever_less_often() {
        let mut watch = Watch::new(0.0);
        assert_eq!(run(&mut watch, 0.0, 100.0, true, false), []);
        assert!(!watch.dark());
        let done = run(&mut watch, 100.0, 200.0, false, false);
        assert_eq!(done[0], (103.0, Remedy::NewSurface));
        let windows: Vec<f64> = done[1..].iter().map(|(at, _)| *at).collect();
        assert_eq!(windows, [106.0, 118.0, 142.0, 190.0, 250.0]);
        assert!(watch.dark() && done[1..].iter().all(|(_, remedy)| *remedy == Remedy::NewWindow));
        // It shows again, and all begins anew.
        assert_eq!(run(&mut watch, 300.0, 10.0, true, false), []);
        assert!(!watch.dark());
        assert_eq!(run(&mut watch, 310.0, 4.0, false, false), [(313.0, Remedy::NewSurface)]);
    }

    #[test]
    fn a_hidden_window_is_left_alone() {
        let mut watch = Watch::new(0.0);
        assert_eq!(run(&mut watch, 0.0, 600.0, false, true), []);
    }
}
