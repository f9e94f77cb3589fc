//! The output window: its camera, its frame, the mouse over it; opened again when something else takes it away.
//!
//! Reads the scene that `live` holds; uploads its pictures if they are new, and hands its quads to `painter`.

use std::sync::OnceLock;
use std::time::Instant;

use bevy::camera::visibility::RenderLayers;
use bevy::camera::{CompositingSpace, OrthographicProjection, Projection, RenderTarget};
use bevy::prelude::{
    Camera, Commands, Component, DetectChanges, Entity, Local, MessageReader, Msaa, NonSendMut, Query, Res, ResMut,
    Resource, Window, With,
};
use bevy::render::camera::CameraRenderGraph;
use bevy::render::renderer::{RenderDevice, RenderQueue};
use bevy::window::{
    CursorMoved, CursorOptions, PresentMode, PrimaryWindow, RawHandleWrapper, WindowCloseRequested, WindowDestroyed,
    WindowMode, WindowOccluded, WindowRef, WindowResolution,
};
use bevy::winit::WINIT_WINDOWS;

use super::Options;
use super::desktop::WindowNumber;
use super::displays::Displays;
use super::live::Live;
use super::lost::{Remedy, Watch};
use super::pace::Presented;
use super::painter::{Frame, OutputFrame, OutputPass};
use super::textures::Textures;
use crate::latest::lock;
use crate::picture::layout::Panel;
use crate::picture::scene::Scene;
use crate::show::addresses::Act;

/// The window of the work, and its camera.
#[derive(Component)]
pub(super) struct OutputWindow;
#[derive(Component)]
pub(super) struct OutputCamera;

/// How long a mended window is spoken of, in seconds.
const SAID_SECS: f64 = 30.0;

/// What a new output window is like: as the options say, and then as it was when it went.
#[derive(Resource, Clone)]
pub(super) struct Shape {
    size: [u32; 2],
    full: bool,
}

impl Shape {
    pub(super) fn of(options: &Options) -> Self {
        Self { size: options.size, full: options.fullscreen || options.kiosk }
    }
}

/// Opens the window.
pub(super) fn open(commands: &mut Commands, shape: &Shape, displays: &Displays) {
    let window = Window {
        title: "Flâneur".into(),
        resolution: WindowResolution::new(shape.size[0].max(1), shape.size[1].max(1)),
        mode: if shape.full { displays.full() } else { WindowMode::Windowed },
        position: displays.position(),
        // The loop waits for the display here.
        present_mode: PresentMode::AutoVsync,
        ..Window::default()
    };
    let cursor = CursorOptions { visible: !shape.full, ..CursorOptions::default() };
    let window = commands.spawn((window, cursor, OutputWindow, PrimaryWindow)).id();
    commands.spawn((
        Camera::default(),
        CameraRenderGraph::new(OutputPass),
        Projection::Orthographic(OrthographicProjection::default_2d()),
        RenderTarget::Window(WindowRef::Entity(window)),
        // Bytes are blended as bytes, as on the canvas of a film.
        CompositingSpace::Srgb,
        // Pictures lie on whole pixels; several samples of each would cost a software adapter half its rate.
        Msaa::Off,
        RenderLayers::none(),
        OutputCamera,
    ));
}

/// Takes the next frame from the show, uploads what is new of it and lays its quads out.
pub(super) fn draw(
    mut live: NonSendMut<Live>,
    mut textures: ResMut<Textures>,
    frame: Res<OutputFrame>,
    device: Res<RenderDevice>,
    queue: Res<RenderQueue>,
    windows: Query<&Window, With<OutputWindow>>,
) {
    if let Ok(window) = windows.single() {
        live.set_size(window.physical_size().to_array());
    }
    live.advance();
    let mut frame = lock(&frame.0);
    if device.is_changed() {
        textures.forget();
        frame.forget();
    }
    let (Some(scene), Ok(window)) = (live.scene.clone(), windows.single()) else { return };
    let start = Instant::now();
    let (before, blend) = match before(&scene) {
        Some((pictures, share)) => (textures.views(pictures, &device, &queue), share),
        None => (Vec::new(), 0.0),
    };
    let now = textures.views(&scene.pictures, &device, &queue);
    live.uploading = start.elapsed();
    let Frame { quads, atlas, .. } = &mut *frame;
    quads.lay(&scene, window.physical_size().to_array(), blend, atlas);
    frame.prepare(&now, &before, &device, &queue);
}

/// The pictures before, where they still show through, and their share.
fn before(scene: &Scene) -> Option<(&std::sync::Arc<Vec<crate::picture::Picture>>, f32)> {
    let (pictures, share) = scene.before.as_ref()?;
    let size = |picture: &crate::picture::Picture| (picture.width, picture.height);
    let alike = pictures.iter().map(size).eq(scene.pictures.iter().map(size));
    (*share > 0.0 && alike).then(|| (pictures, share.min(1.0)))
}

