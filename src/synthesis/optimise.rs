//! Finding the least value of a function of many numbers by its gradient: L-BFGS with a line search, and Adam.
//!
//! Knows nothing of pictures. A function is called with a point and gives its value and its gradient there, or an
//! error, which ends the search where it is. Sums are taken in f64, numbers are kept in f32.

use std::collections::VecDeque;

/// Value and gradient of a function at a point.
pub type Valued = (f64, Vec<f32>);

/// How it is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Limited-memory BFGS (Liu & Nocedal 1989), with a search along the line for the strong Wolfe conditions
    /// (Nocedal & Wright 2006, algorithms 3.5 and 3.6).
    Lbfgs {
        /// Steps that are remembered.
        history: usize,
    },
    /// Adam (Kingma & Ba 2014).
    Adam {
        /// Length of a step.
        rate: f64,
        /// Share of the mean gradient that stays.
        beta1: f64,
        /// Share of the mean square that stays.
        beta2: f64,
        /// Added to the root of the mean square.
        eps: f64,
        /// Every number of a gradient is cut to ± this; none where it is not.
        clip: Option<f32>,
    },
}

impl Method {
    /// Adam as most have it, with this rate.
    pub fn adam(rate: f64) -> Self {
        Self::Adam { rate, beta1: 0.9, beta2: 0.999, eps: 1e-8, clip: None }
    }
}

/// A search that is under way.
pub struct Search {
    method: Method,
    /// Value and gradient where it stands.
    here: Option<Valued>,
    /// The first value.
    first: Option<f64>,
    /// Differences of points and of gradients, the oldest first.
    steps: VecDeque<[Vec<f32>; 2]>,
    /// Adam's means, and its steps.
    means: [Vec<f32>; 2],
    count: i32,
    /// Calls of the function so far.
    pub calls: u64,
}

/// Wolfe's two numbers: how much less is enough, and how flat.
const ENOUGH: f64 = 1e-4;
const FLAT: f64 = 0.9;
/// Calls along one line at most.
const MOST_CALLS: usize = 20;
/// A step that gains less than this share of the first value is the last one.
const LEAST_GAIN: f64 = 1e-10;

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn along(x: &[f32], way: &[f32], t: f64) -> Vec<f32> {
    x.iter().zip(way).map(|(x, d)| (f64::from(*x) + t * f64::from(*d)) as f32).collect()
}

/// A place on the line: how far, value, slope, gradient.
#[derive(Clone)]
struct Place {
    t: f64,
    value: f64,
    slope: f64,
    gradient: Vec<f32>,
}

impl Search {
    /// A search that has not begun.
    pub fn new(method: Method) -> Self {
        Self {
            method,
            here: None,
            first: None,
            steps: VecDeque::new(),
            means: [Vec::new(), Vec::new()],
            count: 0,
            calls: 0,
        }
    }

    /// Changes the length of Adam's steps.
    pub fn set_rate(&mut self, wanted: f64) {
        if let Method::Adam { rate, .. } = &mut self.method {
            *rate = wanted;
        }
    }

    /// One iteration: moves `x`, and gives the value from which it went. False if there is nothing more to be gained.
    ///
    /// # Errors
    /// Those of the function; `x` is then where it was.
    pub fn step<E>(
        &mut self,
        x: &mut Vec<f32>,
        function: &mut impl FnMut(&[f32]) -> Result<Valued, E>,
    ) -> Result<(f64, bool), E> {
        match self.method {
            Method::Lbfgs { history } => self.quasi_newton(x, function, history),
            Method::Adam { rate, beta1, beta2, eps, clip } => {
                let (value, mut gradient) = function(x)?;
                self.calls += 1;
                if let Some(most) = clip {
                    gradient.iter_mut().for_each(|g| *g = g.clamp(-most, most));
                }
                self.means.iter_mut().for_each(|mean| mean.resize(x.len(), 0.0));
                self.count += 1;
                let [b1, b2] = [beta1, beta2].map(|beta| 1.0 - beta.powi(self.count));
                let [first, second] = &mut self.means;
                for (((x, g), m), v) in x.iter_mut().zip(&gradient).zip(first).zip(second) {
                    let g = f64::from(*g);
                    *m = (beta1 * f64::from(*m) + (1.0 - beta1) * g) as f32;
                    *v = (beta2 * f64::from(*v) + (1.0 - beta2) * g * g) as f32;
                    let step = f64::from(*m) / b1 / ((f64::from(*v) / b2).sqrt() + eps);
                    *x = (f64::from(*x) - rate * step) as f32;
                }
                Ok((value, true))
            }
        }
    }

