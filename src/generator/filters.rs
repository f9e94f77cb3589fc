//! Filters behind the network: what paints its pictures before anybody sees them.
//!
//! Owned by the generator's thread. A filter that cannot be read, or that fails, is said on the board and left out: the
//! pictures go on without it. In a show they are all left out where pictures take too long with them, and come back when
//! they would be quick enough; a film waits for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Drawn;
use crate::model::filter::{Filter, STOPPED};
use crate::net::device::Chosen;
use crate::picture::Picture;
use crate::report::Board;
use crate::worker::caught;

/// Longest that one picture may take by a filter, in seconds: beyond that a show stands still.
const LONGEST: f64 = 2.0;
/// Seconds that a picture of a show may take with its filters, how long it may take longer, and what it has to take at most
/// for them to come back.
const SLOW: f64 = 0.1;
const PATIENCE: Duration = Duration::from_millis(500);
const QUICK: f64 = 0.05;
/// Side of the picture that a filter is tried with.
const TRIED: usize = 64;

/// The filters at work, one behind the other.
#[derive(Default)]
pub(super) struct Filters {
    names: Vec<String>,
    list: Vec<Tried>,
    haste: Haste,
}

/// Whether filters are left out of a show whose pictures take too long.
#[derive(Default)]
struct Haste {
    slow: Option<Instant>,
    out: bool,
}

impl Haste {
    /// A picture took so long at `now`, or would with the filters while they are left out; whether that changed anything.
    fn follow(&mut self, secs: f64, now: Instant) -> bool {
        if self.out {
            self.out = secs > QUICK;
            return !self.out;
        }
        if secs <= SLOW {
            self.slow = None;
            return false;
        }
        self.out = now.duration_since(*self.slow.get_or_insert(now)) >= PATIENCE;
        if self.out {
            self.slow = None;
        }
        self.out
    }
}

/// A filter that painted once, and what it takes for a pixel, in seconds.
struct Tried {
    filter: Filter,
    pixel: f64,
    /// The size that was said to be none for it.
    refused: Option<[usize; 2]>,
}

impl Tried {
    /// Reads a filter, and has it paint small pictures and one of this height and width, because kernels of a card are made
    /// for a size when it is seen first.
    fn read(name: &str, size: [usize; 2], chosen: &Chosen) -> Result<Self, String> {
        let filter = Filter::read(name, &chosen.device).map_err(|why| why.to_string())?;
        let plain = Picture { width: TRIED, height: TRIED, pixels: vec![128; TRIED * TRIED * 3] };
        filter.paint(&plain, 1.0, &|| true)?;
        let start = Instant::now();
        filter.paint(&plain, 1.0, &|| true)?;
        let pixel = start.elapsed().as_secs_f64() / (TRIED * TRIED) as f64;
        let tried = Self { filter, pixel, refused: None };
        if tried.check(size).is_ok() {
            let [height, width] = size;
            tried.filter.paint(&Picture::filled(width, height, [128; 3]), 1.0, &|| true)?;
        }
        Ok(tried)
    }

    /// Whether it can paint pictures of this height and width in time.
    fn check(&self, [h, w]: [usize; 2]) -> Result<(), String> {
        self.filter.check([h, w])?;
        let secs = self.pixel * (h * w) as f64;
        match secs > LONGEST {
            true => Err(format!("{} takes about {secs:.0} s for a picture of {w}x{h}", self.filter.name)),
            false => Ok(()),
        }
    }
}

impl Filters {
    /// Whether others are wanted.
    pub(super) fn differ(&self, names: &[String]) -> bool {
        self.names != names
    }

