//! Walks of the shipped model go through the limiter as they are.

use std::path::Path;
use std::sync::Arc;

use flaneur::latent::{self, pose::Pose};
use flaneur::model::Model;
use flaneur::net::device::{Wanted, choose};
use flaneur::picture::Picture;
use flaneur::picture::flash::FlashLimiter;
use flaneur::picture::scene::{Filter, Fit, Scene};

/// A walk around a ring of seeds, one of them each `secs`, at 30 frames a second; what the limiter makes of it.
fn passes(fit: Fit, seeds: u32, secs: f64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines");
    let device = choose(Wanted::Cpu).unwrap().device;
    let model = Model::read(&folder.to_string_lossy(), &device).unwrap();
    let (ready, size) = (model.ready(false), model.card.arch.picture());
    let points: Vec<Vec<f64>> = (0..=seeds).map(|seed| latent::seed(seed % seeds, model.card.z_dim)).collect();
    let mut limiter = FlashLimiter::new([1920, 1080]);
    let mut first: Option<Picture> = None;
    for frame in 0..(f64::from(seeds) * secs * 30.0) as u64 {
        let at = frame as f64 / 30.0 / secs;
        let (before, share) = (at as usize, at.fract());
        let mix = |(a, b): (&f64, &f64)| (a + (b - a) * share) as f32;
        let z: Vec<f32> = points[before].iter().zip(&points[before + 1]).map(mix).collect();
        let pictures = Arc::new(Picture::batch(ready.bytes(std::slice::from_ref(&z)), size));
        let light = 1.0;
        let filter = Filter::Lanczos;
        let scene = Scene { pose: Arc::new(Pose::of(z)), pictures, before: None, version: frame, light, fit, filter };
        let shown = limiter.limit(&scene, frame as f64 / 30.0);
        assert!(!limiter.working(), "{fit:?}: frame {frame} is lowered");
        assert!(Arc::ptr_eq(&shown.pictures, &scene.pictures) && Arc::ptr_eq(&shown.pose, &scene.pose));
        assert_eq!((shown.version, shown.light), (scene.version, scene.light));
        let first = first.get_or_insert_with(|| scene.pictures[0].clone());
        assert!(frame != 60 || *first != scene.pictures[0], "a walk that stands still shows nothing");
    }
}

#[test]
fn walks_of_the_shipped_model_pass() {
    // As slow as an installation, as fast as a performance.
    passes(Fit::Mirror, 2, 2.0);
    passes(Fit::Fill, 8, 0.4);
}
