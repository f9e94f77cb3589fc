//! A show: builds the engines a preset names and runs the one loop, live or for a film.
pub mod canvas;
pub mod scene;
