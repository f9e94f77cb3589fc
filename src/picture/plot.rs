//! Line plots, as SVG text and as a picture of the same scene: one frame, or several below each other.
//!
//! Fed by `trainer::picture_writer` on its thread, and by `cli::compare`. plotters makes axes, round ticks and curves of
//! the data; it draws on its own SVG backend or on `page`, our pixels. The time grows with the number of points.
//! Knows no losses and no files.

mod page;

use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::chart::ChartBuilder;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::coord::{Shift, combinators::IntoLogRange};
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, Rectangle, Text};
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle};

use super::Picture;
use super::canvas::letters;
use page::Page;

/// One curve: its name, its colour, and its points in order of x. Points that are not finite are left out.
pub struct Curve {
    /// What the legend says.
    pub name: String,
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
    /// What is shown of x; from the first to the last point where it is `None`.
    pub x_range: Option<(f64, f64)>,
}

/// One frame of a [`Stack`].
pub struct Panel {
    /// At its upper left.
    pub label: String,
    /// Drawn pale, below the others, and without an entry in the legend.
    pub faint: Vec<Curve>,
    /// The later ones lie over the earlier ones.
    pub curves: Vec<Curve>,
    /// What is shown of y; points beyond are cut at the frame.
    pub y_range: (f64, f64),
    /// What is shown of x.
    pub x_range: (f64, f64),
}

/// Plots below each other, with one legend and one kind of x.
pub struct Stack {
    /// Above all.
    pub title: String,
    /// Below the last one.
    pub x_label: String,
    /// Powers of ten at equal distances; what is 0 or less is left out then.
    pub log_x: bool,
    /// Names and colours.
    pub legend: Vec<(String, [u8; 3])>,
    /// From the top.
    pub panels: Vec<Panel>,
}

/// Units of the drawing in a pixel: plotters places everything on whole units.
const UNITS: i32 = 10;
/// Width of every plot in pixels.
const WIDTH: i32 = 960;
/// Height of a plot with one frame, in pixels.
const HEIGHT: i32 = 540;
/// Height of each of several frames with its label and its ticks.
const PANEL: i32 = 236;
/// Heights of a row of the legend, and of what is below the last frame.
const ROW: i32 = 20;
const FOOT: i32 = 30;
/// Space on the left, for labels of y, and on the right.
const LEFT: i32 = 80;
const RIGHT: i32 = 30;
/// Letters, in pixels of their em.
const TITLE: f32 = 14.0;
const SMALL: f32 = 12.0;

/// What plotters calls the size of a font, for letters with this em (pixels).
fn font(em: f32) -> FontDesc<'static> {
    FontDesc::new(FontFamily::SansSerif, f64::from(em) * f64::from(UNITS) * 1.24, FontStyle::Normal)
}

/// Words at a place: which of their points lies there.
fn ink(em: f32, across: HPos) -> TextStyle<'static> {
    TextStyle::from(font(em)).color(&RGBColor(30, 30, 30)).pos(Pos::new(across, VPos::Center))
}

/// A line of so many units, a pale one with a strength below 1.
fn line([r, g, b]: [u8; 3], strength: f64, units: i32) -> ShapeStyle {
    RGBColor(r, g, b).mix(strength).stroke_width(units as u32)
}