    fn quasi_newton<E>(
        &mut self,
        x: &mut Vec<f32>,
        function: &mut impl FnMut(&[f32]) -> Result<Valued, E>,
        history: usize,
    ) -> Result<(f64, bool), E> {
        let (value, gradient) = match self.here.take() {
            Some(here) => here,
            None => {
                self.calls += 1;
                function(x)?
            }
        };
        let whole = *self.first.get_or_insert(value);
        let mut way = self.direction(&gradient);
        let mut slope = dot(&way, &gradient);
        if slope >= 0.0 {
            // What was remembered misleads: straight down once more.
            self.steps.clear();
            way = gradient.iter().map(|g| -g).collect();
            slope = dot(&way, &gradient);
        }
        if slope == 0.0 || !slope.is_finite() {
            self.here = Some((value, gradient));
            return Ok((value, false));
        }
        // The first step knows no scale: as long as PyTorch's.
        let first = match self.steps.is_empty() {
            true => (1.0 / gradient.iter().map(|g| f64::from(g.abs())).sum::<f64>()).min(1.0),
            false => 1.0,
        };
        let begin = Place { t: 0.0, value, slope, gradient };
        let mut asked = 0;
        let mut at = |t: f64| {
            asked += 1;
            let (value, gradient) = function(&along(x, &way, t))?;
            Ok(Place { t, value, slope: dot(&gradient, &way), gradient })
        };
        let found = line(&begin, first, &mut at);
        self.calls += asked;
        let found = found?;
        if found.t == 0.0 || found.value.partial_cmp(&value) != Some(std::cmp::Ordering::Less) {
            // Nothing lower along this line: with what is remembered, that may be its fault.
            let again = !self.steps.is_empty();
            self.steps.clear();
            self.here = Some((value, begin.gradient));
            return Ok((value, again));
        }
        let next = along(x, &way, found.t);
        let difference = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f32>>();
        let step = [difference(&next, x), difference(&found.gradient, &begin.gradient)];
        // Curved upwards along the step, whatever the function's unit is.
        let [long, turned] = [0, 1].map(|i| dot(&step[i], &step[i]).sqrt());
        if dot(&step[0], &step[1]) > 1e-8 * long * turned {
            if self.steps.len() == history.max(1) {
                self.steps.pop_front();
            }
            self.steps.push_back(step);
        }
        *x = next;
        let more = value - found.value > LEAST_GAIN * whole.abs();
        self.here = Some((found.value, found.gradient));
        Ok((value, more))
    }

    /// Down by what was learnt of the curvature: the two loops of Nocedal 1980.
    fn direction(&self, gradient: &[f32]) -> Vec<f32> {
        let mut way: Vec<f32> = gradient.iter().map(|g| -g).collect();
        let mut shares = Vec::with_capacity(self.steps.len());
        for [s, y] in self.steps.iter().rev() {
            let share = dot(s, &way) / dot(s, y);
            way.iter_mut().zip(y).for_each(|(d, y)| *d -= (share * f64::from(*y)) as f32);
            shares.push(share);
        }
        if let Some([s, y]) = self.steps.back() {
            let scale = (dot(s, y) / dot(y, y)) as f32;
            way.iter_mut().for_each(|d| *d *= scale);
        }
        for ([s, y], share) in self.steps.iter().zip(shares.into_iter().rev()) {
            let more = share - dot(y, &way) / dot(s, y);
            way.iter_mut().zip(s).for_each(|(d, s)| *d += (more * f64::from(*s)) as f32);
        }
        way
    }
}

/// A place on the line that is low and flat enough, or the lowest that was found.
fn line<E>(begin: &Place, first: f64, at: &mut impl FnMut(f64) -> Result<Place, E>) -> Result<Place, E> {
    let enough = |place: &Place| place.value <= begin.value + ENOUGH * place.t * begin.slope;
    let flat = |place: &Place| place.slope.abs() <= -FLAT * begin.slope;
    let (mut before, mut t) = (begin.clone(), first);
    let mut left = MOST_CALLS;
    // Out, until a piece of the line is known in which such a place lies.
    let (mut low, mut high) = loop {
        let place = at(t)?;
        left -= 1;
        if !place.value.is_finite() {
            t = (before.t + t) / 2.0;
            if left == 0 {
                return Ok(before);
            }
            continue;
        }
        if !enough(&place) || (before.t > 0.0 && place.value >= before.value) {
            break (before, place);
        }
        if flat(&place) || left == 0 {
            return Ok(place);
        }
        if place.slope >= 0.0 {
            break (place, before);
        }
        t = place.t * 2.5;
        before = place;
    };
    // In, by cubics through both ends.
    while left > 0 {
        let width = high.t - low.t;
        let place =
            at(cubic(&low, &high).clamp(low.t.min(high.t) + 0.1 * width.abs(), low.t.max(high.t) - 0.1 * width.abs()))?;
        left -= 1;
        if !enough(&place) || place.value >= low.value {
            high = place;
        } else {
            if flat(&place) {
                return Ok(place);
            }
            if place.slope * (high.t - low.t) >= 0.0 {
                high = low;
            }
            low = place;
        }
        if (high.t - low.t).abs() < 1e-9 * low.t.max(1e-9) {
            break;
        }
    }
    Ok(low)
}

