//! What a person does with the unit: the commands that install it, what was assumed, and the whole recipe.
//!
//! Pure, as `unit` is: what the machine has is handed in as a [`Machine`].

use super::unit::{Behind, Manager, Unit};

/// What the machine has beside what is in the unit.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Debian's packages, or those of a system that comes from it.
    pub apt: bool,
    pub seatd: bool,
    /// A desktop's login starts at boot, and holds the screen.
    pub desktop_at_boot: bool,
    /// The kernel counts memory by unit, so that `MemoryMax=` has an effect.
    pub counts_memory: bool,
    /// The preset names a display.
    pub names_display: bool,
}

/// The three commands that install the unit, where its text is in the file `flaneur.service`.
pub fn commands(manager: Manager) -> [&'static str; 3] {
    match manager {
        Manager::System => [
            "sudo install -m 644 flaneur.service /etc/systemd/system/flaneur.service",
            "sudo systemctl daemon-reload",
            "sudo systemctl enable --now flaneur.service",
        ],
        Manager::User => [
            "install -D -m 644 flaneur.service ~/.config/systemd/user/flaneur.service",
            "systemctl --user daemon-reload",
            "systemctl --user enable --now flaneur.service",
        ],
    }
}

/// What was assumed, and what is not right yet, a sentence each.
pub fn assumed(unit: &Unit, machine: &Machine) -> Vec<String> {
    let mut lines = vec![
        format!("program: {}", unit.program),
        format!("plays: {}, in the home {}", unit.target, unit.home),
        match unit.manager {
            Manager::System => format!("for: the machine's systemd, as the user {}", unit.user),
            Manager::User => "for: your own systemd".into(),
        },
        match &unit.behind {
            Behind::Cage(path) | Behind::Weston(path) => format!("compositor: {path}"),
            Behind::Nothing if unit.headless => "compositor: none, and no window".into(),
            Behind::Nothing => "compositor: none; the desktop has to be there already".into(),
        },
        match unit.memory_mb {
            Some(most) => format!("memory: at most {most} MB, half of this machine's"),
            None => "memory: no limit, since /proc/meminfo does not tell how much is here".into(),
        },
    ];
    lines.extend(warnings(unit, machine).into_iter().map(|text| format!("note: {text}")));
    lines
}

/// What is not right yet.
fn warnings(unit: &Unit, machine: &Machine) -> Vec<&'static str> {
    let compositor = unit.behind != Behind::Nothing;
    let foreign = unit.environment.iter().any(|(name, _)| name == "DISPLAY" || name == "WAYLAND_DISPLAY");
    let all = [
        (compositor && !machine.seatd, "seatd is not here, which hands the compositor screen and keyboard: install it"),
        (
            unit.takes_the_console() && machine.desktop_at_boot,
            "a desktop starts at boot and holds the screen: sudo systemctl set-default multi-user.target",
        ),
        (
            !(compositor || unit.headless || foreign),
            "neither WAYLAND_DISPLAY nor DISPLAY is set here: make the unit in a terminal of the desktop",
        ),
        (
            matches!(unit.behind, Behind::Cage(_)) && machine.names_display,
            "the preset names a display, and cage knows only all of them together: take --compositor weston",
        ),
        (unit.user == "root" && unit.manager == Manager::System, "root should not play: name somebody with --user"),
        (
            unit.memory_mb.is_some() && !machine.counts_memory,
            "this kernel does not count memory by unit, so MemoryMax= does nothing; on a Raspberry Pi add \
             cgroup_enable=memory to the line in /boot/firmware/cmdline.txt",
        ),
    ];
    all.into_iter().filter(|(is, _)| *is).map(|(_, text)| text).collect()
}

/// Step by step, as plain text. `made` is the command that prints the unit.
pub fn recipe(unit: &Unit, machine: &Machine, made: &str) -> String {
    let steps = [
        packages(unit, machine),
        person(unit),
        screen(unit, machine),
        installing(unit, made),
        ("See how it is", watching(unit)),
        ("Stop it, and let it go again", stopping(unit)),
        ("Update it", updating(unit)),
    ];
    let mut text = format!("How \"{}\" plays on this machine for weeks.\n", unit.target);
    for (number, (title, lines)) in steps.iter().filter(|(_, lines)| !lines.is_empty()).enumerate() {
        text += &format!("\n{}. {title}\n", number + 1);
        lines.iter().for_each(|line| text += &format!("   {line}\n"));
    }
    for warning in warnings(unit, machine) {
        text += &format!("\nNote: {warning}.\n");
    }
    text
}