/// A number at a tick, without more digits than it needs.
fn number(value: &f64) -> String {
    let size = value.abs();
    if size < 1e-9 {
        return "0".into();
    }
    if !(1e-4..1e9).contains(&size) {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A range that can be drawn.
fn drawable((low, high): (f64, f64)) -> (f64, f64) {
    match (low.is_finite() && high.is_finite(), low < high) {
        (true, true) => (low, high),
        (true, false) => (low - 0.5, low + 0.5),
        (false, _) => (0.0, 1.0),
    }
}

/// Words that are no wider than so many pixels; those that were cut end with "…".
fn cut(words: &str, em: f32, most: f32) -> String {
    if letters::width(words, em) <= most {
        return words.to_owned();
    }
    let mut width = letters::width("…", em);
    let fits = |c: &char| {
        width += letters::width(c.encode_utf8(&mut [0; 4]), em);
        width <= most
    };
    words.chars().take_while(fits).chain(['…']).collect()
}

/// One frame as it is drawn.
struct Frame<'a> {
    label: &'a str,
    faint: &'a [Curve],
    curves: &'a [Curve],
    y_range: (f64, f64),
    x_range: (f64, f64),
}

/// All that is drawn, from either kind of plot.
struct Scene<'a> {
    title: &'a str,
    x_label: &'a str,
    log_x: bool,
    legend: Vec<(&'a str, [u8; 3])>,
    frames: Vec<Frame<'a>>,
}

/// What drawing gives.
type Drawn<D> = Result<(), DrawingAreaErrorKind<<D as DrawingBackend>::ErrorType>>;

impl Scene<'_> {
    /// Where each entry of the legend begins: row from 0, pixels from the left, and its words.
    fn entries(&self) -> Vec<(i32, i32, String)> {
        let (mut row, mut x) = (0, LEFT);
        let place = |(name, _): &(&str, [u8; 3])| {
            let words = cut(name, SMALL, (WIDTH - LEFT - RIGHT - 30) as f32);
            let width = letters::width(&words, SMALL).ceil() as i32 + 28 + 22;
            if x > LEFT && x + width - 22 > WIDTH - RIGHT {
                (row, x) = (row + 1, LEFT);
            }
            let placed = (row, x, words);
            x += width;
            placed
        };
        self.legend.iter().map(place).collect()
    }

    /// Pixels above the first frame, and the height of all.
    fn heights(&self) -> (i32, i32) {
        let head = 34 + self.entries().last().map_or(0, |(row, ..)| (row + 1) * ROW);
        let frames = if self.frames.len() == 1 { HEIGHT - head - FOOT } else { PANEL * self.frames.len() as i32 };
        (head, head + frames + FOOT)
    }

    fn draw<D: DrawingBackend>(&self, area: &DrawingArea<D, Shift>) -> Drawn<D> {
        area.fill(&RGBColor(255, 255, 255))?;
        let (head, height) = self.heights();
        let at = |x: i32, y: i32| (x * UNITS, y * UNITS);
        let words = |text: String, x: i32, y: i32, style: TextStyle| area.draw(&Text::new(text, at(x, y), style));
        let title = cut(self.title, TITLE, (WIDTH - LEFT - RIGHT) as f32);
        words(title, LEFT, 20, ink(TITLE, HPos::Left))?;
        let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2;
        words(self.x_label.to_owned(), middle, height - 16, ink(SMALL, HPos::Center))?;
        for ((row, x, name), (_, colour)) in self.entries().into_iter().zip(&self.legend) {
            let y = 42 + row * ROW;
            let sample = Rectangle::new([at(x, y - 1), at(x + 20, y + 2)], line(*colour, 1.0, UNITS).filled());
            area.draw(&sample)?;
            words(name, x + 28, y, ink(SMALL, HPos::Left))?;
        }
        let each = (height - head - FOOT) / self.frames.len().max(1) as i32;
        let (_, below) = area.split_vertically(head * UNITS);
        let mut rest = below;
        for frame in &self.frames {
            let (this, further) = rest.split_vertically(each * UNITS);
            let (low, high) = drawable(frame.x_range);
            match self.log_x {
                true => {
                    let low = low.max(high.abs().max(1.0) * 1e-9);
                    frame.draw(&this, (low..high.max(low * 10.0)).log_scale(), (low, high))?;
                }
                false => frame.draw(&this, low..high, (low, high))?,
            }
            rest = further;
        }
        Ok(())
    }

    /// The SVG file's text.
    fn svg(&self) -> String {
        let (_, height) = self.heights();
        let mut out = String::new();
        let area = SVGBackend::with_string(&mut out, ((WIDTH * UNITS) as u32, (height * UNITS) as u32));
        let area = area.into_drawing_area();
        // A text takes all that is drawn into it.
        let _ = self.draw(&area).and_then(|()| area.present());
        drop(area);
        let drawn = format!("width=\"{}\" height=\"{}\"", WIDTH * UNITS, height * UNITS);
        out.replacen(&drawn, &format!("width=\"{WIDTH}\" height=\"{height}\""), 1)
    }

    /// The picture, in pixels.
    fn picture(&self) -> Picture {
        let (_, height) = self.heights();
        let mut page = Page::new(WIDTH as usize, height as usize, UNITS as f32);
        let area = (&mut page).into_drawing_area();
        // Nothing fails on pixels.
        let _ = self.draw(&area);
        drop(area);
        page.done()
    }
}

