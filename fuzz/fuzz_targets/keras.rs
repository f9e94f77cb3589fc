//! Bytes as a file of Keras: HDF5, or a zip with HDF5 in it.
#![no_main]
#![allow(dead_code)]

#[path = "../../src/model/import/bag.rs"]
mod bag;
#[path = "../../src/model/import/hdf5/mod.rs"]
mod hdf5;
#[path = "../../src/model/import/keras/mod.rs"]
mod keras;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(bag) = keras::read_from(std::io::Cursor::new(data)) else { return };
    assert!(bag.arrays.len() <= bag::MOST_ARRAYS);
    let mut count = 0;
    for array in &bag.arrays {
        assert_eq!(array.shape.iter().product::<usize>(), array.values.len());
        count += array.values.len();
    }
    // Four bytes a number: eight times the file, and eight times that where the zip unpacked it, with 8 MB to spare
    // each time.
    assert!(count * 4 <= data.len() * 64 + (72 << 20));
    let layers: Vec<keras::Layer> = keras::layers(&bag).unwrap_or_default();
    assert!(layers.iter().map(|layer| layer.arrays.len()).sum::<usize>() <= bag.arrays.len());
});
