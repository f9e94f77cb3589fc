//! The generator's thread: orders, what is asked for, faults and their rebuilding; the network is [`super::engine`]'s.
//!
//! Fed through [`Slots`], on devices of a [`Backend`]. A device that fails is opened anew and then given up for the CPU.
//! One that never answers blocks this thread; the owner ([`super::recovery`]) then abandons it and starts another one,
//! so everything here looks at its [`Ending`] before it tells anybody anything.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Drawn;
use super::backend::{Attempt, Backend, Limits};
use super::background::{Background, MEASURED_TOGETHER, MEASURING, SCORING, measure};
use super::engine::{Engine, InFlight, Rehearsed};
use super::filters::Filters;
use super::slots::{Ask, Blend, Slots, Task};
use crate::latest::lock;
use crate::net::device::{self, Chosen};
use crate::report::Board;
use crate::worker::{Ending, caught, rehearsing};

/// Longest sleep between two looks at orders.
const LOOK: Duration = Duration::from_millis(10);
/// The same while pictures are on their way from a device.
const SHORT_LOOK: Duration = Duration::from_micros(200);
/// Longest pause before a broken network is built again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A card may take so many times as long as it took at most so far.
const SLOWER: u32 = 8;

/// What a thread begins with.
pub(super) struct Start {
    pub(super) attempt: Attempt,
    pub(super) model: String,
    /// The model before it, where a blend of both is shown.
    pub(super) before: Option<String>,
    /// What is shown; none on the first thread, which tells its owner what it has loaded, or why it could not.
    pub(super) blend: Option<Blend>,
}

/// The thread, until its owner asks it to end.
pub(super) fn run(slots: Slots, backend: Backend, start: &Start, board: &Board, ending: &Ending) {
    let first = start.blend.is_none();
    let mut attempt = start.attempt;
    let mut faults = 0;
    while !ending.requested() {
        slots.liveness.begin(Task::Starting, Limits::CARD.load);
        match Thread::open(&slots, &backend, start, attempt, board, ending) {
            Ok(thread) => return thread.run(start),
            Err(_) if ending.requested() => return,
            Err(why) if first => {
                *lock(&slots.failed) = Some(why);
                return;
            }
            Err(why) => {
                faults += 1;
                board.fault("generator", format!("attempt {faults} to go on on another device failed: {why}"));
                attempt = Attempt::Cpu;
                slots.liveness.begin(Task::Pausing, Limits::CPU.load);
                pause(faults, ending);
            }
        }
    }
}

struct Thread<'a> {
    slots: &'a Slots,
    backend: &'a Backend,
    board: &'a Board,
    ending: &'a Ending,
    chosen: Chosen,
    limits: Limits,
    /// The longest that pictures took on this device.
    longest: Duration,
    engine: Engine,
    filters: Filters,
    /// The next model, until a pose has been made for it: what was made for the one at work is drawn with that.
    next: Option<Engine>,
    /// What a device is still at when the next is begun.
    in_flight: Option<InFlight>,
    /// Faults in a row.
    faults: u32,
    rehearsed: Rehearsed,
    scores: Background,
    measures: Background,
}

/// Opens a device.
fn choose(slots: &Slots, backend: &Backend, attempt: Attempt) -> Result<Chosen, String> {
    slots.liveness.begin(Task::Starting, Limits::CARD.load);
    match caught(|| (backend.choose)(attempt)) {
        Ok(chosen) => chosen,
        Err(panic) => Err(format!("the device cannot be used: {panic}; try --device cpu")),
    }
}

/// Reads and tries the models that are to be shown, the one before first.
fn load(
    slots: &Slots,
    backend: &Backend,
    chosen: &Chosen,
    names: [Option<&String>; 2],
) -> Result<(Engine, super::Loaded), String> {
    slots.liveness.begin(Task::Loading, (backend.limits)(chosen).load);
    let [before, name] = names;
    let before = before.and_then(|name| (backend.load)(name, chosen, &slots.liveness).ok());
    let name = name.ok_or("no model is named")?;
    let (mut engine, loaded) = (backend.load)(name, chosen, &slots.liveness)?;
    if let Some((before, _)) = before {
        // Without it there is only no blend.
        let _ = caught(|| engine.follow(&before));
    }
    Ok((engine, loaded))
}