impl Frame<'_> {
    fn draw<D: DrawingBackend, X>(&self, area: &DrawingArea<D, Shift>, x: X, shown: (f64, f64)) -> Drawn<D>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
    {
        let (low, high) = drawable(self.y_range);
        let mut chart = ChartBuilder::on(area)
            .margin_top(22 * UNITS)
            .margin_right(RIGHT * UNITS)
            .x_label_area_size(24 * UNITS)
            .y_label_area_size(LEFT * UNITS)
            .build_cartesian_2d(x, low..high)?;
        let pixels = area.dim_in_pixel().1 as i32 / UNITS;
        let grey = RGBColor(225, 225, 225).stroke_width(UNITS as u32);
        let axis = RGBColor(60, 60, 60).stroke_width(UNITS as u32);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(RGBColor(255, 255, 255).mix(0.0))
            .bold_line_style(grey)
            .axis_style(axis)
            .set_all_tick_mark_size(4 * UNITS)
            .x_labels(9)
            .y_labels(if pixels > 300 { 9 } else { 5 })
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .label_style(TextStyle::from(font(SMALL)).color(&RGBColor(30, 30, 30)))
            .draw()?;
        let plotting = chart.plotting_area();
        let column = |x: f64| plotting.map_coordinate(&(x, low)).0 / UNITS;
        let front = if self.faint.is_empty() { UNITS } else { UNITS * 3 / 2 };
        let faint = self.faint.iter().map(|curve| (curve, line(curve.colour, 0.2, UNITS)));
        let all = faint.chain(self.curves.iter().map(|curve| (curve, line(curve.colour, 1.0, front))));
        let mut thinned = Vec::new();
        for (curve, style) in all {
            let inside = curve.points.iter().filter(|p| p.1.is_finite() && (shown.0..=shown.1).contains(&p.0));
            let points = thin(inside.map(|(x, y)| (*x, y.clamp(low, high))), column);
            thinned.push((points, style));
        }
        for (points, style) in thinned {
            match points.as_slice() {
                // A line needs two.
                [one] => drop(chart.draw_series([Circle::new(*one, UNITS * 2, style.filled())])?),
                _ => drop(chart.draw_series(LineSeries::new(points, style))?),
            }
        }
        let label = cut(self.label, SMALL, (WIDTH - 20) as f32);
        area.draw(&Text::new(label, (14 * UNITS, 12 * UNITS), ink(SMALL, HPos::Left)))
    }
}

impl Plot {
    fn scene(&self) -> Scene<'_> {
        let xs = self.curves.iter().flat_map(|c| &c.points).map(|p| p.0).filter(|x| x.is_finite());
        let all = xs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let (y_range, x_range) = (self.y_range, self.x_range.unwrap_or(all));
        let frame = Frame { label: self.y_label, faint: &[], curves: &self.curves, y_range, x_range };
        Scene {
            title: &self.title,
            x_label: self.x_label,
            log_x: false,
            legend: self.curves.iter().map(|curve| (curve.name.as_str(), curve.colour)).collect(),
            frames: vec![frame],
        }
    }

    /// The plot as an SVG file's text.
    pub fn svg(&self) -> String {
        self.scene().svg()
    }

    /// The plot as a picture of 960×540 pixels.
    pub fn picture(&self) -> Picture {
        self.scene().picture()
    }
}

impl Panel {
    fn frame(&self) -> Frame<'_> {
        let (y_range, x_range) = (self.y_range, self.x_range);
        Frame { label: &self.label, faint: &self.faint, curves: &self.curves, y_range, x_range }
    }
}

impl Stack {
    fn scene(&self) -> Scene<'_> {
        Scene {
            title: &self.title,
            x_label: &self.x_label,
            log_x: self.log_x,
            legend: self.legend.iter().map(|(name, colour)| (name.as_str(), *colour)).collect(),
            frames: self.panels.iter().map(Panel::frame).collect(),
        }
    }

    /// The plots as an SVG file's text.
    pub fn svg(&self) -> String {
        self.scene().svg()
    }

    /// The plots as a picture, 960 pixels wide.
    pub fn picture(&self) -> Picture {
        self.scene().picture()
    }
}

/// The points of one column of pixels: of the lowest and the highest, where they stand among them, and themselves.
struct Column {
    number: i32,
    count: usize,
    low: (usize, (f64, f64)),
    high: (usize, (f64, f64)),
}

impl Column {
    fn add(&mut self, point: (f64, f64)) {
        if point.1 < self.low.1.1 {
            self.low = (self.count, point);
        }
        if point.1 > self.high.1.1 {
            self.high = (self.count, point);
        }
        self.count += 1;
    }

    /// One point or two, in their order.
    fn ends(self) -> impl Iterator<Item = (f64, f64)> {
        let (first, second) = if self.low.0 <= self.high.0 { (self.low, self.high) } else { (self.high, self.low) };
        [first.1, second.1].into_iter().take(if first.0 == second.0 { 1 } else { 2 })
    }
}

/// Keeps the lowest and the highest point of each column of pixels, in their order.
fn thin(points: impl Iterator<Item = (f64, f64)>, column_of: impl Fn(f64) -> i32) -> Vec<(f64, f64)> {
    let (mut out, mut open) = (Vec::new(), None::<Column>);
    for point in points {
        let number = column_of(point.0);
        match &mut open {
            Some(column) if column.number == number => column.add(point),
            _ => {
                let next = Column { number, count: 1, low: (0, point), high: (0, point) };
                out.extend(open.replace(next).into_iter().flat_map(Column::ends));
            }
        }
    }
    out.extend(open.into_iter().flat_map(Column::ends));
    out
}

#[cfg(test)]
mod tests;
