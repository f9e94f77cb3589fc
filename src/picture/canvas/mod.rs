//! A scene as a picture, drawn by the processor: for films, recordings, stills and shows without a window.
//!
//! It draws what `stage` draws on the graphics card; positions, order and colours are the same, since both take them
//! from [`super::layout`], [`super::heat`] and [`letters`]. Needs no adapter and gives the same bytes each time.

pub mod letters;
mod shapes;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::latent::pose::{Mark, Place};
use crate::picture::Picture;
pub use crate::picture::layout::LARGEST;
use crate::picture::layout::Panel;
use crate::picture::paths::Paths;
use crate::picture::scene::{Filter, Fit, Scene};

/// Draws scenes; keeps what can be used again.
#[derive(Default)]
pub struct Canvas {
    resizer: Resizer,
    paths: Paths,
}

impl Canvas {
    /// The scene in a picture of that size; `marks` off leaves only the generator's pictures.
    pub fn draw(&mut self, scene: &Scene, [width, height]: [usize; 2], marks: bool) -> Picture {
        let panel = Panel::middle([width as f32, height as f32], scene.aspect(), scene.fit);
        let frame = self.frame(scene, panel, marks);
        let mut out = match (frame.width, frame.height) == (width, height) {
            true => frame,
            false => laid_out(&frame, panel, scene.fit, width, height),
        };
        if scene.light < 1.0 {
            let light = (scene.light.max(0.0) * 256.0) as u32;
            out.pixels.iter_mut().for_each(|v| *v = ((u32::from(*v) * light) >> 8) as u8);
        }
        out
    }

    /// The frame itself, without what is around it.
    fn frame(&mut self, scene: &Scene, panel: Panel, marks: bool) -> Picture {
        let (width, height) = (panel.w as usize, panel.h as usize);
        let background = scene.pose.background.map(|v| (v * 255.0).round() as u8);
        let mut out = Picture::filled(width, height, background);
        let pictures: Vec<Picture> = match &scene.before {
            Some((before, share)) if *share > 0.0 && alike(before, &scene.pictures) => {
                before.iter().zip(scene.pictures.iter()).map(|(a, b)| blend(a, b, *share)).collect()
            }
            _ => Vec::new(),
        };
        let pictures: &[Picture] = if pictures.is_empty() { &scene.pictures } else { &pictures };
        for mark in &scene.pose.marks {
            match mark {
                Mark::Picture { latent, place, opacity } => {
                    if let Some(picture) = pictures.get(*latent) {
                        self.picture(&mut out, picture, pixels(panel, place), *opacity, scene.filter);
                    }
                }
                Mark::Heatmap { .. } if marks => shapes::heatmap(&mut out, panel, mark, &scene.pose),
                Mark::Text { text, at, size, colour } if marks => {
                    let spot = [at[0] * width as f32, at[1] * height as f32];
                    letters::write(&mut out, text, spot, size * height as f32, *colour);
                }
                Mark::Line { .. } | Mark::Rect { .. } | Mark::Ellipse { .. } if marks => shapes::shape(&mut out, mark),
                Mark::Path(path) if marks => self.paths.draw(&mut out, path),
                _ => {}
            }
        }
        out
    }

    fn picture(
        &mut self,
        out: &mut Picture,
        picture: &Picture,
        (x0, y0, w, h): (i32, i32, usize, usize),
        opacity: f32,
        filter: Filter,
    ) {
        if w == 0 || h == 0 || opacity <= 0.0 {
            return;
        }
        let scaled;
        let shown = if (w, h) == (picture.width, picture.height) {
            picture
        } else {
            scaled = self.scaled(picture, w, h, filter);
            &scaled
        };
        if (x0, y0, w, h) == (0, 0, out.width, out.height) && opacity >= 1.0 {
            out.pixels.copy_from_slice(&shown.pixels);
            return;
        }
        let share = (opacity * 256.0).round() as i32;
        for y in 0..h as i64 {
            let row = y0 as i64 + y;
            if row < 0 || row >= out.height as i64 {
                continue;
            }
            let (from, to) = ((-x0).max(0) as usize, (out.width as i64 - x0 as i64).clamp(0, w as i64) as usize);
            if from >= to {
                continue;
            }
            let target = (row as usize * out.width + (x0 as i64 + from as i64) as usize) * 3;
            let source = (y as usize * w + from) * 3;
            let count = (to - from) * 3;
            let (below, above) = (&mut out.pixels[target..target + count], &shown.pixels[source..source + count]);
            for (b, a) in below.iter_mut().zip(above) {
                *b = (i32::from(*b) + (((i32::from(*a) - i32::from(*b)) * share) >> 8)) as u8;
            }
        }
    }

