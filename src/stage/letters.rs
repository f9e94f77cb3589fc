//! Letters on the graphics card: which of them lie where in one texture of covers, the atlas.
//!
//! Fed by `quads` with the letters of a frame, set as the canvas sets them; `painter` uploads what is new. The atlas is
//! emptied when it is full, so that letters of ever new sizes need no more memory; knows no graphics card.

use std::collections::HashMap;

use crate::picture::canvas::letters::{Letter, Raster, raster};

/// Sides of the atlas: as it begins, and the most it grows to.
const SIDES: [u32; 2] = [1024, 4096];
/// Letters larger than this are drawn at this size and enlarged.
const MOST_EM: f32 = 256.0;
/// Steps of a pixel at which letters are drawn anew, and at which sizes differ.
const STEPS: f32 = 4.0;

/// A letter in the atlas.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Slot {
    /// Left, top, right and bottom in the atlas.
    texels: [f32; 4],
    /// Left and top from the whole pixel that the letter stands on.
    offset: [f32; 2],
}

/// Where a letter lies in the frame, and in the atlas: left, top, right, bottom.
pub(super) type Placed = ([f32; 4], [f32; 4]);
/// Form, size in steps, and the shift to the right and down in steps.
type Key = (u16, u32, [u8; 2]);

/// There is no room in the atlas: it is to be emptied, and the frame begun again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

pub(super) struct Atlas {
    side: u32,
    /// Counts up when it is emptied.
    version: u64,
    slots: HashMap<Key, Option<Slot>>,
    /// Left end and top of the row that is being filled, and its height.
    free: [u32; 2],
    high: u32,
    /// What is not on the card yet, with its left and top.
    news: Vec<([u32; 2], Raster)>,
}

impl Default for Atlas {
    fn default() -> Self {
        Self { side: SIDES[0], version: 0, slots: HashMap::new(), free: [0; 2], high: 0, news: Vec::new() }
    }
}

impl Atlas {
    /// Pixels of its side.
    pub(super) fn side(&self) -> u32 {
        self.side
    }

    /// How often it was emptied.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// What has to be uploaded since the last time.
    pub(super) fn news(&mut self) -> std::vec::Drain<'_, ([u32; 2], Raster)> {
        self.news.drain(..)
    }

    /// Forgets all letters; one that was too small for a frame by itself grows.
    pub(super) fn empty(&mut self, grow: bool) {
        let side = if grow { (self.side * 2).min(SIDES[1]) } else { self.side };
        *self = Self { side, version: self.version + 1, ..Self::default() };
    }

    /// Whether it is as large as it may be.
    pub(super) fn largest(&self) -> bool {
        self.side >= SIDES[1]
    }

    /// Where a letter of `size` pixels lies in the frame and in the atlas; none for a space.
    pub(super) fn place(&mut self, letter: Letter, size: f32) -> Result<Option<Placed>, Full> {
        let drawn = size.min(MOST_EM);
        let enlarged = size / drawn;
        let [(x, right), (y, down)] = match enlarged > 1.0 {
            true => [(letter.x, 0), (letter.baseline, 0)],
            false => [letter.x, letter.baseline].map(stepped),
        };
        let key = (letter.form(), (drawn * STEPS).round() as u32, [right, down]);
        let slot = match self.slots.get(&key) {
            Some(slot) => *slot,
            None => {
                let slot = self.add(key)?;
                self.slots.insert(key, slot);
                slot
            }
        };
        Ok(slot.map(|Slot { texels, offset }| {
            let (left, top) = (x + offset[0] * enlarged, y + offset[1] * enlarged);
            let (wide, high) = ((texels[2] - texels[0]) * enlarged, (texels[3] - texels[1]) * enlarged);
            ([left, top, left + wide, top + high], texels)
        }))
    }

    /// Draws a letter and finds a place for it.
    fn add(&mut self, (form, size, shift): Key) -> Result<Option<Slot>, Full> {
        let Some(raster) = raster(form, size as f32 / STEPS, shift.map(|step| f32::from(step) / STEPS)) else {
            return Ok(None);
        };
        // A pixel between neighbours, or enlarged letters would show a bit of each other.
        let [wide, high] = [raster.width, raster.height].map(|side| side as u32 + 1);
        if self.free[0] + wide > self.side {
            self.free = [0, self.free[1] + self.high];
            self.high = 0;
        }
        if wide > self.side || self.free[1] + high > self.side {
            return Err(Full);
        }
        let [left, top] = self.free;
        self.free[0] += wide;
        self.high = self.high.max(high);
        let texels = [left, top, left + wide - 1, top + high - 1].map(|v| v as f32);
        let slot = Slot { texels, offset: [raster.left as f32, raster.top as f32] };
        self.news.push(([left, top], raster));
        Ok(Some(slot))
    }
}

/// The whole pixel of a place, and the steps from there.
fn stepped(place: f32) -> (f32, u8) {
    let steps = (place * STEPS).round();
    let whole = (steps / STEPS).floor();
    (whole, (steps - whole * STEPS) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::canvas::letters::line;

    #[test]
    fn letters_are_drawn_once_and_lie_apart() {
        let mut atlas = Atlas::default();
        let place = |atlas: &mut Atlas, text: &str, size: f32| -> Vec<([f32; 4], [f32; 4])> {
            let letters = line(text, [40.0, 20.0], size);
            letters.into_iter().filter_map(|letter| atlas.place(letter, size).unwrap()).collect()
        };
        let first = place(&mut atlas, "a b", 20.0);
        assert_eq!((first.len(), atlas.news().count()), (2, 2));
        assert_eq!(place(&mut atlas, "a b", 20.0), first);
        assert_eq!(atlas.news().count(), 0);
        for (edges, texels) in &first {
            assert!((edges[2] - edges[0], edges[3] - edges[1]) == (texels[2] - texels[0], texels[3] - texels[1]));
        }
        assert!(first[0].1[2] < first[1].1[0], "{first:?}");
        // One that is larger than any in the atlas is enlarged.
        let (edges, texels) = place(&mut atlas, "a", 1024.0)[0];
        assert_eq!(edges[2] - edges[0], 4.0 * (texels[2] - texels[0]));
    }

    #[test]
    fn letters_of_ever_new_sizes_need_no_more_room() {
        let mut atlas = Atlas::default();
        let mut emptied = 0;
        for step in 0..2000 {
            let size = 20.0 + step as f32 * 0.25;
            for letter in line("walk", [0.0; 2], size) {
                if atlas.place(letter, size) == Err(Full) {
                    atlas.empty(false);
                    emptied += 1;
                    assert!(atlas.place(letter, size).is_ok());
                }
            }
            atlas.news();
            assert!(atlas.slots.len() < 5000 && atlas.side() == SIDES[0]);
        }
        assert!(emptied > 0);
        (0..3).for_each(|_| atlas.empty(true));
        assert!(atlas.largest() && atlas.slots.is_empty());
    }

    #[test]
    fn places_are_met_to_an_eighth_of_a_pixel() {
        for (place, wanted) in [(3.0, (3.0, 0)), (3.3, (3.0, 1)), (3.9, (4.0, 0)), (-0.3, (-1.0, 3))] {
            assert_eq!(stepped(place), wanted);
        }
    }
}
