//! Textures of the output window: pictures, uploaded once each, at most three sets of them kept; the letters' covers.
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

use super::letters::Atlas;
use crate::picture::Picture;

/// One picture's place on the GPU.
struct GpuPicture {
    size: [usize; 2],
    texture: Texture,
    view: TextureView,
}

struct Set {
    pictures: Arc<Vec<Picture>>,
    textures: Vec<GpuPicture>,
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
    pub(super) fn views(
        &mut self,
        pictures: &Arc<Vec<Picture>>,
        device: &RenderDevice,
        queue: &RenderQueue,
    ) -> Vec<TextureView> {
        let set = match self.sets.iter().position(|set| Arc::ptr_eq(&set.pictures, pictures)) {
            Some(at) => self.sets.remove(at),
            None => {
                let old = if self.sets.len() < SETS { Vec::new() } else { self.sets.remove(0).textures };
                self.upload(pictures, old, device, queue)
            }
        };
        let views = set.textures.iter().map(|texture| texture.view.clone()).collect();
        self.sets.push(set);
        views
    }

    fn upload(
        &mut self,
        pictures: &Arc<Vec<Picture>>,
        old: Vec<GpuPicture>,
        device: &RenderDevice,
        queue: &RenderQueue,
    ) -> Set {
        let mut old = old.into_iter();
        let mut textures = Vec::with_capacity(pictures.len());
        for picture in pictures.iter() {
            let size = [picture.width.max(1), picture.height.max(1)];
            let texture = old.next().filter(|old| old.size == size).unwrap_or_else(|| GpuPicture::new(size, device));
            self.bytes.clear();
            self.bytes.reserve(size[0] * size[1] * 4);
            self.bytes.extend(picture.pixels.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]));
            self.bytes.resize(size[0] * size[1] * 4, 0);
            texture.write(&self.bytes, queue);
            textures.push(texture);
        }
        Set { pictures: pictures.clone(), textures }
    }
}

impl GpuPicture {
    fn new(size: [usize; 2], device: &RenderDevice) -> Self {
        // Not sRGB: the shader works on the bytes as they are.
        let (texture, view) = texture("picture", size, TextureFormat::Rgba8Unorm, device);
        Self { size, texture, view }
    }

    fn write(&self, bytes: &[u8], queue: &RenderQueue) {
        write(&self.texture, [0; 2], bytes, 4, self.size, queue);
    }
}

/// The letters' covers, a byte a pixel, as the atlas lays them out.
pub(super) struct Cover {
    texture: Texture,
    pub(super) view: TextureView,
    side: u32,
    version: u64,
}

impl Cover {
    pub(super) fn new(device: &RenderDevice) -> Self {
        let (texture, view) = letters(1, device);
        Self { texture, view, side: 1, version: 0 }
    }

    /// Uploads what is new in the atlas; true if the texture is another one than before.
    pub(super) fn follow(&mut self, atlas: &mut Atlas, device: &RenderDevice, queue: &RenderQueue) -> bool {
        let renewed = (self.side, self.version) != (atlas.side(), atlas.version());
        if renewed {
            // A new one is all 0: between letters nothing may be left of those before.
            (self.texture, self.view) = letters(atlas.side(), device);
            (self.side, self.version) = (atlas.side(), atlas.version());
        }
        for (place, letter) in atlas.news() {
            write(&self.texture, place, &letter.cover, 1, [letter.width, letter.height], queue);
        }
        renewed
    }
}

fn letters(side: u32, device: &RenderDevice) -> (Texture, TextureView) {
    texture("letters", [side as usize; 2], TextureFormat::R8Unorm, device)
}

fn texture(label: &str, size: [usize; 2], format: TextureFormat, device: &RenderDevice) -> (Texture, TextureView) {
    let texture = device.create_texture(&TextureDescriptor {
        label: Some(label),
        size: extent(size),
        mip_level_count: 1,
        sample_count: 1,
        dimension: TextureDimension::D2,
        format,
        usage: TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST,
        view_formats: &[],
    });
    let view = texture.create_view(&TextureViewDescriptor::default());
    (texture, view)
}

/// Writes `bytes` of `size` pixels, `each` bytes a pixel, to a place in a texture.
fn write(texture: &Texture, [x, y]: [u32; 2], bytes: &[u8], each: u32, size: [usize; 2], queue: &RenderQueue) {
    if bytes.is_empty() {
        return;
    }
    let origin = Origin3d { x, y, z: 0 };
    queue.write_texture(
        TexelCopyTextureInfo { texture, mip_level: 0, origin, aspect: TextureAspect::All },
        bytes,
        TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(size[0] as u32 * each), rows_per_image: None },
        extent(size),
    );
}

fn extent([width, height]: [usize; 2]) -> Extent3d {
    Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 }
}
