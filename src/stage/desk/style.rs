//! How the desk looks: greys, one light for what is on, red and amber for what is wrong.
//!
//! Dark, since it stands in a dark room beside the work.

use nannou::prelude::egui::{
    self, Color32, Context, CornerRadius, FontFamily, FontId, Frame, Margin, Response, RichText, Stroke, TextStyle, Ui,
    Visuals,
};

const GROUND: Color32 = Color32::from_gray(17);
const PANEL: Color32 = Color32::from_gray(23);
pub(super) const WELL: Color32 = Color32::from_gray(11);
const WIDGET: Color32 = Color32::from_gray(38);
const EDGE: Color32 = Color32::from_gray(44);
pub(super) const QUIET: Color32 = Color32::from_gray(120);
pub(super) const TEXT: Color32 = Color32::from_gray(190);
pub(super) const BRIGHT: Color32 = Color32::from_gray(236);
/// What is on.
pub(super) const LIT: Color32 = Color32::from_rgb(214, 196, 150);
pub(super) const FAULT: Color32 = Color32::from_rgb(226, 98, 88);
pub(super) const NOTICE: Color32 = Color32::from_rgb(206, 162, 84);

/// What the window is cleared with.
pub(super) fn clear() -> nannou::prelude::Color {
    let [r, g, b, _] = GROUND.to_array();
    nannou::prelude::Color::srgb_u8(r, g, b)
}

pub(super) fn panel() -> Frame {
    Frame::new().fill(PANEL).inner_margin(Margin::same(12))
}

pub(super) fn middle() -> Frame {
    Frame::new().fill(GROUND).inner_margin(Margin::same(12))
}

/// Sunk ground for pictures, plots and code.
pub(super) fn well() -> Frame {
    Frame::new().fill(WELL).corner_radius(3).inner_margin(Margin::symmetric(8, 6))
}

/// Makes a new context look like it.
pub(super) fn apply(context: &Context) {
    context.set_theme(egui::Theme::Dark);
    context.all_styles_mut(|style| {
        style.visuals = visuals();
        style.spacing.item_spacing = egui::vec2(6.0, 5.0);
        style.spacing.button_padding = egui::vec2(8.0, 3.0);
        style.spacing.interact_size.y = 22.0;
        style.spacing.slider_width = 120.0;
        style.spacing.scroll = egui::style::ScrollStyle::thin();
        style.interaction.selectable_labels = false;
        style.interaction.tooltip_delay = 0.3;
        let font = |size, family| FontId::new(size, family);
        style.text_styles.insert(TextStyle::Body, font(13.0, FontFamily::Proportional));
        style.text_styles.insert(TextStyle::Button, font(13.0, FontFamily::Proportional));
        style.text_styles.insert(TextStyle::Small, font(11.0, FontFamily::Proportional));
        style.text_styles.insert(TextStyle::Monospace, font(12.0, FontFamily::Monospace));
    });
}

fn visuals() -> Visuals {
    let mut visuals = Visuals::dark();
    let radius = CornerRadius::same(3);
    visuals.panel_fill = PANEL;
    visuals.window_fill = Color32::from_gray(28);
    visuals.window_stroke = Stroke::new(1.0, EDGE);
    visuals.extreme_bg_color = WELL;
    visuals.faint_bg_color = Color32::from_gray(27);
    visuals.selection.bg_fill = Color32::from_rgb(74, 68, 52);
    visuals.selection.stroke = Stroke::new(1.0, LIT);
    visuals.slider_trailing_fill = true;
    let widgets = &mut visuals.widgets;
    let looks = [
        (&mut widgets.noninteractive, PANEL, TEXT),
        (&mut widgets.inactive, WIDGET, TEXT),
        (&mut widgets.hovered, Color32::from_gray(50), BRIGHT),
        (&mut widgets.active, Color32::from_gray(62), BRIGHT),
        (&mut widgets.open, WIDGET, BRIGHT),
    ];
    for (look, fill, text) in looks {
        (look.bg_fill, look.weak_bg_fill) = (fill, fill);
        look.bg_stroke = Stroke::NONE;
        look.fg_stroke = Stroke::new(1.0, text);
        look.corner_radius = radius;
        look.expansion = 0.0;
    }
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, EDGE);
    visuals
}

/// A small heading over a group.
pub(super) fn heading(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text.to_uppercase()).small().color(QUIET));
}

/// A line that hardly matters.
pub(super) fn quiet(ui: &mut Ui, text: impl Into<String>) {
    ui.label(RichText::new(text).small().color(QUIET));
}

/// A button that is lit while what it does is on.
pub(super) fn switch(ui: &mut Ui, width: f32, text: &str, on: bool, colour: Color32) -> bool {
    lamp(ui, width, text, on, colour).clicked()
}

/// The same, for whoever wants to know more of it than whether it was clicked.
pub(super) fn lamp(ui: &mut Ui, width: f32, text: &str, on: bool, colour: Color32) -> Response {
    let words = RichText::new(text).color(if on { Color32::from_gray(12) } else { TEXT });
    let fill = if on { colour } else { WIDGET };
    ui.add(egui::Button::new(words).fill(fill).min_size(egui::vec2(width, 24.0)))
}

/// A whole number with its thousands apart, by the thin space that egui draws in every font.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{2009}');
        }
        out.push(digit);
    }
    out
}

/// Milliseconds in few letters.
pub(super) fn took(ms: f64) -> String {
    if ms < 1000.0 { format!("{ms:.0} ms") } else { format!("{:.1} s", ms / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::{grouped, took};

    #[test]
    fn numbers_are_short_and_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1234, "1 234"), (123_456, "123 456"), (1_000_000, "1 000 000")]
        {
            assert_eq!(grouped(number), text.replace(' ', "\u{2009}"));
        }
        assert_eq!((took(320.4), took(1900.0)), ("320 ms".to_owned(), "1.9 s".to_owned()));
    }
}