type Step = (&'static str, Vec<String>);

fn packages(unit: &Unit, machine: &Machine) -> Step {
    let mut names = vec!["ffmpeg", "libasound2-dev"];
    if !unit.headless {
        names.extend(["mesa-vulkan-drivers", "libxkbcommon0", "libxkbcommon-x11-0", "libx11-6", "libwayland-client0"]);
    }
    match unit.behind {
        Behind::Nothing => {}
        Behind::Cage(_) => names.extend(["cage", "seatd", "procps", "kbd"]),
        Behind::Weston(_) => names.extend(["weston", "seatd", "procps", "kbd"]),
    }
    let install = format!("sudo apt-get install -y {}", names.join(" "));
    let lines = match machine.apt {
        true => vec![install],
        false => vec!["On Debian and Raspberry Pi OS; other systems call these packages otherwise:".into(), install],
    };
    ("Install what it needs", lines)
}

fn person(unit: &Unit) -> Step {
    let user = &unit.user;
    let mut lines = match unit.manager {
        Manager::System => vec![
            format!("id {user} || sudo useradd -m {user}"),
            format!("It has to be able to read {} and to write {}.", unit.program, unit.home),
        ],
        Manager::User => Vec::new(),
    };
    lines.push(format!("sudo usermod -aG video,render,audio {user}"));
    lines.push("video is for the screen and seatd, render for the graphics card, audio for MIDI controllers.".into());
    lines.push("The group input is not needed: seatd or the desktop hands out keyboard and mouse.".into());
    if unit.manager == Manager::User && unit.behind == Behind::Nothing && !unit.headless {
        lines.push("Turn on automatic login in the desktop's settings (raspi-config on a Raspberry Pi).".into());
    } else if unit.manager == Manager::User {
        lines.push(format!("So that it starts at boot, before anybody logs in: sudo loginctl enable-linger {user}"));
    }
    ("Choose who plays", lines)
}

fn screen(unit: &Unit, machine: &Machine) -> Step {
    let mut lines = Vec::new();
    if unit.behind != Behind::Nothing {
        lines.push("sudo systemctl enable --now seatd.service".to_owned());
        if machine.desktop_at_boot {
            lines.push("sudo systemctl set-default multi-user.target".into());
            lines.push("That boots without the desktop; graphical.target brings it back.".into());
        }
    } else if !unit.headless {
        lines.push("Turn off screen saver and sleep in the desktop's settings: not every one hears the show.".into());
    }
    ("Give it the screen", lines)
}

fn installing(unit: &Unit, made: &str) -> Step {
    let mut lines = vec![format!("{made} > flaneur.service")];
    lines.extend(commands(unit.manager).map(String::from));
    ("Install the unit; it starts at once, and at every boot", lines)
}

/// `systemctl` for the unit's systemd, with a verb.
fn systemctl(unit: &Unit, verb: &str) -> String {
    let which = if unit.manager == Manager::System { "sudo systemctl" } else { "systemctl --user" };
    format!("{which} {verb} flaneur.service")
}

fn watching(unit: &Unit) -> Vec<String> {
    let user = if unit.manager == Manager::User { " --user" } else { "" };
    vec![
        systemctl(unit, "status"),
        format!("journalctl{user} -u flaneur.service -f"),
        "curl http://localhost:9001/health".into(),
    ]
}

fn stopping(unit: &Unit) -> Vec<String> {
    vec![
        systemctl(unit, "stop"),
        systemctl(unit, "start"),
        systemctl(unit, "disable --now"),
        "The last one is for good. Ctrl-Q only makes it begin again.".into(),
    ]
}

fn updating(unit: &Unit) -> Vec<String> {
    vec![
        "A preset or a sketch: save the file, and the show takes it over by itself.".into(),
        format!("The program: install the new one as {}, then", unit.program),
        systemctl(unit, "restart"),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::unit::tests::example;
    use super::*;

    fn whole() -> Machine {
        Machine { apt: true, seatd: true, desktop_at_boot: false, counts_memory: true, names_display: false }
    }

    #[test]
    fn what_is_not_right_yet_is_noted_and_nothing_else() {
        let count = |unit: &Unit, machine: &Machine| warnings(unit, machine).len();
        assert_eq!(count(&example(), &whole()), 0);
        let bare = Machine { desktop_at_boot: true, names_display: true, ..Machine::default() };
        assert_eq!(count(&example(), &bare), 4);
        let desktop = Unit { behind: Behind::Nothing, ..example() };
        assert!(warnings(&desktop, &whole())[0].contains("neither WAYLAND_DISPLAY nor DISPLAY"));
        let environment = vec![("DISPLAY".to_owned(), ":0".to_owned())];
        assert_eq!(count(&Unit { environment, ..desktop.clone() }, &whole()), 0);
        assert_eq!(count(&Unit { headless: true, ..desktop }, &whole()), 0);
        let said = assumed(&Unit { user: "root".into(), ..example() }, &whole());
        assert!(said.iter().any(|line| line.starts_with("note: root should not play")), "{said:?}");
    }

    #[test]
    fn the_recipe_names_every_step() {
        let text = recipe(&example(), &whole(), "flaneur gallery installation");
        for words in ["cage seatd", "video,render,audio artist", "installation > flaneur.service", "journalctl -u"] {
            assert!(text.contains(words), "\"{words}\" is not in\n{text}");
        }
        for command in commands(Manager::System) {
            assert!(text.contains(command), "{text}");
        }
        let own = Unit { manager: Manager::User, behind: Behind::Nothing, ..example() };
        let text = recipe(&own, &whole(), "flaneur gallery installation");
        for words in ["systemctl --user stop", "journalctl --user -u", "automatic login"] {
            assert!(text.contains(words), "\"{words}\" is not in\n{text}");
        }
        assert!(!text.contains("cage") && !text.contains("sudo systemctl"), "{text}");
    }
}
