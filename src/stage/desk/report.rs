//! What is said: the report board, what hands do, and the sketch's text with the wrong line marked.

use nannou::prelude::egui::text::LayoutJob;
use nannou::prelude::egui::{self, Color32, FontId, RichText, TextFormat, Ui};

use super::style::{self, BRIGHT, FAULT, NOTICE, QUIET, TEXT};
use crate::report::{Line, Weight};
use crate::show::view::{Desk, Source};

/// Points beside the code that its line numbers take.
const MARGIN: f32 = 43.0;

pub(super) fn show(ui: &mut Ui, desk: &Desk, code: bool) {
    let high = ui.available_height();
    let source = desk.source.as_ref().filter(|_| code);
    let share = if source.is_some() { 0.3 } else { 0.5 };
    let width = ui.available_width() * share - 8.0;
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 12.0;
        let column = |ui: &mut Ui, work: &dyn Fn(&mut Ui)| {
            ui.vertical(|ui| {
                ui.set_width(width);
                ui.set_height(high);
                work(ui);
            });
        };
        column(ui, &|ui| board(ui, &desk.board));
        column(ui, &|ui| monitor(ui, desk));
        if let Some(source) = source {
            ui.vertical(|ui| {
                ui.set_height(high);
                text(ui, source);
            });
        }
    });
}

/// What came from hands lately, the newest first, and which are here.
fn monitor(ui: &mut Ui, desk: &Desk) {
    ui.horizontal(|ui| {
        style::heading(ui, "Hands");
        let ports = if desk.ports.is_empty() { "no MIDI controller".to_owned() } else { desk.ports.join(", ") };
        ui.add(egui::Label::new(RichText::new(ports).small().color(QUIET)).truncate());
    });
    style::well().show(ui, |ui| {
        egui::ScrollArea::vertical().id_salt("hands").auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            if let Some(page) = &desk.page {
                ui.label(RichText::new(format!("page: {page}")).size(11.0).color(style::LIT));
            }
            if desk.monitor.is_empty() {
                style::quiet(ui, "nothing has come yet: OSC, MIDI, the page");
            }
            for line in desk.monitor.iter().rev() {
                let bad = line.contains(" rejected: ") || line.starts_with("refused ");
                let ink = if bad { NOTICE } else { TEXT };
                let words = RichText::new(line).monospace().size(11.0).color(ink);
                ui.add(egui::Label::new(words).truncate()).on_hover_text(line);
            }
        });
    });
}

fn board(ui: &mut Ui, lines: &[Line]) {
    ui.horizontal(|ui| style::heading(ui, "Reports"));
    style::well().show(ui, |ui| {
        egui::ScrollArea::vertical().id_salt("board").auto_shrink(false).show(ui, |ui| {
            if lines.is_empty() {
                style::quiet(ui, "nothing to report");
            }
            for line in lines {
                let ink = if line.weight == Weight::Fault { FAULT } else { NOTICE };
                let mut rows = line.text.lines();
                let first = rows.next().unwrap_or_default();
                let rest: Vec<&str> = rows.collect();
                ui.horizontal_top(|ui| {
                    let (dot, _) = ui.allocate_exact_size(egui::vec2(8.0, 18.0), egui::Sense::hover());
                    ui.painter().circle_filled(dot.center(), 3.5, ink);
                    ui.label(RichText::new(&line.origin).color(ink));
                    ui.add(egui::Label::new(RichText::new(first).color(BRIGHT)).wrap());
                });
                if !rest.is_empty() {
                    let block = RichText::new(rest.join("\n")).monospace().color(TEXT);
                    ui.horizontal_top(|ui| {
                        ui.add_space(14.0);
                        ui.add(egui::Label::new(block).wrap());
                    });
                }
                ui.add_space(4.0);
            }
        });
    });
}

fn text(ui: &mut Ui, source: &Source) {
    ui.horizontal(|ui| {
        style::heading(ui, "Code");
        let file = source.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        style::quiet(ui, file);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            style::quiet(ui, "Ctrl-Shift-H hides it");
        });
    });
    let wrong = source.wrong.as_ref().map(|(line, _)| *line);
    style::well().show(ui, |ui| {
        // Another file begins at its first column, wherever this one was scrolled to.
        egui::ScrollArea::both().id_salt(("code", &source.path)).auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let width = ui.available_width();
            for (i, line) in source.text.lines().enumerate() {
                let number = i + 1;
                let said = source.wrong.as_ref().filter(|_| wrong == Some(number)).map(|(_, said)| said.as_str());
                code_line(ui, number, line, said, width);
            }
        });
    });
}

fn code_line(ui: &mut Ui, number: usize, line: &str, said: Option<&str>, width: f32) {
    let font = FontId::monospace(12.0);
    let format = |color: Color32| TextFormat { font_id: font.clone(), color, ..TextFormat::default() };
    let (margin, rest) = line.split_at(line.find("//").unwrap_or(line.len()));
    let mut job = LayoutJob::default();
    let ink = if said.is_some() { FAULT } else { QUIET.gamma_multiply(0.7) };
    job.append(&format!("{number:>4}  "), 0.0, format(ink));
    job.append(margin, 0.0, format(if said.is_some() { BRIGHT } else { TEXT }));
    job.append(rest, 0.0, format(QUIET));
    let back = ui.painter().add(egui::Shape::Noop);
    let row = ui.add(egui::Label::new(job).extend()).rect;
    if let Some(said) = said {
        // What is wrong is read without scrolling: it wraps where the panel ends.
        let galley = ui.painter().layout(words(said), font, FAULT, (width - MARGIN).max(120.0));
        let size = galley.size() + egui::vec2(MARGIN, 0.0);
        let (under, _) = ui.allocate_exact_size(size, egui::Sense::hover());
        ui.painter().galley(under.min + egui::vec2(MARGIN, 0.0), galley, FAULT);
        let area = row.union(under).expand2(egui::vec2(2.0, 1.0));
        let area = area.with_max_x(area.right().max(area.left() + width));
        ui.painter().set(back, egui::Shape::rect_filled(area, 2.0, Color32::from_rgb(52, 24, 22)));
        if wrong_is_new(ui, number) {
            // Up and down only: sideways would hide where the lines begin.
            let seen = ui.clip_rect().x_range();
            ui.scroll_to_rect(egui::Rect::from_x_y_ranges(seen, area.y_range()), Some(egui::Align::Center));
        }
    }
}

/// A complaint without its excerpt, which stands above it.
fn words(said: &str) -> String {
    let excerpt = |line: &&str| {
        line.split_once('|').is_some_and(|(number, _)| number.chars().all(|c| c.is_ascii_digit() || c == ' '))
    };
    let lines: Vec<&str> = said.lines().filter(|line| !excerpt(line)).map(str::trim).collect();
    lines.join("\n")
}

/// Whether the wrong line is another than it was: it is scrolled to once, and left alone then.
fn wrong_is_new(ui: &Ui, number: usize) -> bool {
    let id = egui::Id::new("wrong line");
    ui.data_mut(|data| {
        let old = data.get_temp(id);
        data.insert_temp(id, number);
        old != Some(number)
    })
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn what_stands_in_the_code_is_not_said_again() {
        let said = "a.rn:5:13: there is no rng\n 5 |     rng()\n   |     ^\n did you mean ring(a | b)?";
        assert_eq!(words(said), "a.rn:5:13: there is no rng\ndid you mean ring(a | b)?");
        assert_eq!(words("one line"), "one line");
    }
}