    /// The picture at another size.
    pub fn scaled(&mut self, picture: &Picture, width: usize, height: usize, filter: Filter) -> Picture {
        let algorithm = match filter {
            Filter::Nearest => ResizeAlg::Nearest,
            Filter::Linear => ResizeAlg::Convolution(FilterType::Bilinear),
            Filter::Cubic => ResizeAlg::Convolution(FilterType::CatmullRom),
            Filter::Lanczos => ResizeAlg::Convolution(FilterType::Lanczos3),
        };
        let mut out = Picture::filled(width, height, [0; 3]);
        let source = ImageRef::new(picture.width as u32, picture.height as u32, &picture.pixels, PixelType::U8x3);
        let target = Image::from_slice_u8(width as u32, height as u32, &mut out.pixels, PixelType::U8x3);
        if let (Ok(source), Ok(mut target)) = (source, target) {
            // It refuses only sizes that do not fit their buffers, and these do.
            let _ = self.resizer.resize(&source, &mut target, &ResizeOptions::new().resize_alg(algorithm));
        }
        out
    }
}

/// Puts a frame into a window: in the middle, or repeated from the middle.
fn laid_out(frame: &Picture, panel: Panel, fit: Fit, width: usize, height: usize) -> Picture {
    let mut out = Picture::filled(width, height, [0; 3]);
    let (left, top) = (panel.x as i64, panel.y as i64);
    let repeat = matches!(fit, Fit::Tile | Fit::Mirror);
    // Which pixel of the frame lies at a place; none outside of a frame that is not repeated.
    let source = |at: i64, size: usize| -> Option<usize> {
        let (size, tile) = (size as i64, at.div_euclid(size as i64));
        let inside = at.rem_euclid(size);
        match fit {
            Fit::Mirror if tile % 2 != 0 => Some((size - 1 - inside) as usize),
            _ if repeat || tile == 0 => Some(inside as usize),
            _ => None,
        }
    };
    let columns: Vec<Option<usize>> = (0..width as i64).map(|x| source(x - left, frame.width)).collect();
    for y in 0..height {
        let Some(from) = source(y as i64 - top, frame.height) else { continue };
        for (x, column) in columns.iter().enumerate() {
            if let Some(column) = column {
                let (a, b) = ((y * width + x) * 3, (from * frame.width + column) * 3);
                out.pixels[a..a + 3].copy_from_slice(&frame.pixels[b..b + 3]);
            }
        }
    }
    out
}

fn alike(a: &[Picture], b: &[Picture]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a.width, a.height) == (b.width, b.height))
}

/// `share` of `a`, the rest of `b`.
fn blend(a: &Picture, b: &Picture, share: f32) -> Picture {
    let share = (share.clamp(0.0, 1.0) * 256.0) as i32;
    let mixed = |(a, b): (&u8, &u8)| (i32::from(*b) + (((i32::from(*a) - i32::from(*b)) * share) >> 8)) as u8;
    let pixels = a.pixels.iter().zip(&b.pixels).map(mixed).collect();
    Picture { width: b.width, height: b.height, pixels }
}

