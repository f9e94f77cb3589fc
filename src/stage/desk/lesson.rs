//! The training beside the show: how it does, what steers it, what it has learnt so far.
//!
//! Everything comes from the desk's [`Lesson`]; what a hand does goes out as [`Training`]. What buttons and dials say
//! stands in the table of addresses. The sheet's texture is the desk's own, as the preview's are.

use std::sync::Arc;

use nannou::prelude::egui::{
    self, Align2, Color32, Context, FontId, Pos2, Rect, RichText, Sense, Stroke, TextureHandle, TextureOptions, Ui,
};

use super::dial::Face;
use super::style::{self, FAULT, LIT, NOTICE, QUIET, TEXT, WELL};
use super::{more, preview};
use crate::control::Dial;
use crate::picture::Picture;
use crate::show::addresses::{Act, Training};
use crate::show::addresses::{KEYS, find};
use crate::show::view::{Desk, Lesson};
use crate::trainer::settings::Settings;

/// Highest that the sheet, the plot of the losses and the row of states may be.
const SHEET_HIGH: f32 = 200.0;
const PLOT_HIGH: f32 = 64.0;
const STRIP_HIGH: f32 = 18.0;
/// Widest that one state may be in its row.
const CELL: f32 = 20.0;
/// Width of a dial's name.
const NAME: f32 = 56.0;
/// Between the sheet of what is learnt from and that of what is drawn.
const SHEET_GAP: f32 = 6.0;
/// Highest learning rate that the dial reaches.
const MOST_RATE: f64 = 0.001;
/// Longest glide, in seconds.
const MOST_MORPH: f64 = 30.0;
/// Ink of the generator's losses; the critic's are lit.
const GENERATOR: Color32 = Color32::from_gray(150);

/// A sheet of pictures as egui has it.
#[derive(Default)]
struct Held {
    picture: Option<Arc<Picture>>,
    texture: Option<TextureHandle>,
}

impl Held {
    /// Uploads the sheet if it is a new one.
    fn upload(&mut self, context: &Context, name: &str, sheet: Option<&Arc<Picture>>) {
        let Some(picture) = sheet else {
            *self = Self::default();
            return;
        };
        if self.picture.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, picture)) {
            return;
        }
        let image = preview::small(picture);
        match &mut self.texture {
            Some(texture) => texture.set(image, TextureOptions::LINEAR),
            None => self.texture = Some(context.load_texture(name, image, TextureOptions::LINEAR)),
        }
        self.picture = Some(picture.clone());
    }

    /// Shows it as large as there is room, with a text for the pointer.
    fn show(&self, ui: &mut Ui, wide: f32, tint: Color32, text: &str) {
        let (Some(picture), Some(texture)) = (&self.picture, &self.texture) else { return };
        let aspect = picture.width.max(1) as f32 / picture.height.max(1) as f32;
        let high = (wide / aspect).min(SHEET_HIGH);
        let (row, response) = ui.allocate_exact_size(egui::vec2(wide, high), Sense::hover());
        let area = Rect::from_center_size(row.center(), egui::vec2(high * aspect, high));
        let whole = Rect::from_min_max(Pos2::ZERO, egui::pos2(1.0, 1.0));
        ui.painter().image(texture.id(), area, whole, tint);
        response.on_hover_text_at_pointer(text);
    }
}

/// The sheet of the shown state, and one of what it learns from.
#[derive(Default)]
pub(in crate::stage) struct Sheet {
    drawn: Held,
    real: Held,
}

impl Sheet {
    /// Uploads the lesson's sheets if they are new ones.
    pub(super) fn upload(&mut self, context: &Context, lesson: &Lesson) {
        self.drawn.upload(context, "sheet", lesson.sheet.as_ref().map(|(_, picture)| picture));
        self.real.upload(context, "real", lesson.real.as_ref());
    }

    /// Shows both beside each other, or the one that there is; that of another state than the shown one is paler.
    fn show(&self, ui: &mut Ui, lesson: &Lesson) {
        let step = lesson.sheet.as_ref().map(|(step, _)| *step);
        let tint = if step == lesson.shown { Color32::WHITE } else { Color32::from_white_alpha(110) };
        let text = step.map_or(String::new(), |step| format!("step {}", style::grouped(step)));
        let both = self.drawn.picture.is_some() && self.real.picture.is_some();
        let wide = if both { (ui.available_width() - SHEET_GAP) / 2.0 } else { ui.available_width() };
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = SHEET_GAP;
            self.real.show(ui, wide, Color32::WHITE, &format!("it learns from {}", lesson.data));
            self.drawn.show(ui, wide, tint, &text);
        });
    }
}

