//! The desk: the player's window. What is shown, how it was made, and everything that can be turned.
//!
//! Fed by [`Show::desk`](crate::show::Show::desk) some times a second; hands acts back. Built with egui, which is
//! run by hand: a desk at the full rate would take the time of the work from a software adapter. Holds nothing of
//! the show; closing it ends nothing.

mod center;
mod dial;
mod left;
mod lesson;
mod more;
mod preview;
mod report;
mod right;
mod style;

use std::time::{Duration, Instant};

use bevy::app::PostUpdate;
use bevy::asset::AssetEventSystems;
use bevy::camera::RenderTarget;
use bevy::camera::visibility::RenderLayers;
use bevy::core_pipeline::tonemapping::Tonemapping;
use bevy::ecs::schedule::IntoScheduleConfigs;
use bevy::prelude::{
    App, Camera, Camera2d, ClearColorConfig, Commands, Component, Entity, MessageReader, Msaa, NonSendMut, Query, Res,
    ResMut, Resource, Window, With,
};
use bevy::window::{PresentMode, WindowCloseRequested, WindowDestroyed, WindowRef, WindowResolution};
use bevy_egui::{
    EguiContext, EguiContextSettings, EguiFullOutput, EguiGlobalSettings, EguiInput, EguiPlugin, EguiPostUpdateSet,
};
use nannou::prelude::egui;

use self::lesson::Sheet;
use self::preview::Preview;
use super::Options;
use super::keys;
use super::live::Live;
use super::probe::Adapter;
use super::shot::Ending;
use crate::picture::scene::Scene;
use crate::show::addresses::Act;
use crate::show::view::Desk;

/// The desk's window, and its camera.
#[derive(Component)]
pub(super) struct DeskWindow;
#[derive(Component)]
pub(super) struct DeskCamera;

/// Width and height of a new desk.
const SIZE: [u32; 2] = [1280, 800];
/// Pauses between two pictures of the desk.
const PAUSE: Duration = Duration::from_millis(45);
const PAUSE_SOFTWARE: Duration = Duration::from_millis(120);

/// What the desk keeps between two of its pictures.
#[derive(Resource)]
pub(super) struct DeskState {
    /// Whether there is to be a desk.
    pub(super) wanted: bool,
    /// Whether the code is shown.
    pub(super) code: bool,
    /// Whether the keys are shown.
    pub(super) help: bool,
    /// Width and height of the window, as somebody left it.
    size: [u32; 2],
    /// Whether a text is being typed into: keys are letters then.
    typing: bool,
    pause: Duration,
    painted: Option<Instant>,
    /// Pictures of this desk so far.
    paints: u32,
    cursor: egui::CursorIcon,
    preview: Preview,
    sheet: Sheet,
}

impl DeskState {
    pub(super) fn new(options: &Options, adapter: Adapter) -> Self {
        Self {
            wanted: (options.desk && !options.kiosk) || options.desk_screenshot.is_some(),
            code: true,
            help: false,
            size: SIZE,
            typing: false,
            pause: if adapter.software { PAUSE_SOFTWARE } else { PAUSE },
            painted: None,
            paints: 0,
            cursor: egui::CursorIcon::Default,
            preview: Preview::default(),
            sheet: Sheet::default(),
        }
    }

    pub(super) fn typing(&self) -> bool {
        self.typing
    }

    /// Whether a screenshot would show it: letters and sizes settle in the first few pictures.
    pub(super) fn settled(&self) -> bool {
        self.paints >= 8
    }
}

/// Adds egui.
pub(super) fn install(app: &mut App) {
    app.insert_resource(EguiGlobalSettings {
        // Contexts are ours: the window of the work has none.
        auto_create_primary_context: false,
        enable_ime: false,
        ..EguiGlobalSettings::default()
    });
    app.add_plugins(EguiPlugin { bindless_mode_array_size: None, ..EguiPlugin::default() });
    // A texture that changes with every frame has to be told of in its own frame; in the next one another has taken its
    // place, and nothing is ever seen of them.
    app.configure_sets(PostUpdate, EguiPostUpdateSet::PostProcessOutput.before(AssetEventSystems));
}

