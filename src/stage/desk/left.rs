//! What is shown and how it runs: the frame in small, the switches, the clock, where the time goes.

use nannou::prelude::egui::{self, Color32, RichText, Sense, Ui};

use super::DeskState;
use super::dial::Face;
use super::style::{self, BRIGHT, FAULT, LIT, NOTICE, QUIET, TEXT, WELL};
use crate::control::Dial;
use crate::picture::scene::Scene;
use crate::show::addresses::{Act, Switch};
use crate::show::view::Desk;

/// Highest the preview may be.
const PREVIEW_HIGH: f32 = 276.0;

pub(super) fn show(ui: &mut Ui, desk: &Desk, scene: Option<&Scene>, state: &mut DeskState, acts: &mut Vec<Act>) {
    preview(ui, desk, scene, state);
    ui.add_space(8.0);
    switches(ui, desk, acts);
    ui.add_space(8.0);
    clock(ui, desk, acts);
    ui.add_space(8.0);
    times(ui, desk);
    ui.with_layout(egui::Layout::bottom_up(egui::Align::Min), |ui| {
        if ui.add(egui::Button::new(RichText::new("?  keys").small().color(QUIET)).frame(false)).clicked() {
            state.help = !state.help;
        }
    });
}

fn preview(ui: &mut Ui, desk: &Desk, scene: Option<&Scene>, state: &DeskState) {
    let width = ui.available_width();
    let aspect = scene.map_or(1.0, Scene::aspect);
    let height = (width / aspect).clamp(90.0, PREVIEW_HIGH);
    let (area, _) = ui.allocate_exact_size(egui::vec2(width, height), Sense::hover());
    ui.painter().rect_filled(area, 0.0, Color32::BLACK);
    if let Some(scene) = scene {
        state.preview.paint(ui.painter(), area, scene);
    }
    ui.add_space(2.0);
    ui.horizontal(|ui| {
        ui.add(egui::Label::new(RichText::new(&desk.sketch).color(BRIGHT)).truncate());
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.add(
                egui::Label::new(RichText::new(format!("{} · {}", desk.model, desk.device)).small().color(QUIET))
                    .truncate(),
            );
        });
    });
}

fn switches(ui: &mut Ui, desk: &Desk, acts: &mut Vec<Act>) {
    let gap = ui.spacing().item_spacing.x;
    let width = (ui.available_width() - 3.0 * gap) / 4.0;
    ui.horizontal(|ui| {
        for (text, on, act) in [
            ("Blackout", desk.black, Act::toggle(Switch::Blackout)),
            ("Freeze", desk.frozen, Act::toggle(Switch::Freeze)),
            ("Hold", desk.held, Act::toggle(Switch::Hold)),
            ("Hush", desk.black && desk.held, Act::toggle(Switch::Hush)),
        ] {
            if style::switch(ui, width, text, on, LIT) {
                acts.push(act);
            }
        }
    });
    ui.horizontal(|ui| {
        for (text, on, ink, act) in [
            ("Record", desk.recording.is_some(), FAULT, Act::toggle(Switch::Recording)),
            ("Take", desk.take.is_some(), FAULT, Act::toggle(Switch::Take)),
            ("Still", false, LIT, Act::Still),
            ("Reload", false, LIT, Act::Reload),
        ] {
            if style::switch(ui, width, text, on, ink) {
                acts.push(act);
            }
        }
    });
    if let Some((path, secs)) = &desk.take {
        let file = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        ui.label(RichText::new(format!("{file} · {} of moves", minutes(*secs))).small().color(FAULT));
    }
    if let Some((path, secs, dropped, repeated)) = &desk.recording {
        let file = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let lost =
            if dropped + repeated > 0 { format!(" · {dropped} dropped, {repeated} repeated") } else { String::new() };
        ui.label(RichText::new(format!("{file} · {}{lost}", minutes(*secs))).small().color(FAULT));
    }
}

