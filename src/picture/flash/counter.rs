//! How many opposing changes there were in the last second, point by point and field by field.
//!
//! [`super::meter`] says which points of the frame have just changed, once for luminance and once for red. Two
//! things are too much: points that each have changed more than six times in a second (three flashes are six changes)
//! and together cover more than a quarter of a field; and a field in which, more than six times in a second, a quarter
//! has become brighter or darker together, wherever in it. The whole screen is a field too, as in BT.1702.

/// Opposing changes that a second may have: three flashes, each of two.
const MOST: usize = 6;
const SECOND: f64 = 1.0;
/// Three flashes a second are allowed, however the clock of a show trembles.
const TREMBLE: f64 = 0.004;
/// Changes of points within so many seconds are one change of their field: fades do not reach all points at once.
const TOGETHER: f64 = 0.1;
/// Share of a field that has to flash.
const AREA: f64 = 0.25;

/// A change that has just been seen: brighter or redder, darker or less red, none.
pub const UP: i8 = 1;
pub const DOWN: i8 = -1;

/// Times of the last six changes.
#[derive(Clone)]
struct Times {
    times: [f64; MOST],
    next: usize,
}

impl Times {
    const NONE: Self = Self { times: [f64::NEG_INFINITY; MOST], next: 0 };

    fn oldest(&self) -> f64 {
        self.times[self.next]
    }

    /// Whether one more change now is more than a second may have.
    fn full(&self, secs: f64) -> bool {
        secs - self.oldest() < SECOND - TREMBLE
    }

    fn push(&mut self, secs: f64) {
        self.times[self.next] = secs;
        self.next = (self.next + 1) % MOST;
    }
}

/// Marked points, counted in rectangles.
#[derive(Clone, Default)]
struct Marked {
    width: usize,
    /// Summed to the right and downwards, with a row and a column of zeros before the first.
    sums: Vec<u32>,
}

impl Marked {
    fn mark(&mut self, [width, height]: [usize; 2], marked: impl Fn(usize) -> bool) {
        self.width = width + 1;
        self.sums.clear();
        self.sums.resize((width + 1) * (height + 1), 0);
        for y in 0..height {
            let (above, here) = self.sums.split_at_mut((y + 1) * self.width);
            let above = &above[y * self.width..];
            let mut row = 0;
            for x in 0..width {
                row += u32::from(marked(y * width + x));
                here[x + 1] = above[x + 1] + row;
            }
        }
    }

    fn all(&self) -> u32 {
        self.sums.last().copied().unwrap_or(0)
    }

    /// Those in the rectangle of `[w, h]` whose first point is (x, y).
    fn within(&self, [x, y]: [usize; 2], [w, h]: [usize; 2]) -> u32 {
        let (top, bottom) = (y * self.width + x, (y + h) * self.width + x);
        self.sums[bottom + w] + self.sums[top] - self.sums[bottom] - self.sums[top + w]
    }
}

/// Counts the changes of one kind.
#[derive(Clone)]
pub struct Counter {
    grid: [usize; 2],
    field: [usize; 2],
    points: Vec<Times>,
    /// The last change of each point and its time.
    directions: Vec<i8>,
    last: Vec<f64>,
    /// Until when each point has more than six changes in the last second.
    over_until: Vec<f64>,
    fields: Vec<Times>,
    field_directions: Vec<i8>,
    /// Fields that change with what was judged last.
    changing: Vec<(usize, i8)>,
    /// Of what is judged.
    marked: [Marked; 4],
}

impl Counter {
    /// For a grid of points; fields are rectangles of `field` points anywhere in it.
    pub fn new(grid: [usize; 2], field: [usize; 2]) -> Self {
        let count = grid[0] * grid[1];
        let mut counter = Self {
            grid,
            field,
            points: vec![Times::NONE; count],
            directions: vec![0; count],
            last: vec![f64::NEG_INFINITY; count],
            over_until: vec![f64::NEG_INFINITY; count],
            fields: Vec::new(),
            field_directions: Vec::new(),
            changing: Vec::new(),
            marked: Default::default(),
        };
        counter.set_field(field);
        counter
    }

    /// Other fields; what was counted in the old ones is forgotten, the points' counts are not.
    pub fn set_field(&mut self, field: [usize; 2]) {
        self.field = [field[0].clamp(1, self.grid[0]), field[1].clamp(1, self.grid[1])];
        let [across, down] = self.places();
        // The last one is the whole screen.
        self.fields = vec![Times::NONE; across * down + 1];
        self.field_directions = vec![0; across * down + 1];
        self.changing.clear();
    }

    fn places(&self) -> [usize; 2] {
        [self.grid[0] - self.field[0] + 1, self.grid[1] - self.field[1] + 1]
    }

    /// Most points of a rectangle that may flash.
    fn limit([width, height]: [usize; 2]) -> u32 {
        (AREA * (width * height) as f64).floor() as u32
    }

    /// Every field: where it stands in the list, its first point and its size.
    fn all_fields(&self) -> impl Iterator<Item = (usize, [usize; 2], [usize; 2])> + use<> {
        let ([across, down], field, grid) = (self.places(), self.field, self.grid);
        let fields = (0..down).flat_map(move |y| (0..across).map(move |x| (y * across + x, [x, y], field)));
        fields.chain([(across * down, [0, 0], grid)])
    }

    /// Whether one more change of a point now would be more than a second may have.
    pub fn full(&self, at: usize, secs: f64) -> bool {
        self.points[at].full(secs)
    }

