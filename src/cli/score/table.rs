//! The figures of a score as a table, with what they mean in words.
//!
//! Bounds between good, fair and poor are this program's own, chosen to be read beside the floor: a picture says more.

use crate::dataset::measure::{Compared, Measures};
use crate::model::score::Score;
use crate::report::say;

/// What is printed.
pub(super) struct Table<'a> {
    pub model: &'a str,
    /// Height, width and channels of the model's pictures.
    pub size: [usize; 3],
    /// Numbers that the critic's last layer sees, if there is a critic.
    pub critic: Option<usize>,
    pub score: &'a Score,
}

/// Name, the model's figure, the floor's, what it says.
type Row = [String; 4];

impl Table<'_> {
    /// For people who look at a terminal.
    pub fn print(&self) {
        for line in self.head() {
            say(line);
        }
        for (title, rows) in self.parts() {
            say(format_args!("\n{title}"));
            let model: String = self.model.rsplit('/').next().unwrap_or_default().chars().take(14).collect();
            say(format_args!("  {:<44} {model:>14} {:>8}", "", "floor"));
            for [name, own, floor, words] in rows {
                say(format_args!("  {name:<44} {own:>14} {floor:>8}  {words}"));
            }
        }
    }

    /// For a model's page.
    pub fn markdown(&self) {
        for line in self.head() {
            say(format_args!("{line}  "));
        }
        for (title, rows) in self.parts() {
            say(format_args!("\n{title}\n\n| | model | floor | |\n|---|---|---|---|"));
            for row in rows {
                say(format_args!("| {} |", row.join(" | ")));
            }
        }
    }

    fn head(&self) -> Vec<String> {
        let Score { data, pictures, seed, .. } = self.score;
        let [h, w, _] = self.size;
        vec![
            format!("{pictures} pictures of {} ({w}x{h}, seeds from {seed}) beside {pictures} of {data}.", self.model),
            format!("The floor is {pictures} other pictures of {data} beside the same ones: as good as it can get."),
        ]
    }

    fn parts(&self) -> Vec<(String, [Row; 5])> {
        let Score { side, filters_seed, filters, critic, .. } = self.score;
        let mut parts =
            vec![(format!("By fixed random filters (seed {filters_seed}, pictures at {side}x{side}):"), rows(filters))];
        if let (Some(critic), Some(of)) = (critic, self.critic) {
            parts.push((format!("By the model's own critic, which learnt to tell them apart (the {of} numbers before its last layer):"), rows(critic)));
        }
        parts
    }
}

/// How good a figure is.
fn grade(good: bool, fair: bool) -> &'static str {
    match (good, fair) {
        (true, _) => "good",
        (false, true) => "fair",
        (false, false) => "poor",
    }
}

fn rows(Compared { model, floor }: &Compared) -> [Row; 5] {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let times = model.relative / floor.relative.max(1e-9);
    let reached = |value: fn(&Measures) -> f64| {
        let share = value(model) / value(floor).max(1e-9);
        grade(share >= 0.8, share >= 0.4)
    };
    let away = (model.spread / floor.spread.max(1e-9) - 1.0).abs();
    let apart = match (away < 0.1, model.spread < floor.spread) {
        (true, _) => "as different from each other as the data's",
        (false, true) => "more alike than the data's",
        (false, false) => "more different than the data's",
    };
    let more = model.twins - floor.twins;
    [
        [
            "Fréchet distance / variance of the data".into(),
            format!("{:.4}", model.relative),
            format!("{:.4}", floor.relative),
            format!("{}: {times:.1} times the floor; lower is better", grade(times <= 2.0, times <= 10.0)),
        ],
        [
            "precision: its pictures that look like data".into(),
            percent(model.precision),
            percent(floor.precision),
            format!("{}; higher is better", reached(|m| m.precision)),
        ],
        [
            "recall: data that it can draw".into(),
            percent(model.recall),
            percent(floor.recall),
            format!("{}; higher is better", reached(|m| m.recall)),
        ],
        [
            "spread: distance between pairs, data = 1".into(),
            format!("{:.2}", model.spread),
            format!("{:.2}", floor.spread),
            format!("{}: {apart}", grade(away < 0.1, away < 0.3)),
        ],
        [
            "twins: its pictures that nearly repeat".into(),
            percent(model.twins),
            percent(floor.twins),
            format!("{}; near the floor is best, 100 % is one picture", grade(more <= 0.05, more <= 0.2)),
        ],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_figures() {
        let floor = Measures { frechet: 1.0, relative: 0.01, precision: 0.8, recall: 0.8, spread: 1.0, twins: 0.01 };
        let words = |model: Measures| {
            let rows = rows(&Compared { model, floor: floor.clone() });
            rows.map(|row| row[3].split([':', ';']).next().unwrap_or_default().to_owned())
        };
        assert_eq!(words(floor.clone()), ["good"; 5]);
        let collapsed = Measures { relative: 1.5, recall: 0.0, spread: 0.0, twins: 1.0, ..floor.clone() };
        assert_eq!(words(collapsed), ["poor", "good", "poor", "poor", "poor"]);
        let fair = Measures { relative: 0.05, precision: 0.4, recall: 0.7, spread: 1.2, twins: 0.1, ..floor.clone() };
        assert_eq!(words(fair), ["fair", "fair", "good", "fair", "fair"]);
    }
}