/// Whether there is nothing that could be steered.
pub(super) fn off(lesson: &Lesson) -> bool {
    matches!(lesson.state, "" | "off")
}

/// The ink of its state.
pub(super) fn ink(lesson: &Lesson) -> Color32 {
    match lesson.state {
        "running" | "starting" => LIT,
        "crashed" => FAULT,
        "paused" | "watching" => TEXT,
        _ => QUIET,
    }
}

pub(super) fn show(ui: &mut Ui, desk: &Desk, sheet: &Sheet, acts: &mut Vec<Act>) {
    let lesson = &desk.lesson;
    head(ui, lesson, acts);
    if off(lesson) {
        style::quiet(ui, "T trains the shown model on drawn lines; [train] in a preset says on what");
        return;
    }
    egui::ScrollArea::vertical().id_salt("training").auto_shrink(false).show(ui, |ui| {
        buttons(ui, lesson, acts);
        ui.add_space(4.0);
        dials(ui, lesson, desk.learning.is_some(), acts);
        ui.add_space(4.0);
        facts(ui, lesson);
        ui.add_space(6.0);
        states(ui, lesson, sheet, acts);
        ui.add_space(6.0);
        losses(ui, &lesson.losses);
        more::show(ui, acts);
    });
}

/// What the table says of an address, with the key that works it.
fn says(path: &str) -> String {
    let sentence = find(path).map_or("", |(address, _)| address.says).trim_end_matches('.');
    match KEYS.iter().find(|key| key.address == path) {
        Some(key) => format!("{sentence} · key {}", key.key),
        None => sentence.to_owned(),
    }
}

/// How it does, in a word; the button that begins it, or the one that ends it.
fn head(ui: &mut Ui, lesson: &Lesson, acts: &mut Vec<Act>) {
    let off = off(lesson);
    ui.horizontal(|ui| {
        style::heading(ui, "Training");
        ui.label(RichText::new(if off { "off" } else { lesson.state }).small().color(ink(lesson)));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let (text, act, path) = match off {
                true => ("Run", Training::Go(Some(true)), "/flaneur/train/run"),
                false => ("Stop", Training::Stop, "/flaneur/train/stop"),
            };
            let button = ui.add(egui::Button::new(text).small());
            if button.on_hover_text(format!("{} · {path}", says(path))).clicked() {
                acts.push(Act::Train(act));
            }
        });
    });
}

fn buttons(ui: &mut Ui, lesson: &Lesson, acts: &mut Vec<Act>) {
    let works = matches!(lesson.state, "running" | "starting");
    let back = |to: &str| Training::Rewind(to.to_owned());
    let upper = [
        ("Run", works, Training::Go(Some(!works)), "/flaneur/train/run"),
        ("Publish", false, Training::Publish, "/flaneur/train/publish"),
        ("Back", false, back("back"), "/flaneur/train/rewind"),
        ("First", false, back("first"), "/flaneur/train/rewind"),
    ];
    let lower = [
        ("Feed", false, Training::Feed, "/flaneur/train/feed"),
        ("Redraw lines", false, Training::Redraw, "/flaneur/train/redraw"),
    ];
    row(ui, upper, acts);
    row(ui, lower, acts);
}

/// Buttons of one width: text, whether it is on, what it does, its address.
fn row<const N: usize>(ui: &mut Ui, buttons: [(&str, bool, Training, &str); N], acts: &mut Vec<Act>) {
    let gap = ui.spacing().item_spacing.x;
    let width = (ui.available_width() - (N as f32 - 1.0) * gap) / N as f32;
    ui.horizontal(|ui| {
        ui.spacing_mut().button_padding.x = 4.0;
        for (text, on, act, path) in buttons {
            let button = style::lamp(ui, width, text, on, LIT);
            if button.on_hover_text(format!("{} · {path}", says(path))).clicked() {
                acts.push(Act::Train(act));
            }
        }
    });
}