impl<'a> Thread<'a> {
    fn open(
        slots: &'a Slots,
        backend: &'a Backend,
        start: &Start,
        attempt: Attempt,
        board: &'a Board,
        ending: &'a Ending,
    ) -> Result<Self, String> {
        let chosen = choose(slots, backend, attempt)?;
        if ending.requested() {
            return Err(String::new());
        }
        lock(&slots.device).clone_from(&chosen.name);
        if let Some((kept, false)) = device::trials().filter(|_| chosen.card) {
            let kept = kept.display();
            let text = format!("the first start tries them on this card, which takes minutes; kept in {kept}");
            board.notice("kernels", text);
        }
        let (mut engine, mut loaded) = load(slots, backend, &chosen, [start.before.as_ref(), Some(&start.model)])?;
        if ending.requested() {
            return Err(String::new());
        }
        match start.blend {
            Some(blend) => {
                let shown = lock(&slots.shown).clone();
                engine.restore(&shown, blend);
                engine.number = shown.number;
            }
            None => {
                engine.number = lock(&slots.shown).take_model(&start.model);
                loaded.space.model = engine.number;
                slots.loaded.put(loaded);
            }
        }
        board.clear("kernels");
        let limits = (backend.limits)(&chosen);
        let rehearsing = rehearsing();
        // The third device does not hang.
        let rehearsed = Rehearsed { fault: rehearsing, silence: rehearsing && lock(&slots.losses).count() < 2 };
        let (scores, measures) = (Background::default(), Background::default());
        let (longest, in_flight, faults) = (Duration::ZERO, None, 0);
        Ok(Self {
            slots,
            backend,
            board,
            ending,
            chosen,
            limits,
            longest,
            engine,
            filters: Filters::default(),
            next: None,
            in_flight,
            faults,
            rehearsed,
            scores,
            measures,
        })
    }

    fn run(mut self, start: &Start) {
        let mut attempt = start.attempt;
        while !self.ending.requested() {
            let measuring = lock(&self.slots.measure).front().is_some();
            let next = match self.slots.load.take() {
                Some(name) => {
                    self.take_model(&name);
                    None
                }
                None => self.next_ask(measuring),
            };
            if self.ending.requested() {
                return;
            }
            // Behind the ask: what was wanted before it is wanted with it.
            self.take_filters();
            if self.due(next.as_ref()) {
                self.exchange();
            }
            let asked = next.is_some();
            let idle = !asked && self.in_flight.is_none();
            // What hands and glides do is for the next model already, if there is one.
            if let Some(ask) = next.as_ref().filter(|_| self.next.is_none()) {
                self.blend(ask.blend);
            }
            if let Err((ask, why)) = self.turn(next) {
                if self.ending.requested() {
                    return;
                }
                attempt = self.rebuild(&why, attempt);
                // What was asked for is still wanted, unless something newer is.
                self.slots.asks.put_back(ask);
                continue;
            }
            self.beside(asked, measuring, idle);
        }
    }

    /// What the filters make of pictures. A film waits for all of them; a show leaves them where a model waits.
    fn painted(&mut self, drawn: Drawn, share: f64) -> Drawn {
        let (slots, ending) = (self.slots, self.ending);
        let exact = slots.exact.load(Ordering::Relaxed);
        let goes_on = || {
            slots.liveness.step();
            !ending.requested() && (exact || !slots.load.is_some())
        };
        self.filters.paint(drawn, share, !exact, self.board, &goes_on)
    }

    /// Reads the filters that are wanted, if they are others than before.
    fn take_filters(&mut self) {
        let wanted = lock(&self.slots.filters).clone();
        if self.filters.differ(&wanted) {
            self.slots.liveness.begin(Task::Loading, self.limits.load);
            let [height, width, _] = self.engine.arch.picture();
            let step = || self.slots.liveness.step();
            self.filters.take(&wanted, [height, width], &self.chosen, self.board, &step);
        }
    }

    /// What is asked for next, waiting for it where nothing else is to be done.
    fn next_ask(&self, measuring: bool) -> Option<Ask> {
        let patience = match (measuring, &self.in_flight) {
            (true, _) => Duration::ZERO,
            (false, Some(_)) => SHORT_LOOK,
            (false, None) => {
                self.slots.liveness.begin(Task::Waiting, Duration::MAX);
                LOOK
            }
        };
        self.slots.asks.wait(patience)
    }

    /// How long pictures may take.
    fn patience(&self) -> Duration {
        self.limits.draw.max(self.longest * SLOWER)
    }

    /// Hands over what is on its way; a fault puts it back among what is asked for.
    fn land(&mut self) {
        let Some(way) = self.in_flight.take() else { return };
        self.slots.liveness.began(Task::Drawing, self.patience(), way.told);
        let ask = way.ask.clone();
        let finished = self.engine.finish(way);
        match finished.map(|drawn| self.painted(drawn, ask.then)) {
            Ok(drawn) if !self.ending.requested() => drop(self.slots.drawn.put(drawn)),
            Ok(_) => {}
            Err(_) => self.slots.asks.put_back(ask),
        }
    }

