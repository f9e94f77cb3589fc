//! The settings of a training that can change while it runs, in one table.
//!
//! A row is all that there is to say of a setting: its name in commands and events (and, with dashes, as an option of
//! `flaneur train`), its key in a preset's `[train]` and under `/flaneur/train/`, its type and range, how far a control
//! reaches, the address that it is listed after, what a training has by itself, one sentence, and how a training is
//! asked for it and given it. The rows make [`Settings`], which `protocol` carries, and [`SETTINGS`], by which
//! `steer`, `show::addresses`, `preset`, `show::lesson` and `cli::train` go. A new setting is one row.
//! No threads, no files.

use serde::{Deserialize, Serialize};

use super::run::Training;

/// Hands the rows to another macro, behind whatever else that one takes.
macro_rules! settings {
    ($into:ident! $head:tt) => {
        $into! { $head
            generator_rate as generator_lr: f64, in [0.0, 1.0], reach Some([0.0, 0.001]), after "lr", usual None,
                "Learning rate of the generator.",
                |training| Some(training.state.recipe.generator_learning_rate),
                |training, rate| training.state.set_generator_rate(rate);
            critic_rate as critic_lr: f64, in [0.0, 1.0], reach Some([0.0, 0.001]), after "generator_lr", usual None,
                "Learning rate of the critic.",
                |training| Some(training.state.recipe.critic_learning_rate),
                |training, rate| training.state.set_critic_rate(rate);
            critic_steps as critic_steps: u32, in [1.0, 1000.0], reach Some([1.0, 10.0]), after "critic_lr", usual Some(5.0),
                "Critic updates in an epoch.",
                |training| Some(training.plan.critic_steps.into()),
                |training, steps| training.plan.critic_steps = steps as u32;
            batch as batch: usize, in [1.0, 4096.0], reach Some([1.0, 64.0]), after "critic_steps", usual None,
                "Pictures in a batch.",
                |training| Some(training.state.recipe.batch_size as f64),
                |training, size| training.state.recipe.batch_size = size as usize;
            gradient_weight as gradient_weight: f64, in [0.0, 10_000.0], reach Some([0.0, 100.0]), after "batch", usual None,
                "Weight of the gradient penalty.",
                |training| Some(training.state.recipe.grad_weight),
                |training, weight| training.set_gradient_weight(weight);
            skip_below as skip_below: f64, in [-10_000.0, 10_000.0], reach Some([-1.0, 2.0]), after "gradient_weight", usual None,
                "The critic is not updated by a batch on which its loss lies below this; -10000 is never.",
                |training| training.state.recipe.skip_below,
                |training, below| training.state.recipe.skip_below = (below > -10_000.0).then_some(below);
            ema as ema: f64, in [0.0, 0.99999], reach None, after "skip_below", usual None,
                "Decay of the generator's moving average, which is shown once there is one.",
                |training| training.state.average.as_ref().map(|(_, decay)| *decay),
                |training, decay| training.state.set_average(decay);
            print_every as print_every: u64, in [1.0, 1e9], reach Some([1.0, 1000.0]), after "publish_every", usual Some(100.0),
                "Epochs between two checkpoints with a sample.",
                |training| Some(training.plan.print_every as f64),
                |training, epochs| training.plan.print_every = epochs as u64;
            publish_every as publish_every: u64, in [0.0, 1e9], reach Some([0.0, 100.0]), after "rest", usual Some(0.0),
                "Generator updates between two states that are shown; 0 is only when asked.",
                |training| Some(training.options.publish_every as f64),
                |training, epochs| training.options.publish_every = epochs as u64;
            rest as rest: f64, in [0.0, 0.95], reach None, after "ema", usual Some(0.0),
                "Share of the time that the trainer rests at least.",
                |training| Some(training.rest),
                |training, share| training.rest = share;
            mix as data_mix: f64, in [0.0, 1.0], reach None, after "data2", usual Some(0.0),
                "Share of the second dataset.",
                |training| Some(training.mix),
                |training, share| training.set_mix(share);
            publish_secs as publish_secs: f64, in [0.0, 86_400.0], reach Some([0.0, 60.0]), after "print_every", usual Some(0.0),
                "Seconds between two states that are shown, at least.",
                |training| Some(training.options.publish_secs),
                |training, secs| training.options.publish_secs = secs;
            disk_gb_per_day as disk_gb_per_day: f64, in [0.0, 1e6], reach Some([0.0, 100.0]), after "publish_secs", usual Some(0.0),
                "Gigabytes that the training may write to the disk in a day; 0 is no limit.",
                |training| Some(training.options.disk_gb_per_day),
                |training, gigabytes| training.options.disk_gb_per_day = gigabytes;
        }
    };
}
pub(crate) use settings;