    /// Reads others and tries each on pictures of the size that is drawn; `step` is a sign of life.
    pub(super) fn take(
        &mut self,
        names: &[String],
        mut size: [usize; 2],
        chosen: &Chosen,
        board: &Board,
        step: &dyn Fn(),
    ) {
        self.names = names.to_vec();
        self.list.clear();
        self.haste = Haste::default();
        board.clear("then");
        for name in names {
            let read = caught(|| Tried::read(name, size, chosen));
            match read.unwrap_or_else(|panic| Err(format!("{name} failed while it was tried: {panic}"))) {
                Ok(tried) => {
                    size = size.map(|side| side * tried.filter.scale());
                    self.list.push(tried);
                }
                Err(why) => board.fault("then", format!("{why}; the pictures go on without it")),
            }
            step();
        }
    }

    /// Paints pictures, `share` of the way from the plain ones. `goes_on` is asked between two of them, and a sign of life:
    /// where something else is wanted, they stay plain. In a show that is `live` they do, too, where they take too long.
    pub(super) fn paint(
        &mut self,
        drawn: Drawn,
        share: f64,
        live: bool,
        board: &Board,
        goes_on: &dyn Fn() -> bool,
    ) -> Drawn {
        if share <= 0.0 && self.haste.out {
            // Who turns them off and on again wants to see them.
            self.haste = Haste::default();
            board.clear("then");
        }
        let Some(first) = drawn.pictures.first().filter(|_| !self.list.is_empty() && share > 0.0) else { return drawn };
        let (start, mut size) = (Instant::now(), [first.height, first.width]);
        if live && self.haste.out {
            let count = drawn.pictures.len() as f64;
            let (mut size, mut secs) = (size, 0.0);
            for tried in self.list.iter().filter(|tried| tried.pixel.is_finite()) {
                secs += tried.pixel * (size[0] * size[1]) as f64 * count;
                size = size.map(|side| side * tried.filter.scale());
            }
            if self.haste.follow(drawn.took.as_secs_f64() + secs, start) {
                board.clear("then");
            } else {
                return drawn;
            }
        }
        let mut pictures = drawn.pictures.as_ref().clone();
        for tried in &mut self.list {
            // A film waits as long as it takes.
            let fits = if live || tried.pixel.is_infinite() { tried.check(size) } else { tried.filter.check(size) };
            if let Err(why) = fits {
                if tried.refused.replace(size) != Some(size) {
                    board.fault("then", format!("{why}; the pictures go on without it"));
                }
                continue;
            }
            tried.refused = None;
            let mut painted = Vec::with_capacity(pictures.len());
            for picture in &pictures {
                if !goes_on() {
                    return drawn;
                }
                match caught(|| tried.filter.paint(picture, share, goes_on)).unwrap_or_else(Err) {
                    Ok(picture) => painted.push(picture),
                    Err(why) if why == STOPPED => return drawn,
                    Err(why) => {
                        let text = format!("{} failed ({why}); the pictures go on without it", tried.filter.name);
                        board.fault("then", text);
                        // It is tried again when a preset names it again.
                        tried.pixel = f64::INFINITY;
                        break;
                    }
                }
            }
            if painted.len() == pictures.len() {
                pictures = painted;
                size = size.map(|side| side * tried.filter.scale());
            }
        }
        let took = drawn.took + start.elapsed();
        if live && self.haste.follow(took.as_secs_f64(), Instant::now()) {
            let text = format!(
                "pictures take {:.0} ms with {}: left out until they are quicker; /flaneur/then 0 and 1 tries again",
                took.as_secs_f64() * 1e3,
                self.names.join(", ")
            );
            board.notice("then", text);
        }
        Drawn { pictures: Arc::new(pictures), took, ..drawn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_take_too_long_are_left_out_and_come_back() {
        let (mut haste, start) = (Haste::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert!(!haste.follow(0.2, at(0)) && !haste.follow(0.2, at(400)));
        // One that was quick begins anew.
        assert!(!haste.follow(0.02, at(450)) && !haste.follow(0.2, at(600)) && !haste.out);
        assert!(haste.follow(0.2, at(1200)) && haste.out);
        assert!(!haste.follow(0.08, at(1300)) && haste.out);
        assert!(haste.follow(0.03, at(1400)) && !haste.out);
    }
}
