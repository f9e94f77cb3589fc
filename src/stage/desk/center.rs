//! The z of this frame as bars to pull and as a heat map; the knobs.

use nannou::prelude::egui::{self, Color32, Rect, Response, RichText, Sense, Ui};

use super::preview;
use super::style::{self, BRIGHT, LIT, QUIET, WELL};
use crate::control::slug;
use crate::show::addresses::ADDRESSES;
use crate::show::addresses::Act;
use crate::show::view::{Desk, KnobView, LearnView};

/// What the top and bottom of the bars stand for, and black and white of the map.
const REACH: f32 = 3.0;
/// Bars in one row; longer vectors take more rows.
const BARS: usize = 128;

pub(super) fn show(ui: &mut Ui, desk: &Desk, acts: &mut Vec<Act>) {
    if let Some(view) = &desk.learning {
        learn(ui, view, acts);
    }
    bars(ui, desk, acts);
    ui.add_space(10.0);
    ui.horizontal_top(|ui| {
        let side = ui.available_height().clamp(80.0, 280.0);
        ui.vertical(|ui| {
            ui.set_width(side);
            map(ui, desk, side);
        });
        ui.add_space(10.0);
        ui.vertical(|ui| knobs(ui, desk, acts));
    });
}

/// What learning waits for, with the targets that are nowhere else to be clicked.
fn learn(ui: &mut Ui, view: &LearnView, acts: &mut Vec<Act>) {
    style::well().show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_wrapped(|ui| {
            let text = match &view.heard {
                None => "Learning: touch a control (L ends it)".to_owned(),
                Some(heard) => format!("{heard}: click a knob, a bar of z, a dial, or"),
            };
            ui.label(RichText::new(text).color(LIT));
            if view.heard.is_none() {
                return;
            }
            for address in ADDRESSES.iter().filter(|a| a.writable() && !a.path.contains('<') && a.path != "/flaneur/z")
            {
                let name = address.path.trim_start_matches("/flaneur/");
                if ui.add(egui::Button::new(name).small()).on_hover_text(address.says).clicked() {
                    acts.push(Act::LearnTo(address.path.into()));
                }
            }
        });
    });
    ui.add_space(6.0);
}

fn bars(ui: &mut Ui, desk: &Desk, acts: &mut Vec<Act>) {
    let pulled = desk.offsets.iter().filter(|offset| **offset != 0.0).count();
    ui.horizontal(|ui| {
        style::heading(ui, "z of this frame");
        style::quiet(ui, format!("{} dimensions, −3 to 3 · drag to offset, right-click to let go", desk.z.len()));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let text = if pulled == 0 { "no offsets".to_owned() } else { format!("clear {pulled} offsets") };
            if ui.add_enabled(pulled > 0, egui::Button::new(text).small()).clicked() {
                acts.push(Act::ZClear);
            }
        });
    });
    if desk.z.is_empty() {
        return;
    }
    let rows = desk.z.len().div_ceil(BARS);
    let high = (ui.available_height() * 0.4).clamp(96.0, 260.0) / rows as f32;
    let per_row = desk.z.len().div_ceil(rows);
    for row in 0..rows {
        let first = row * per_row;
        let last = (first + per_row).min(desk.z.len());
        let (area, response) = ui.allocate_exact_size(egui::vec2(ui.available_width(), high), Sense::click_and_drag());
        paint_bars(ui, area, desk, first..last, per_row);
        pull(&response, area, desk, first..last, per_row, acts);
    }
}

/// Where the bar of `value` ends.
fn level(area: Rect, value: f32) -> f32 {
    area.center().y - (value / REACH).clamp(-1.0, 1.0) * (area.height() / 2.0 - 2.0)
}

fn paint_bars(ui: &Ui, area: Rect, desk: &Desk, dims: std::ops::Range<usize>, per_row: usize) {
    let painter = ui.painter();
    painter.rect_filled(area, 3.0, WELL);
    for value in [-2.0, -1.0, 1.0, 2.0] {
        painter.hline(area.x_range(), level(area, value), egui::Stroke::new(1.0, Color32::from_gray(22)));
    }
    let step = area.width() / per_row as f32;
    let gap = if step > 3.0 { 1.0 } else { 0.0 };
    for dim in dims.clone() {
        let left = area.left() + (dim - dims.start) as f32 * step;
        let span = left + gap * 0.5..=left + step - gap * 0.5;
        let offset = desk.offsets.get(dim).copied().unwrap_or(0.0);
        let value = desk.z[dim];
        let bar = |from: f32, to: f32| {
            let (from, to) = (level(area, from), level(area, to));
            Rect::from_x_y_ranges(span.clone(), from.min(to)..=from.max(to).max(from.min(to) + 1.0))
        };
        painter.rect_filled(bar(0.0, value), 0.0, Color32::from_gray(if offset == 0.0 { 128 } else { 92 }));
        if offset != 0.0 {
            painter.rect_filled(bar(value - offset, value), 0.0, LIT);
        }
    }
    painter.hline(area.x_range(), area.center().y, egui::Stroke::new(1.0, Color32::from_gray(60)));
}

