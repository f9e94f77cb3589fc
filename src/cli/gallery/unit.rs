//! The text of the unit: what systemd starts, and how it looks after it.
//!
//! Pure: what is known of the machine is handed in as a [`Unit`]. Read by `gallery`, which prints it, and by `recipe`.
//! Absent on purpose is `PAMName=`: the session that it opens takes the show out of the unit, whose notifications are
//! then lost (systemd.exec(5) advises against it beside `NotifyAccess=all`). So a compositor gets screen and keyboard
//! from seatd, and not from logind.

use clap::ValueEnum;

/// Which systemd the unit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Manager {
    /// The machine's: it starts at boot, without anybody logged in
    System,
    /// A user's own: it starts when that user logs in
    User,
}

/// What shows the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A desktop that is there already, or nobody where there is no window.
    Nothing,
    /// The compositor cage, at this path.
    Cage(String),
    /// The compositor Weston, at this path.
    Weston(String),
}

/// All that the text is made from. Paths are absolute, and no text holds control characters.
#[derive(Clone, Debug)]
pub struct Unit {
    pub manager: Manager,
    pub behind: Behind,
    pub program: String,
    /// The folder of sketches, presets and models.
    pub home: String,
    /// A preset or a sketch, by name or path.
    pub target: String,
    pub user: String,
    /// Groups beside the user's own, for the graphics card and for MIDI.
    pub groups: Vec<String>,
    /// Without a window.
    pub headless: bool,
    /// Most memory of the show and its children, in megabytes; none for no limit.
    pub memory_mb: Option<u64>,
    /// Names and values beside the home, as of the desktop that is there already.
    pub environment: Vec<(String, String)>,
}

/// How systemd looks after the show.
const CARE: &str = "\
# The show says that it is ready with its first frame, and then once a second that pictures come.
# Behind a compositor it is not the main process, so every process of the unit may say so.
Type=notify
NotifyAccess=all
# Before the first frame the model is read, and on some machines kernels are compiled.
TimeoutStartSec=600
WatchdogSec=30
Restart=always
RestartSec=2
# The show ends within 3 s, and ends its own children.
KillMode=mixed
TimeoutStopSec=10";

/// What the show may take beside memory. `OOMPolicy=continue`: of a show that learns, the trainer alone is ended.
const LIMITS: &str = "\
OOMPolicy=continue
TasksMax=2048
LimitNOFILE=65536
LimitCORE=0";

/// The text console that a compositor takes over at boot.
const CONSOLE: &str = "\
# Nobody logs in on the first text console meanwhile.
Conflicts=getty@tty1.service
ConditionPathExists=/dev/tty0
# seatd hands out screen and input devices.
Wants=seatd.service
After=getty@tty1.service seatd.service systemd-user-sessions.service plymouth-quit-wait.service";

/// The same in the service: cleared before and after, so that no text is seen between two starts.
const TERMINAL: &str = "\
TTYPath=/dev/tty1
TTYReset=yes
TTYVTDisallocate=yes
ExecStartPre=-+/usr/bin/chvt 1
RuntimeDirectory=flaneur
RuntimeDirectoryMode=0700
Environment=XDG_RUNTIME_DIR=%t/flaneur";

/// The show is asked to end before its compositor, and waited for.
const STOP: &str = "\
ExecStop=-/usr/bin/pkill -TERM -P ${MAINPID}
ExecStop=-/usr/bin/timeout 5 /usr/bin/tail --pid=${MAINPID} -s 0.1 -f /dev/null";

impl Unit {
    /// The file.
    pub fn text(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let head = format!("# Made by `flaneur gallery` {version}; a changed machine or preset may need another one.");
        let parts = [vec![head], self.about(), self.service(), vec!["[Install]".into(), self.wanted().into()]];
        parts.map(|lines| lines.join("\n") + "\n").join("\n")
    }

    /// Whether the unit takes the machine's screen by itself.
    pub fn takes_the_console(&self) -> bool {
        self.manager == Manager::System && self.behind != Behind::Nothing
    }

    fn about(&self) -> Vec<String> {
        let mut lines = vec![
            "[Unit]".into(),
            format!("Description=Flâneur plays {}", specifiers(&self.target)),
            "# However often it fails, it is started again.".into(),
            "StartLimitIntervalSec=0".into(),
        ];
        let more = match (self.manager, self.takes_the_console(), self.headless) {
            (_, true, _) => CONSOLE,
            (_, _, true) => return lines,
            (Manager::System, ..) => "After=display-manager.service",
            (Manager::User, ..) => "After=graphical-session.target",
        };
        lines.push(more.into());
        lines
    }