fn dials(ui: &mut Ui, lesson: &Lesson, learning: bool, acts: &mut Vec<Act>) {
    // What is set while a crashed one waits for its next start is set then.
    let heard = matches!(lesson.state, "running" | "starting" | "paused" | "crashed");
    let face = |name: &'static str, value: f64, most: f64, address: &'static str| Face {
        name,
        wide: NAME,
        value,
        most,
        rest: None,
        small: false,
        free: true,
        says: says(address),
        by: lesson.by.get(address).map(String::as_str),
        address,
    };
    let learnt = Face { rest: Some(Dial::Learnt.rest()), ..face("Learnt", lesson.mix, 1.0, "/flaneur/train/mix") };
    learnt.show(ui, learning, acts, |value| Act::Dial(Dial::Learnt, value));
    let rate = Face { small: true, free: heard, ..face("Rate", lesson.rate, MOST_RATE, "/flaneur/train/lr") };
    rate.show(ui, learning, acts, |value| {
        let rate = Some(value);
        Act::Train(Training::Set(Settings { generator_rate: rate, critic_rate: rate, ..Settings::default() }))
    });
    let mix = Face { free: heard, ..face("Data mix", lesson.data_mix, 1.0, "/flaneur/train/data_mix") };
    mix.show(ui, learning, acts, |value| {
        Act::Train(Training::Set(Settings { mix: Some(value), ..Settings::default() }))
    });
    let morph = face("Morph s", lesson.morph_secs, MOST_MORPH, "/flaneur/train/morph");
    morph.show(ui, learning, acts, |value| Act::Train(Training::Morph(value)));
}

/// Where it is, what it costs, what it learns from, what it said last: each a line that is cut where the column ends.
fn facts(ui: &mut Ui, lesson: &Lesson) {
    let shown = lesson.shown.map_or_else(|| "the model's own".to_owned(), style::grouped);
    let glides = if lesson.share < 1.0 { format!(" · glides, {:.0} %", lesson.share * 100.0) } else { String::new() };
    let epoch = if lesson.ms > 0.0 { format!("epoch {} · ", style::took(lesson.ms)) } else { String::new() };
    let why = if lesson.rest_why.is_empty() { String::new() } else { format!(": {}", lesson.rest_why) };
    let cost = match lesson.cost_ms {
        Some(ms) => format!("costs the show {ms:.1} ms a picture"),
        None => "costs: not measured yet".to_owned(),
    };
    let data = match (lesson.data.as_str(), lesson.second.as_str()) {
        ("", _) => None,
        (data, "") => Some(format!("learns from {data}")),
        (data, second) => Some(format!("learns from {data}, {:.0} % {second}", lesson.data_mix * 100.0)),
    };
    let ink = if lesson.state == "crashed" { NOTICE } else { QUIET };
    let lines = [
        (Some(format!("step {} · shown {shown}{glides}", style::grouped(lesson.step))), TEXT),
        (Some(format!("{epoch}rests {:.0} %{why}", lesson.rest * 100.0)), TEXT),
        (Some(cost), TEXT),
        (lesson.critic.map(|score| format!("the critic gives the picture {score:.2}")), TEXT),
        (data, TEXT),
        (Some(lesson.message.clone()).filter(|message| !message.is_empty()), ink),
    ];
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for (text, ink) in lines {
            if let Some(text) = text {
                // Who hovers over a line that is cut is shown all of it.
                ui.add(egui::Label::new(RichText::new(text).small().color(ink)).truncate());
            }
        }
    });
}

/// The states that are kept, the oldest first, and how the shown one looks.
fn states(ui: &mut Ui, lesson: &Lesson, sheet: &Sheet, acts: &mut Vec<Act>) {
    ui.horizontal(|ui| {
        style::heading(ui, "States");
        let text = match lesson.steps.len() {
            0 => "none is kept yet".to_owned(),
            kept => format!("{kept} kept · click one to go back to it"),
        };
        style::quiet(ui, text);
    });
    if !lesson.steps.is_empty() {
        strip(ui, lesson, acts);
        ui.add_space(2.0);
    }
    sheet.show(ui, lesson);
}

/// One cell a state, the shown one lit as far as its glide is.
fn strip(ui: &mut Ui, lesson: &Lesson, acts: &mut Vec<Act>) {
    let (area, response) = ui.allocate_exact_size(egui::vec2(ui.available_width(), STRIP_HIGH), Sense::click());
    let wide = (area.width() / lesson.steps.len().max(1) as f32).min(CELL);
    let gap = if wide > 3.0 { 1.0 } else { 0.0 };
    let under = response.hover_pos().map(|at| ((at.x - area.left()).max(0.0) / wide) as usize);
    let painter = ui.painter();
    painter.rect_filled(area, 2.0, WELL);
    for (i, step) in lesson.steps.iter().enumerate() {
        let left = area.left() + i as f32 * wide;
        let cell = Rect::from_x_y_ranges(left..=left + wide - gap, area.y_range());
        painter.rect_filled(cell, 1.0, Color32::from_gray(if under == Some(i) { 110 } else { 58 }));
        if lesson.shown == Some(*step) {
            let high = cell.height() * (lesson.share as f32).clamp(0.15, 1.0);
            painter.rect_filled(cell.with_min_y(cell.bottom() - high), 1.0, LIT);
        }
    }
    let Some(step) = under.and_then(|i| lesson.steps.get(i)) else { return };
    if response.clicked() {
        acts.push(Act::Train(Training::Rewind(step.to_string())));
    }
    acts.push(Act::Train(Training::Look(*step)));
    let text = format!("step {}: click to glide back to it and learn on from there", style::grouped(*step));
    response.on_hover_text_at_pointer(format!("{text} · /flaneur/train/rewind"));
}

