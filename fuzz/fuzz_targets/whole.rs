//! What holds for every bag that a reader gives.

use crate::import::bag::{Bag, MOST_ARRAYS};
use crate::import::torch::groups;

/// Panics where the bag is not whole, or larger than a file of that many bytes can back.
pub fn check(bag: &Bag, bytes: usize) {
    assert!(bag.arrays.len() <= MOST_ARRAYS);
    let mut count = 0;
    for array in &bag.arrays {
        assert_eq!(array.shape.iter().product::<usize>(), array.values.len());
        count += array.values.len();
    }
    // A zip may unpack to nine times its size and 16 MB.
    assert!(count <= bytes * 9 + (16 << 20) + (1 << 16));
    for group in groups(bag) {
        assert!(group.arrays.iter().all(|(place, _)| *place < bag.arrays.len()));
    }
}
