//! A training's settings as options of the command line: one for each row of `trainer::settings`.

use std::sync::LazyLock;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::trainer::settings::{SETTINGS, Setting, Settings};

/// What was given of them.
pub struct SettingOptions(pub Settings);

/// The options' names: those of the settings with dashes.
static NAMES: LazyLock<Vec<String>> =
    LazyLock::new(|| SETTINGS.iter().map(|setting| setting.name.replace('_', "-")).collect());

fn option(setting: &'static Setting, name: &'static str) -> Arg {
    let says = setting.says.trim_end_matches('.');
    let help = match setting.usual {
        Some(usual) => format!("{says} [default: {usual}]"),
        None => says.to_owned(),
    };
    let below_zero = setting.range[0] < 0.0;
    let arg = Arg::new(setting.name).long(name).value_parser(|text: &str| setting.parse(text)).help(help);
    // Or a number with a minus would be taken for an option.
    arg.allow_negative_numbers(below_zero)
}

impl Args for SettingOptions {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().zip(NAMES.iter()).fold(command, |command, (setting, name)| command.arg(option(setting, name)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut settings = Settings::default();
        SETTINGS.iter().for_each(|setting| setting.put(&mut settings, matches.get_one::<f64>(setting.name).copied()));
        Ok(Self(settings))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        let Self(mut given) = Self::from_arg_matches(matches)?;
        given.fill(&self.0);
        self.0 = given;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(words: &[&str]) -> Result<Settings, String> {
        let command = SettingOptions::augment_args(Command::new("train"));
        let matches = command.try_get_matches_from([&["train"], words].concat()).map_err(|e| e.to_string())?;
        SettingOptions::from_arg_matches(&matches).map(|given| given.0).map_err(|e| e.to_string())
    }

    #[test]
    fn every_setting_is_an_option() {
        assert_eq!(given(&[]), Ok(Settings::default()));
        for (setting, name) in SETTINGS.iter().zip(NAMES.iter()) {
            let value = setting.range[1].min(3.0);
            assert_eq!(given(&[&format!("--{name}"), &value.to_string()]), Ok(setting.alone(value)), "{name}");
            assert!(given(&[&format!("--{name}"), "no"]).unwrap_err().contains("it takes a number"), "{name}");
        }
        let why = given(&["--critic-steps", "0"]).unwrap_err();
        assert!(why.contains("--critic-steps") && why.contains("1 to 1000"), "{why}");
    }
}
