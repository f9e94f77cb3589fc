//! Pictures on the GPU: uploaded once each, at most three sets of them kept.
//!
//! Fed by `output` with what the show hands out; a set is known by its `Arc`, which is kept so that no other
//! can take its address.

use std::sync::Arc;

use bevy::prelude::Resource;
use bevy::render::render_resource::{
    Extent3d, Origin3d, TexelCopyBufferLayout, TexelCopyTextureInfo, Texture, TextureAspect, TextureDescriptor,
    TextureDimension, TextureFormat, TextureUsages, TextureView, TextureViewDescriptor,
};
use bevy::render::renderer::{RenderDevice, RenderQueue};

use crate::picture::Picture;

/// One picture's place on the GPU.
struct Plate {
    size: [usize; 2],
    texture: Texture,
    view: TextureView,
}

struct Set {
    pictures: Arc<Vec<Picture>>,
    plates: Vec<Plate>,
}

/// The sets on the GPU, the one used last at the end.
#[derive(Resource, Default)]
pub(super) struct Textures {
    sets: Vec<Set>,
    /// RGBA bytes of the picture on its way.
    bytes: Vec<u8>,
}

/// Now, before, and the one that the GPU may still be reading.
const SETS: usize = 3;

impl Textures {
    /// The device was lost: nothing is left on it.
    pub(super) fn forget(&mut self) {
        self.sets.clear();
    }

    /// The textures of `pictures`, uploaded if they were not.
    pub(super) fn hang(
        &mut self,
        pictures: &Arc<Vec<Picture>>,
        device: &RenderDevice,
        queue: &RenderQueue,
    ) -> Vec<TextureView> {
        let set = match self.sets.iter().position(|set| Arc::ptr_eq(&set.pictures, pictures)) {
            Some(at) => self.sets.remove(at),
            None => {
                let old = if self.sets.len() < SETS { Vec::new() } else { self.sets.remove(0).plates };
                self.upload(pictures, old, device, queue)
            }
        };
        let views = set.plates.iter().map(|plate| plate.view.clone()).collect();
        self.sets.push(set);
        views
    }

    fn upload(
        &mut self,
        pictures: &Arc<Vec<Picture>>,
        old: Vec<Plate>,
        device: &RenderDevice,
        queue: &RenderQueue,
    ) -> Set {
        let mut old = old.into_iter();
        let mut plates = Vec::with_capacity(pictures.len());
        for picture in pictures.iter() {
            let size = [picture.width.max(1), picture.height.max(1)];
            let plate = old.next().filter(|plate| plate.size == size).unwrap_or_else(|| Plate::new(size, device));
            self.bytes.clear();
            self.bytes.reserve(size[0] * size[1] * 4);
            self.bytes.extend(picture.pixels.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]));
            self.bytes.resize(size[0] * size[1] * 4, 0);
            plate.write(&self.bytes, queue);
            plates.push(plate);
        }
        Set { pictures: pictures.clone(), plates }
    }
}

impl Plate {
    fn new(size: [usize; 2], device: &RenderDevice) -> Self {
        let texture = device.create_texture(&TextureDescriptor {
            label: Some("picture"),
            size: extent(size),
            mip_level_count: 1,
            sample_count: 1,
            dimension: TextureDimension::D2,
            // Not sRGB: the glass works on the bytes as they are.
            format: TextureFormat::Rgba8Unorm,
            usage: TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&TextureViewDescriptor::default());
        Self { size, texture, view }
    }

    fn write(&self, bytes: &[u8], queue: &RenderQueue) {
        queue.write_texture(
            TexelCopyTextureInfo {
                texture: &self.texture,
                mip_level: 0,
                origin: Origin3d::ZERO,
                aspect: TextureAspect::All,
            },
            bytes,
            TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(self.size[0] as u32 * 4), rows_per_image: None },
            extent(self.size),
        );
    }
}

fn extent([width, height]: [usize; 2]) -> Extent3d {
    Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 }
}
