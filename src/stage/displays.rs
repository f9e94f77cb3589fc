//! Displays: which one the output goes to, and where it goes when displays come and go.
//!
//! Fed by Bevy's list of monitors, by `--display` and by the preset; moves the output window and says on the board what
//! is missing. What is chosen from a list is a plain function, so that it is tested without a display.

use bevy::app::{App, Update};
use bevy::ecs::schedule::IntoScheduleConfigs;
use bevy::prelude::{
    Added, Commands, Entity, Has, Insert, NonSendMut, On, Query, RemovedComponents, ResMut, Resource, Window, With,
};
use bevy::window::{Monitor, MonitorSelection, OnMonitor, PrimaryMonitor, WindowMode, WindowPosition};

use super::live::Live;
use super::output::OutputWindow;

/// A display as the window system tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Display {
    pub(super) name: String,
    /// Left and top of it on the whole desktop, and its size, in pixels.
    pub(super) place: [i32; 2],
    pub(super) size: [u32; 2],
    pub(super) primary: bool,
}

/// Which display the output is to go to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Wherever the window system puts it.
    #[default]
    Any,
    /// By its number, counted from 0: from left to right, and from top to bottom.
    Number(usize),
    /// By its name, or a part of it, in any case.
    Name(String),
}

impl Wanted {
    /// From a word of the command line or of a preset.
    pub(super) fn of(word: &str) -> Self {
        match word.trim() {
            "" => Self::Any,
            word => word.parse().map_or_else(|_| Self::Name(word.to_owned()), Self::Number),
        }
    }
}

/// The display that is wanted; none if it is not here, or any will do.
pub(super) fn choose(displays: &[Display], wanted: &Wanted) -> Option<usize> {
    let ordered = ordered(displays);
    match wanted {
        Wanted::Any => None,
        Wanted::Number(number) => ordered.get(*number).copied(),
        Wanted::Name(name) => {
            let wanted = name.to_lowercase();
            let called = |at: &usize| displays[*at].name.to_lowercase();
            let exact = ordered.iter().find(|at| called(at) == wanted);
            exact.or_else(|| ordered.iter().find(|at| called(at).contains(&wanted))).copied()
        }
    }
}

/// Where the output goes when the display that is wanted is not here: the first one.
fn otherwise(displays: &[Display]) -> Option<usize> {
    displays.iter().position(|display| display.primary).or_else(|| ordered(displays).first().copied())
}

/// Displays from left to right, and from top to bottom.
fn ordered(displays: &[Display]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..displays.len()).collect();
    order.sort_by_key(|at| (displays[*at].place, displays[*at].name.clone()));
    order
}

/// What is said of a display that is not here.
fn missing(displays: &[Display], wanted: &Wanted) -> String {
    let asked = match wanted {
        Wanted::Any => String::new(),
        Wanted::Number(number) => format!(" {number}"),
        Wanted::Name(name) => format!(" \"{name}\""),
    };
    let here: Vec<String> = ordered(displays)
        .into_iter()
        .enumerate()
        .map(|(number, at)| {
            let Display { name, size: [w, h], .. } = &displays[at];
            format!("{number} \"{name}\" {w}x{h}")
        })
        .collect();
    let here = if here.is_empty() { "none".to_owned() } else { here.join(", ") };
    format!("there is no display{asked}; the output goes there when it comes. Displays: {here}")
}

/// Where the output is, and where it belongs.
#[derive(Resource, Default)]
pub(super) struct Displays {
    /// What the command line asks for; the preset is asked otherwise.
    asked: Option<String>,
    wanted: Wanted,
    /// The display on which the output was put, or last seen.
    on: Option<Entity>,
    /// The name of that display, and whether it is gone.
    name: String,
    gone: bool,
    begun: bool,
}

impl Displays {
    pub(super) fn new(asked: Option<String>) -> Self {
        Self { asked, ..Self::default() }
    }

    /// What full screen is to cover.
    pub(super) fn full(&self) -> WindowMode {
        WindowMode::BorderlessFullscreen(self.on.map_or(MonitorSelection::Current, MonitorSelection::Entity))
    }

    /// Where a window that is no full screen is to stand.
    pub(super) fn position(&self) -> WindowPosition {
        match (&self.wanted, self.on) {
            (Wanted::Any, _) | (_, None) => WindowPosition::Automatic,
            (_, Some(on)) => WindowPosition::Centered(MonitorSelection::Entity(on)),
        }
    }

