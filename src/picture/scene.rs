//! A scene: one frame of a show, ready to be drawn by the canvas or by a window.
//!
//! Made by `show`; drawn by [`super::canvas`] on the processor and by `stage` on a graphics card. Plain data, so that
//! the windows know nothing of engines and the engines nothing of windows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Picture;
use crate::latent::pose::Pose;

/// How the frame sits in a window of another shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// All of it, with bars.
    #[default]
    Fit,
    /// No bars, cut off.
    Fill,
    /// Repeated.
    Tile,
    /// Repeated, every second one mirrored.
    Mirror,
}

/// How pixels become larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Blocks: each pixel is a square.
    Nearest,
    /// Straight between the middles of four pixels: soft, and a little blurred.
    Linear,
    /// Catmull-Rom: soft without blur.
    #[default]
    Cubic,
    /// Lanczos with three lobes: the sharpest, rings a little at hard edges.
    Lanczos,
}

/// One frame, ready to be displayed.
#[derive(Clone)]
pub struct Scene {
    /// The pose that `pictures` belong to: its marks say what is where.
    pub pose: Arc<Pose>,
    /// One picture a latent of `pose`; empty before the first one.
    pub pictures: Arc<Vec<Picture>>,
    /// The pictures before these, and how much of them still shows (0..1): cross-blending where the
    /// generator is slower than the screen. Only when both have the same count and sizes.
    pub before: Option<(Arc<Vec<Picture>>, f32)>,
    /// Counts up with each new set of pictures: what is displayed already need not be uploaded again.
    pub version: u64,
    /// Light, 0 (black) to 1: blackout and fades.
    pub light: f32,
    /// How the frame sits in a window of another shape.
    pub fit: Fit,
    /// How its pictures become larger.
    pub filter: Filter,
}

impl Scene {
    /// Width over height of the frame.
    pub fn aspect(&self) -> f32 {
        let picture = self.pictures.first().map_or(1.0, |p| p.width.max(1) as f32 / p.height.max(1) as f32);
        self.pose.aspect * picture
    }
}
