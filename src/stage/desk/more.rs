//! Everything else that a training can be told, by its address: a field for each, read as a message would be.
//!
//! What the panel has no dial or button for is here, straight from the table of addresses, so that nothing a message
//! can do is missing at the desk.

use nannou::prelude::egui::{self, Id, RichText, Ui};

use super::style::{NOTICE, QUIET, TEXT};
use crate::control::hand::Value;
use crate::show::addresses::Act;
use crate::show::addresses::{ADDRESSES, Takes, acts};

/// Addresses that the panel shows otherwise.
const ELSEWHERE: [&str; 12] =
    ["run", "pause", "stop", "mix", "lr", "data_mix", "morph", "rewind", "publish", "feed", "redraw", "lines/<rule>"];
/// Rules of the lines, which are one address in the table.
const RULES: [&str; 6] = ["palette", "laws", "verticals", "horizontals", "count", "seed"];
/// Width of an address' name.
const NAME: f32 = 112.0;

pub(super) fn show(ui: &mut Ui, out: &mut Vec<Act>) {
    let title = RichText::new("more").small().color(QUIET);
    egui::CollapsingHeader::new(title).id_salt("more of the training").show(ui, |ui| {
        for address in ADDRESSES {
            let Some(name) = address.path.strip_prefix("/flaneur/train/") else { continue };
            if address.writable() && !ELSEWHERE.contains(&name) {
                field(ui, address.path, name, address.says, address.takes, out);
            }
        }
        for rule in RULES {
            let path = format!("/flaneur/train/lines/{rule}");
            field(ui, &path, &format!("lines: {rule}"), "Heard with the next redraw.", Takes::Name, out);
        }
    });
}

/// Dimensions of z for ranges in addresses: none of these fields has one.
const DIMS: usize = 0;

/// A name, and a field that is sent with Enter; or a button where there is nothing to say.
fn field(ui: &mut Ui, path: &str, name: &str, says: &str, takes: Takes, out: &mut Vec<Act>) {
    let (id, wrong) = (Id::new(path), Id::new((path, "wrong")));
    ui.horizontal(|ui| {
        let label = RichText::new(name).small().color(TEXT);
        let size = egui::vec2(NAME, ui.spacing().interact_size.y);
        ui.add_sized(size, egui::Label::new(label).truncate()).on_hover_text(format!("{says} · {path}"));
        if matches!(takes, Takes::Trigger) {
            if ui.small_button("do").clicked() {
                out.extend(acts(path, &[], DIMS).unwrap_or_default());
            }
            return;
        }
        let mut text = ui.data_mut(|data| data.get_temp::<String>(id)).unwrap_or_default();
        let width = ui.available_width();
        let response = ui.add(egui::TextEdit::singleline(&mut text).desired_width(width));
        if response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter)) && !text.is_empty() {
            let why = match acts(path, &[value(&text, takes)], DIMS) {
                Ok(done) => {
                    out.extend(done);
                    String::new()
                }
                Err(why) => why,
            };
            ui.data_mut(|data| data.insert_temp(wrong, why));
        }
        if response.changed() {
            ui.data_mut(|data| data.insert_temp(id, text));
        }
    });
    let why = ui.data_mut(|data| data.get_temp::<String>(wrong)).unwrap_or_default();
    if !why.is_empty() {
        ui.label(RichText::new(why).small().color(NOTICE));
    }
}

/// What was typed, as a message would bring it.
fn value(text: &str, takes: Takes) -> Value {
    match (takes, text.trim().parse::<f64>()) {
        (Takes::Number { .. } | Takes::Numbers { .. } | Takes::Switch, Ok(number)) => Value::Number(number),
        _ => Value::Text(text.trim().to_owned()),
    }
}