    /// Looks at the displays that are here. Gives the one that the output has to be moved to, if it has to be, and
    /// what is to be said.
    fn look(&mut self, displays: &[(Entity, Display)]) -> Look {
        let list: Vec<Display> = displays.iter().map(|(_, display)| display.clone()).collect();
        let here = |entity: Entity| displays.iter().position(|(known, _)| *known == entity);
        self.gone |= self.on.is_some_and(|on| here(on).is_none());
        // Where nobody asked for one, the output goes back to the display that it was on.
        let wanted = match &self.wanted {
            Wanted::Any if self.gone => Wanted::Name(self.name.clone()),
            wanted => wanted.clone(),
        };
        let found = choose(&list, &wanted);
        let asked = self.wanted != Wanted::Any;
        let target = match found {
            Some(at) => Some(at),
            None if asked || self.gone => otherwise(&list),
            None => None,
        };
        self.gone &= found.is_none();
        let text = (found.is_none() && (asked || self.gone)).then(|| missing(&list, &wanted));
        let target = target.map(|at| displays[at].0);
        let moved = target.filter(|target| self.on != Some(*target));
        if let Some((entity, at)) = target.and_then(|entity| Some((entity, here(entity)?))) {
            self.on = Some(entity);
            if found.is_some() {
                self.name.clone_from(&list[at].name);
            }
        }
        Look { moved, text }
    }

    /// The window system says that the output is on this display now. That is where it belongs only if nobody asked for
    /// another one.
    fn seen(&mut self, entity: Entity, name: &str) {
        if !self.gone && self.wanted == Wanted::Any {
            self.on = Some(entity);
            name.clone_into(&mut self.name);
        }
    }
}

/// What has to be done after a look.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    /// To this display.
    moved: Option<Entity>,
    /// What is missing.
    text: Option<String>,
}

pub(super) fn install(app: &mut App, asked: Option<String>) {
    app.insert_resource(Displays::new(asked));
    app.add_observer(unlink);
    app.add_systems(Update, follow.before(super::output::draw));
}

/// Bevy despawns the windows of a monitor that is gone, the output among them. So no window is linked to one: it is
/// only noted where the output is.
fn unlink(
    insert: On<Insert, OnMonitor>,
    windows: Query<(&OnMonitor, Has<OutputWindow>)>,
    monitors: Query<&Monitor>,
    mut displays: ResMut<Displays>,
    mut commands: Commands,
) {
    if let Ok((OnMonitor(monitor), true)) = windows.get(insert.entity) {
        let name = monitors.get(*monitor).ok().and_then(|monitor| monitor.name.clone()).unwrap_or_default();
        displays.seen(*monitor, &name);
    }
    commands.entity(insert.entity).remove::<OnMonitor>();
}

/// Looks at the displays at the start, and when one comes or goes or another one is wanted.
pub(super) fn follow(
    monitors: Query<(Entity, &Monitor, Has<PrimaryMonitor>)>,
    added: Query<(), Added<Monitor>>,
    mut removed: RemovedComponents<Monitor>,
    mut displays: ResMut<Displays>,
    mut windows: Query<&mut Window, With<OutputWindow>>,
    live: NonSendMut<Live>,
) {
    let changed = removed.read().count() > 0 || !added.is_empty();
    let wanted = Wanted::of(displays.asked.as_deref().unwrap_or(&live.show.preset().display));
    if displays.begun && !changed && wanted == displays.wanted {
        return;
    }
    displays.begun = true;
    displays.wanted = wanted;
    let list: Vec<(Entity, Display)> = monitors.iter().map(described).collect();
    let Look { moved, text } = displays.look(&list);
    match text {
        Some(text) => live.show.board().notice("display", text),
        None => live.show.board().clear("display"),
    }
    let Some(moved) = moved else { return };
    for mut window in &mut windows {
        match window.mode {
            WindowMode::Windowed => window.position = WindowPosition::Centered(MonitorSelection::Entity(moved)),
            _ => window.mode = WindowMode::BorderlessFullscreen(MonitorSelection::Entity(moved)),
        }
    }
}

fn described((entity, monitor, primary): (Entity, &Monitor, bool)) -> (Entity, Display) {
    let name = monitor.name.clone().unwrap_or_default();
    let place = monitor.physical_position.to_array();
    (entity, Display { name, place, size: monitor.physical_size().to_array(), primary })
}

