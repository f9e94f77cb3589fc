//! The show on stage: the show itself, the scene that is displayed, and what the player wants of the windows.
//!
//! On the main thread only, as windows are. Closes the show exactly once, however the windows end.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::latest::lock;
use crate::picture::scene::Scene;
use crate::show::Show;

pub(super) struct Live {
    pub(super) show: Show,
    pub(super) scene: Option<Scene>,
    /// When the show had handed out `scene`.
    pub(super) handed: Instant,
    /// What of the time since then went into textures.
    pub(super) uploading: Duration,
    /// Nothing new is asked of the show any more.
    pub(super) over: bool,
    /// Why the show ended by itself, if it did; kept beyond the windows.
    failed: Arc<Mutex<Option<String>>>,
    closed: bool,
}

impl Live {
    pub(super) fn new(show: Show) -> Self {
        let handed = Instant::now();
        Self {
            show,
            scene: None,
            handed,
            uploading: Duration::ZERO,
            over: false,
            failed: Arc::default(),
            closed: false,
        }
    }

    /// The output's window has so many pixels.
    pub(super) fn set_size(&mut self, size: [u32; 2]) {
        self.show.set_output_size(size);
    }

    /// Takes the next frame from the show; what it was is kept once it is over.
    pub(super) fn advance(&mut self) {
        if !self.over {
            self.scene = Some(self.show.frame());
        }
        self.handed = Instant::now();
        self.uploading = Duration::ZERO;
    }

    /// Lets the show save what it has.
    pub(super) fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.show.close();
            *lock(&self.failed) = self.show.failed().map(str::to_owned);
        }
    }

    /// Where it will say, once it is closed, why the show ended by itself.
    pub(super) fn failed(&self) -> Arc<Mutex<Option<String>>> {
        self.failed.clone()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.close();
    }
}