/// The lowest place of the cubic with the values and slopes of two places; the middle where it has none
/// (Nocedal & Wright 2006, equation 3.59).
fn cubic(a: &Place, b: &Place) -> f64 {
    let d1 = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.t - b.t);
    let root = d1 * d1 - a.slope * b.slope;
    let middle = (a.t + b.t) / 2.0;
    if root < 0.0 {
        return middle;
    }
    let d2 = (b.t - a.t).signum() * root.sqrt();
    let t = b.t - (b.t - a.t) * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
    if t.is_finite() { t } else { middle }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    type Made = Result<Valued, Infallible>;

    fn rosenbrock(x: &[f32]) -> Made {
        let [x, y] = [x[0], x[1]].map(f64::from);
        let value = (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2);
        let gradient = vec![(-2.0 * (1.0 - x) - 400.0 * x * (y - x * x)) as f32, (200.0 * (y - x * x)) as f32];
        Ok((value, gradient))
    }

    /// Half of Σ (i + 1) (x_i − i / 100)².
    fn bowl(x: &[f32]) -> Made {
        let off = |(i, x): (usize, &f32)| (f64::from(*x) - i as f64 / 100.0, i as f64 + 1.0);
        let value = x.iter().enumerate().map(off).map(|(d, k)| 0.5 * k * d * d).sum();
        Ok((value, x.iter().enumerate().map(off).map(|(d, k)| (k * d) as f32).collect()))
    }

    fn searched(method: Method, mut x: Vec<f32>, mut f: impl FnMut(&[f32]) -> Made, steps: usize) -> (Vec<f32>, u64) {
        let mut search = Search::new(method);
        for _ in 0..steps {
            let Ok((_, more)) = search.step(&mut x, &mut f);
            if !more {
                break;
            }
        }
        (x, search.calls)
    }

    #[test]
    fn rosenbrocks_valley_is_followed_to_its_end() {
        let (x, calls) = searched(Method::Lbfgs { history: 10 }, vec![-1.2, 1.0], rosenbrock, 60);
        assert!((x[0] - 1.0).abs() < 1e-3 && (x[1] - 1.0).abs() < 2e-3, "{x:?}");
        assert!(calls <= 80, "{calls}");
    }

    #[test]
    fn a_bowl_of_a_hundred_dimensions_is_left_at_its_lowest() {
        let (x, calls) = searched(Method::Lbfgs { history: 20 }, vec![3.0; 100], bowl, 100);
        assert!(x.iter().enumerate().all(|(i, x)| (x - i as f32 / 100.0).abs() < 1e-3), "{x:?}");
        assert!(calls <= 120, "{calls}");
        // In another unit it is the same.
        let large = |x: &[f32]| bowl(x).map(|(v, g)| (v * 1e12, g.iter().map(|g| g * 1e12).collect()));
        let (x, calls) = searched(Method::Lbfgs { history: 20 }, vec![3.0; 100], large, 100);
        assert!(
            x.iter().enumerate().all(|(i, x)| (x - i as f32 / 100.0).abs() < 1e-3) && calls <= 120,
            "{calls} {x:?}"
        );
        let (x, _) = searched(Method::adam(0.1), vec![3.0; 100], bowl, 500);
        assert!(x.iter().enumerate().all(|(i, x)| (x - i as f32 / 100.0).abs() < 0.05), "{x:?}");
    }

    #[test]
    fn where_nothing_is_gained_it_says_so() {
        let mut search = Search::new(Method::Lbfgs { history: 5 });
        let mut x = vec![0.0; 3];
        let Ok((value, more)) = search.step(&mut x, &mut |_| Made::Ok((7.0, vec![0.0; 3])));
        assert_eq!((value, more, x), (7.0, false, vec![0.0; 3]));
    }

    #[test]
    fn clipped_gradients_move_like_others_of_one_sign() {
        let method = Method::Adam { rate: 0.02, beta1: 0.9, beta2: 0.999, eps: 1e-8, clip: Some(1.0) };
        let mut search = Search::new(method);
        let mut x = vec![0.0, 0.0];
        let Ok(_) = search.step(&mut x, &mut |_| Made::Ok((0.0, vec![1000.0, -0.5])));
        assert!((x[0] + 0.02).abs() < 1e-6 && (x[1] - 0.02).abs() < 1e-6, "{x:?}");
    }
}
