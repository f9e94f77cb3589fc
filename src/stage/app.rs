//! Puts the Bevy app together: only the plugins that a picture on a window needs, quiet, and with our own
//! handling of signals, faults and the end.
//!
//! Systems of a frame, in this order: keys and mouse, the show's next frame and its drawing, the desk, the end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bevy::DefaultPlugins;
use bevy::app::{App, PanicHandlerPlugin, PluginGroup, Startup, TaskPoolOptions, TaskPoolPlugin};
use bevy::app::{Last, TerminalCtrlCHandlerPlugin, Update};
use bevy::ecs::schedule::IntoScheduleConfigs;
use bevy::input::keyboard::{KeyboardFocusLost, KeyboardInput};
use bevy::log::{Level, LogPlugin};
use bevy::pbr::PbrPlugin;
use bevy::post_process::PostProcessPlugin;
use bevy::prelude::{ClearColor, Commands, Local, MessageReader, NonSendMut, Query, Res, ResMut, Window, With};
use bevy::render::RenderPlugin;
use bevy::render::error_handler::{ErrorType, RenderErrorHandler, RenderErrorPolicy};
use bevy::render::pipelined_rendering::PipelinedRenderingPlugin;
use bevy::render::settings::WgpuSettings;
use bevy::window::{ExitCondition, WindowMode, WindowPlugin};
use bevy::winit::{UpdateMode, WinitPlugin, WinitSettings};
use nannou::prelude::Color;

use super::desk::{self, DeskState};
use super::desktop::{self, WindowNumber};
use super::displays::{self, Displays};
use super::keys::{self, Held, KeyAction};
use super::live::Live;
use super::output::{self, OutputWindow, Shape};
use super::probe::Adapter;
use super::shot::{self, Ending, Outcome};
use super::textures::Textures;
use super::{Options, StageError, pace, painter, pointer};
use crate::control::hand::Hand;
use crate::show::addresses::Act;

/// Threads for Bevy's systems, which are few and short; the other cores belong to the generator.
const THREADS: usize = 2;

/// Runs the windows until the show is over.
pub(super) fn run(live: Live, options: Options, adapter: Adapter) -> Result<(), StageError> {
    let outcome: Outcome = Arc::new(Mutex::new(Ok(())));
    let window = WindowNumber::default();
    // Ended when the windows are.
    let _desktop = desktop::start(live.show.board(), &window).inspect_err(|e| {
        live.show.board().notice("screen saver", format!("it may begin: no thread can be started: {e}"));
    });
    // Bevy and winit panic where they cannot go on (a display that vanishes, a driver that fails): the show is
    // closed by `Live` then, and the caller learns the cause.
    catch_unwind(AssertUnwindSafe(|| build(live, options, adapter, outcome.clone(), window).run())).map_err(
        |panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            StageError::Broken(text.unwrap_or("no reason was given").to_owned())
        },
    )?;
    let mut kept = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *kept, Ok(()))
}

fn build(live: Live, options: Options, adapter: Adapter, outcome: Outcome, window: WindowNumber) -> App {
    let mut app = App::new();
    app.add_plugins(plugins(adapter));
    app.insert_resource(RenderErrorHandler(|error, _, _| match error.ty {
        ErrorType::DeviceLost => RenderErrorPolicy::Recover(WgpuSettings::default().into()),
        _ => RenderErrorPolicy::Ignore,
    }));
    painter::install(&mut app);
    desk::install(&mut app);
    app.insert_resource(ClearColor(Color::BLACK))
        .insert_resource(rhythm(options.fps, adapter))
        .insert_resource(Ending::new(&options, outcome))
        .insert_resource(DeskState::new(&options, adapter))
        .insert_resource(Shape::of(&options))
        .insert_resource(window)
        .init_resource::<Textures>()
        .insert_non_send(live)
        .add_systems(Startup, (displays::first_look, open).chain())
        .add_systems(
            Update,
            (
                press,
                (output::mouse, pointer::hide, output::closing, output::keep),
                output::draw,
                (desk::keep, desk::paint).chain(),
            )
                .chain(),
        )
        .add_systems(Last, shot::finish);
    displays::install(&mut app, options.display);
    pace::install(&mut app);
    app
}