/// A place in pixels: left, top, width, height.
fn pixels(panel: Panel, place: &Place) -> (i32, i32, usize, usize) {
    let [x, y, w, h] = panel.pixels(place);
    (x as i32, y as i32, w as usize, h as usize)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::latent::pose::Pose;

    fn scene(pose: Pose, fit: Fit) -> Scene {
        let mut left = Picture::filled(2, 2, [10, 20, 30]);
        left.set(0, 0, [200, 0, 0]);
        let pictures = Arc::new(vec![left]);
        Scene { pose: Arc::new(pose), pictures, before: None, version: 1, light: 1.0, fit, filter: Filter::Nearest }
    }

    #[test]
    fn every_fit_fills_its_window_as_it_says() {
        let check = |fit, at: [usize; 2], expected: [u8; 3]| {
            let drawn = Canvas::default().draw(&scene(Pose::of(vec![0.0]), fit), [8, 4], true);
            assert_eq!((drawn.width, drawn.height), (8, 4));
            assert_eq!(drawn.at(at[0], at[1]), expected, "{fit:?} {at:?}");
        };
        check(Fit::Fit, [0, 0], [0; 3]);
        check(Fit::Fit, [2, 0], [200, 0, 0]);
        check(Fit::Fit, [5, 0], [10, 20, 30]);
        check(Fit::Fill, [0, 0], [200, 0, 0]);
        check(Fit::Fill, [7, 0], [10, 20, 30]);
        check(Fit::Tile, [6, 0], [200, 0, 0]);
        check(Fit::Tile, [0, 0], [10, 20, 30]);
        check(Fit::Mirror, [0, 0], [200, 0, 0]);
    }

    #[test]
    fn a_frame_has_the_shape_of_its_picture() {
        let mut scene = scene(Pose::of(vec![0.0]), Fit::Fit);
        let mut wide = Picture::filled(6, 2, [10, 20, 30]);
        wide.set(5, 1, [200, 0, 0]);
        scene.pictures = Arc::new(vec![wide.clone()]);
        assert_eq!(Canvas::default().draw(&scene, [6, 2], true).pixels, wide.pixels);
    }

    #[test]
    fn marks_are_drawn_in_order_and_left_out_on_request() {
        let mut pose = Pose::of(vec![-3.0, 3.0, 0.0, 0.0]);
        pose.marks.push(Mark::Rect {
            place: Place { x: 0.5, y: 0.0, w: 0.5, h: 0.5 },
            weight: 0.0,
            colour: [0.0, 1.0, 0.0, 1.0],
        });
        pose.marks.push(Mark::Heatmap {
            latent: 0,
            place: Place { x: 0.0, y: 0.5, w: 0.5, h: 0.5 },
            columns: 2,
            numbers: false,
            range: [-3.0, 3.0],
            opacity: 1.0,
        });
        pose.marks.push(Mark::Ellipse {
            place: Place { x: 0.6, y: 0.6, w: 0.3, h: 0.3 },
            weight: 0.0,
            colour: [0.0, 0.0, 1.0, 0.5],
        });
        pose.marks.push(Mark::Text { text: "z".into(), at: [0.25, 0.25], size: 0.4, colour: [1.0; 4] });
        let scene = scene(pose, Fit::Fit);
        let drawn = Canvas::default().draw(&scene, [64, 64], true);
        assert_eq!([drawn.at(48, 16), drawn.at(4, 36), drawn.at(28, 36)], [[0, 255, 0], [0; 3], [255; 3]]);
        assert_eq!(drawn.at(48, 48), [5, 10, 143]);
        assert!((0..32).any(|y| (0..32).any(|x| drawn.at(x, y) == [255; 3])));
        assert_eq!(Canvas::default().draw(&scene, [64, 64], false).at(48, 16), [10, 20, 30]);
    }

    #[test]
    fn pictures_cross_blend_and_light_dims() {
        let mut scene = scene(Pose::of(vec![0.0]), Fit::Fit);
        scene.before = Some((Arc::new(vec![Picture::filled(2, 2, [110, 120, 130])]), 0.5));
        assert_eq!(Canvas::default().draw(&scene, [2, 2], true).at(1, 1), [60, 70, 80]);
        scene.light = 0.0;
        assert_eq!(Canvas::default().draw(&scene, [2, 2], true).at(1, 1), [0; 3]);
    }
}
