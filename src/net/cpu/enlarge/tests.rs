//! The packed network against burn's operations.

use burn::tensor::{Device, Tensor, TensorData};

use super::*;
use crate::net::families::compact::{Compact, Curve};
use crate::net::families::rrdb::Rrdb;
use crate::net::params::{Params, floats};
use crate::random::RandomState;

fn agree(layout: &Layout, [h, w]: [usize; 2]) {
    let device = Device::flex();
    let plans = layout.plans();
    let mut random = RandomState::new(3);
    // Larger than a training begins with, so that every layer counts.
    let values: Vec<Vec<f32>> = plans
        .iter()
        .map(|plan| {
            let side = if plan.name.ends_with("kernel") { 0.12 } else { 0.3 };
            (0..plan.len()).map(|_| (random.normal() * side) as f32).collect()
        })
        .collect();
    let params = Params::of(&plans, &values, &device);
    let arrays = |name: &str| values[plans.iter().position(|plan| plan.name == name).unwrap()].clone();
    let packed = Enlarger::new(layout, arrays).unwrap();
    let picture: Vec<u8> = (0..h * w * 3).map(|v| (v * 37 % 251) as u8).collect();
    let (mut made, plain) = (Vec::new(), picture.iter().map(|v| f32::from(*v) / 255.0).collect::<Vec<f32>>());
    // Twice, because maps are kept.
    for _ in 0..2 {
        assert!(packed.run(&picture, [h, w], &mut made, &|| true));
    }
    let expected = layout.run(&params, Tensor::from_data(TensorData::new(plain, [1, h, w, 3]), &device));
    let scale = layout.scale();
    assert_eq!(expected.dims(), [1, h * scale, w * scale, 3]);
    let expected = floats(expected);
    assert_eq!(made.len(), expected.len());
    let largest = expected.iter().fold(1.0_f32, |most, v| most.max(v.abs()));
    for (a, b) in made.iter().zip(&expected) {
        assert!((a / 255.0 - b).abs() < 2e-4 * largest, "{a} {b}");
    }
    assert!(!packed.run(&picture, [h, w], &mut made, &|| false));
}

#[test]
fn rrdb_is_what_burn_makes_of_it() {
    let small = Rrdb { blocks: 2, width: 20, growth: 9, ..Rrdb::default() };
    agree(&small.layout(), [9, 14]);
    agree(&Rrdb { unshuffled: 2, ..small.clone() }.layout(), [6, 10]);
    agree(&Rrdb { unshuffled: 4, blocks: 1, ..small.clone() }.layout(), [8, 4]);
    agree(&Rrdb { doublings: 0, bytes: true, active_first: true, ..small }.layout(), [1, 3]);
}

#[test]
fn compact_is_what_burn_makes_of_it() {
    let small = Compact { width: 18, layers: 2, scale: 4, curve: Curve::Prelu, ..Compact::default() };
    agree(&small.layout(), [7, 18]);
    agree(&Compact { scale: 3, curve: Curve::Relu, ..small.clone() }.layout(), [5, 5]);
    agree(&Compact { layers: 0, scale: 1, curve: Curve::Leaky, ..small }.layout(), [2, 3]);
}

#[test]
fn transposed_layers_are_left_to_burn() {
    use crate::net::families::rrdb::Up;
    let hub =
        Rrdb { blocks: 1, width: 8, growth: 8, up: Up::Transposed, active_first: true, bytes: true, ..Rrdb::default() };
    assert!(Enlarger::new(&hub.layout(), |_| Vec::new()).is_none());
    let device = Device::flex();
    let params = Params::init(&hub.layout().plans(), &mut RandomState::new(1), &device);
    let made = hub.layout().run(&params, Tensor::zeros([1, 3, 5, 3], &device));
    assert_eq!(made.dims(), [1, 12, 20, 3]);
}
