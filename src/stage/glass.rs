//! The glass a picture is seen through: nannou's `Draw` draws a rectangle with it, the GPU enlarges the picture
//! by the filter chosen and blends the one before into it.
//!
//! Binds textures that are already on the GPU: Bevy's images arrive a frame late or early, whichever of its
//! systems runs first.

use bevy::asset::{Asset, Assets, Handle, uuid_handle};
use bevy::core_pipeline::core_3d::{Transparent3d, TransparentSortingInfo3d};
use bevy::ecs::system::SystemParamItem;
use bevy::mesh::MeshVertexBufferLayoutRef;
use bevy::prelude::{App, IntoScheduleConfigs, Query, ResMut, TypePath, Vec3};
use bevy::render::render_phase::{ViewSortedRenderPhases, sort_phase_system};
use bevy::render::render_resource::binding_types::{texture_2d, uniform_buffer_sized};
use bevy::render::render_resource::{
    AsBindGroup, AsBindGroupError, BindGroupLayout, BindGroupLayoutEntries, BindGroupLayoutEntry, BindingResources,
    BlendState, BufferInitDescriptor, BufferUsages, CompareFunction, OwnedBindingResource, RenderPipelineDescriptor,
    ShaderStages, SpecializedMeshPipelineError, TextureSampleType, TextureView, TextureViewDimension,
    UnpreparedBindGroup,
};
use bevy::render::renderer::RenderDevice;
use bevy::render::{Render, RenderApp, RenderSystems};
use bevy::shader::{Shader, ShaderRef};
use nannou::prelude::NannouShaderModelPlugin;
use nannou::prelude::render::{DrawIndex, ShaderModel, ShaderModelPipeline, ShaderModelPipelineKey};

use crate::picture::scene::Filter;

const SHADER: Handle<Shader> = uuid_handle!("5b0a4a1e-6f0e-4a5e-9d3c-2f1c8e6a7b90");

/// One picture, as it is to be seen.
#[derive(Asset, TypePath, Clone, Default)]
pub(super) struct Glass {
    pub(super) now: Option<TextureView>,
    pub(super) before: Option<TextureView>,
    /// How much of the picture before still shows.
    pub(super) blend: f32,
    pub(super) opacity: f32,
    /// Pixels of the picture to one of the window: above 1 it is made smaller.
    pub(super) ratio: [f32; 2],
    pub(super) filter: Filter,
}

/// What the pipeline is built for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Grind {
    filter: &'static str,
    /// The picture before shows through.
    blend: bool,
    /// What is behind does.
    clear: bool,
}

/// Makes the shader and its pipelines known.
pub(super) fn install(app: &mut App) {
    let shader = Shader::from_wgsl(include_str!("glass.wgsl"), "stage/glass.wgsl");
    let inserted = app.world_mut().resource_mut::<Assets<Shader>>().insert(&SHADER, shader);
    if let Err(e) = inserted {
        bevy::log::error!("{e}");
    }
    app.add_plugins(NannouShaderModelPlugin::<Glass>::default());
    if let Some(render) = app.get_sub_app_mut(RenderApp) {
        let sort = sort_phase_system::<Transparent3d>;
        render.add_systems(Render, order.in_set(RenderSystems::PhaseSort).before(sort));
    }
}

/// Puts what is drawn back into the order it was drawn in. nannou means to, but Bevy measures the distance of
/// all things anew and finds them equally far: everything drawn with one shader model would come before
/// everything drawn with the next.
fn order(indices: Query<&DrawIndex>, mut phases: ResMut<ViewSortedRenderPhases<Transparent3d>>) {
    for item in phases.values_mut().flat_map(|phase| phase.items.values_mut()) {
        if let Ok(index) = indices.get(item.entity.0) {
            item.sorting_info =
                TransparentSortingInfo3d::Sorted { mesh_center: Vec3::ZERO, depth_bias: index.0 as f32 };
        }
    }
}

impl Glass {
    fn grind(&self) -> Grind {
        let shrinks = self.ratio.iter().any(|r| *r > 1.01);
        let filter = match self.filter {
            Filter::Nearest => "NEAREST",
            _ if shrinks => "SHRINK",
            Filter::Linear => "LINEAR",
            Filter::Cubic => "CUBIC",
            Filter::Lanczos => "LANCZOS",
        };
        Grind { filter, blend: self.blend > 0.0 && self.before.is_some(), clear: self.opacity < 1.0 }
    }
}

impl ShaderModel for Glass {
    fn fragment_shader() -> ShaderRef {
        SHADER.into()
    }

    fn specialize(
        _: &ShaderModelPipeline<Self>,
        descriptor: &mut RenderPipelineDescriptor,
        _: &MeshVertexBufferLayoutRef,
        key: ShaderModelPipelineKey<Self>,
    ) -> Result<(), SpecializedMeshPipelineError> {
        if let Some(fragment) = descriptor.fragment.as_mut() {
            fragment.shader_defs.push(key.bind_group_data.filter.into());
            if key.bind_group_data.blend {
                fragment.shader_defs.push("BLEND".into());
            }
            for target in fragment.targets.iter_mut().flatten() {
                // Reading back what is covered anyway costs a software adapter a quarter of its time.
                target.blend = key.bind_group_data.clear.then_some(BlendState::ALPHA_BLENDING);
            }
        }
        // Marks lie in the order they come in, not in depth.
        if let Some(depth) = descriptor.depth_stencil.as_mut() {
            depth.depth_write_enabled = Some(false);
            depth.depth_compare = Some(CompareFunction::Always);
        }
        Ok(())
    }
}

impl AsBindGroup for Glass {
    type Data = Grind;
    type Param = ();

    fn label() -> &'static str {
        "glass"
    }

    fn bind_group_data(&self) -> Grind {
        self.grind()
    }

    fn unprepared_bind_group(
        &self,
        _: &BindGroupLayout,
        device: &RenderDevice,
        (): &mut SystemParamItem<'_, '_, ()>,
        _: bool,
    ) -> Result<UnpreparedBindGroup, AsBindGroupError> {
        let Some(now) = &self.now else { return Err(AsBindGroupError::RetryNextUpdate) };
        let before = self.before.as_ref().unwrap_or(now);
        let look = [self.opacity, self.blend, self.ratio[0], self.ratio[1]].map(f32::to_ne_bytes);
        let look = device.create_buffer_with_data(&BufferInitDescriptor {
            label: Some("glass"),
            contents: look.as_flattened(),
            usage: BufferUsages::UNIFORM,
        });
        let picture = |view: &TextureView| OwnedBindingResource::TextureView(TextureViewDimension::D2, view.clone());
        let bindings = vec![(0, OwnedBindingResource::Buffer(look)), (1, picture(now)), (2, picture(before))];
        Ok(UnpreparedBindGroup { bindings: BindingResources(bindings) })
    }

    fn bind_group_layout_entries(_: &RenderDevice, _: bool) -> Vec<BindGroupLayoutEntry> {
        let picture = || texture_2d(TextureSampleType::Float { filterable: false });
        let entries = BindGroupLayoutEntries::sequential(
            ShaderStages::FRAGMENT,
            (uniform_buffer_sized(false, None), picture(), picture()),
        );
        entries.to_vec()
    }
}
