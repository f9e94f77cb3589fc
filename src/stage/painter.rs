//! Paints the output window: the quads of a frame, in one pass, with buffers and pipelines that stay.
//!
//! Fed by `output` on the main thread with quads, textures and letters; the pass is recorded when Bevy draws the
//! window's camera, in a schedule of its own with nothing else in it. Nothing is spawned for a frame and nothing is an
//! asset, so nothing is left behind by one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bevy::core_pipeline::upscaling::upscaling;
use bevy::ecs::schedule::{IntoScheduleConfigs, Schedule, ScheduleLabel};
use bevy::prelude::{App, Res, Resource};
use bevy::render::RenderApp;
use bevy::render::render_resource::{
    BindGroup, BindGroupEntries, Buffer, BufferDescriptor, BufferUsages, RenderPassDescriptor, TextureView,
    TextureViewId,
};
use bevy::render::renderer::{RenderContext, RenderDevice, RenderQueue, ViewQuery};
use bevy::render::view::ViewTarget;

use super::letters::Atlas;
use super::pipelines::{FORMAT, Pipelines};
use super::quads::{Ink, Quads, Step};
use super::textures::Cover;
use crate::latest::lock;

/// The schedule of the output's camera.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct OutputPass;

/// The frame that is painted next; both of Bevy's worlds have it.
#[derive(Resource, Clone, Default)]
pub(super) struct OutputFrame(pub(super) Arc<Mutex<Frame>>);

/// Bytes of a panel in the uniform buffer: dynamic offsets are multiples of 256.
const PANEL: usize = 256;
/// Bind groups of pictures that are kept; there are three sets of textures at a time.
const KEPT: usize = 256;

/// A frame on the graphics card.
#[derive(Default)]
pub(super) struct Frame {
    pub(super) quads: Quads,
    pub(super) atlas: Atlas,
    kit: Option<Kit>,
    /// Textures of the steps that show pictures, in their order.
    pictures: Vec<BindGroup>,
}

/// What stays on the card from frame to frame.
struct Kit {
    pipelines: Pipelines,
    quads: Content,
    panels: Content,
    cover: Cover,
    /// Panels, atlas and its sampler.
    common: Option<BindGroup>,
    groups: BTreeMap<(TextureViewId, TextureViewId), BindGroup>,
}

/// A buffer, and what it holds.
struct Content {
    buffer: Buffer,
    usage: BufferUsages,
    size: usize,
    bytes: Vec<u8>,
    next: Vec<u8>,
}

/// Makes the pass known.
pub(super) fn install(app: &mut App) {
    let frame = OutputFrame::default();
    if let Some(render) = app.get_sub_app_mut(RenderApp) {
        render.insert_resource(frame.clone());
        render.add_schedule(Schedule::new(OutputPass)).add_systems(OutputPass, (paint, upscaling).chain());
    }
    app.insert_resource(frame);
}

impl Frame {
    /// The device was lost: nothing is left on it.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Brings the frame that was laid out onto the card. `now` and `before` are the textures of its latents.
    pub(super) fn prepare(
        &mut self,
        now: &[TextureView],
        before: &[TextureView],
        device: &RenderDevice,
        queue: &RenderQueue,
    ) {
        let kit = self.kit.get_or_insert_with(|| Kit::new(device));
        kit.quads.fill(self.quads.quads.iter().flatten().copied(), device, queue);
        let renewed = kit.panels.fill(panels(&self.quads), device, queue);
        let renewed = kit.cover.follow(&mut self.atlas, device, queue) || renewed;
        if renewed || kit.common.is_none() {
            kit.common = Some(kit.common(device));
        }
        self.pictures.clear();
        for step in &self.quads.steps {
            let Step::Picture { latent, .. } = step else { continue };
            if let Some(now) = now.get(*latent) {
                self.pictures.push(kit.group(now, before.get(*latent).unwrap_or(now), device));
            }
        }
    }
}

impl Kit {
    fn new(device: &RenderDevice) -> Self {
        Self {
            pipelines: Pipelines::new(device),
            quads: Content::new(BufferUsages::VERTEX, device),
            panels: Content::new(BufferUsages::UNIFORM, device),
            cover: Cover::new(device),
            common: None,
            groups: BTreeMap::new(),
        }
    }

    fn common(&self, device: &RenderDevice) -> BindGroup {
        let panel =
            bevy::render::render_resource::BindingResource::Buffer(bevy::render::render_resource::BufferBinding {
                buffer: &self.panels.buffer,
                offset: 0,
                size: std::num::NonZeroU64::new(32),
            });
        let entries = BindGroupEntries::sequential((panel, &self.cover.view, &self.pipelines.sampler));
        device.create_bind_group("output panels", &self.pipelines.common, &entries)
    }

    fn group(&mut self, now: &TextureView, before: &TextureView, device: &RenderDevice) -> BindGroup {
        if self.groups.len() >= KEPT {
            self.groups.clear();
        }
        let group = self.groups.entry((now.id(), before.id())).or_insert_with(|| {
            let entries = BindGroupEntries::sequential((now, before));
            device.create_bind_group("output picture", &self.pipelines.pictures, &entries)
        });
        group.clone()
    }
}