    /// Whether the next model is to be shown: a pose was made for it, or a film waits for a way through its pictures.
    fn due(&self, ask: Option<&Ask>) -> bool {
        let Some(next) = &self.next else { return false };
        let way = || lock(&self.slots.measure).front().map(|way| way.model);
        let exact = self.slots.exact.load(Ordering::Relaxed);
        let wanted = ask.map(|ask| ask.pose.model).max(Some(self.slots.wanted.load(Ordering::Relaxed)));
        wanted >= Some(next.number) || (exact && way() >= Some(next.number))
    }

    /// Shows the next model.
    fn exchange(&mut self) {
        // What is on its way comes from the model before.
        self.land();
        if let Some(next) = self.next.take() {
            self.engine = next;
        }
    }

    /// Reads another model, which is shown when a pose was made for it.
    fn take_model(&mut self, name: &String) {
        self.land();
        if self.ending.requested() {
            return;
        }
        lock(&self.slots.shown).loading = Some(name.clone());
        let read = load(self.slots, self.backend, &self.chosen, [None, Some(name)]);
        lock(&self.slots.shown).loading = None;
        match read {
            _ if self.ending.requested() => {}
            Ok((mut new, mut loaded)) => {
                let before = self.next.as_ref().unwrap_or(&self.engine);
                if let Err(panic) = caught(|| new.follow(before)) {
                    self.board.notice("mix", format!("no blend with the model before: {panic}"));
                }
                self.board.clear("kernels");
                self.board.clear("model");
                new.number = lock(&self.slots.shown).take_model(name);
                loaded.space.model = new.number;
                self.next = Some(new);
                self.slots.loaded.put(loaded);
            }
            Err(why) => self.board.fault("model", format!("{name} is not taken, the one before goes on: {why}")),
        }
    }

    /// Builds the network again after a fault: on the same device, then on it opened anew, then on the CPU. Gives which.
    fn rebuild(&mut self, why: &str, attempt: Attempt) -> Attempt {
        self.faults += 1;
        let losses = lock(&self.slots.losses).one_more(Instant::now());
        let text = format!("{why}; the last picture stays, attempt {} to rebuild", self.faults);
        self.board.fault("generator", text);
        self.slots.liveness.begin(Task::Pausing, Limits::CPU.load);
        pause(self.faults, self.ending);
        if self.ending.requested() {
            return attempt;
        }
        // The next model takes over where the one at work failed.
        if let Some(next) = self.next.take() {
            self.engine = next;
        }
        let (name, number) = (self.engine.name.clone(), self.engine.number);
        let next = match losses {
            // There is nothing below the CPU, and a film is drawn on one device.
            _ if !self.chosen.card || self.slots.exact.load(Ordering::Relaxed) => attempt,
            1 => attempt,
            2 => Attempt::Fresh(lock(&self.slots.losses).one_more_fresh()),
            _ => Attempt::Cpu,
        };
        let built = match next == attempt {
            true => load(self.slots, self.backend, &self.chosen, [None, Some(&name)]).map(|(mut new, _)| {
                // What cannot be blended is shown as it was read.
                let _ = caught(|| new.follow(&self.engine));
                new
            }),
            false => self.change_device(next, &name),
        };
        match built {
            _ if self.ending.requested() => {}
            Ok(new) => {
                self.engine = new;
                self.engine.number = number;
            }
            Err(why) => {
                self.board.fault("generator", format!("attempt {} to rebuild failed: {why}", self.faults));
            }
        }
        next
    }

    /// The model on another device, with what was learnt; nothing of the old device is touched.
    fn change_device(&mut self, attempt: Attempt, name: &String) -> Result<Engine, String> {
        let chosen = choose(self.slots, self.backend, attempt)?;
        let shown = lock(&self.slots.shown).clone();
        let before = shown.before.as_ref().filter(|_| self.engine.blend.mix < 1.0);
        let (mut engine, _) = load(self.slots, self.backend, &chosen, [before, Some(name)])?;
        engine.restore(&shown, self.engine.blend);
        if !self.ending.requested() {
            self.board.notice(
                "device",
                format!("draws on {} from now on, after faults of {}", chosen.name, self.chosen.name),
            );
            lock(&self.slots.device).clone_from(&chosen.name);
            self.limits = (self.backend.limits)(&chosen);
            self.longest = Duration::ZERO;
            self.chosen = chosen;
            // They are on the device before.
            self.filters = Filters::default();
        }
        Ok(engine)
    }