/// The mouse over the work, in shares of the frame; the last move of a frame counts.
pub(super) fn mouse(
    mut moves: MessageReader<CursorMoved>,
    mut live: NonSendMut<Live>,
    windows: Query<(Entity, &Window), With<OutputWindow>>,
) {
    let Ok((entity, window)) = windows.single() else { return };
    let Some(last) = moves.read().filter(|moved| moved.window == entity).last() else { return };
    let Some(scene) = &live.scene else { return };
    let size = window.physical_size().as_vec2();
    let panel = Panel::middle([size.x, size.y], scene.aspect(), scene.fit);
    let point = last.position * window.scale_factor();
    let [x, y] = panel.share([point.x, point.y]);
    live.show.mouse(x, y);
}

/// A person who closes the window of the work ends the show.
pub(super) fn closing(
    mut requests: MessageReader<WindowCloseRequested>,
    mut live: NonSendMut<Live>,
    windows: Query<Entity, With<OutputWindow>>,
) {
    let asked = requests.read().any(|request| windows.contains(request.window));
    if asked && !live.over {
        live.show.act(Act::Quit);
        live.over = true;
    }
}

/// The time, and whether the output was shown: with `FLANEUR_REHEARSE=dark` it counts as dark for the second second of a
/// show, and time goes ten times as fast.
fn rehearsed(secs: f64, shown: bool) -> (f64, bool) {
    static DARK: OnceLock<bool> = OnceLock::new();
    match DARK.get_or_init(|| std::env::var_os("FLANEUR_REHEARSE").is_some_and(|what| what == "dark")) {
        true => (secs * 10.0, shown && !(1.0..2.0).contains(&secs)),
        false => (secs, shown),
    }
}

/// Output windows, with what their surfaces are made from.
type Outputs<'w, 's> = Query<'w, 's, (Entity, &'static Window, Option<&'static RawHandleWrapper>), With<OutputWindow>>;

/// A window that something else took away is opened again, and one that shows nothing any more is mended; the show
/// goes on meanwhile.
pub(super) fn keep(
    (mut destroyed, mut occluded): (MessageReader<WindowDestroyed>, MessageReader<WindowOccluded>),
    (mut hidden, mut watch, mut said): (Local<bool>, Local<Option<Watch>>, Local<Option<f64>>),
    (presented, displays, number): (Res<Presented>, Res<Displays>, Res<WindowNumber>),
    mut shape: ResMut<Shape>,
    live: NonSendMut<Live>,
    (windows, cameras): (Outputs, Query<Entity, With<OutputCamera>>),
    mut commands: Commands,
) {
    if live.over {
        return;
    }
    for message in occluded.read().filter(|message| windows.contains(message.window)) {
        *hidden = message.occluded;
    }
    // On X11 the number of a window is its name there.
    let id = windows
        .iter()
        .next()
        .and_then(|(entity, ..)| WINIT_WINDOWS.with_borrow(|all| all.entity_to_winit.get(&entity).copied()));
    number.note(id.map_or(0, |id| u64::from(id) as u32));
    let (now, shown) = rehearsed(live.show.secs(), presented.lately());
    let watch = watch.get_or_insert_with(|| Watch::new(now));
    let remedy = watch.look(now, shown, *hidden);
    if !watch.dark() && said.is_some_and(|at| now - at > SAID_SECS) {
        *said = None;
        live.show.board().clear("window");
    }
    let gone = windows.is_empty() || destroyed.read().any(|gone| windows.contains(gone.window));
    match remedy {
        Remedy::Nothing if !gone => return,
        Remedy::NewSurface if !gone => {
            *said = Some(now);
            live.show.board().notice("window", "the output shows nothing: its surface is made anew");
            // Bevy drops the surface of a window without a handle, and makes a new one for one with it.
            for (window, _, handle) in &windows {
                if let Some(handle) = handle {
                    commands.entity(window).remove::<RawHandleWrapper>().insert(handle.clone());
                }
            }
            return;
        }
        _ => {}
    }
    *said = Some(now);
    live.show.board().notice("window", "the output window was lost: it is opened again");
    if let Some((_, window, _)) = windows.iter().next() {
        shape.full = window.mode != WindowMode::Windowed;
        if !shape.full {
            shape.size = [window.width().max(1.0) as u32, window.height().max(1.0) as u32];
        }
    }
    windows.iter().map(|(window, ..)| window).chain(&cameras).for_each(|entity| commands.entity(entity).despawn());
    *hidden = false;
    open(&mut commands, &shape, &displays);
}
