//! `flaneur gallery`: the unit by which systemd starts a show at boot and looks after it, made for this machine.
//!
//! Looks at the machine; the text of the unit is `unit`'s, and what a person does with it `recipe`'s. Changes nothing:
//! the unit goes to stdout, and what was assumed to stderr.

mod recipe;
mod unit;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};

use crate::home;
use crate::preset::{self, Preset, Target};
use crate::report::{print, tell};
use recipe::{Machine, assumed, commands, recipe};
use unit::{Behind, Manager, Unit};

/// Print a systemd unit for a show that plays unattended
#[derive(Args)]
pub struct Gallery {
    /// A preset or a sketch, by name or path
    #[arg(default_value = "installation")]
    preset: String,
    /// What shows the window [default: cage, else weston, else none, as they are found in PATH]
    #[arg(long, value_enum, conflicts_with = "headless")]
    compositor: Option<CompositorChoice>,
    /// Whose systemd it is for [default: system with a compositor, else user]
    #[arg(long = "for", value_enum, value_name = "WHOSE")]
    manager: Option<Manager>,
    /// Who plays [default: the current user]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Without a window
    #[arg(long)]
    headless: bool,
    /// Print what to do step by step, in place of the unit
    #[arg(long)]
    recipe: bool,
}

/// `--compositor`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompositorChoice {
    /// A desktop is there already
    None,
    /// cage: one window on all displays
    Cage,
    /// Weston with its kiosk shell: a display of its own for the window
    Weston,
}

