//! Line plots, as SVG text and as a picture of the same scene.
//!
//! Fed by `trainer::picture_writer`, on its thread; draws curves, axes with round ticks, labels and a legend, in a time that
//! grows with the number of points. Knows no losses and no files.

use tiny_skia::{Color, Paint, PathBuilder, Pixmap, Stroke, Transform};

use super::Picture;
use super::text::{Anchor, Face};

/// One curve: its name, its colour, and its points in order of x.
pub struct Curve {
    /// What the legend says.
    pub name: &'static str,
    /// RGB.
    pub colour: [u8; 3],
    /// In order of x.
    pub points: Vec<(f64, f64)>,
}

/// A plot with its words.
pub struct Plot {
    /// Above the frame.
    pub title: String,
    /// Below it.
    pub x_label: &'static str,
    /// At its upper left.
    pub y_label: &'static str,
    /// The later ones lie over the earlier ones.
    pub curves: Vec<Curve>,
    /// What is shown of y; points beyond are cut at the frame.
    pub y_range: (f64, f64),
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 540.0;
/// Left, top, right, bottom edges of the frame.
const FRAME: (f64, f64, f64, f64) = (80.0, 40.0, 940.0, 480.0);

/// Round values between `low` and `high`, about `wanted` of them.
fn ticks(low: f64, high: f64, wanted: f64) -> Vec<f64> {
    let rough = (high - low) / wanted;
    if !rough.is_finite() || rough <= 0.0 {
        return vec![low];
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough).unwrap_or(power);
    let first = (low / step).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|v| *v <= high + step * 1e-9).collect()
}

/// From the data to the page.
#[derive(Clone, Copy)]
struct Scale {
    x: (f64, f64),
    y: (f64, f64),
}

impl Scale {
    /// A point of the data on the page.
    fn place(self, (x, y): (f64, f64)) -> (f64, f64) {
        let ((x0, x1), (y0, y1)) = (self.x, self.y);
        let (left, top, right, bottom) = FRAME;
        let y = y.clamp(y0.min(y1), y0.max(y1));
        (left + (x - x0) / (x1 - x0) * (right - left), bottom - (y - y0) / (y1 - y0) * (bottom - top))
    }

    fn x_ticks(self) -> Vec<f64> {
        ticks(self.x.0, self.x.1, 8.0)
    }

    fn y_ticks(self) -> Vec<f64> {
        ticks(self.y.0, self.y.1, 8.0)
    }
}

impl Plot {
    /// Where all points lie; they are looked at once.
    fn scale(&self) -> Scale {
        let xs = self.curves.iter().flat_map(|c| &c.points).map(|p| p.0);
        let (low, high) = xs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        Scale { x: if low < high { (low, high) } else { (0.0, 1.0) }, y: self.y_range }
    }

    /// The curves on the page, thinned to at most two points (lowest and highest) a column.
    fn lines(&self, scale: Scale) -> Vec<(&Curve, Vec<(f64, f64)>)> {
        self.curves.iter().map(|curve| (curve, thin(curve.points.iter().map(|p| scale.place(*p))))).collect()
    }

    /// The plot as an SVG file's text.
    pub fn svg(&self) -> String {
        let ((left, top, right, bottom), scale) = (FRAME, self.scale());
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
        );
        let mut text = |x: f64, y: f64, anchor: &str, words: &str| {
            let words = words.replace('&', "&amp;").replace('<', "&lt;");
            out += &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n");
        };
        text(left, 26.0, "start", &self.title);
        text((left + right) / 2.0, HEIGHT - 14.0, "middle", self.x_label);
        text(14.0, 26.0, "start", self.y_label);
        for x in scale.x_ticks() {
            text(scale.place((x, 0.0)).0, bottom + 20.0, "middle", &x.to_string());
        }
        for y in scale.y_ticks() {
            text(left - 8.0, scale.place((0.0, y)).1 + 4.0, "end", &y.to_string());
        }
        for (i, curve) in self.curves.iter().enumerate() {
            text(right - 130.0, top + 22.0 + 20.0 * i as f64, "start", curve.name);
        }
        for y in scale.y_ticks() {
            let y = scale.place((0.0, y)).1;
            out += &format!("<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/>\n");
        }
        out += &format!(
            "<rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#333\"/>\n",
            right - left,
            bottom - top
        );
        for (i, (curve, points)) in self.lines(scale).into_iter().enumerate() {
            let [r, g, b] = curve.colour;
            let y = top + 18.0 + 20.0 * i as f64;
            out += &format!(
                "<path d=\"M{} {y}h22\" stroke=\"#{r:02x}{g:02x}{b:02x}\" stroke-width=\"3\"/>\n",
                right - 160.0
            );
            let list: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            out += &format!(
                "<polyline fill=\"none\" stroke=\"#{r:02x}{g:02x}{b:02x}\" stroke-width=\"1\" points=\"{}\"/>\n",
                list.join(" ")
            );
        }
        out + "</svg>\n"
    }

    /// The plot as a picture of 960×540 pixels.
    pub fn picture(&self) -> Picture {
        let ((left, top, right, bottom), scale) = (FRAME, self.scale());
        let mut page = Picture::filled(WIDTH as usize, HEIGHT as usize, [255; 3]);
        if let Some(mut map) = Pixmap::new(WIDTH as u32, HEIGHT as u32) {
            map.fill(Color::WHITE);
            for y in scale.y_ticks() {
                let y = scale.place((0.0, y)).1;
                line(&mut map, &[(left, y), (right, y)], [220; 3]);
            }
            line(&mut map, &[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], [50; 3]);
            for (i, (curve, points)) in self.lines(scale).into_iter().enumerate() {
                line(&mut map, &points, curve.colour);
                let y = top + 18.0 + 20.0 * i as f64;
                for dy in [0.0, 1.0, 2.0] {
                    line(&mut map, &[(right - 160.0, y + dy), (right - 138.0, y + dy)], curve.colour);
                }
            }
            page.pixels = map.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
        }
        let ink = [30; 3];
        let mut words =
            |text: &str, x: f64, y: f64, anchor| page.write(text, x as i32, y as i32, Face::Medium, anchor, ink);
        words(&self.title, left, 20.0, Anchor::Left);
        words(self.x_label, (left + right) / 2.0, HEIGHT - 18.0, Anchor::Middle);
        words(self.y_label, 14.0, 20.0, Anchor::Left);
        for x in scale.x_ticks() {
            words(&x.to_string(), scale.place((x, 0.0)).0, bottom + 14.0, Anchor::Middle);
        }
        for y in scale.y_ticks() {
            words(&y.to_string(), left - 8.0, scale.place((0.0, y)).1, Anchor::Right);
        }
        for (i, curve) in self.curves.iter().enumerate() {
            words(curve.name, right - 130.0, top + 18.0 + 20.0 * i as f64, Anchor::Left);
        }
        page
    }
}

