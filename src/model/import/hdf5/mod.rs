//! A part of HDF5, read only: what h5py writes when Keras saves, and what its users add (compression, old versions).
//!
//! Fed a file or a window of one by `keras`, which gets a tree of groups, attributes and arrays; values are read when
//! they are asked for. Each record that is read takes from a budget made of the file's size, so circles and false
//! counts end in an error. Absent: writing (but for `write`, for tests), references, compound types, links to other
//! files, dense storage and the chunk indices of `libver="latest"`.

mod attribute;
mod chunks;
mod datatype;
mod group;
mod header;
mod layout;
mod source;
mod tree;
mod values;
#[doc(hidden)]
pub mod write;

#[cfg(test)]
mod tests;

use std::io::{Read, Seek};

use super::bag::ReadError;
pub use attribute::Value;
use source::Source;
pub use tree::{Dataset, Kind, Node};

/// The first bytes of an HDF5 file.
pub const MAGIC: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// An HDF5 file whose tree has been read.
pub struct Hdf5<R> {
    source: Source<R>,
    /// The root group.
    pub root: Node,
}

impl<R: Read + Seek> Hdf5<R> {
    /// Reads the tree of the file that lies in `len` bytes of `file` from `start`.
    ///
    /// # Errors
    /// The bytes are no HDF5, are damaged or cut, or use a form of HDF5 that is not read here.
    pub fn open(file: R, start: u64, len: u64) -> Result<Self, ReadError> {
        let mut source = Source::new(file, start, len);
        let root = header::root(&mut source)?;
        let root = tree::read(&mut source, root)?;
        Ok(Hdf5 { source, root })
    }

    /// The values of a dataset in row-major order.
    ///
    /// # Errors
    /// The values are cut, are no numbers, or are packed in a way that is not read here.
    pub fn values(&mut self, dataset: &Dataset) -> Result<Vec<f32>, ReadError> {
        values::read(&mut self.source, dataset)
    }

    /// The file's tree apart, so that it can be walked while values are read.
    pub fn take_root(&mut self) -> Node {
        std::mem::replace(&mut self.root, Node::empty())
    }
}

/// The error for bytes that cannot be what a sound file holds.
fn damaged(what: &str) -> ReadError {
    ReadError(format!("the HDF5 file is damaged or cut short ({what}); copy it again, or save it again in Keras"))
}

/// The error for a form of HDF5 that is not read here.
fn unread(what: &str) -> ReadError {
    ReadError(format!("{what}; load the model in Keras and save it again with model.save or model.save_weights"))
}