    fn service(&self) -> Vec<String> {
        let mut lines = vec!["[Service]".to_owned(), CARE.into()];
        if self.manager == Manager::System {
            lines.push(format!("User={}", self.user));
            if !self.groups.is_empty() {
                lines.push(format!("SupplementaryGroups={}", self.groups.join(" ")));
            }
        }
        if self.takes_the_console() {
            lines.push(TERMINAL.into());
        }
        if self.behind != Behind::Nothing {
            lines.push("Environment=LIBSEAT_BACKEND=seatd".into());
        }
        if matches!(self.behind, Behind::Cage(_)) {
            lines.push("# cage starts without keyboard and mouse, too.".into());
            lines.push("Environment=WLR_LIBINPUT_NO_DEVICES=1".into());
        }
        lines.push(format!("Environment={}", assignment("FLANEUR_HOME", &self.home)));
        lines.extend(self.environment.iter().map(|(name, value)| format!("Environment={}", assignment(name, value))));
        // One that is not there yet is made by what is written first.
        lines.push(format!("WorkingDirectory=-{}", specifiers(&self.home)));
        lines.push(format!("ExecStart={}", self.start()));
        if self.behind != Behind::Nothing {
            lines.push(STOP.into());
        }
        if let Some(most) = self.memory_mb {
            lines.push(format!("MemoryMax={most}M"));
        }
        lines.push(LIMITS.into());
        if self.manager == Manager::System {
            // A user's own systemd may not raise anything.
            lines.push("Nice=-5".into());
        }
        lines
    }

    /// The command line.
    fn start(&self) -> String {
        let window = if self.headless { "--headless" } else { "--kiosk" };
        let show = [argument(&self.target), window.into(), "--resume".into()].join(" ");
        let (compositor, options) = match &self.behind {
            Behind::Nothing => return format!("{} play {show}", command(&self.program)),
            // -s: other consoles can be switched to.
            Behind::Cage(path) => (path, "-s"),
            Behind::Weston(path) => (path, "--shell=kiosk-shell.so --idle-time=0 --continue-without-input"),
        };
        format!("{} {options} -- {} play {show}", command(compositor), argument(&self.program))
    }

    fn wanted(&self) -> &'static str {
        match (self.manager, &self.behind, self.headless) {
            (Manager::User, ..) => "WantedBy=default.target",
            (Manager::System, Behind::Nothing, false) => "WantedBy=graphical.target",
            (Manager::System, ..) => "WantedBy=multi-user.target",
        }
    }
}

/// `%` begins a specifier nearly everywhere in a unit. Enough where a line takes one path or a text to its end.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// One word of several, in quotes where it needs them.
fn quoted(word: &str) -> String {
    let special = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | ';');
    match word.is_empty() || word.contains(special) {
        true => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
        false => word.to_owned(),
    }
}

/// The first word of a command line, in which no variables are put.
fn command(path: &str) -> String {
    quoted(&specifiers(path))
}

/// Another word of a command line: `$` begins a variable there.
fn argument(word: &str) -> String {
    quoted(&specifiers(word).replace('$', "$$"))
}

