//! How far each pixel may go towards its goal in one frame.
//!
//! Used by [`super::FlashLimiter`] while it works. Small changes pass, large ones are lowered: a pixel goes a few levels
//! a frame or a share of its way, whichever is more, so that a walk moves on while a strobe becomes the mean of its
//! light and dark.

/// Levels (of 255) that a pixel may go in a second, however far its goal is.
const LEVELS_PER_SEC: f64 = 90.0;
/// A share of a step that is all of it.
pub const ALL: u16 = 256;
/// Pixels that are moved at once.
const TOGETHER: usize = 16;
/// Seconds in which it goes most of its way (1 − 1/e), however far that is.
const FOLLOW_SECS: f64 = 0.8;

/// The step of each distance, 0..=255, in one frame.
#[derive(Clone)]
pub struct Slew {
    steps: [u8; 256],
    /// Step over distance, in 65536ths.
    ratios: [u32; 256],
}

impl Slew {
    /// For a frame that lasts `dt` seconds; `speed` is 1, or more while the limiter lets go. Everything is times
    /// `share`, 0..1. Steps that are no whole level are rounded down after `dither`, 0..1, was added: where that is
    /// another one each frame, pixels take their steps on average.
    pub fn new(dt: f64, speed: f64, share: f64, dither: f64) -> Self {
        let (levels, follow) = (LEVELS_PER_SEC * speed * dt, 1.0 - (-dt * speed / FOLLOW_SECS).exp());
        let step = |distance: usize| {
            let distance = distance as f64;
            let step = (levels.min(distance).max(follow * distance) * share + dither).floor();
            step.min(distance) as u8
        };
        Self::of(std::array::from_fn(step))
    }

    fn of(steps: [u8; 256]) -> Self {
        let ratio = |distance: usize| match distance as u32 {
            // It is there.
            0 => 1 << 16,
            distance => ((u32::from(steps[distance as usize]) << 16) + distance / 2) / distance,
        };
        Self { steps, ratios: std::array::from_fn(ratio) }
    }

    /// Where `frames` of these steps lead.
    pub fn after(&self, frames: f64) -> Self {
        let step = |distance: usize| (f64::from(self.steps[distance]) * frames).min(distance as f64) as u8;
        Self::of(std::array::from_fn(step))
    }

    /// Moves RGB pixels from `from` towards `to`, in its place; a pixel keeps to the straight way between both
    /// colours. Each goes its share (of [`ALL`]) of its step. Gives whether all are there.
    pub fn go(&self, from: &[u8], to: &mut [u8], shares: &[u16]) -> bool {
        let (to, to_rest) = to.as_chunks_mut::<{ 3 * TOGETHER }>();
        let (from, from_rest) = from.as_chunks::<{ 3 * TOGETHER }>();
        let (shares, shares_rest) = shares.as_chunks::<TOGETHER>();
        let mut there = true;
        for ((to, from), shares) in to.iter_mut().zip(from).zip(shares) {
            there &= self.pixels(from, to, shares);
        }
        if !to_rest.is_empty() {
            let (mut a, mut b, mut c) = ([0; 3 * TOGETHER], [0; 3 * TOGETHER], [ALL; TOGETHER]);
            a[..from_rest.len()].copy_from_slice(from_rest);
            b[..to_rest.len()].copy_from_slice(to_rest);
            c[..shares_rest.len()].copy_from_slice(shares_rest);
            there &= self.pixels(&a, &mut b, &c);
            to_rest.copy_from_slice(&b[..to_rest.len()]);
        }
        there
    }

    /// A few pixels at once, in loops that the compiler makes vectors of.
    fn pixels(&self, from: &[u8; 3 * TOGETHER], to: &mut [u8; 3 * TOGETHER], shares: &[u16; TOGETHER]) -> bool {
        let mut there = true;
        let (mut apart, mut ratios) = ([0u8; 3 * TOGETHER], [0u16; 3 * TOGETHER]);
        for (apart, (to, from)) in apart.iter_mut().zip(to.iter().zip(from)) {
            *apart = to.abs_diff(*from);
        }
        let each = apart.as_chunks::<3>().0.iter().zip(ratios.as_chunks_mut::<3>().0);
        for (([r, g, b], ratios), share) in each.zip(shares) {
            let ratio = (self.ratios[usize::from(*r.max(g).max(b))] * u32::from(*share)) >> 8;
            let ratio = ratio.min(u32::from(u16::MAX)) as u16;
            there &= ratio == u16::MAX;
            *ratios = [ratio; 3];
        }
        for ((to, from), (apart, ratio)) in to.iter_mut().zip(from).zip(apart.iter().zip(&ratios)) {
            // In 256ths of a level, then rounded.
            let step = ((u32::from(u16::from(*apart) << 8) * u32::from(*ratio)) >> 16) as u16;
            let step = ((step + 128) >> 8) as u8;
            let (up, down) = (from.saturating_add(step), from.saturating_sub(step));
            *to = if *to > *from { up } else { down };
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(slew: &Slew, from: &[u8], to: &mut [u8]) -> bool {
        slew.go(from, to, &[ALL; 9][..from.len() / 3])
    }

    #[test]
    fn small_changes_pass_and_large_ones_are_lowered() {
        let slew = Slew::new(1.0 / 30.0, 1.0, 1.0, 0.0);
        assert_eq!((slew.steps[1], slew.steps[3], slew.steps[40], slew.steps[255]), (1, 3, 3, 10));
        let mut to = [13, 11, 10, 210, 110, 60, 10, 10, 10];
        assert!(!go(&slew, &[10, 10, 10, 10, 10, 10, 210, 110, 60], &mut to));
        // 200, 100 and 50 levels apart: eight steps of the way up and down.
        assert_eq!(to, [13, 11, 10, 18, 14, 12, 202, 106, 58]);
        let mut to = [210; 9];
        slew.go(&[10; 9], &mut to, &[0, ALL / 2, ALL]);
        assert_eq!(to, [10, 10, 10, 14, 14, 14, 18, 18, 18]);
    }

    #[test]
    fn without_a_share_nothing_moves_and_at_full_speed_all_is_there() {
        let (from, goal) = ([0, 90, 200], [255, 30, 201]);
        let mut to = goal;
        assert!(!go(&Slew::new(0.02, 1.0, 0.0, 0.99), &from, &mut to));
        assert_eq!(to, from);
        let mut to = goal;
        assert!(go(&Slew::new(0.02, 4000.0, 1.0, 0.0), &from, &mut to));
        assert_eq!(to, goal);
    }

    #[test]
    fn steps_of_less_than_a_level_are_taken_on_average() {
        let mut level = [0u8; 3];
        for frame in 0..240 {
            let dither = (f64::from(frame) * 0.618_034).fract();
            let mut to = [90; 3];
            go(&Slew::new(1.0 / 240.0, 1.0, 0.5, dither), &level, &mut to);
            level = to;
        }
        assert!(level[0].abs_diff(45) <= 2, "{level:?}");
    }
}
