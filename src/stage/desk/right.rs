//! What can be chosen: snapshots, sketches, models, presets.

use nannou::prelude::egui::{self, Color32, RichText, Ui};

use super::style::{self, LIT, QUIET, TEXT};
use crate::show::scene::{Act, Desk};

pub(super) fn show(ui: &mut Ui, desk: &Desk, acts: &mut Vec<Act>) {
    snapshots(ui, desk, acts);
    ui.add_space(8.0);
    // The sketches take what the others leave.
    let small = |names: &[String]| 40.0 + names.len().min(4) as f32 * 24.0;
    let others = small(&desk.models) + small(&desk.presets);
    let high = (ui.available_height() - others).max(80.0);
    list(ui, "Sketches", &desk.sketches, &desk.sketch, high, |name| acts.push(Act::Sketch(name)));
    list(ui, "Models", &desk.models, &desk.model, small(&desk.models), |name| acts.push(Act::Model(name)));
    list(ui, "Presets", &desk.presets, "", small(&desk.presets), |name| acts.push(Act::Preset(name)));
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