/// A variable of the environment.
fn assignment(name: &str, value: &str) -> String {
    quoted(&specifiers(&format!("{name}={value}")))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A unit behind cage, in folders with every character that needs care.
    pub fn example() -> Unit {
        Unit {
            manager: Manager::System,
            behind: Behind::Cage("/usr/bin/cage".into()),
            program: "/opt/my art/50% \"new\"/$flaneur".into(),
            home: "/home/artist/my art/50%".into(),
            target: "installation".into(),
            user: "artist".into(),
            groups: vec!["video".into(), "render".into()],
            headless: false,
            memory_mb: Some(2048),
            environment: Vec::new(),
        }
    }

    /// The text has each of the lines, whole.
    fn has(text: &str, wanted: &[&str]) {
        let lines: Vec<&str> = text.lines().collect();
        for line in wanted {
            assert!(lines.contains(line), "\"{line}\" is not in\n{text}");
        }
    }

    #[test]
    fn systemd_is_told_everything_that_weeks_need() {
        let text = example().text();
        has(&text, &["[Unit]", "StartLimitIntervalSec=0", "Conflicts=getty@tty1.service", "Wants=seatd.service"]);
        has(&text, &["[Service]", "Type=notify", "NotifyAccess=all", "WatchdogSec=30", "TimeoutStartSec=600"]);
        has(&text, &["Restart=always", "RestartSec=2", "TimeoutStopSec=10", "KillMode=mixed"]);
        has(&text, &["MemoryMax=2048M", "OOMPolicy=continue", "TasksMax=2048", "LimitNOFILE=65536", "Nice=-5"]);
        has(&text, &["User=artist", "SupplementaryGroups=video render", "TTYPath=/dev/tty1"]);
        has(&text, &["[Install]", "WantedBy=multi-user.target"]);
        // A session of its own would take the show out of the unit.
        assert!(!text.contains("PAMName"));
        assert!(!Unit { memory_mb: None, ..example() }.text().contains("MemoryMax"));
    }

    #[test]
    fn spaces_percents_quotes_and_dollars_arrive_as_they_are() {
        let text = example().text();
        has(&text, &["Environment=\"FLANEUR_HOME=/home/artist/my art/50%%\""]);
        has(&text, &["WorkingDirectory=-/home/artist/my art/50%%"]);
        let start = "ExecStart=/usr/bin/cage -s -- \"/opt/my art/50%% \\\"new\\\"/$$flaneur\"";
        has(&text, &[&format!("{start} play installation --kiosk --resume")]);
        // No variable is put into the command itself, so its `$` is not doubled.
        let alone = Unit { behind: Behind::Nothing, ..example() }.text();
        has(&alone, &["ExecStart=\"/opt/my art/50%% \\\"new\\\"/$flaneur\" play installation --kiosk --resume"]);
        let words = [("", "\"\""), ("a", "a"), ("a;b", "\"a;b\""), ("it's", "\"it's\""), ("a\\b", "\"a\\\\b\"")];
        words.iter().for_each(|(word, expected)| assert_eq!(argument(word), *expected));
    }

    #[test]
    fn each_compositor_is_started_in_its_own_way() {
        let plain = Unit { program: "/usr/bin/flaneur".into(), ..example() };
        let cage = plain.text();
        has(&cage, &["Environment=LIBSEAT_BACKEND=seatd", "Environment=WLR_LIBINPUT_NO_DEVICES=1"]);
        has(&cage, &["ExecStop=-/usr/bin/pkill -TERM -P ${MAINPID}", "Environment=XDG_RUNTIME_DIR=%t/flaneur"]);
        let weston = Unit { behind: Behind::Weston("/usr/bin/weston".into()), ..plain.clone() }.text();
        let start = "ExecStart=/usr/bin/weston --shell=kiosk-shell.so --idle-time=0 --continue-without-input --";
        has(&weston, &[&format!("{start} /usr/bin/flaneur play installation --kiosk --resume")]);
        assert!(weston.contains("LIBSEAT_BACKEND") && !weston.contains("WLR_"));
        let environment = vec![("DISPLAY".to_owned(), ":0".to_owned())];
        let desktop = Unit { behind: Behind::Nothing, environment, ..plain };
        has(&desktop.text(), &["Environment=DISPLAY=:0", "After=display-manager.service", "WantedBy=graphical.target"]);
        has(&desktop.text(), &["ExecStart=/usr/bin/flaneur play installation --kiosk --resume"]);
        assert!(["seat", "tty", "ExecStop"].iter().all(|word| !desktop.text().contains(word)));
    }

    #[test]
    fn a_user_s_own_systemd_is_asked_for_nothing_that_it_may_not_do() {
        let own = Unit { manager: Manager::User, behind: Behind::Nothing, ..example() };
        has(&own.text(), &["WantedBy=default.target", "After=graphical-session.target", "Type=notify"]);
        let behind = Unit { manager: Manager::User, ..example() };
        for text in [own.text(), behind.text()] {
            for word in ["User=", "SupplementaryGroups", "Nice", "TTYPath", "getty", "seatd.service"] {
                assert!(!text.contains(word), "{word} is in\n{text}");
            }
        }
        let silent = Unit { headless: true, ..own };
        has(&silent.text(), &["WantedBy=default.target"]);
        assert!(silent.text().contains("play installation --headless --resume"));
        assert!(!silent.text().contains("graphical"));
    }

    #[test]
    fn systemd_itself_finds_nothing_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flaneur.service");
        // What is started has to be there.
        let program = std::env::current_exe().unwrap().to_string_lossy().into_owned();
        let cage = Unit { behind: Behind::Cage(program.clone()), program: program.clone(), ..example() };
        let weston = Unit { behind: Behind::Weston(program), ..cage.clone() };
        let desktop = Unit { behind: Behind::Nothing, ..cage.clone() };
        for unit in [cage, weston, desktop.clone(), Unit { headless: true, ..desktop }] {
            std::fs::write(&path, unit.text()).unwrap();
            let checked = std::process::Command::new("systemd-analyze").arg("verify").arg(&path).output();
            let Ok(checked) = checked else {
                crate::report::tell("skipped: systemd-analyze is not installed");
                return;
            };
            let said = String::from_utf8_lossy(&checked.stderr);
            assert!(!said.lines().any(|line| line.contains("flaneur.service")), "{said}\n{}", unit.text());
        }
    }
}