impl Content {
    fn new(usage: BufferUsages, device: &RenderDevice) -> Self {
        let size = 4096;
        let usage = usage | BufferUsages::COPY_DST;
        Self { buffer: buffer(size, usage, device), usage, size, bytes: Vec::new(), next: Vec::new() }
    }

    /// Writes what is new; true if the buffer is another one than before.
    fn fill(&mut self, values: impl Iterator<Item = f32>, device: &RenderDevice, queue: &RenderQueue) -> bool {
        self.next.clear();
        values.for_each(|v| self.next.extend_from_slice(&v.to_ne_bytes()));
        let larger = self.next.len() > self.size;
        if larger {
            self.size = self.next.len().next_power_of_two();
            self.buffer = buffer(self.size, self.usage, device);
        }
        if larger || self.next != self.bytes {
            queue.write_buffer(&self.buffer, 0, &self.next);
            std::mem::swap(&mut self.next, &mut self.bytes);
        }
        larger
    }
}

fn buffer(size: usize, usage: BufferUsages, device: &RenderDevice) -> Buffer {
    let label = Some("output");
    device.create_buffer(&BufferDescriptor { label, size: size as u64, usage, mapped_at_creation: false })
}

/// The panels as the shader reads them, and last the window itself, for the shade.
fn panels(quads: &Quads) -> impl Iterator<Item = f32> {
    let [width, height] = quads.window.map(|side| side as f32);
    let flip = |on: bool| if on { 1.0 } else { 0.0 };
    let panels = quads.panels.iter().map(move |(panel, _)| {
        [width, height, panel.x, panel.y, panel.w, panel.h, flip(panel.flip[0]), flip(panel.flip[1])]
    });
    let window = [width, height, 0.0, 0.0, width, height, 0.0, 0.0];
    panels.chain([window]).flat_map(|values| values.into_iter().chain([0.0; PANEL / 4 - 8]))
}

/// Records the pass.
fn paint(view: ViewQuery<&ViewTarget>, frame: Res<OutputFrame>, mut context: RenderContext) {
    let target = view.into_inner();
    let frame = lock(&frame.0);
    let attachments = [Some(target.get_color_attachment())];
    let mut pass = context.begin_tracked_render_pass(RenderPassDescriptor {
        label: Some("output"),
        color_attachments: &attachments,
        depth_stencil_attachment: None,
        timestamp_writes: None,
        occlusion_query_set: None,
        multiview_mask: None,
    });
    let texture = target.main_texture();
    let fits = [texture.width(), texture.height()] == frame.quads.window && target.main_texture_format() == FORMAT;
    let Some((kit, common)) = frame.kit.as_ref().and_then(|kit| Some((kit, kit.common.as_ref()?))) else { return };
    // A window that was resized a moment ago is black for one frame, not distorted.
    if !fits || kit.quads.bytes.is_empty() {
        return;
    }
    pass.set_vertex_buffer(0, kit.quads.buffer.slice(..));
    for (number, (_, [x, y, w, h])) in frame.quads.panels.iter().enumerate() {
        pass.set_scissor_rect(*x, *y, *w, *h);
        pass.set_bind_group(0, common, &[(number * PANEL) as u32]);
        let mut pictures = frame.pictures.iter();
        for step in &frame.quads.steps {
            match step {
                Step::Marks(ink, quads) => {
                    let Some(pipeline) = kit.pipelines.marks(*ink) else { continue };
                    pass.set_render_pipeline(pipeline);
                    pass.draw(0..4, quads.clone());
                }
                Step::Picture { quad, resize, blend, clear, .. } => {
                    let (Some(picture), Some(pipeline)) =
                        (pictures.next(), kit.pipelines.picture(*resize, *blend, *clear))
                    else {
                        continue;
                    };
                    pass.set_render_pipeline(pipeline);
                    pass.set_bind_group(1, picture, &[]);
                    pass.draw(0..4, *quad..*quad + 1);
                }
            }
        }
    }
    if let (Some(shade), Some(pipeline)) = (frame.quads.shade, kit.pipelines.marks(Ink::Clear)) {
        let [width, height] = frame.quads.window;
        pass.set_scissor_rect(0, 0, width, height);
        pass.set_bind_group(0, common, &[(frame.quads.panels.len() * PANEL) as u32]);
        pass.set_render_pipeline(pipeline);
        pass.draw(0..4, shade..shade + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::layout::Panel;
    use crate::picture::scene::Fit;

    #[test]
    fn each_panel_has_its_own_stretch_of_the_buffer() {
        let all = Panel::all([200.0, 100.0], 1.0, Fit::Mirror);
        let quads = Quads {
            panels: all.into_iter().map(|panel| (panel, [0; 4])).collect(),
            window: [200, 100],
            ..Quads::default()
        };
        let values: Vec<f32> = panels(&quads).collect();
        assert_eq!(values.len() * 4, 4 * PANEL);
        assert_eq!(values[..8], [200.0, 100.0, -50.0, 0.0, 100.0, 100.0, 1.0, 0.0]);
        assert_eq!(values[3 * PANEL / 4..][..8], [200.0, 100.0, 0.0, 0.0, 200.0, 100.0, 0.0, 0.0]);
    }
}