fn clock(ui: &mut Ui, desk: &Desk, acts: &mut Vec<Act>) {
    style::heading(ui, "Clock");
    ui.horizontal(|ui| {
        let mut bpm = desk.bpm;
        let number = egui::DragValue::new(&mut bpm).speed(0.2).range(20.0..=300.0).max_decimals(1).suffix(" bpm");
        if ui.add(number).changed() {
            acts.push(Act::Tempo(bpm));
        }
        if ui.button("Tap").clicked() {
            acts.push(Act::Tap);
        }
        beats(ui, desk.beat);
    });
    if let Some(leader) = &desk.leader {
        let text = format!("the clock of {leader} leads");
        ui.add(egui::Label::new(RichText::new(text).small().color(LIT)).truncate());
    }
    let learning = desk.learning.is_some();
    for (name, value, most, says, dial, address) in [
        ("Speed", desk.speed, 4.0, "of the walk", Dial::Speed, "/flaneur/walk/speed"),
        ("psi", desk.truncation, 2.0, "truncation: z times this", Dial::Truncation, "/flaneur/truncation"),
        ("Light", desk.fade, 1.0, "of the output", Dial::Fade, "/flaneur/out/fade"),
    ] {
        let face = Face {
            name,
            wide: 38.0,
            value,
            most,
            rest: Some(1.0),
            small: false,
            free: true,
            says: says.into(),
            by: None,
            address,
        };
        face.show(ui, learning, acts, |value| Act::Dial(dial, value));
    }
}

/// Four dots, the one of this beat lit, and the bar's number.
fn beats(ui: &mut Ui, beat: f64) {
    let (area, _) = ui.allocate_exact_size(egui::vec2(64.0, 16.0), Sense::hover());
    let now = beat.max(0.0).floor() as u64;
    for i in 0..4_u64 {
        let at = area.left_center() + egui::vec2(10.0 + i as f32 * 15.0, 0.0);
        let fade = (1.0 - beat.fract() * 0.7) as f32;
        let fill = if i == now % 4 { LIT.gamma_multiply(fade) } else { Color32::from_gray(48) };
        ui.painter().circle_filled(at, 4.5, fill);
    }
    ui.label(RichText::new(format!("bar {}", now / 4 + 1)).small().color(QUIET));
}

/// Milliseconds that stand for a full bar.
const FULL_MS: f32 = 40.0;

fn times(ui: &mut Ui, desk: &Desk) {
    let rate = desk.parts.iter().find(|part| part.name == "frame").filter(|part| part.p50_ms > 0.0);
    ui.horizontal(|ui| {
        style::heading(ui, "Time of a frame");
        if let Some(part) = rate {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                style::quiet(ui, format!("{:.0} a second", 1e3 / part.p50_ms));
            });
        }
    });
    let row = |ui: &mut Ui, name: &str, p50: &str, p99: &str, share: [f32; 2], ink: Color32| {
        let (area, _) = ui.allocate_exact_size(egui::vec2(ui.available_width(), 16.0), Sense::hover());
        let painter = ui.painter();
        let text = |x: f32, align, words: &str, ink| {
            painter.text(
                egui::pos2(area.left() + x, area.center().y),
                align,
                words,
                egui::FontId::proportional(12.0),
                ink,
            );
        };
        text(0.0, egui::Align2::LEFT_CENTER, name, ink);
        text(112.0, egui::Align2::RIGHT_CENTER, p50, ink);
        text(164.0, egui::Align2::RIGHT_CENTER, p99, ink);
        let bar = egui::Rect::from_min_max(
            egui::pos2(area.left() + 176.0, area.center().y - 3.0),
            egui::pos2(area.right(), area.center().y + 3.0),
        );
        if name.is_empty() {
            return;
        }
        painter.rect_filled(bar, 1.0, WELL);
        for (share, fill) in [(share[1], Color32::from_gray(64)), (share[0], Color32::from_gray(150))] {
            let width = bar.width() * share.clamp(0.0, 1.0);
            painter.rect_filled(bar.with_max_x(bar.left() + width), 1.0, fill);
        }
    };
    row(ui, "", "p50 ms", "p99 ms", [0.0; 2], QUIET);
    for part in &desk.parts {
        let numbers = [part.p50_ms, part.p99_ms];
        let [p50, p99] = numbers.map(|ms| format!("{ms:.1}"));
        row(ui, part.name, &p50, &p99, numbers.map(|ms| ms / FULL_MS), TEXT);
    }
    ui.horizontal(|ui| {
        style::quiet(ui, format!("{} frames · {}", desk.frames, minutes(desk.secs)));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let (text, ink) = match desk.late {
                0 => ("none late".to_owned(), QUIET),
                n => (format!("{n} late, by {}", desk.late_cause), NOTICE),
            };
            ui.label(RichText::new(text).small().color(ink));
        });
    });
}

fn minutes(secs: f64) -> String {
    let secs = secs.max(0.0) as u64;
    if secs < 3600 {
        format!("{}:{:02}", secs / 60, secs % 60)
    } else {
        format!("{}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
    }
}