/// Opens the desk where it is wanted and is not there, and the other way round.
pub(super) fn keep(
    mut commands: Commands,
    mut state: ResMut<DeskState>,
    mut requests: MessageReader<WindowCloseRequested>,
    mut destroyed: MessageReader<WindowDestroyed>,
    windows: Query<(Entity, &Window), With<DeskWindow>>,
    cameras: Query<Entity, With<DeskCamera>>,
) {
    let asked = requests.read().any(|request| windows.contains(request.window));
    if destroyed.read().any(|gone| windows.contains(gone.window)) || asked {
        state.wanted = false;
    }
    if state.wanted != windows.is_empty() {
        return;
    }
    if !state.wanted {
        for (_, window) in &windows {
            state.size = [window.width(), window.height()].map(|side| (side.round() as u32).max(1));
        }
        let windows = windows.iter().map(|(window, _)| window);
        windows.chain(&cameras).for_each(|entity| commands.entity(entity).despawn());
        state.typing = false;
        state.preview = Preview::default();
        state.sheet = Sheet::default();
        return;
    }
    let window = Window {
        title: "Flâneur · desk".into(),
        resolution: WindowResolution::new(state.size[0], state.size[1]),
        // The loop waits for the output's display, not for the desk's as well.
        present_mode: PresentMode::AutoNoVsync,
        ..Window::default()
    };
    let window = commands.spawn((window, DeskWindow)).id();
    commands.spawn((
        Camera2d,
        Camera { order: 1, clear_color: ClearColorConfig::Custom(style::clear()), ..Camera::default() },
        RenderTarget::Window(WindowRef::Entity(window)),
        Tonemapping::None,
        Msaa::Off,
        RenderLayers::layer(1),
        EguiContext::default(),
        EguiContextSettings { run_manually: true, ..EguiContextSettings::default() },
        DeskCamera,
    ));
    state.painted = None;
    state.paints = 0;
}

/// Paints the desk when its time has come; the window keeps its last picture otherwise.
pub(super) fn paint(
    mut live: NonSendMut<Live>,
    mut state: ResMut<DeskState>,
    ending: Res<Ending>,
    mut desks: Query<(&mut EguiContext, &mut EguiInput, &mut EguiFullOutput, &mut Camera), With<DeskCamera>>,
) {
    let Ok((mut context, mut input, mut output, mut camera)) = desks.single_mut() else { return };
    let context = context.get_mut();
    let due = ending.begun() || state.painted.is_none_or(|at| at.elapsed() >= state.pause);
    camera.is_active = due;
    if !due {
        // bevy_egui asks for an answer every frame.
        let platform_output = egui::PlatformOutput { cursor_icon: state.cursor, ..Default::default() };
        let pixels_per_point = context.pixels_per_point();
        **output = Some(egui::FullOutput { platform_output, pixels_per_point, ..Default::default() });
        return;
    }
    if state.painted.is_none() {
        style::apply(context);
    }
    state.painted = Some(Instant::now());
    state.paints = state.paints.saturating_add(1);
    let mut raw = input.take();
    // Keys are the stage's, unless a number is being typed: Tab and Space would walk over the buttons.
    let typing = state.typing;
    raw.events.retain(|event| match event {
        egui::Event::Key { key, .. } => typing && *key != egui::Key::Tab,
        egui::Event::Text(_) => typing,
        _ => true,
    });
    let desk = live.show.desk();
    let mut acts = Vec::new();
    let scene = live.scene.clone();
    if let Some(scene) = &scene {
        state.preview.upload(context, scene);
    }
    state.sheet.upload(context, &desk.lesson);
    let full = context.run_ui(raw, |ui| lay(ui, &desk, scene.as_ref(), &mut state, &mut acts));
    state.typing = context.egui_wants_keyboard_input();
    state.cursor = full.platform_output.cursor_icon;
    **output = Some(full);
    acts.into_iter().for_each(|act| live.show.act(act));
}

/// Panels: what is shown on the left, what can be chosen or is learnt on the right, what is said below, z between
/// them.
fn lay(ui: &mut egui::Ui, desk: &Desk, scene: Option<&Scene>, state: &mut DeskState, acts: &mut Vec<Act>) {
    let panel = style::panel();
    egui::Panel::left("left").exact_size(300.0).resizable(false).frame(panel).show_inside(ui, |ui| {
        left::show(ui, desk, scene, state, acts);
    });
    egui::Panel::bottom("bottom").default_size(236.0).resizable(true).frame(panel).show_inside(ui, |ui| {
        report::show(ui, desk, state.code);
    });
    let wide = right::width(ui, desk);
    egui::Panel::right("right").exact_size(wide).resizable(false).frame(panel).show_inside(ui, |ui| {
        right::show(ui, desk, &state.sheet, acts);
    });
    egui::CentralPanel::no_frame().frame(style::middle()).show_inside(ui, |ui| center::show(ui, desk, acts));
    if state.help {
        help(ui.ctx(), &mut state.help);
    }
}

fn help(context: &egui::Context, open: &mut bool) {
    let window = egui::Window::new("Keys").collapsible(false).resizable(false).open(open);
    window.anchor(egui::Align2::CENTER_CENTER, [0.0, 0.0]).show(context, |ui| {
        egui::Grid::new("keys").num_columns(2).spacing([24.0, 6.0]).show(ui, |ui| {
            for (key, what) in keys::help() {
                ui.label(egui::RichText::new(key).monospace().color(style::BRIGHT));
                ui.label(what);
                ui.end_row();
            }
        });
    });
}