/// Keeps the lowest and the highest point of each column of pixels, in their order.
fn thin(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut out: Vec<(f64, f64)> = Vec::new();
    let mut column: Vec<(f64, f64)> = Vec::new();
    let mut close = |column: &mut Vec<(f64, f64)>| {
        let by = |a: &usize, b: &usize| column[*a].1.total_cmp(&column[*b].1);
        let (low, high) = ((0..column.len()).min_by(by), (0..column.len()).max_by(by));
        if let (Some(low), Some(high)) = (low, high) {
            out.push(column[low.min(high)]);
            if low != high {
                out.push(column[low.max(high)]);
            }
        }
        column.clear();
    };
    for point in points {
        if column.first().is_some_and(|first| first.0.floor() != point.0.floor()) {
            close(&mut column);
        }
        column.push(point);
    }
    close(&mut column);
    out
}

fn line(map: &mut Pixmap, points: &[(f64, f64)], [r, g, b]: [u8; 3]) {
    let mut path = PathBuilder::new();
    for (i, (x, y)) in points.iter().enumerate() {
        match i {
            0 => path.move_to(*x as f32, *y as f32),
            _ => path.line_to(*x as f32, *y as f32),
        }
    }
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(r, g, b, 255);
    if let Some(path) = path.finish() {
        map.stroke_path(&path, &paint, &Stroke { width: 1.0, ..Stroke::default() }, Transform::identity(), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_drawn_within_the_frame() {
        let points = (0..5000).map(|i| (f64::from(i), if i < 10 { -2000.0 } else { f64::from(i % 50) })).collect();
        let plot = Plot {
            title: "a < b".into(),
            x_label: "epochs",
            y_label: "loss",
            curves: vec![Curve { name: "total", colour: [255, 0, 0], points }],
            y_range: (-10.0, 60.0),
        };
        let svg = plot.svg();
        assert!(svg.contains("a &lt; b") && svg.contains("epochs") && svg.len() < 40_000);
        let picture = plot.picture();
        let red = picture.pixels.chunks(3).filter(|p| p[0] > 200 && p[1] < 80).count();
        assert!(red > 1000, "{red} red pixels");
    }

    /// It took time by the square of the points.
    #[test]
    fn a_million_points_are_drawn_in_a_moment() {
        let points = |shift: f64| (0..250_000).map(|i| (f64::from(i), f64::from(i % 997) + shift)).collect();
        let curve = |i: u8| Curve { name: "one of four", colour: [60 * i, 0, 0], points: points(f64::from(i)) };
        let curves = (0..4).map(curve).collect();
        let plot = Plot { title: String::new(), x_label: "", y_label: "", curves, y_range: (0.0, 1000.0) };
        let start = std::time::Instant::now();
        let (svg, picture) = (plot.svg(), plot.picture());
        assert!(start.elapsed().as_secs_f64() < 2.0, "{:?}", start.elapsed());
        assert!(svg.len() < 200_000 && picture.width == 960);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 1201.0, 8.0), [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0, 1200.0]);
        assert_eq!(ticks(-10.0, 10.0, 4.0), [-10.0, -5.0, 0.0, 5.0, 10.0]);
        assert_eq!(ticks(1.0, 1.0, 4.0), [1.0]);
    }
}