/// Groups that own screens, graphics cards, MIDI's devices, and on some systems the socket of seatd.
const GROUPS: [&str; 4] = ["video", "render", "audio", "seat"];
/// Variables by which a desktop that is there already is found.
const DESKTOP: [&str; 5] = ["WAYLAND_DISPLAY", "DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];
/// Less memory than this is not enough for a show, in megabytes.
const LEAST_MB: u64 = 1024;

impl Gallery {
    /// Prints the unit, or the recipe.
    ///
    /// # Errors
    /// If there is no such preset, it is wrong, or the unit cannot be made for this machine.
    pub fn run(self) -> anyhow::Result<()> {
        let (target, preset) = target(&self.preset)?;
        let unit = self.unit(target)?;
        let machine = machine(preset.is_some_and(|preset| !preset.display.is_empty()));
        if self.recipe {
            print(recipe(&unit, &machine, &self.made(&unit)));
            return Ok(());
        }
        print(unit.text());
        assumed(&unit, &machine).iter().for_each(tell);
        tell("install it with:");
        commands(unit.manager).iter().for_each(|command| tell(format_args!("  {command}")));
        Ok(())
    }

    fn unit(&self, target: String) -> anyhow::Result<Unit> {
        let behind = match self.headless {
            true => Behind::Nothing,
            false => behind(self.compositor)?,
        };
        let by_itself = if behind == Behind::Nothing { Manager::User } else { Manager::System };
        let manager = self.manager.unwrap_or(by_itself);
        let program = std::env::current_exe().context("where this program is cannot be told")?;
        let places = home::places();
        let home = match places.home.as_os_str().is_empty() {
            true => std::env::current_dir().context("the working folder is gone")?,
            false => places.home.clone(),
        };
        let desktop = behind == Behind::Nothing && !self.headless;
        Ok(Unit {
            manager,
            behind,
            program: plain(&program)?,
            home: plain(&home)?,
            target,
            user: user(self.user.as_deref())?,
            groups: groups(&std::fs::read_to_string("/etc/group").unwrap_or_default()),
            headless: self.headless,
            memory_mb: memory_share_mb(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default()),
            environment: if desktop { environment(manager) } else { Vec::new() },
        })
    }

    /// The command that prints the unit again, as a shell takes it.
    fn made(&self, unit: &Unit) -> String {
        let mut words = vec![shell(&unit.program), "gallery".into(), shell(&unit.target)];
        let choice = match (&unit.behind, self.headless) {
            (_, true) => "--headless",
            (Behind::Nothing, _) => "--compositor none",
            (Behind::Cage(_), _) => "--compositor cage",
            (Behind::Weston(_), _) => "--compositor weston",
        };
        let whose = if unit.manager == Manager::System { "--for system" } else { "--for user" };
        words.extend([choice.into(), whose.into(), format!("--user {}", unit.user)]);
        words.extend(["--home".into(), shell(&unit.home)]);
        words.join(" ")
    }
}

/// What is played, as a name or an absolute path, and the preset if it is one.
///
/// # Errors
/// If there is none of that name, with the names there are, or if the preset is wrong.
fn target(name: &str) -> anyhow::Result<(String, Option<Preset>)> {
    let found = preset::find(name).map_err(|why| anyhow!(why))?;
    let (path, preset) = match found {
        Target::Preset(path) => {
            let preset = Preset::read(&path)?;
            (path, Some(preset))
        }
        Target::Sketch(path) => (path, None),
    };
    // By its path, if that is how it was given: the unit has another working folder.
    let target = if path == Path::new(name) { plain(&path)? } else { name.to_owned() };
    Ok((target, preset))
}

/// An absolute path as text.
///
/// # Errors
/// If it cannot stand in a unit.
fn plain(path: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(path)?;
    let text = path.to_str().filter(|text| !text.contains(char::is_control) && !text.ends_with([' ', '\\']));
    text.map(str::to_owned).ok_or_else(|| anyhow!("{path:?} cannot stand in a unit; give it a plainer name"))
}

/// Who plays.
///
/// # Errors
/// If nobody is named, or that is no user's name.
fn user(asked: Option<&str>) -> anyhow::Result<String> {
    let mut own = ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let Some(name) = asked.map(str::to_owned).or_else(|| own.find(|name| !name.is_empty())).or_else(own_name) else {
        bail!("who plays cannot be told; name somebody with --user");
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.starts_with('-') || !name.chars().all(allowed) {
        bail!("\"{}\" is no user's name", name.escape_debug());
    }
    Ok(name)
}

/// The name of whoever runs this process, where the system tells.
fn own_name() -> Option<String> {
    #[cfg(unix)]
    {
        let number = rustix::process::getuid().as_raw().to_string();
        let users = std::fs::read_to_string("/etc/passwd").ok()?;
        let mut lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        lines.find(|parts| parts.get(2) == Some(&number.as_str()))?.first().map(|name| (*name).to_owned())
    }
    #[cfg(not(unix))]
    None
}

/// What shows the window: what was asked for, else what is installed.
///
/// # Errors
/// If a Weston was asked for that starts no program.
fn behind(asked: Option<CompositorChoice>) -> anyhow::Result<Behind> {
    let path = |name: &str| match installed(name) {
        Some(path) => plain(&path),
        None => Ok(format!("/usr/bin/{name}")),
    };
    let weston = installed("weston");
    Ok(match asked {
        Some(CompositorChoice::None) => Behind::Nothing,
        Some(CompositorChoice::Cage) => Behind::Cage(path("cage")?),
        Some(CompositorChoice::Weston) if weston.as_ref().is_none_or(|path| starts_programs(path)) => {
            Behind::Weston(path("weston")?)
        }
        Some(CompositorChoice::Weston) => {
            bail!("this Weston is too old to start a program by itself (weston --help tells); take --compositor cage")
        }
        None if installed("cage").is_some() => Behind::Cage(path("cage")?),
        None if weston.as_ref().is_some_and(|path| starts_programs(path)) => Behind::Weston(path("weston")?),
        None => Behind::Nothing,
    })
}

/// Whether this Weston takes a program after `--`, as none of version 10 does.
fn starts_programs(weston: &Path) -> bool {
    let help = std::process::Command::new(weston).arg("--help").output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("[-- "))
}

/// A program in PATH, or where services are.
fn installed(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let services = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&folders).chain(services).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// What this machine has beside what is in the unit.
fn machine(names_display: bool) -> Machine {
    let desktop = Path::new("/etc/systemd/system/display-manager.service").exists();
    let boots = std::fs::read_link("/etc/systemd/system/default.target");
    // Without a choice of its own a machine boots to the desktop.
    let graphical = boots.map_or(true, |target| target.ends_with("graphical.target"));
    let controllers = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
    Machine {
        apt: installed("apt-get").is_some(),
        seatd: installed("seatd").is_some(),
        desktop_at_boot: desktop && graphical,
        counts_memory: controllers.map_or(true, |all| all.split_whitespace().any(|name| name == "memory")),
        names_display,
    }
}

/// The groups that are wanted and are in this file, as `/etc/group` has them.
fn groups(text: &str) -> Vec<String> {
    let there = |group: &str| text.lines().any(|line| line.split(':').next() == Some(group));
    GROUPS.into_iter().filter(|group| there(group)).map(str::to_owned).collect()
}

/// Half of the memory that is here, in megabytes; none where the system does not tell.
fn memory_share_mb(meminfo: &str) -> Option<u64> {
    let all = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kb: u64 = all.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((kb / 1024 / 2).max(LEAST_MB))
}

/// How the desktop that is there already is found. A user's own systemd knows the session's folder and bus itself.
fn environment(manager: Manager) -> Vec<(String, String)> {
    let names = if manager == Manager::System { &DESKTOP[..] } else { &DESKTOP[..3] };
    let set = |name: &&str| {
        let value = std::env::var(name).ok().filter(|v| !v.is_empty() && !v.contains(char::is_control))?;
        Some(((*name).to_owned(), value))
    };
    names.iter().filter_map(set).collect()
}

/// A word as a shell takes it.
fn shell(word: &str) -> String {
    let simple = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    match !word.is_empty() && word.chars().all(simple) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_memory_is_the_show_s_and_never_less_than_enough() {
        assert_eq!(memory_share_mb("MemTotal:        8000000 kB\nMemFree: 1 kB\n"), Some(3906));
        assert_eq!(memory_share_mb("MemTotal: 900000 kB\n"), Some(1024));
        assert_eq!(memory_share_mb(""), None);
    }

    #[test]
    fn only_groups_that_are_there_are_named() {
        assert_eq!(groups("root:x:0:\nvideo:x:44:pi\nrenderers:x:9:\nseat:x:5:\n"), ["video", "seat"]);
        assert!(groups("").is_empty());
    }

    #[test]
    fn names_and_paths_that_cannot_stand_in_a_unit_are_refused() {
        assert_eq!(user(Some("artist-2")).unwrap(), "artist-2");
        for name in ["", "-a", "two words", "a\nUser=root", "50%"] {
            assert!(user(Some(name)).is_err(), "{name:?}");
        }
        assert_eq!(plain(Path::new("/a b/50%")).unwrap(), "/a b/50%");
        for path in ["/a\nb", "/a\\", "/a "] {
            assert!(plain(Path::new(path)).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_shell_takes_words_as_they_are() {
        assert_eq!([shell("a/b-1"), shell("a b"), shell("it's")], ["a/b-1", "'a b'", "'it'\\''s'"]);
    }
}
