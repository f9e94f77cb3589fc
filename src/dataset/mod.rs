//! Datasets: drawn (`lines`, `write`), read from any folder or zip (`listing`, `decode`, `read`), and measured
//! (`score`).
//!
//! Fed by files, read by `trainer` and `cli`; knows no networks.

mod decode;
pub mod lines;
mod listing;
pub mod read;
pub mod score;
pub mod write;

use std::path::PathBuf;

use crate::files::{FileError, shown};

/// What stops work on a dataset.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error("{path} is there already; remove it or give another --out", path = shown(.0))]
    Exists(PathBuf),
    #[error("there is no {path}; give a folder or a zip of pictures (flaneur dataset lines draws one)", path = shown(.0))]
    Missing(PathBuf),
    #[error("{path} is neither a folder nor a zip that can be read ({why}); give a folder or a zip of pictures", path = shown(path))]
    NotData { path: PathBuf, why: String },
    #[error(
        "{path} holds {count} readable pictures ({bad} unreadable), and at least {least} are needed; \
         add pictures, or draw some with flaneur dataset lines",
        path = shown(path)
    )]
    TooFew { path: PathBuf, count: usize, bad: usize, least: usize },
    #[error("{name}: could not be encoded: {why}")]
    Encode { name: String, why: String },
    #[error("stopped before the dataset was whole; nothing was left behind")]
    Stopped,
    #[error(transparent)]
    File(#[from] FileError),
}
