//! Filters behind the network: what paints its pictures before anybody sees them.
//!
//! Owned by the generator's thread. A filter that cannot be read, or that fails, is said on the board and left out: the
//! pictures go on without it.

use std::sync::Arc;
use std::time::Instant;

use super::Drawn;
use crate::model::filter::Filter;
use crate::net::device::Chosen;
use crate::report::Board;
use crate::worker::caught;

/// The filters at work, one behind the other.
#[derive(Default)]
pub(super) struct Filters {
    names: Vec<String>,
    list: Vec<Filter>,
}

impl Filters {
    /// Whether others are wanted.
    pub(super) fn differ(&self, names: &[String]) -> bool {
        self.names != names
    }

    /// Reads others, for pictures of this height and width, and tries each once.
    pub(super) fn take(&mut self, names: &[String], chosen: &Chosen, size: [usize; 2], board: &Board) {
        self.names = names.to_vec();
        self.list.clear();
        let mut whole = true;
        for name in names {
            let read = caught(|| {
                let filter = Filter::read(name, &chosen.device).map_err(|why| why.to_string())?;
                let [height, width] = size;
                let plain = crate::picture::Picture { width, height, pixels: vec![128; height * width * 3] };
                filter.paint(&plain, 1.0).map(|_| filter)
            });
            match read.unwrap_or_else(|panic| Err(format!("{name} failed while it was tried: {panic}"))) {
                Ok(filter) => self.list.push(filter),
                Err(why) => {
                    whole = false;
                    board.fault("then", format!("{why}; the pictures go on without it"));
                }
            }
        }
        if whole {
            board.clear("then");
        }
    }

    /// Paints pictures, `share` of the way from the plain ones.
    pub(super) fn paint(&mut self, drawn: Drawn, share: f64, board: &Board) -> Drawn {
        if self.list.is_empty() || share <= 0.0 {
            return drawn;
        }
        let start = Instant::now();
        let mut pictures = drawn.pictures.as_ref().clone();
        let mut at = 0;
        while at < self.list.len() {
            let filter = &self.list[at];
            let painted = caught(|| pictures.iter().map(|picture| filter.paint(picture, share)).collect());
            match painted.unwrap_or_else(|panic| Err(format!("{} failed: {panic}", filter.name))) {
                Ok(painted) => {
                    pictures = painted;
                    at += 1;
                }
                Err(why) => {
                    board.fault("then", format!("{why}; the pictures go on without it"));
                    self.list.remove(at);
                }
            }
        }
        Drawn { pictures: Arc::new(pictures), took: drawn.took + start.elapsed(), ..drawn }
    }
}
