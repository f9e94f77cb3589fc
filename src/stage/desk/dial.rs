//! A dial: its name, which a touched control can be learnt for, and its slider.
//!
//! Moves nothing by itself: a value that stands outside its range, or has more decimals than are shown, stays as it
//! is until a hand moves it.

use nannou::prelude::egui::{self, Sense, SliderClamping, Ui};

use super::style::{LIT, QUIET, TEXT};
use crate::show::addresses::Act;

/// Points beside a slider that its number takes.
const NUMBER: f32 = 66.0;

/// A dial as it is drawn, from 0 to `most`.
pub(super) struct Face<'a> {
    pub(super) name: &'a str,
    /// Points that the name takes: of all dials in a column the same, or the sliders would not stand in one.
    pub(super) wide: f32,
    pub(super) value: f64,
    pub(super) most: f64,
    /// Where a double-click puts it.
    pub(super) rest: Option<f64>,
    /// Small numbers: in powers of ten.
    pub(super) small: bool,
    /// Whether there is something that it moves.
    pub(super) free: bool,
    /// What it is, for whoever hovers over it.
    pub(super) says: String,
    /// Who moved it last, where that is known.
    pub(super) by: Option<&'a str>,
    pub(super) address: &'a str,
}

impl Face<'_> {
    /// Draws it; `act` is what another value does.
    pub(super) fn show(&self, ui: &mut Ui, learning: bool, acts: &mut Vec<Act>, act: impl Fn(f64) -> Act) {
        ui.horizontal(|ui| {
            let (area, label) = ui.allocate_exact_size(egui::vec2(self.wide, 20.0), Sense::click());
            let ink = match (learning, self.free) {
                (true, _) => LIT,
                (false, true) => TEXT,
                (false, false) => QUIET,
            };
            let font = egui::FontId::proportional(13.0);
            ui.painter().text(area.left_center(), egui::Align2::LEFT_CENTER, self.name, font, ink);
            if learning && label.clicked() {
                acts.push(Act::LearnTo(self.address.into()));
            }
            let mut value = self.value;
            ui.spacing_mut().slider_width = (ui.available_width() - NUMBER).max(40.0);
            let slider = egui::Slider::new(&mut value, 0.0..=self.most).clamping(SliderClamping::Edits);
            let slider = match self.small {
                true => slider.logarithmic(true).custom_formatter(|value, _| power(value)),
                false => slider.max_decimals(2),
            };
            let hover = self.hover();
            let label = label.on_hover_text(&hover);
            let slider = ui.add_enabled(self.free, slider).on_hover_text(&hover).on_disabled_hover_text(&hover);
            // The slider itself hears no clicks, only its number does.
            let twice = !learning && self.free && (label.double_clicked() || slider.double_clicked());
            match self.rest.filter(|_| twice) {
                Some(rest) => acts.push(act(rest)),
                None if slider.changed() => acts.push(act(value)),
                None => {}
            }
        });
    }

    fn hover(&self) -> String {
        let rest = self.rest.map_or_else(String::new, |rest| format!(" · double-click the name: {rest}"));
        let by = self.by.map_or_else(String::new, |by| format!(" · last moved by {by}"));
        format!("{} · {}{rest}{by}", self.says, self.address)
    }
}

/// A small number in few letters.
fn power(value: f64) -> String {
    if value == 0.0 { "0".into() } else { format!("{value:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::power;

    #[test]
    fn small_numbers_are_read_back_as_they_are_written() {
        for (value, text) in [(0.0, "0"), (2e-4, "2.0e-4"), (0.00025, "2.5e-4"), (1e-3, "1.0e-3")] {
            assert_eq!(power(value), text);
            assert_eq!(text.parse::<f64>(), Ok(value));
        }
    }
}
