//! The pipelines of the output window: one for each kind of mark, one for each way in which a picture is resized, blended and laid
//! over what is behind it. All are built with the window, so that none is compiled during a show.
//!
//! Read by `painter`; the shader is output.wgsl.

use std::collections::BTreeMap;

use bevy::render::render_resource::binding_types::{sampler, texture_2d, uniform_buffer_sized};
use bevy::render::render_resource::{
    BindGroupLayout, BindGroupLayoutEntries, BlendState, ColorTargetState, ColorWrites, FilterMode,
    PipelineCompilationOptions, PipelineLayout, PipelineLayoutDescriptor, PrimitiveState, PrimitiveTopology,
    RawFragmentState, RawRenderPipelineDescriptor, RawVertexBufferLayout, RawVertexState, RenderPipeline, Sampler,
    SamplerBindingType, SamplerDescriptor, ShaderModule, ShaderModuleDescriptor, ShaderSource, ShaderStages,
    TextureFormat, TextureSampleType, VertexAttribute, VertexFormat, VertexStepMode,
};
use bevy::render::renderer::RenderDevice;

use super::quads::{Ink, Quad, Resize};

/// What the output is painted on: bytes, as on the canvas of a film.
pub(super) const FORMAT: TextureFormat = TextureFormat::Rgba8Unorm;

/// Names of the ways to resize in the shader.
const RESIZES: [(Resize, &str); 5] = [
    (Resize::Nearest, "nearest"),
    (Resize::Linear, "linear"),
    (Resize::Cubic, "cubic"),
    (Resize::Lanczos, "lanczos"),
    (Resize::Shrink, "shrink"),
];

/// Names of the marks' shaders, and whether what is behind shows through.
const INKS: [(Ink, &str, bool); 4] = [
    (Ink::Solid, "solid", false),
    (Ink::Clear, "solid", true),
    (Ink::Letters, "letter", true),
    (Ink::Shapes, "shape", true),
];

pub(super) struct Pipelines {
    /// The layouts of what all quads share, and of a picture and the one before it.
    pub(super) common: BindGroupLayout,
    pub(super) pictures: BindGroupLayout,
    pub(super) sampler: Sampler,
    marks: BTreeMap<Ink, RenderPipeline>,
    picture: BTreeMap<(Resize, bool, bool), RenderPipeline>,
}

impl Pipelines {
    pub(super) fn new(device: &RenderDevice) -> Self {
        let source = ShaderSource::Wgsl(include_str!("output.wgsl").into());
        let shader =
            device.create_and_validate_shader_module(ShaderModuleDescriptor { label: Some("output.wgsl"), source });
        let common = device.create_bind_group_layout(
            "output panels",
            &BindGroupLayoutEntries::sequential(
                ShaderStages::VERTEX_FRAGMENT,
                (
                    uniform_buffer_sized(true, std::num::NonZeroU64::new(32)),
                    texture_2d(TextureSampleType::Float { filterable: true }),
                    sampler(SamplerBindingType::Filtering),
                ),
            ),
        );
        let picture = || texture_2d(TextureSampleType::Float { filterable: false });
        let entries = BindGroupLayoutEntries::sequential(ShaderStages::FRAGMENT, (picture(), picture()));
        let pictures = device.create_bind_group_layout("output picture", &entries);
        let layout = |groups: &[Option<&_>]| {
            device.create_pipeline_layout(&PipelineLayoutDescriptor {
                label: Some("output"),
                bind_group_layouts: groups,
                immediate_size: 0,
            })
        };
        let (of_marks, of_pictures) = (layout(&[Some(&common)]), layout(&[Some(&common), Some(&pictures)]));
        let marks = INKS.map(|(ink, name, clear)| (ink, pipeline(device, &shader, &of_marks, name, false, clear)));
        let mut picture = BTreeMap::new();
        for (resize, name) in RESIZES {
            for (blend, clear) in [(false, false), (false, true), (true, false), (true, true)] {
                let built = pipeline(device, &shader, &of_pictures, name, blend, clear);
                picture.insert((resize, blend, clear), built);
            }
        }
        let sampler = device.create_sampler(&SamplerDescriptor {
            label: Some("letters"),
            mag_filter: FilterMode::Linear,
            min_filter: FilterMode::Linear,
            ..SamplerDescriptor::default()
        });
        Self { common, pictures, sampler, marks: marks.into(), picture }
    }

    /// The pipeline of marks.
    pub(super) fn marks(&self, ink: Ink) -> Option<&RenderPipeline> {
        self.marks.get(&ink)
    }

    /// The pipeline of a picture: how it is resized, whether the one before shows through, and what is behind.
    pub(super) fn picture(&self, resize: Resize, blend: bool, clear: bool) -> Option<&RenderPipeline> {
        self.picture.get(&(resize, blend, clear))
    }
}

fn pipeline(
    device: &RenderDevice,
    shader: &ShaderModule,
    layout: &PipelineLayout,
    fragment: &str,
    blend: bool,
    clear: bool,
) -> RenderPipeline {
    let attributes: [VertexAttribute; 4] = std::array::from_fn(|i| VertexAttribute {
        format: VertexFormat::Float32x4,
        offset: 16 * i as u64,
        shader_location: i as u32,
    });
    let constants = [("BLEND", f64::from(u8::from(blend)))];
    let options = PipelineCompilationOptions { constants: &constants, ..PipelineCompilationOptions::default() };
    // Reading back what is covered anyway costs a software adapter a quarter of its time.
    let blend = clear.then_some(BlendState::ALPHA_BLENDING);
    device.create_render_pipeline(&RawRenderPipelineDescriptor {
        label: Some(fragment),
        layout: Some(layout),
        vertex: RawVertexState {
            module: shader,
            entry_point: Some("corner"),
            compilation_options: options.clone(),
            buffers: &[RawVertexBufferLayout {
                array_stride: size_of::<Quad>() as u64,
                step_mode: VertexStepMode::Instance,
                attributes: &attributes,
            }],
        },
        primitive: PrimitiveState { topology: PrimitiveTopology::TriangleStrip, ..PrimitiveState::default() },
        depth_stencil: None,
        multisample: Default::default(),
        fragment: Some(RawFragmentState {
            module: shader,
            entry_point: Some(fragment),
            compilation_options: options,
            targets: &[Some(ColorTargetState { format: FORMAT, blend, write_mask: ColorWrites::ALL })],
        }),
        multiview_mask: None,
        cache: None,
    })
}