    /// Whether these changes are too many. They are not counted yet.
    pub fn judge(&mut self, changes: &[i8], secs: f64) -> bool {
        self.changing.clear();
        if changes.iter().all(|change| *change == 0) {
            return false;
        }
        let points = self.points_over(changes, secs);
        let fields = self.fields_over(changes, secs);
        points || fields
    }

    /// Whether points with more than six changes in a second cover more than a quarter of a field.
    fn points_over(&mut self, changes: &[i8], secs: f64) -> bool {
        let over = &mut self.marked[0];
        let (points, until) = (&self.points, &self.over_until);
        over.mark(self.grid, |at| until[at] > secs || (changes[at] != 0 && points[at].full(secs)));
        if over.all() <= Self::limit(self.field) {
            return false;
        }
        let over = &self.marked[0];
        self.all_fields().any(|(_, first, size)| over.within(first, size) > Self::limit(size))
    }

    /// Whether a field changes as a whole for more than the sixth time in a second: by what changes in this frame, or
    /// else by what has changed within a moment.
    fn fields_over(&mut self, changes: &[i8], secs: f64) -> bool {
        let (directions, last) = (&self.directions, &self.last);
        let [now_up, now_down, up, down] = &mut self.marked;
        for (now, moment, way) in [(now_up, up, UP), (now_down, down, DOWN)] {
            now.mark(self.grid, |at| changes[at] == way);
            moment.mark(self.grid, |at| match changes[at] {
                0 => directions[at] == way && secs - last[at] < TOGETHER,
                change => change == way,
            });
        }
        let [now_up, now_down, up, down] = &self.marked;
        if up.all().max(down.all()) <= Self::limit(self.field) {
            return false;
        }
        let mut over = false;
        for (at, first, size) in self.all_fields() {
            let limit = Self::limit(size);
            let way = |up: &Marked, down: &Marked| {
                let (ups, downs) = (up.within(first, size), down.within(first, size));
                (ups.max(downs) > limit).then_some(if downs > ups { DOWN } else { UP })
            };
            if let Some(way) = way(now_up, now_down).or_else(|| way(up, down))
                && self.field_directions[at] != way
            {
                over |= self.fields[at].full(secs);
                self.changing.push((at, way));
            }
        }
        over
    }

    /// Counts the changes that were judged last.
    pub fn count(&mut self, changes: &[i8], secs: f64) {
        for (at, way) in self.changing.drain(..) {
            self.fields[at].push(secs);
            self.field_directions[at] = way;
        }
        for (at, change) in changes.iter().enumerate().filter(|(_, change)| **change != 0) {
            let times = &mut self.points[at];
            if times.full(secs) {
                self.over_until[at] = times.oldest() + SECOND;
            }
            times.push(secs);
            self.directions[at] = *change;
            self.last[at] = secs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes of the first `count` points of a row of 40, fields of 20.
    fn row(counter: &mut Counter, points: std::ops::Range<usize>, way: i8, secs: f64) -> bool {
        let changes: Vec<i8> = (0..40).map(|at| if points.contains(&at) { way } else { 0 }).collect();
        let over = counter.judge(&changes, secs);
        counter.count(&changes, secs);
        over
    }

    fn counter() -> Counter {
        Counter::new([40, 1], [20, 1])
    }

    fn ways() -> impl Iterator<Item = i8> {
        [UP, DOWN].into_iter().cycle()
    }

    #[test]
    fn the_seventh_change_within_a_second_is_too_many() {
        let changes = |between: f64, count: usize| {
            let mut counter = counter();
            (0..count).zip(ways()).filter(|(i, way)| row(&mut counter, 0..40, *way, *i as f64 * between)).count()
        };
        assert_eq!(changes(0.05, 6), 0);
        assert_eq!(changes(0.05, 7), 1);
        // Three flashes a second for ever, also on a clock that trembles.
        assert_eq!(changes(1.0 / 6.0, 600), 0);
        assert_eq!(changes(1.0 / 6.003, 600), 0);
        assert!(changes(1.0 / 6.3, 20) > 0);
    }

    #[test]
    fn a_quarter_of_a_field_may_flash() {
        let over = |points: std::ops::Range<usize>| {
            let mut counter = counter();
            (0..20).zip(ways()).any(|(i, way)| row(&mut counter, points.clone(), way, f64::from(i) * 0.05))
        };
        assert!(!over(0..5) && over(0..6) && over(7..13) && over(34..40));
    }

    #[test]
    fn flashes_that_wander_through_a_field_are_counted() {
        let mut counter = counter();
        let places = [0..6, 6..12, 12..18, 3..9];
        let mut over = Vec::new();
        for (i, (points, way)) in places.iter().flat_map(|p| [(p, UP), (p, DOWN)]).enumerate() {
            over.push(row(&mut counter, points.clone(), way, i as f64 * 0.06));
        }
        assert_eq!(over, [false, false, false, false, false, false, true, true]);
        // Ten of forty points are no more than a quarter of the screen, eleven are.
        let apart = |wide: usize| {
            let mut counter = self::counter();
            let places = [0..wide, 20..20 + wide].into_iter().cycle();
            let changes = places.flat_map(|p| [(p.clone(), UP), (p, DOWN)]).take(8).enumerate();
            changes.filter(|(i, (points, way))| row(&mut counter, points.clone(), *way, *i as f64 * 0.06)).count()
        };
        assert_eq!((apart(10), apart(11)), (0, 2));
    }
}