/// One setting.
pub struct Setting {
    /// Its name in commands and events; with dashes, the option of the command line.
    pub name: &'static str,
    /// Its key in a preset's `[train]`, and the end of its address.
    pub key: &'static str,
    /// Its address.
    pub path: &'static str,
    /// The address that its own is listed after, without `/flaneur/train/`.
    pub after: &'static str,
    /// Whether it takes whole numbers only.
    pub whole: bool,
    /// Lowest and highest value.
    pub range: [f64; 2],
    /// How far a control reaches, where the whole range is too far.
    pub reach: Option<[f64; 2]>,
    /// What a training has by itself; none where that is the architecture's, or nothing.
    pub usual: Option<f64>,
    /// What it is, in one sentence.
    pub says: &'static str,
    get: fn(&Settings) -> Option<f64>,
    put: fn(&mut Settings, Option<f64>),
    read: fn(&Training) -> Option<f64>,
    apply: fn(&mut Training, f64),
}

/// A number as a setting has it; each is exact as an `f64` in its range.
trait Number: Copy {
    const WHOLE: bool;
    fn to_f64(self) -> f64;
    fn of_f64(value: f64) -> Self;
}

macro_rules! numbers {
    ($($type:ty, $whole:literal;)*) => {
        $(impl Number for $type {
            const WHOLE: bool = $whole;
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn of_f64(value: f64) -> Self {
                value as $type
            }
        })*
    };
}
numbers! { f64, false; u32, true; u64, true; usize, true; }

macro_rules! record {
    ({} $($name:ident as $key:ident: $type:ty, in $range:expr, reach $reach:expr, after $after:literal, usual $usual:expr,
        $says:literal, $read:expr, $apply:expr;)*) => {
        /// What can be set while it trains; what is left out stays as it is.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Settings {
            $(
                #[doc = $says]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )*
        }

        /// All settings.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            key: stringify!($key),
            path: concat!("/flaneur/train/", stringify!($key)),
            after: $after,
            whole: <$type as Number>::WHOLE,
            range: $range,
            reach: $reach,
            usual: $usual,
            says: $says,
            get: |settings| settings.$name.map(Number::to_f64),
            put: |settings, value| settings.$name = value.map(Number::of_f64),
            read: $read,
            apply: $apply,
        }),*];
    };
}
settings! { record! {} }

impl Setting {
    /// What some settings say of it.
    pub fn get(&self, settings: &Settings) -> Option<f64> {
        (self.get)(settings)
    }

    /// Says something of it, or nothing any more.
    pub fn put(&self, settings: &mut Settings, value: Option<f64>) {
        (self.put)(settings, value);
    }

    /// Settings that only say this of it.
    pub fn alone(&self, value: f64) -> Settings {
        let mut settings = Settings::default();
        self.put(&mut settings, Some(value));
        settings
    }

    /// What a training has.
    pub(super) fn read(&self, training: &Training) -> Option<f64> {
        (self.read)(training)
    }

    /// Gives it to a training; the value is in its range.
    pub(super) fn apply(&self, training: &mut Training, value: f64) {
        (self.apply)(training, value);
    }

    /// Reads a value that somebody typed.
    ///
    /// # Errors
    /// Why it is none, in words that follow the value.
    pub fn parse(&self, text: &str) -> Result<f64, String> {
        let [low, high] = self.range;
        let value = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        match value {
            None => Err("it takes a number".into()),
            Some(value) if value < low || value > high => Err(format!("it takes {low} to {high}")),
            Some(value) if self.whole && value.fract() != 0.0 => Err("it takes a whole number".into()),
            Some(value) => Ok(value),
        }
    }
}

