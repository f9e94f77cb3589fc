//! Datasets: drawn (`lines`, `write`), read from any folder or zip (`listing`, `zipped`, `labels`, `decode`, `read`),
//! as they are needed (`store`), and measured: lines by `score`, any pictures by `measure`.
//!
//! Fed by files, read by `trainer` and `cli`; knows no networks.

pub mod album;
pub mod checkerboard;
mod decode;
mod labels;
pub mod lines;
mod listing;
pub mod measure;
pub mod read;
pub mod score;
pub mod store;
pub mod write;
mod zipped;

use std::path::PathBuf;

use crate::files::{FileError, shown};

/// What stops work on a dataset.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A dataset is to be written where there is something already.
    #[error("{path} is there already; remove it or give another --out", path = shown(.0))]
    Exists(PathBuf),
    /// What is there is not written over, because it may be more than a dataset.
    #[error(
        "{path} holds something else than numbered pictures, so it is not written over; remove it yourself, or give \
         another name",
        path = shown(.0)
    )]
    NotReplaced(PathBuf),
    /// There is no such folder or file.
    #[error("there is no {path}; give a folder or a zip of pictures (flaneur dataset lines draws one); a training and a score \
             also take a drawing sketch as data/NAME", path = shown(.0))]
    Missing(PathBuf),
    /// It is neither a folder nor a zip.
    #[error("{path} is neither a folder nor a zip that can be read ({why}); give a folder or a zip of pictures", path = shown(path))]
    NotData {
        /// What was given.
        path: PathBuf,
        /// Why it cannot be read as a zip.
        why: String,
    },
    /// Fewer pictures can be read than a training needs.
    #[error(
        "{path} holds {count} readable pictures ({bad} unreadable), and at least {least} are needed; \
         add pictures, or draw some with flaneur dataset lines",
        path = shown(path)
    )]
    TooFew {
        /// The folder or zip.
        path: PathBuf,
        /// Pictures that can be read.
        count: usize,
        /// Files that cannot.
        bad: usize,
        /// Pictures that are needed.
        least: usize,
    },
    /// The classes of pictures are not those that are needed.
    #[error("{path}: {why}", path = shown(path))]
    Classes {
        /// The folder or zip.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A picture without a class came to networks that see classes.
    #[error(
        "a picture has no class that the network knows; give pictures with its classes, each in a folder of its own"
    )]
    Unlabelled,
    /// A subset is too small.
    #[error("a subset of {asked} pictures is too small; at least {least} are needed")]
    Subset {
        /// Pictures that were asked for.
        asked: usize,
        /// Pictures that are needed.
        least: usize,
    },
    /// Pictures cannot have this height, width and number of channels.
    #[error(
        "pictures cannot have {} x {} pixels of {} channels; give sides of 1 or more and 1 (grey), 3 (RGB) or 4 (RGBA)",
        .0[0], .0[1], .0[2]
    )]
    Size([usize; 3]),
    /// What was opened cannot be read any longer.
    #[error("{path} cannot be read any longer ({why}); is the disk or share still there?", path = shown(path))]
    Away {
        /// The folder or zip.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A drawn picture does not fit into its file format.
    #[error("{name}: could not be encoded: {why}")]
    Encode {
        /// Name of the picture's file.
        name: String,
        /// What the format says.
        why: String,
    },
    /// Somebody asked to stop.
    #[error("stopped before the dataset was whole; nothing was left behind")]
    Stopped,
    /// A file or folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}