/// Turns the pointer on the bars into offsets: the sketch goes on moving underneath.
fn pull(
    response: &Response,
    area: Rect,
    desk: &Desk,
    dims: std::ops::Range<usize>,
    per_row: usize,
    acts: &mut Vec<Act>,
) {
    let dim_at = |x: f32| {
        let share = ((x - area.left()) / area.width()).clamp(0.0, 0.9999);
        (dims.start + (share * per_row as f32) as usize).min(dims.end - 1)
    };
    let held = response.dragged() || response.is_pointer_button_down_on();
    if desk.learning.is_some() {
        if response.clicked()
            && let Some(at) = response.interact_pointer_pos()
        {
            acts.push(Act::LearnTo(format!("z[{}]", dim_at(at.x))));
        }
        return;
    }
    if held && let Some(at) = response.interact_pointer_pos() {
        let buttons = response.ctx.input(|i| (i.pointer.primary_down(), i.pointer.secondary_down(), i.pointer.delta()));
        let dim = dim_at(at.x);
        let before = dim_at(at.x - buttons.2.x);
        let offset = |dim: usize| desk.offsets.get(dim).copied().unwrap_or(0.0);
        if buttons.0 {
            let wanted = (area.center().y - at.y) / (area.height() / 2.0 - 2.0) * REACH;
            // A fast hand skips no bars.
            for dim in dim.min(before)..=dim.max(before) {
                let own = desk.z[dim] - offset(dim);
                acts.push(Act::Z(dim, wanted.clamp(-REACH * 2.0, REACH * 2.0) - own));
            }
        } else if buttons.1 {
            (dim.min(before)..=dim.max(before)).for_each(|dim| acts.push(Act::Z(dim, 0.0)));
        }
    }
    if response.secondary_clicked()
        && let Some(at) = response.interact_pointer_pos()
    {
        acts.push(Act::Z(dim_at(at.x), 0.0));
    }
    if let Some(at) = response.hover_pos() {
        let dim = dim_at(at.x);
        response.clone().on_hover_text_at_pointer(format!("z[{dim}] = {:.2}", desk.z[dim]));
    }
}

/// Columns of a map of that many cells: as near to a square as its length divides.
fn columns(len: usize) -> usize {
    let root = (len as f64).sqrt().ceil() as usize;
    (root..=len.min(root * 3)).find(|columns| len.is_multiple_of(*columns)).unwrap_or(root).max(1)
}

fn map(ui: &mut Ui, desk: &Desk, side: f32) {
    style::heading(ui, "Heat map");
    let columns = columns(desk.z.len());
    let rows = desk.z.len().div_ceil(columns).max(1);
    let cell = (side / columns as f32).min((side - 20.0).max(20.0) / rows as f32);
    let size = egui::vec2(cell * columns as f32, cell * rows as f32);
    let (area, response) = ui.allocate_exact_size(size, Sense::hover());
    preview::heatmap(ui.painter(), area, &desk.z, columns, [-REACH, REACH], 1.0);
    if let Some(at) = response.hover_pos() {
        let place = (at - area.min) / cell;
        let dim = (place.y as usize * columns + place.x as usize).min(desk.z.len().saturating_sub(1));
        if let Some(value) = desk.z.get(dim) {
            response.on_hover_text_at_pointer(format!("z[{dim}] = {value:.2}"));
        }
    }
}

/// The knobs of the sketch, and behind them the classes of the model, if it has some.
fn knobs(ui: &mut Ui, desk: &Desk, acts: &mut Vec<Act>) {
    let learning = desk.learning.is_some();
    ui.horizontal(|ui| {
        style::heading(ui, "Knobs");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if style::switch(ui, 64.0, "Learn  L", learning, LIT) {
                acts.push(Act::Learn);
            }
        });
    });
    if desk.knobs.is_empty() {
        style::quiet(ui, "none yet: c.knob(\"name\", 0.5) in the sketch makes one");
    }
    egui::ScrollArea::vertical().id_salt("knobs").auto_shrink(false).show(ui, |ui| {
        grid(ui, "knobs", &desk.knobs, Moves::Knob, learning, acts);
        if !desk.triggers.is_empty() {
            triggers(ui, &desk.triggers, learning, acts);
        }
        if desk.classes.is_empty() {
            return;
        }
        ui.add_space(8.0);
        style::heading(ui, "Classes");
        grid(ui, "classes", &desk.classes, Moves::Class, learning, acts);
        let more = desk.class_count.saturating_sub(desk.classes.len());
        if more > 0 {
            style::quiet(ui, format!("and {more} more: /flaneur/class/<name>"));
        }
    });
}

