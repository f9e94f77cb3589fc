//! Sets of drawn pictures against each other, by the fixed filters.

use super::filters::{Filters, SEED};
use super::*;
use crate::dataset::lines::Rules;
use crate::random::RandomState;

const COUNT: u64 = 150;

fn features(pictures: impl Iterator<Item = Vec<u8>>) -> Rows {
    let filters = Filters::new(SEED);
    Rows::of(filters.dim(), filters.rows(&pictures.flatten().collect::<Vec<u8>>(), [32, 32, 3]))
}

fn drawn(seed: u32) -> impl Iterator<Item = Vec<u8>> {
    let rules = Rules { size: 32, ..Rules::default() };
    (0..COUNT).map(move |at| rules.paint(&rules.draw(seed, at)))
}

#[test]
fn what_is_wrong_with_pictures_is_seen() {
    let (real, other) = (features(drawn(1)), features(drawn(2)));
    let against = |pictures: Rows| compare(&real, &other, &pictures).unwrap();

    let Compared { model: same, floor } = against(features(drawn(3)));
    assert!(same.frechet < 1.3 * floor.frechet && floor.frechet < 1.3 * same.frechet, "{same:?} {floor:?}");
    assert!(same.precision > 0.8 * floor.precision && same.recall > 0.8 * floor.recall, "{same:?} {floor:?}");
    assert!((0.95..1.05).contains(&same.spread) && same.twins < 0.1, "{same:?}");

    let itself = against(real.clone()).model;
    assert!(itself.relative < 1e-6, "{itself:?}");
    assert_eq!((itself.precision, itself.recall, itself.spread), (1.0, 1.0, 1.0));

    // One picture, again and again.
    let one = drawn(3).next().unwrap();
    let collapsed = against(features((0..COUNT).map(|_| one.clone()))).model;
    assert!(collapsed.spread < 1e-6 && collapsed.twins == 1.0 && collapsed.recall < 0.05, "{collapsed:?}");
    assert!(collapsed.frechet > 5.0 * floor.frechet, "{collapsed:?}");

    // Red for green, and green for blue.
    let turned = drawn(3).map(|picture| picture.chunks_exact(3).flat_map(|p| [p[1], p[2], p[0]]).collect());
    let shifted = against(features(turned)).model;
    assert!(shifted.relative > 1.5 * floor.relative && shifted.relative > 1.2 * same.relative, "{shifted:?} {floor:?}");

    let mut random = RandomState::new(9);
    let noise = against(features((0..COUNT).map(|_| (0..32 * 32 * 3).map(|_| random.below(256) as u8).collect())));
    assert!(noise.model.precision == 0.0 && noise.model.frechet > 20.0 * floor.frechet, "{noise:?}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let rows = |count: usize, value: f32| Rows::of(2, (0..2 * count).map(|at| at as f32 * value).collect());
    let good = rows(LEAST, 1.0);
    assert_eq!(compare(&good, &good, &rows(LEAST - 1, 1.0)), Err(MeasureError::TooFew(LEAST - 1)));
    assert_eq!(compare(&good, &rows(LEAST, f32::INFINITY), &good), Err(MeasureError::NotFinite));
    assert_eq!(compare(&rows(LEAST, 0.0), &good, &good), Err(MeasureError::AllSame));
    let wide = Rows::of(3, vec![1.0; 3 * LEAST]);
    assert_eq!(compare(&good, &good, &wide), Err(MeasureError::Lengths(2, 3)));
}