/// The last losses of both networks, the newest on the right. Each has its own scale: they have none in common.
fn losses(ui: &mut Ui, losses: &[[f32; 2]]) {
    style::heading(ui, "Losses");
    let (area, response) = ui.allocate_exact_size(egui::vec2(ui.available_width(), PLOT_HIGH), Sense::hover());
    let painter = ui.painter_at(area);
    painter.rect_filled(area, 3.0, WELL);
    let inside = area.shrink2(egui::vec2(4.0, 6.0));
    let font = FontId::proportional(11.0);
    let Some(newest) = losses.last() else {
        painter.text(inside.left_center(), Align2::LEFT_CENTER, "none yet", font, QUIET);
        return;
    };
    let last = (losses.len() - 1).max(1) as f32;
    let curves = [
        ("critic", LIT, inside.left_top(), Align2::LEFT_TOP),
        ("generator", GENERATOR, inside.right_top(), Align2::RIGHT_TOP),
    ];
    for (which, (name, ink, corner, align)) in curves.into_iter().enumerate() {
        if let Some([low, high]) = range(losses.iter().map(|pair| f64::from(pair[which]))) {
            let finite =
                losses.iter().map(|pair| f64::from(pair[which])).enumerate().filter(|(_, loss)| loss.is_finite());
            let points = finite.map(|(i, loss)| {
                let share = ((loss - low) / (high - low)).clamp(0.0, 1.0) as f32;
                egui::pos2(inside.left() + i as f32 / last * inside.width(), inside.bottom() - share * inside.height())
            });
            painter.line(points.collect(), Stroke::new(1.0, ink.gamma_multiply(0.8)));
        }
        painter.text(corner, align, format!("{name} {:.3}", newest[which]), font.clone(), ink);
    }
    if let Some(at) = response.hover_pos() {
        let share = ((at.x - inside.left()) / inside.width()).clamp(0.0, 1.0);
        let i = ((share * last).round() as usize).min(losses.len() - 1);
        let ([critic, generator], ago) = (losses[i], losses.len() - 1 - i);
        response.on_hover_text_at_pointer(format!("critic {critic:.3}, generator {generator:.3}, {ago} epochs ago"));
    }
}

/// From where to where values lie, but for the outermost in fifty; none if none is finite.
fn range(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let mut sorted: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let cut = sorted.len() / 50;
    let (low, high) = (sorted[cut], sorted[last - cut]);
    let least = 1e-3 * low.abs().max(high.abs()).max(1e-3);
    match high - low > least {
        true => Some([low, high]),
        // A level line runs through the middle.
        false => Some([low - least, high + least]),
    }
}

#[cfg(test)]
mod tests {
    use super::{range, says};

    #[test]
    fn outliers_do_not_flatten_the_plot() {
        assert_eq!(range([].into_iter()), None);
        assert_eq!(range([f64::NAN, f64::INFINITY].into_iter()), None);
        assert_eq!(range([3.0, 1.0, f64::NAN].into_iter()), Some([1.0, 3.0]));
        let spiky = (0..100).map(|i| if i == 50 { 1e9 } else { f64::from(i) });
        assert_eq!(range(spiky), Some([2.0, 98.0]));
        let [low, high] = range([5.0; 4].into_iter()).unwrap();
        assert!(low < 5.0 && 5.0 < high);
    }

    #[test]
    fn addresses_speak_for_themselves() {
        assert!(says("/flaneur/train/run").ends_with(" · key T"));
        for path in ["publish", "rewind", "feed", "redraw", "stop", "mix", "lr", "data_mix", "morph"] {
            assert!(!says(&format!("/flaneur/train/{path}")).is_empty(), "{path}");
        }
    }
}
