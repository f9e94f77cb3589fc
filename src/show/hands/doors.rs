//! Opening the doors that a preset names: OSC, OSCQuery with the page, MIDI. One that cannot be opened is a line on
//! the board, and the show plays without it.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::Hands;
use super::told::targets;
use crate::control::hand::Value;
use crate::latest::lock;
use crate::midi::Midi;
use crate::osc::Listener;
use crate::osc::query::{Health, Live, Server, Settings, Snap};
use crate::picture::canvas::Canvas;
use crate::picture::scene::Scene;
use crate::preset::{Preset, Query};
use crate::show::health::Vitals;

/// Who can open the page, and where.
fn page_for(only_here: bool, page: &str) -> String {
    match only_here {
        true => format!("on this machine: {page} (for a phone, bind = \"0.0.0.0:9001\" under [query])"),
        false => format!("for the phone: {page}"),
    }
}

/// Width of the page's picture in pixels, and its JPEG's quality.
const PAGE_WIDTH: usize = 480;
const PAGE_QUALITY: u8 = 82;

impl Hands {
    /// Opens the doors; `shown` is the scene on display, `start` the moment from which real seconds count.
    pub fn open(&mut self, preset: &Preset, shown: &Arc<Mutex<Option<Scene>>>, vitals: &Arc<Vitals>, start: Instant) {
        let elsewhere = |name: &str| format!("another port goes under [{name}] in the preset");
        let board = self.board.clone();
        if preset.osc.on {
            let bind = preset.osc.bind;
            match Listener::start(bind, &self.inbox, &board) {
                Ok(listener) => self.osc = Some(listener),
                Err(e) => board.notice("osc", format!("{bind} is not listened to: {e}; {}", elsewhere("osc"))),
            }
        }
        self.take_preset(preset);
        if preset.query.on {
            let bind = preset.query.bind;
            match Server::start(self.query_settings(&preset.query, shown, vitals), &self.inbox, &board) {
                Ok(server) => {
                    if let Some(page) = server.page() {
                        board.notice("page", page_for(bind.ip().is_loopback(), &page));
                    }
                    self.server = Some(server);
                }
                Err(e) => board.notice("oscquery", format!("{bind} is not served: {e}; {}", elsewhere("query"))),
            }
        }
        if preset.midi.on {
            match Midi::start(start, &board) {
                Ok(midi) => self.midi = Some(midi),
                Err(e) => board.notice("midi", format!("no thread for MIDI: {e}")),
            }
        }
    }

    /// Sends feedback where a preset wants it, and takes time tags as it says.
    pub fn take_preset(&mut self, preset: &Preset) {
        self.inbox.set_time_tags(preset.osc.clock);
        self.told.targets = targets(&preset.osc.feedback, &self.board);
    }

    /// How the preset wants the server.
    fn query_settings(&self, query: &Query, shown: &Arc<Mutex<Option<Scene>>>, vitals: &Arc<Vitals>) -> Settings {
        let theirs = vitals.clone();
        let health: Health = Arc::new(move || theirs.report());
        let vitals = vitals.clone();
        let age: Live = Arc::new(move || Value::Number(vitals.age_secs()));
        let mut token = query.token.clone();
        if token.is_empty() {
            let mut bytes = [0_u8; 9];
            // Without randomness there is no token that could be given, and so nobody who may.
            if getrandom::fill(&mut bytes).is_ok() {
                token = bytes.iter().map(|b| format!("{b:02x}")).collect();
            }
        }
        let shown = shown.clone();
        let snap: Snap = Arc::new(move || {
            let scene = lock(&shown).clone()?;
            if scene.pictures.is_empty() {
                return None;
            }
            let height = (PAGE_WIDTH as f32 / scene.aspect()).round().clamp(16.0, 2048.0) as usize;
            Canvas::default().draw(&scene, [PAGE_WIDTH, height], true).jpeg(PAGE_QUALITY)
        });
        Settings {
            bind: query.bind,
            osc: self.osc_address(),
            page: query.page.then_some(snap),
            token,
            announce: query.announce,
            origins: query.origins.clone(),
            health: Some(health),
            live: vec![("/flaneur/stat/age", age)],
        }
    }
}