/// The displays at the start, before the window is opened.
pub(super) fn first_look(
    monitors: Query<(Entity, &Monitor, Has<PrimaryMonitor>)>,
    mut displays: ResMut<Displays>,
    live: bevy::prelude::NonSend<Live>,
) {
    displays.wanted = Wanted::of(displays.asked.as_deref().unwrap_or(&live.show.preset().display));
    let list: Vec<(Entity, Display)> = monitors.iter().map(described).collect();
    // What is missing is said by the first frame.
    let _ = displays.look(&list);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn display(name: &str, x: i32, primary: bool) -> Display {
        Display { name: name.into(), place: [x, 0], size: [1920, 1080], primary }
    }

    fn entity(number: u32) -> Entity {
        Entity::from_raw_u32(number).unwrap()
    }

    #[test]
    fn a_display_is_found_by_name_part_or_number() {
        let displays =
            [display("HDMI-A-1 Epson", 1920, false), display("eDP-1", 0, true), display("HDMI-A-2", 3840, false)];
        for (word, wanted) in [
            ("hdmi-a-2", Some(2)),
            ("epson", Some(0)),
            ("HDMI", Some(0)),
            ("0", Some(1)),
            ("2", Some(2)),
            ("3", None),
            ("DP-9", None),
            ("", None),
            (" ", None),
        ] {
            assert_eq!(choose(&displays, &Wanted::of(word)), wanted, "{word}");
        }
        assert_eq!(choose(&[], &Wanted::of("0")), None);
        // An exact name comes before a part of another.
        assert_eq!(choose(&[display("DP-10", 0, false), display("DP-1", 9, false)], &Wanted::of("dp-1")), Some(1));
    }

    #[test]
    fn a_projector_that_goes_and_comes_back_gets_its_output_back() {
        let laptop = (entity(1), display("eDP-1", 0, true));
        let projector = |number| (entity(number), display("HDMI-1", 1920, false));
        let mut displays = Displays { wanted: Wanted::of("hdmi"), ..Displays::default() };
        let look = displays.look(&[laptop.clone(), projector(2)]);
        assert_eq!(look, Look { moved: Some(entity(2)), text: None });
        assert_eq!(displays.look(&[laptop.clone(), projector(2)]).moved, None);
        // Until the window is there, the window system names the display that it comes from.
        displays.seen(entity(1), "eDP-1");
        assert_eq!(displays.full(), WindowMode::BorderlessFullscreen(MonitorSelection::Entity(entity(2))));
        // Unplugged: to the laptop, and said.
        let look = displays.look(std::slice::from_ref(&laptop));
        assert_eq!(look.moved, Some(entity(1)));
        assert!(look.text.is_some_and(|text| text.contains("\"hdmi\"") && text.contains("0 \"eDP-1\" 1920x1080")));
        // It comes back, as another entity.
        let look = displays.look(&[laptop, projector(7)]);
        assert_eq!(look, Look { moved: Some(entity(7)), text: None });
    }

    #[test]
    fn where_nobody_asked_the_output_goes_back_to_where_it_was() {
        let laptop = (entity(1), display("eDP-1", 0, true));
        let mut displays = Displays::default();
        assert_eq!(displays.look(std::slice::from_ref(&laptop)), Look { moved: None, text: None });
        // A person pulled the window over.
        displays.seen(entity(2), "HDMI-1");
        let look = displays.look(std::slice::from_ref(&laptop));
        assert!(look.moved == Some(entity(1)) && look.text.is_some_and(|text| text.contains("HDMI-1")));
        // The window system says where it is meanwhile, which is not where it belongs.
        displays.seen(entity(1), "eDP-1");
        let look = displays.look(&[laptop, (entity(3), display("HDMI-1", 1920, false))]);
        assert_eq!(look, Look { moved: Some(entity(3)), text: None });
    }

    #[test]
    fn a_cold_projector_is_waited_for() {
        let mut displays = Displays { wanted: Wanted::of("1"), ..Displays::default() };
        let look = displays.look(&[]);
        assert!(
            look.moved.is_none() && look.text.is_some_and(|text| text.contains("display 1") && text.contains("none"))
        );
        let laptop = (entity(1), display("eDP-1", 0, true));
        assert_eq!(displays.look(std::slice::from_ref(&laptop)).moved, Some(entity(1)));
        let look = displays.look(&[laptop, (entity(2), display("DP-3", 1920, false))]);
        assert_eq!(look, Look { moved: Some(entity(2)), text: None });
    }
}
