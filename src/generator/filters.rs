//! Filters behind the network: what paints its pictures before anybody sees them.
//!
//! Owned by the generator's thread. A filter that cannot be read, or that fails, is said on the board and left out: the
//! pictures go on without it.

use std::sync::Arc;
use std::time::Instant;

use super::Drawn;
use crate::model::filter::Filter;
use crate::net::device::Chosen;
use crate::picture::Picture;
use crate::report::Board;
use crate::worker::caught;

/// Longest that one picture may take by a filter, in seconds: beyond that a show stands still.
const LONGEST: f64 = 2.0;
/// Side of the picture that a filter is tried with.
const TRIED: usize = 64;

/// The filters at work, one behind the other.
#[derive(Default)]
pub(super) struct Filters {
    names: Vec<String>,
    list: Vec<Tried>,
}

/// A filter that painted once, and what it takes for a pixel, in seconds.
struct Tried {
    filter: Filter,
    pixel: f64,
    /// The size that was said to be none for it.
    refused: Option<[usize; 2]>,
}

impl Tried {
    fn read(name: &str, chosen: &Chosen) -> Result<Self, String> {
        let filter = Filter::read(name, &chosen.device).map_err(|why| why.to_string())?;
        let plain = Picture { width: TRIED, height: TRIED, pixels: vec![128; TRIED * TRIED * 3] };
        filter.paint(&plain, 1.0)?;
        let start = Instant::now();
        filter.paint(&plain, 1.0)?;
        let pixel = start.elapsed().as_secs_f64() / (TRIED * TRIED) as f64;
        Ok(Self { filter, pixel, refused: None })
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

    /// Reads others and tries each; `step` is a sign of life.
    pub(super) fn take(&mut self, names: &[String], chosen: &Chosen, board: &Board, step: &dyn Fn()) {
        self.names = names.to_vec();
        self.list.clear();
        board.clear("then");
        for name in names {
            let read = caught(|| Tried::read(name, chosen));
            match read.unwrap_or_else(|panic| Err(format!("{name} failed while it was tried: {panic}"))) {
                Ok(filter) => self.list.push(filter),
                Err(why) => board.fault("then", format!("{why}; the pictures go on without it")),
            }
            step();
        }
    }

    /// Paints pictures, `share` of the way from the plain ones. `goes_on` is asked between two of them, and a sign of life:
    /// where something else is wanted, they stay plain.
    pub(super) fn paint(&mut self, drawn: Drawn, share: f64, board: &Board, goes_on: &dyn Fn() -> bool) -> Drawn {
        let Some(first) = drawn.pictures.first().filter(|_| !self.list.is_empty() && share > 0.0) else { return drawn };
        let (start, size) = (Instant::now(), [first.height, first.width]);
        let mut pictures = drawn.pictures.as_ref().clone();
        for tried in &mut self.list {
            if let Err(why) = tried.check(size) {
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
                match caught(|| tried.filter.paint(picture, share)).unwrap_or_else(Err) {
                    Ok(picture) => painted.push(picture),
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
            }
        }
        Drawn { pictures: Arc::new(pictures), took: drawn.took + start.elapsed(), ..drawn }
    }
}
