//! The output window: its camera, its frame, the mouse over it. Nothing but the work.
//!
//! Reads the scene that `live` holds; uploads its pictures if they are new, and has its marks drawn in every copy
//! of the frame.

use std::cell::Cell;

use bevy::camera::visibility::RenderLayers;
use bevy::camera::{CompositingSpace, RenderTarget};
use bevy::core_pipeline::tonemapping::{DebandDither, Tonemapping};
use bevy::light::cluster::ClusterConfig;
use bevy::prelude::{
    Camera, Commands, Component, DetectChanges, Entity, MessageReader, Msaa, NonSendMut, Query, Res, ResMut, Transform,
    Vec3, Window, With,
};
use bevy::render::renderer::{RenderDevice, RenderQueue};
use bevy::window::{
    CursorMoved, CursorOptions, MonitorSelection, PresentMode, PrimaryWindow, WindowCloseRequested, WindowDestroyed,
    WindowMode, WindowPosition, WindowRef, WindowResolution,
};
use nannou::prelude::render::NannouCamera;
use nannou::prelude::{Color, Draw};

use super::Options;
use super::layout::Panel;
use super::live::Live;
use super::marks::{Canvas, Hung, ink};
use super::textures::Textures;
use crate::picture::scene::{Fit, Scene};
use crate::show::addresses::Act;

/// The window of the work.
#[derive(Component)]
pub(super) struct OutputWindow;

/// Where full screen goes.
pub(super) fn full(display: Option<usize>) -> WindowMode {
    WindowMode::BorderlessFullscreen(display.map_or(MonitorSelection::Current, MonitorSelection::Index))
}

/// Opens the window.
pub(super) fn open(commands: &mut Commands, options: &Options) {
    let window = Window {
        title: "Flâneur".into(),
        resolution: WindowResolution::new(options.size[0].max(1), options.size[1].max(1)),
        mode: if options.fullscreen { full(options.display) } else { WindowMode::Windowed },
        position: options
            .display
            .map_or(WindowPosition::Automatic, |n| WindowPosition::Centered(MonitorSelection::Index(n))),
        // The loop waits for the display here.
        present_mode: PresentMode::AutoVsync,
        ..Window::default()
    };
    let cursor = CursorOptions { visible: !options.fullscreen, ..CursorOptions::default() };
    let window = commands.spawn((window, cursor, OutputWindow, PrimaryWindow)).id();
    commands.spawn((
        Camera::default(),
        NannouCamera,
        RenderTarget::Window(WindowRef::Entity(window)),
        Transform::from_xyz(0.0, 0.0, 10.0).looking_at(Vec3::ZERO, Vec3::Y),
        // Bytes are blended as bytes, as on the canvas of a film; nothing may touch the colours on their way.
        CompositingSpace::Srgb,
        Tonemapping::None,
        DebandDither::Disabled,
        // Pictures lie on whole pixels; several samples of each would cost a software adapter half its rate.
        Msaa::Off,
        // No lights to sort into clusters.
        ClusterConfig::Single,
        RenderLayers::layer(0),
    ));
}

/// Takes the next frame from the show, uploads what is new of it and records its drawing.
pub(super) fn draw(
    mut live: NonSendMut<Live>,
    mut textures: ResMut<Textures>,
    device: Res<RenderDevice>,
    queue: Res<RenderQueue>,
    windows: Query<(&Window, &Draw), With<OutputWindow>>,
) {
    live.advance();
    if device.is_changed() {
        textures.forget();
    }
    let Some(scene) = live.scene.clone() else { return };
    let start = std::time::Instant::now();
    let hung = hang(&scene, &mut textures, &device, &queue);
    live.uploading = start.elapsed();
    if let Ok((window, draw)) = windows.single() {
        compose(&scene, &hung, window, draw);
    }
}

fn hang(scene: &Scene, textures: &mut Textures, device: &RenderDevice, queue: &RenderQueue) -> Hung {
    let before = scene.before.as_ref().filter(|(pictures, share)| {
        let alike = pictures.iter().zip(scene.pictures.iter()).all(|(a, b)| (a.width, a.height) == (b.width, b.height));
        *share > 0.0 && pictures.len() == scene.pictures.len() && alike
    });
    let (before, blend) = match before {
        Some((pictures, share)) => (textures.hang(pictures, device, queue), share.min(1.0)),
        None => (Vec::new(), 0.0),
    };
    Hung { now: textures.hang(&scene.pictures, device, queue), before, blend }
}

fn compose(scene: &Scene, hung: &Hung, window: &Window, draw: &Draw) {
    draw.background().color(Color::BLACK);
    let size = window.physical_size().as_vec2();
    let scale = window.scale_factor().max(0.1);
    let panels = Panel::all([size.x, size.y], scene.aspect(), scene.fit);
    let meshed = Cell::new(0);
    for panel in &panels {
        let at = (panel.x + (panel.w - size.x) / 2.0, (size.y - panel.h) / 2.0 - panel.y);
        let moved = draw.x_y(at.0 / scale, at.1 / scale);
        let [mirrored, upside_down] = panel.flip.map(|flip| if flip { -1.0 } else { 1.0 });
        let moved = moved.scale_axes(nannou::glam::vec3(mirrored, upside_down, 1.0));
        let canvas = Canvas { draw: &moved, panel: *panel, scale, scene, hung, meshed: &meshed };
        canvas.background();
        scene.pose.marks.iter().for_each(|mark| canvas.mark(mark));
    }
    let shade = |x: f32, y: f32, w: f32, h: f32, alpha: f32| {
        if w > 0.0 && h > 0.0 && alpha > 0.0 {
            let at = ((x + w / 2.0 - size.x / 2.0) / scale, (size.y / 2.0 - y - h / 2.0) / scale);
            draw.rect().x_y(at.0, at.1).w_h(w / scale, h / scale).color(ink([0.0, 0.0, 0.0, alpha]));
        }
    };
    if scene.fit == Fit::Fit {
        // What reaches out of the frame is cut off.
        for p in &panels {
            shade(0.0, 0.0, p.x, size.y, 1.0);
            shade(p.x + p.w, 0.0, size.x - p.x - p.w, size.y, 1.0);
            shade(0.0, 0.0, size.x, p.y, 1.0);
            shade(0.0, p.y + p.h, size.x, size.y - p.y - p.h, 1.0);
        }
    }
    shade(0.0, 0.0, size.x, size.y, 1.0 - scene.light.clamp(0.0, 1.0));
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

/// Closing the window of the work ends the show.
pub(super) fn closing(
    mut requests: MessageReader<WindowCloseRequested>,
    mut destroyed: MessageReader<WindowDestroyed>,
    mut live: NonSendMut<Live>,
    windows: Query<Entity, With<OutputWindow>>,
) {
    let asked = requests.read().any(|request| windows.contains(request.window));
    let gone = destroyed.read().any(|gone| windows.contains(gone.window));
    if (asked || gone || windows.is_empty()) && !live.over {
        live.show.act(Act::Quit);
        live.over = true;
    }
}