fn plugins(adapter: Adapter) -> impl PluginGroup {
    DefaultPlugins
        .set(LogPlugin {
            // What the player must know is on the board; RUST_LOG asks for more.
            level: Level::ERROR,
            filter: "error".into(),
            ..LogPlugin::default()
        })
        .set(TaskPoolPlugin { task_pool_options: TaskPoolOptions::with_num_threads(THREADS) })
        .set(WindowPlugin {
            primary_window: None,
            exit_condition: ExitCondition::DontExit,
            close_when_requested: false,
            ..WindowPlugin::default()
        })
        .set(WinitPlugin { run_on_any_thread: true })
        // A pipeline that is still being compiled draws nothing: better late once than black.
        .set(RenderPlugin {
            render_creation: WgpuSettings { backends: Some(adapter.backends), ..WgpuSettings::default() }.into(),
            synchronous_pipeline_compilation: true,
            ..RenderPlugin::default()
        })
        .set(PbrPlugin {
            prepass_enabled: false,
            add_default_deferred_lighting_plugin: false,
            use_gpu_instance_buffer_builder: false,
            ..PbrPlugin::default()
        })
        .disable::<PanicHandlerPlugin>()
        // Signals are the show's.
        .disable::<TerminalCtrlCHandlerPlugin>()
        .disable::<PostProcessPlugin>()
        // It would show every frame one frame later.
        .disable::<PipelinedRenderingPlugin>()
}

/// Frames a second for adapters that do not wait for a display.
const SOFTWARE_FPS: f64 = 60.0;

/// When to draw: as the display asks for it, or at a fixed rate; the same without focus.
fn rhythm(fps: Option<f64>, adapter: Adapter) -> WinitSettings {
    let fps = fps.filter(|fps| fps.is_finite() && *fps > 0.0);
    let mode = match fps.or(adapter.software.then_some(SOFTWARE_FPS)) {
        None => UpdateMode::Continuous,
        Some(fps) => UpdateMode::Reactive {
            wait: Duration::from_secs_f64(1.0 / fps.clamp(0.1, 1000.0)),
            react_to_device_events: false,
            react_to_user_events: false,
            react_to_window_events: false,
        },
    };
    WinitSettings { focused_mode: mode, unfocused_mode: mode }
}

fn open(mut commands: Commands, shape: Res<Shape>, displays: Res<Displays>) {
    output::open(&mut commands, &shape, &displays);
}

/// Keys on either window.
fn press(
    mut keys: MessageReader<KeyboardInput>,
    mut unfocused: MessageReader<KeyboardFocusLost>,
    mut held: Local<Held>,
    displays: Res<Displays>,
    mut live: NonSendMut<Live>,
    mut desk: ResMut<DeskState>,
    mut windows: Query<&mut Window, With<OutputWindow>>,
) {
    for key in keys.read() {
        held.follow(key);
        if key.repeat || desk.typing() {
            continue;
        }
        let action = keys::action(key, *held);
        // Letters that are no key of the stage's can be mapped like any control.
        if matches!(action, Some(KeyAction::Act(Act::Hit(_))))
            && live.show.key(&keys::letter(key), key.state.is_pressed())
        {
            continue;
        }
        if !key.state.is_pressed() {
            continue;
        }
        match action {
            Some(KeyAction::Act(act)) => live.show.act_by(act, &Hand::new("key", None)),
            Some(KeyAction::Desk) => desk.wanted = !desk.wanted,
            Some(KeyAction::Code) => desk.code = !desk.code,
            Some(KeyAction::Help) => {
                desk.help = !(desk.help && desk.wanted);
                desk.wanted |= desk.help;
            }
            Some(KeyAction::Fullscreen) => {
                for mut window in &mut windows {
                    let windowed = window.mode == WindowMode::Windowed;
                    window.mode = if windowed { displays.full() } else { WindowMode::Windowed };
                }
            }
            // Nothing on the output: the show goes on.
            Some(KeyAction::Escape) if desk.help => desk.help = false,
            Some(KeyAction::Escape) if live.show.desk().learning.is_some() => {
                live.show.act_by(Act::Learn, &Hand::new("key", None));
            }
            Some(KeyAction::Quit) => {
                live.show.act(Act::Quit);
                live.over = true;
            }
            Some(KeyAction::Escape) | None => {}
        }
    }
    if unfocused.read().count() > 0 {
        *held = Held::default();
    }
}
