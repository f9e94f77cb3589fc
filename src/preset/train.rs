//! The table `[train]` of a preset: the training beside the show.
//!
//! Read by `show::lesson`. Its own keys are listed here; each of a training's settings (`trainer::settings`) is a key,
//! too. No files and no processes.

use serde::{Deserialize, Serialize};

use super::within;
use crate::hints::meant;
use crate::net::arch::{Arch, NAMES};
use crate::trainer::protocol::{Lines, Source};
use crate::trainer::settings::{SETTINGS, Settings, settings};

/// Who trains beside the show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trainer {
    /// A process of the show's own.
    #[default]
    Child,
    /// Somebody else, here or on another machine that shares the folder: it is only watched.
    Watch,
    /// Nobody.
    Off,
}

/// Makes the struct of `[train]`: its own keys with what they are by themselves, and a key for each of a training's
/// settings.
macro_rules! table {
    (
        { $(#[$about:meta])* pub struct $struct:ident {
            $($(#[$own:meta])* pub $field:ident: $kind:ty = $value:expr,)*
        } }
        $($name:ident as $key:ident: $type:ty, in $range:expr, reach $reach:expr, after $after:literal, usual $usual:expr,
            $says:literal, $read:expr, $apply:expr;)*
    ) => {
        $(#[$about])*
        pub struct $struct {
            $($(#[$own])* pub $field: $kind,)*
            $(
                #[doc = $says]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$type>,
            )*
        }

        impl Default for $struct {
            fn default() -> Self {
                Self { $($field: $value,)* $($key: None,)* }
            }
        }

        impl $struct {
            /// What it says of each setting.
            fn given(&self) -> Settings {
                Settings { $($name: self.$key,)* }
            }
        }
    };
}

settings! { table! {
    /// The training beside the show.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    pub struct Train {
        /// Who trains.
        pub trainer: Trainer = Trainer::Child,
        /// Start it with the show; otherwise a hand does.
        pub autostart: bool = false,
        /// The model it writes, by name or path; the shown model's with `-live` if it is empty.
        pub model: String = String::new(),
        /// The model it begins with; the shown one if this and `arch` are empty.
        pub from: String = String::new(),
        /// Begin from nothing, with this architecture.
        pub arch: String = String::new(),
        /// What a texture is compared by: a file of VGG's weights, or "random"; what it was trained with if it is empty.
        pub features: String = String::new(),
        /// Folder or zip of pictures, or "lines", drawn in memory.
        pub data: String = "lines".into(),
        /// A second dataset; `data_mix` is its share at the start.
        pub data2: String = String::new(),
        /// cpu, gpu, or auto.
        pub device: String = "cpu".into(),
        /// Epochs in all; 0 is no end.
        pub epochs: u64 = 0,
        /// Learning rate of both networks; what the model was trained with if it is 0.
        pub rate: f64 = 0.0,
        /// States that stay on disk, older ones sparser.
        pub keep: u16 = 64,
        /// Bars of the glide to a new state.
        pub morph_bars: f64 = 1.0,
        /// How far it stands back behind other programs, 0..19.
        pub nice: u8 = 15,
        /// Threads on the processor; 0 leaves one core free.
        pub threads: usize = 0,
        /// Memory at which it is ended, in megabytes; 0 is no limit.
        pub memory_mb: u64 = 4096,
        /// Go back to the last good state when it goes astray.
        pub rewind_on_divergence: bool = true,
        /// Have the critic look at what is shown, also where no sketch asks for it.
        pub critic: bool = false,
        /// How lines are drawn.
        #[serde(deserialize_with = "known_lines")]
        pub lines: Lines = Lines::default(),
    }
} }

/// Lines without keys that are not known: the protocol lets those pass, a preset must not.
fn known_lines<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Lines, D::Error> {
    let table = toml::Table::deserialize(from)?;
    let known = toml::Table::try_from(Lines::default()).map_err(serde::de::Error::custom)?;
    if let Some(key) = table.keys().find(|key| !known.contains_key(*key)) {
        let known: Vec<String> = known.keys().map(|key| format!("`{key}`")).collect();
        let text = format!("unknown field `{key}`, expected one of {}", known.join(", "));
        return Err(serde::de::Error::custom(text));
    }
    Lines::deserialize(table).map_err(serde::de::Error::custom)
}

impl Train {
    /// The settings that a training has from this table; what a show needs besides is set, too.
    pub fn settings(&self) -> Settings {
        let mut settings = self.given();
        // As for the rate, 0 is what the model was trained with.
        settings.batch = settings.batch.filter(|batch| *batch > 0);
        let rate = Some(self.rate).filter(|rate| *rate > 0.0);
        settings.generator_rate = settings.generator_rate.or(rate);
        settings.critic_rate = settings.critic_rate.or(rate);
        let (publish_every, print_every, disk_gb_per_day) = (Some(5), Some(50), Some(10.0));
        settings.fill(&Settings { publish_every, print_every, disk_gb_per_day, ..Settings::default() });
        settings
    }

    /// The source that a word names: "lines", or the path of a folder or zip.
    pub fn source(&self, word: &str) -> Source {
        match word {
            "lines" => Source { path: None, lines: Some(self.lines.clone()) },
            path => Source { path: Some(path.to_owned()), lines: None },
        }
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let mut given = self.given();
        given.batch = given.batch.filter(|batch| *batch > 0);
        for setting in SETTINGS {
            if let Some(value) = setting.get(&given) {
                within(setting.key, value, setting.range[0], setting.range[1])?;
            }
        }
        within("rate", self.rate, 0.0, 1.0)?;
        within("keep", f64::from(self.keep), 2.0, 10_000.0)?;
        within("epochs", self.epochs as f64, 0.0, 1e12)?;
        within("morph_bars", self.morph_bars, 0.0, 1000.0)?;
        within("nice", f64::from(self.nice), 0.0, 19.0)?;
        if !self.arch.is_empty() && Arch::named(&self.arch).is_none() {
            let known = NAMES.map(|(name, _)| name);
            let near = meant(&self.arch, known, 2).map_or(String::new(), |m| format!("; did you mean {m}?"));
            return Err(("arch", format!("there is no architecture \"{}\"{near}", self.arch)));
        }
        if !self.arch.is_empty() && !self.from.is_empty() {
            return Err(("from", "a training begins with an arch or from a model, not with both".into()));
        }
        let devices = ["auto", "cpu", "gpu"];
        if !devices.contains(&self.device.as_str()) {
            return Err(("device", format!("\"{}\" is none of {}", self.device, devices.join(", "))));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Preset;
    use super::*;

    #[test]
    fn every_setting_of_a_training_is_a_key() {
        for setting in SETTINGS {
            let value = setting.range[1].min(7.0);
            let text = if setting.whole { format!("{value}") } else { format!("{value:?}") };
            let preset = Preset::parse(&format!("[train]\n{} = {text}", setting.key)).unwrap();
            assert_eq!(setting.get(&preset.train.settings()), Some(value), "{}", setting.key);
            assert_eq!(Preset::parse(&toml::to_string(&preset).unwrap()).unwrap(), preset);
        }
        // What was written before settings had a table.
        let train = Preset::parse("[train]\nrate = 0.001\nbatch = 0\nepochs = 1000000").unwrap().train;
        let (settings, rate) = (train.settings(), Some(0.001));
        assert_eq!((settings.generator_rate, settings.critic_rate, settings.batch), (rate, rate, None));
        assert_eq!((settings.publish_every, Train::default().epochs), (Some(5), 0));
    }
}