/// A button for each trigger of the sketch; while one learns, a control is put on it.
fn triggers(ui: &mut Ui, names: &[String], learning: bool, acts: &mut Vec<Act>) {
    ui.add_space(8.0);
    style::heading(ui, "Triggers");
    ui.horizontal_wrapped(|ui| {
        for name in names {
            if style::switch(ui, 44.0, name, false, LIT) {
                acts.push(match learning {
                    true => Act::LearnTo(format!("/flaneur/hit/{}", slug(name))),
                    false => Act::Hit(name.clone()),
                });
            }
        }
    });
}

/// What a dial in a grid moves.
#[derive(Clone, Copy)]
enum Moves {
    Knob,
    Class,
}

impl Moves {
    fn address(self, name: &str) -> String {
        let kind = match self {
            Self::Knob => "knob",
            Self::Class => "class",
        };
        format!("/flaneur/{kind}/{}", slug(name))
    }

    fn act(self, name: &str, value: f32) -> Act {
        match self {
            Self::Knob => Act::Knob(name.to_owned(), value),
            Self::Class => Act::Class(name.to_owned(), value),
        }
    }
}

/// Dials in one column, or in two where there is room.
fn grid(ui: &mut Ui, id: &str, views: &[KnobView], moves: Moves, learning: bool, acts: &mut Vec<Act>) {
    let width = ui.available_width();
    let columns = if width > 420.0 && views.len() > 5 { 2 } else { 1 };
    egui::Grid::new(id).num_columns(columns).spacing([18.0, 6.0]).show(ui, |ui| {
        for (i, view) in views.iter().enumerate() {
            let width = (width - 18.0 * (columns - 1) as f32 - 8.0) / columns as f32;
            knob(ui, view, moves, width, learning, acts);
            if i % columns == columns - 1 {
                ui.end_row();
            }
        }
    });
}

/// Width of a knob's name.
const NAME: f32 = 92.0;

/// One dial in `width` points: name, slider, what it means to the sketch.
fn knob(ui: &mut Ui, view: &KnobView, moves: Moves, width: f32, learning: bool, acts: &mut Vec<Act>) {
    ui.allocate_ui_with_layout(egui::vec2(width, 22.0), egui::Layout::left_to_right(egui::Align::Center), |ui| {
        ui.set_width(width);
        let touched = (view.value - view.default).abs() > 1e-4;
        // Names take the same room, or the sliders would not stand in a column.
        let (area, name) = ui.allocate_exact_size(egui::vec2(NAME, 20.0), Sense::click());
        if learning && name.clicked() {
            acts.push(Act::LearnTo(moves.address(&view.name)));
        }
        let ink = match (learning, touched) {
            (true, _) => LIT,
            (false, true) => BRIGHT,
            (false, false) => style::TEXT,
        };
        let font = egui::FontId::proportional(13.0);
        let painter = ui.painter().with_clip_rect(area.expand2(egui::vec2(0.0, 4.0)));
        painter.text(area.left_center(), egui::Align2::LEFT_CENTER, &view.name, font, ink);
        ui.spacing_mut().slider_width = (width - NAME - 54.0).max(40.0);
        let mut value = view.value;
        let slider = ui.add(egui::Slider::new(&mut value, 0.0..=1.0).show_value(false));
        let by = if view.by.is_empty() { String::new() } else { format!("; last moved by {}", view.by) };
        let says = format!("{:.3}; untouched {:.3}; double-click: untouched{by}", view.value, view.default);
        let slider = slider.on_hover_text(says);
        if slider.double_clicked() {
            acts.push(moves.act(&view.name, view.default));
        } else if slider.changed() {
            acts.push(moves.act(&view.name, value));
        }
        let meant = view.range[0] + f64::from(view.value) * (view.range[1] - view.range[0]);
        ui.label(RichText::new(format!("{meant:.2}")).monospace().size(11.0).color(QUIET));
    });
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn maps_are_nearly_square_and_full() {
        for (len, wanted) in [(100, 10), (128, 16), (512, 32), (64, 8), (7, 7), (0, 1), (1, 1)] {
            assert_eq!(columns(len), wanted, "{len}");
        }
    }
}