impl Settings {
    /// What a training has by itself, besides what its architecture says.
    pub fn usual() -> Self {
        let mut settings = Self::default();
        SETTINGS.iter().for_each(|setting| setting.put(&mut settings, setting.usual));
        settings
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes over from `older` what is not set here.
    pub fn fill(&mut self, older: &Self) {
        for setting in SETTINGS {
            if setting.get(self).is_none() {
                setting.put(self, setting.get(older));
            }
        }
    }

    /// What is set here and was not, or otherwise, in `before`.
    pub fn changed_since(&self, before: &Self) -> Self {
        let mut changed = Self::default();
        for setting in SETTINGS.iter().filter(|setting| setting.get(self) != setting.get(before)) {
            setting.put(&mut changed, setting.get(self));
        }
        changed
    }

    /// The address that these settings work, where it is one: `lr` is that of both rates.
    pub fn path(&self) -> Option<&'static str> {
        if self.generator_rate.is_some() && self.generator_rate == self.critic_rate {
            return Some("/flaneur/train/lr");
        }
        SETTINGS.iter().find(|setting| setting.get(self).is_some()).map(|setting| setting.path)
    }

    /// Takes out what lies out of its range; gives a sentence for each.
    pub(super) fn refuse(&mut self) -> Vec<String> {
        let mut refused = Vec::new();
        for setting in SETTINGS {
            let Some(value) = setting.get(self) else { continue };
            let [low, high] = setting.range;
            let bound = match value {
                _ if value < low => format!("below minimum {low}"),
                _ if value > high => format!("above maximum {high}"),
                _ => continue,
            };
            refused.push(format!("{} {value} is {bound}; it stays as it was", setting.name));
            setting.put(self, None);
        }
        refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_field_of_the_record() {
        let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let mut all = Settings::default();
        for setting in SETTINGS {
            let value = setting.range[1].min(3.0);
            assert_eq!(setting.get(&all), None, "{}", setting.name);
            setting.put(&mut all, Some(value));
            assert_eq!((setting.get(&all), setting.get(&setting.alone(value))), (Some(value), Some(value)));
            assert_eq!(names(&serde_json::to_value(setting.alone(value)).unwrap()), [setting.name]);
            assert!(setting.path.ends_with(setting.key) && setting.says.ends_with('.'), "{}", setting.name);
            let reach = setting.reach.unwrap_or(setting.range);
            assert!(setting.range[0] <= reach[0] && reach[1] <= setting.range[1], "{}", setting.name);
            assert!(setting.usual.is_none_or(|usual| setting.parse(&usual.to_string()) == Ok(usual)));
        }
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), all);
        assert!(text.contains("\"batch\":3,") && text.contains("\"generator_rate\":1.0"), "{text}");
    }

    #[test]
    fn newer_settings_win_and_differences_are_found() {
        let older = Settings { batch: Some(8), mix: Some(0.5), ..Settings::default() };
        let mut newer = Settings { batch: Some(4), rest: Some(0.1), ..Settings::default() };
        newer.fill(&older);
        assert_eq!(newer, Settings { batch: Some(4), mix: Some(0.5), rest: Some(0.1), ..Settings::default() });
        let changed = Settings { batch: Some(4), rest: Some(0.1), ..Settings::default() };
        assert_eq!(newer.changed_since(&older), changed);
        assert!(older.changed_since(&older).is_empty() && Settings::default().changed_since(&older).is_empty());
    }

    #[test]
    fn what_is_typed_is_checked() {
        let of = |name: &str| SETTINGS.iter().find(|setting| setting.name == name).unwrap();
        assert_eq!(of("batch").parse(" 16 "), Ok(16.0));
        assert_eq!(of("ema").parse("0.999"), Ok(0.999));
        for (name, text, words) in [
            ("batch", "0", "1 to 4096"),
            ("batch", "2.5", "whole"),
            ("batch", "big", "a number"),
            ("ema", "2", "0 to 0.99999"),
            ("rest", "NaN", "a number"),
        ] {
            assert!(of(name).parse(text).unwrap_err().contains(words), "{name} {text}");
        }
    }

    #[test]
    fn they_work_the_address_of_their_row() {
        let path = |name: &str, value: f64| SETTINGS.iter().find(|s| s.name == name).unwrap().alone(value).path();
        assert_eq!(path("mix", 0.5), Some("/flaneur/train/data_mix"));
        assert_eq!(path("critic_rate", 0.5), Some("/flaneur/train/critic_lr"));
        let both = Settings { generator_rate: Some(0.1), critic_rate: Some(0.1), ..Settings::default() };
        assert_eq!((both.path(), Settings::default().path()), (Some("/flaneur/train/lr"), None));
    }
}
