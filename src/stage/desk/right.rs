//! Snapshots; under them what can be chosen (sketches, models, presets), or the training.

use nannou::prelude::egui::{self, Color32, RichText, Ui};

use super::lesson::{self, Sheet};
use super::style::{self, LIT, QUIET, TEXT, WELL};
use crate::show::addresses::Act;
use crate::show::view::{Desk, Lesson};

/// Width of the column over its lists, and over the training.
const WIDE: [f32; 2] = [216.0, 280.0];

/// How wide the column is to be.
pub(super) fn width(ui: &Ui, desk: &Desk) -> f32 {
    WIDE[usize::from(trains(ui, &desk.lesson))]
}

pub(super) fn show(ui: &mut Ui, desk: &Desk, sheet: &Sheet, acts: &mut Vec<Act>) {
    snapshots(ui, desk, acts);
    ui.add_space(8.0);
    let trains = trains(ui, &desk.lesson);
    tabs(ui, &desk.lesson, trains);
    ui.add_space(6.0);
    if trains {
        return lesson::show(ui, desk, sheet, acts);
    }
    // The sketches take what the others leave.
    let small = |names: &[String]| 40.0 + names.len().min(4) as f32 * 24.0;
    let others = small(&desk.models) + small(&desk.presets);
    let high = (ui.available_height() - others).max(80.0);
    list(ui, "Sketches", &desk.sketches, &desk.sketch, high, |name| acts.push(Act::Sketch(name)));
    list(ui, "Models", &desk.models, &desk.model, small(&desk.models), |name| acts.push(Act::Model(name)));
    list(ui, "Presets", &desk.presets, "", small(&desk.presets), |name| acts.push(Act::Preset(name)));
}

/// Where egui keeps whether the training was chosen.
fn chosen() -> egui::Id {
    egui::Id::new("the training is shown")
}

/// Whether the training is shown: as somebody chose, and until then whenever there is one.
fn trains(ui: &Ui, lesson: &Lesson) -> bool {
    ui.data(|data| data.get_temp::<bool>(chosen())).unwrap_or(!lesson::off(lesson))
}

/// Lists or training; a dot says how the training does, whatever is shown.
fn tabs(ui: &mut Ui, lesson: &Lesson, trains: bool) {
    let width = (ui.available_width() - ui.spacing().item_spacing.x) / 2.0;
    ui.horizontal(|ui| {
        for (name, train) in [("Choose", false), ("Train", true)] {
            let on = train == trains;
            let text = RichText::new(name).color(if on { LIT } else { QUIET });
            let fill = if on { Color32::from_gray(36) } else { WELL };
            let button = ui.add(egui::Button::new(text).fill(fill).min_size(egui::vec2(width, 22.0)));
            if train && !lesson::off(lesson) {
                let at = button.rect.right_center() - egui::vec2(10.0, 0.0);
                ui.painter().circle_filled(at, 3.0, lesson::ink(lesson));
            }
            if button.clicked() {
                ui.data_mut(|data| data.insert_temp(chosen(), train));
            }
        }
    });
}

fn snapshots(ui: &mut Ui, desk: &Desk, acts: &mut Vec<Act>) {
    style::heading(ui, "Snapshots");
    let gap = 4.0;
    ui.spacing_mut().item_spacing.x = gap;
    let width = (ui.available_width() - 8.0 * gap) / 9.0;
    ui.horizontal(|ui| {
        for (i, full) in desk.snapshots.iter().enumerate() {
            let number = i as u8 + 1;
            let ink = if *full { LIT } else { Color32::from_gray(84) };
            let text = RichText::new(number.to_string()).color(ink);
            ui.spacing_mut().button_padding.x = 0.0;
            let button = ui.add(egui::Button::new(text).min_size(egui::vec2(width, 24.0)));
            let button = button.on_hover_text(if *full {
                "click: recall · Shift-click or right-click: store over it"
            } else {
                "Shift-click or right-click: store"
            });
            if button.secondary_clicked() || (button.clicked() && ui.input(|i| i.modifiers.shift)) {
                acts.push(Act::Store(number.to_string()));
            } else if button.clicked() && *full {
                acts.push(Act::Recall(number.to_string(), None));
            }
        }
    });
}

fn list(ui: &mut Ui, title: &str, names: &[String], chosen: &str, high: f32, mut choose: impl FnMut(String)) {
    ui.allocate_ui(egui::vec2(ui.available_width(), high), |ui| {
        ui.set_min_height(high);
        style::heading(ui, title);
        if names.is_empty() {
            ui.label(RichText::new("none").small().color(QUIET));
        }
        egui::ScrollArea::vertical().id_salt(title).auto_shrink(false).max_height(high - 28.0).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            for name in names {
                let on = name == chosen;
                let text = RichText::new(name).color(if on { LIT } else { TEXT });
                let button = egui::Button::new(text).frame(on).truncate().fill(Color32::from_gray(36));
                let button = ui.add_sized([ui.available_width() - 4.0, 22.0], |ui: &mut Ui| {
                    ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| ui.add(button)).inner
                });
                if button.clicked() {
                    choose(name.clone());
                }
            }
        });
    });
}
