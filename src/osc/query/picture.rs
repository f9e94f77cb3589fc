//! The page's picture: drawn on a thread beside the server's, one at a time, and shared by all who ask.
//!
//! Asked by requests; the drawing takes milliseconds, and whatever it waits for must not hold up the server.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use tokio::sync::Semaphore;

use super::Snap;
use crate::latest::lock;
use crate::worker::caught;

/// How old a picture may be that is given once more.
const FRESH: Duration = Duration::from_millis(50);
/// How long a drawing is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The newest picture.
pub(super) struct Pictures {
    newest: Mutex<Option<(Instant, Option<Bytes>)>>,
    drawing: Arc<Semaphore>,
}

impl Default for Pictures {
    fn default() -> Self {
        Self { newest: Mutex::default(), drawing: Arc::new(Semaphore::new(1)) }
    }
}

impl Pictures {
    fn fresh(&self) -> Option<Option<Bytes>> {
        lock(&self.newest).as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, picture)| picture.clone())
    }

    /// The picture as it is now, if there is one.
    ///
    /// # Errors
    /// If it is not drawn in time.
    pub async fn now(&self, snap: &Snap) -> Result<Option<Bytes>, ()> {
        let drawn = async {
            // The next one who asks finds what this one drew.
            let turn = self.drawing.clone().acquire_owned().await.map_err(drop)?;
            if let Some(picture) = self.fresh() {
                return Ok(picture);
            }
            let snap = snap.clone();
            let picture = tokio::task::spawn_blocking(move || {
                // Held until it is drawn, also where nobody waits any longer.
                let _turn = turn;
                caught(|| snap()).ok().flatten().map(Bytes::from)
            });
            let picture = picture.await.map_err(drop)?;
            *lock(&self.newest) = Some((Instant::now(), picture.clone()));
            Ok(picture)
        };
        tokio::time::timeout(PATIENCE, drawn).await.unwrap_or(Err(()))
    }
}
