//! Pictures made by optimisation: textures from one picture (Gatys, Ecker & Bethge 2015) and styles on another one
//! (Gatys, Ecker & Bethge 2016).
//!
//! Fed by `cli` with pictures and settings; gives pictures. A network of features (`model::features`) says what a picture looks
//! like, `net::gram` and `pixels` say how far that is from what is wanted, and `optimise` changes the picture. Each knows
//! nothing of the others; `run` puts them together; `project` seeks the point
//! of a network instead of pixels. Absent: files, arguments, models that draw.

pub mod colour;
pub mod optimise;
pub mod pixels;
pub mod project;
pub mod run;

/// Why a picture cannot be made, in a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SynthesisError(pub String);

impl From<crate::net::layers::ArchError> for SynthesisError {
    fn from(error: crate::net::layers::ArchError) -> Self {
        Self(error.0)
    }
}