    /// Begins what is asked for, before it waits for what is on the way; what is there already is handed over. Of a
    /// fault it gives the newest ask that has no pictures.
    fn turn(&mut self, next: Option<Ask>) -> Result<(), (Ask, String)> {
        let mut before = None;
        if let Some(ask) = next {
            let older = self.in_flight.take();
            let newest = ask.clone();
            let told = older.as_ref().map_or_else(Instant::now, |older| older.told);
            self.slots.liveness.began(Task::Drawing, self.patience(), told);
            self.in_flight = Some(self.engine.start(ask, self.rehearsed)?);
            if let Some(older) = older {
                // Where this one fails, the newer one is what is wanted again.
                before = Some(self.hand_over(older, None).map_err(|(_, panic)| {
                    self.in_flight = None;
                    (newest, panic)
                })?);
            }
            if let (Some(way), Some(before)) = (self.in_flight.as_mut(), before) {
                way.start = before.max(way.start);
            }
        }
        if let Some(way) = &mut self.in_flight {
            let told = way.told;
            let there = caught(|| way.pending.look()).unwrap_or(true);
            self.slots.liveness.began(Task::Drawing, self.patience(), told);
            if there && let Some(way) = self.in_flight.take() {
                self.hand_over(way, before)?;
            }
        }
        Ok(())
    }

    /// Waits for pictures and hands them over; gives when they came. `before` is when the device could begin with them.
    fn hand_over(&mut self, mut way: InFlight, before: Option<Instant>) -> Result<Instant, (Ask, String)> {
        let ask = way.ask.clone();
        // A device does one after the other: waiting for the one before is not this one's time.
        way.start = before.map_or(way.start, |before| before.max(way.start));
        let then = ask.then;
        let pictures = self.engine.finish(way).map_err(|panic| (ask, panic))?;
        let pictures = self.painted(pictures, then);
        self.slots.liveness.step();
        if !self.ending.requested() {
            self.longest = self.longest.max(pictures.took);
            self.slots.drawn.put(pictures);
            if std::mem::take(&mut self.faults) > 0 {
                self.board.clear("generator");
            }
        }
        Ok(Instant::now())
    }

    /// Shows another blend of weights, if another one is asked for.
    fn blend(&mut self, wanted: Blend) {
        let exact = self.slots.exact.load(Ordering::Relaxed);
        let (engine, slots) = (&mut self.engine, self.slots);
        let done = caught(|| {
            engine.follow_glides(slots, wanted.glide);
            // An ask from before the last glide has its beginning.
            let old = wanted.glide < engine.blend.glide;
            let wanted = if old { Blend { glide: engine.blend.glide, share: 0.0, ..wanted } } else { wanted };
            if engine.due(wanted, exact) {
                engine.show(wanted);
            }
        });
        match done {
            Ok(()) if self.engine.before.is_none() && wanted.mix < 1.0 => {
                let text = "there is no other model of this architecture to blend with; load one first";
                self.board.notice("mix", text);
            }
            Ok(()) => self.board.clear("mix"),
            Err(panic) => self.board.fault("mix", format!("the weights cannot be blended: {panic}")),
        }
    }

    /// What is done beside the pictures: ways are measured, the critic scores, glides go on where nothing is drawn.
    fn beside(&mut self, asked: bool, measuring: bool, idle: bool) {
        let exact = self.slots.exact.load(Ordering::Relaxed);
        let patience = self.patience();
        let (slots, engine) = (self.slots, &mut self.engine);
        let alone = self.next.is_none();
        if measuring && (!asked || exact || self.measures.due(MEASURING)) {
            slots.liveness.begin(Task::Measuring, patience);
            self.measures.spend(|| measure(slots, engine, if exact { MEASURED_TOGETHER } else { 1 }, self.ending));
        }
        if self.scores.due(SCORING) || exact {
            self.scores.score(slots, engine, patience);
        }
        // Nothing is drawn, and glides go on coming.
        if idle
            && alone
            && let Err(panic) = caught(|| engine.follow_glides(slots, u64::MAX))
        {
            self.board.fault("generator", format!("learnt weights could not be taken: {panic}"));
        }
    }
}

/// 0.1 s, doubled with each fault in a row.
fn pause(faults: u32, ending: &Ending) {
    let pause = Duration::from_millis(100 << faults.clamp(1, 10)).min(LONGEST_PAUSE);
    let start = Instant::now();
    while start.elapsed() < pause && !ending.requested() {
        std::thread::sleep(LOOK);
    }
}
