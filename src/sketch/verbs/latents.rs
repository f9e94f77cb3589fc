//! Verbs that make latents, walk between them, and change them.

use rune::Value;
use rune::runtime::Function;

use super::super::call::{Bare, Call, Kind, Wrong};
use super::super::env::Env;
use super::super::values::{Latent, Way, number};
use super::{
    Arg, Group, Verb, arg, forms, function, give_latent, give_number, latent, latents, numbers, phase, styles, text,
    textures,
};
use crate::latent::manner::Manner;
use crate::latent::space::{self, blended};
use crate::latent::{self, Z, field, study, walk};

const Z_ARG: Arg = Arg { name: "z", kind: Kind::Latent, bare: Bare::Zeros };

/// A number or a latent; bare it is a number.
const fn any(name: &'static str, bare: f64) -> Arg {
    Arg { name, kind: Kind::Any, bare: Bare::Number(bare) }
}

/// Other numbers with the same classes: those of z, or of w where it is a point of W.
fn changed(c: &Call, f: impl FnMut(&mut Z) -> Result<(), Wrong>) -> Result<Value, Wrong> {
    let mut latent = c.latent(0)?;
    latent.change(c.env, f)?;
    give_latent(latent)
}

fn each(c: &Call, f: impl Fn(f64) -> f64) -> Result<Value, Wrong> {
    changed(c, |z| {
        z.iter_mut().for_each(|v| *v = f(*v));
        Ok(())
    })
}

/// One dimension changed; one that is not there is the last.
fn at_dimension(c: &Call, f: impl Fn(f64, f64) -> f64) -> Result<Value, Wrong> {
    let (i, v) = (c.whole(1)? as usize, c.number(2)?);
    changed(c, |z| {
        let last = z.len().saturating_sub(1);
        z[i.min(last)] = f(z[i.min(last)], v);
        Ok(())
    })
}

/// Points that are walked between: z, blends of classes, of which each has one if any has, and manners.
struct Apart {
    z: Vec<Z>,
    blends: Vec<Z>,
    manners: Vec<Manner>,
}

impl Apart {
    /// Where one of them is a point of W, all are.
    fn of(mut points: Vec<Latent>, env: &Env) -> Result<Self, Wrong> {
        if points.iter().any(Latent::in_w) {
            points.iter_mut().try_for_each(|point| point.map_to_w(env))?;
        }
        let (mut z, mut blends, mut manners) = (Vec::new(), Vec::new(), Vec::new());
        for Latent { z: own, class, manner } in points {
            z.push(own);
            blends.push(space::whole(&class));
            manners.push(manner);
        }
        space::filled(&mut blends);
        Ok(Self { z, blends, manners })
    }

    /// Their w, all as long; none where they are points of z.
    fn w(&self) -> Option<Vec<Z>> {
        let longest = self.manners.iter().map(|own| own.style.w.len()).max().filter(|longest| *longest > 0)?;
        let of = |own: &Manner| own.style.w.iter().copied().cycle().take(longest).collect();
        self.manners.iter().all(|own| !own.style.w.is_empty()).then(|| self.manners.iter().map(of).collect())
    }

    /// The latent of a z on the way from one point to another.
    fn on_the_way(&self, z: Z, [from, to]: [usize; 2], share: f64) -> Latent {
        let near = |i: usize| self.blends.get(i).cloned().unwrap_or_default();
        let class = blended(&[near(from), near(to)], &[1.0 - share, share]);
        let manner = match (self.manners.get(from), self.manners.get(to)) {
            (Some(a), Some(b)) if !(a.is_usual() && b.is_usual()) => Manner::blended(a, b, share),
            _ => Manner::default(),
        };
        Latent { z, class, manner }
    }

    /// The latent of a z that is a blend of all of them with weights; without weights all count alike.
    fn blended(&self, z: Z, class: Z, weights: &[f64]) -> Latent {
        Latent { z, class, manner: Manner::mixed(&self.manners, weights) }
    }
}

/// Two latents.
fn ends(c: &Call) -> Result<Apart, Wrong> {
    Apart::of(vec![c.latent(0)?, c.latent(1)?], c.env)
}

/// Both arguments as numbers, if both are.
fn two_numbers(c: &Call) -> Option<(f64, f64)> {
    let a = c.values.first().map_or(Some(0.0), number)?;
    let b = c.values.get(1).map_or(Some(1.0), number)?;
    Some((a, b))
}

fn walked(c: &Call, closed: bool) -> Result<Value, Wrong> {
    let (points, even) = c.latents(0)?;
    c.charge(4)?;
    let phase = c.number(1)?;
    let phase = if closed { phase.rem_euclid(1.0) } else { phase.clamp(0.0, 1.0) };
    let blend = if even { c.env.lock().blend.clone() } else { Vec::new() };
    let way: Vec<Z> = if even { points.iter().map(|point| point.measured(&blend)).collect() } else { Vec::new() };
    let apart = Apart::of(points, c.env)?;
    let all_w = apart.w();
    let at = |phase: f64| {
        let z = if closed { walk::ring(&apart.z, phase) } else { walk::path(&apart.z, phase) };
        let (from, to, share) = walk::neighbours(apart.z.len(), closed, phase);
        let mut latent = apart.on_the_way(z, [from, to], share);
        if let Some(all) = &all_w {
            latent.manner.style.w = walk::through(all, closed, phase);
        }
        latent
    };
    give_latent(if even { at(c.env.even(&way, closed, phase, |phase| at(phase).measured(&blend))) } else { at(phase) })
}

/// Rows and columns of the picture of z.
fn grid(dim: usize) -> (usize, usize) {
    study::grid(dim.max(1))
}

/// Calls the script's function for every dimension with `args`.
fn by_function(c: &Call, f: &Function, count: usize, args: impl Fn(usize) -> (f64, f64)) -> Result<Z, Wrong> {
    let mut out = Vec::with_capacity(count);
    for i in 0..count {
        let (first, second) = args(i);
        let value: Value = c.back(f, (first, second))?;
        out.push(number(&value).ok_or_else(|| format!("{}: the function has to give a number", c.verb))?);
    }
    Ok(out)
}

pub const VERBS: &[Verb] = &[
    Verb {
        name: "seed",
        group: Group::Points,
        args: &[arg("n", 0.0, 4_294_967_295.0, 0.0)],
        says: "The latent of a seed, standard normal, the same as numpy's RandomState(n).",
        example: "seed(7)",
        run: |c| give_latent(c.env.seed(c.seed(0)?)),
    },
    Verb {
        name: "zeros",
        group: Group::Points,
        args: &[],
        says: "All dimensions 0: the middle of the space.",
        example: "zeros()",
        run: |c| give_latent(vec![0.0; c.env.dim()]),
    },
    Verb {
        name: "constant",
        group: Group::Points,
        args: &[arg("v", -100.0, 100.0, 1.0)],
        says: "All dimensions the same value.",
        example: "constant(-2)",
        run: |c| give_latent(vec![c.number(0)?; c.env.dim()]),
    },
    Verb {
        name: "random",
        group: Group::Points,
        args: &[arg("rng_seed", 0.0, 4_294_967_295.0, 0.0)],
        says: "A random latent; without a number another one at each call, the same ones in each run.",
        example: "random()",
        run: |c| {
            let key = if c.given(0) {
                [c.seed(0)?, 1]
            } else {
                let mut inside = c.env.lock();
                inside.drawn = inside.drawn.wrapping_add(1);
                [inside.drawn, 2]
            };
            c.charge(8)?;
            give_latent(crate::random::RandomState::with_key(&key).normals(c.env.dim()))
        },
    },
    Verb {
        name: "load",
        group: Group::Points,
        args: &[text("name", ""), arg("row", 0.0, 1e6, 0.0)],
        says: "A stored point: a snapshot, or a row of a text of z in presets/points.",
        example: "load(\"example\")",
        run: |c| {
            let (name, row) = (c.text(0)?, c.whole(1)? as usize);
            let inside = c.env.lock();
            let Some(rows) = inside.points.get(&name) else {
                let known: Vec<&str> = inside.points.keys().map(String::as_str).take(12).collect();
                return Err(match known.is_empty() {
                    true => "load: no points are stored; put a text of z into presets/points".into(),
                    false => format!("load: no point \"{name}\"; there are {}", known.join(", ")),
                });
            };
            let numbers = rows[row.min(rows.len() - 1)].clone();
            let dim = inside.space.dim;
            // One w for each layer, as projections are.
            let in_w = numbers.len() != dim && inside.space.w.as_ref().is_some_and(|w| w.fits(numbers.len()));
            let mut latent = Latent::from(match in_w {
                true => latent::seed(0, dim),
                false if numbers.len() != dim => space::adapted(&numbers, dim),
                false => numbers.clone(),
            });
            if in_w {
                latent.manner.style.w = numbers;
            }
            give_latent(latent)
        },
    },
    Verb {
        name: "each",
        group: Group::Points,
        args: &[function()],
        says: "A latent made by a function of the dimension's number, and its share 0..1.",
        example: "each(|i, share| sin(share * 6.28))",
        run: |c| match c.function(0)? {
            Some(f) => {
                let dim = c.env.dim() as f64;
                give_latent(by_function(c, &f, c.env.dim(), |i| (i as f64, i as f64 / dim))?)
            }
            None => give_latent(vec![0.0; c.env.dim()]),
        },
    },
    Verb {
        name: "plane",
        group: Group::Points,
        args: &[arg("x", -1e12, 1e12, 0.0), arg("y", -1e12, 1e12, 0.0)],
        says: "Seeds on a plane, one at each whole x and y, blended in between.",
        example: "plane(t.secs * 0.2, 0.5)",
        run: |c| {
            let corners = field::plane(c.number(0)?, c.number(1)?);
            let mut z = vec![0.0; c.env.dim()];
            for (seed, weight) in corners {
                z.iter_mut().zip(c.env.seed(seed)).for_each(|(z, v)| *z += v * weight);
            }
            give_latent(z)
        },
    },
    Verb {
        name: "map2d",
        group: Group::Points,
        args: &[latents("points", 4), arg("x", 0.0, 1.0, 0.5), arg("y", 0.0, 1.0, 0.5)],
        says: "A map of a few points, four in the corners, with radial bases in between.",
        example: "map2d([1, 2, 3, 4], c.knob(\"mouse_x\", 0.5), c.knob(\"mouse_y\", 0.5))",
        run: |c| {
            let (mut points, _) = c.latents(0)?;
            points.truncate(64);
            c.charge(points.len() * points.len().div_ceil(4))?;
            let (apart, x, y) = (Apart::of(points, c.env)?, c.number(1)?, c.number(2)?);
            // The map is a sum of its points, and so it is one of their blends.
            let blends = &apart.blends;
            let class = if blends[0].is_empty() { Vec::new() } else { space::whole(&field::map2d(blends, x, y)) };
            // What a map of one number each gives at the points is how much there is of each.
            let count = apart.z.len();
            let one = |at: usize| (0..count).map(|i| f64::from(u8::from(i == at))).collect();
            let weights = match apart.manners.iter().all(Manner::is_usual) {
                true => Vec::new(),
                false => field::map2d(&(0..count).map(one).collect::<Vec<Z>>(), x, y),
            };
            give_latent(apart.blended(field::map2d(&apart.z, x, y), class, &weights))
        },
    },
    Verb {
        name: "lerp",
        group: Group::Walks,
        args: &[any("a", 0.0), any("b", 1.0), arg("t", 0.0, 1.0, 0.5)],
        says: "Straight from a to b: latents, or two numbers.",
        example: "lerp(seed(1), seed(2), t.phase(8))",
        run: |c| {
            let t = c.number(2)?;
            match two_numbers(c) {
                Some((a, b)) => give_number(a + (b - a) * t),
                None => {
                    let ends = ends(c)?;
                    give_latent(ends.on_the_way(latent::lerp(&ends.z[0], &ends.z[1], t), [0, 1], t))
                }
            }
        },
    },
    Verb {
        name: "slerp",
        group: Group::Walks,
        args: &[latent("a", 0), latent("b", 1), arg("t", 0.0, 1.0, 0.5)],
        says: "From a to b along the great circle: pictures stay as vivid on the way as at the ends.",
        example: "slerp(seed(1), seed(2), t.phase(8))",
        run: |c| {
            c.charge(2)?;
            let (ends, t) = (ends(c)?, c.number(2)?);
            give_latent(ends.on_the_way(latent::slerp(&ends.z[0], &ends.z[1], t), [0, 1], t))
        },
    },
    Verb {
        name: "mix",
        group: Group::Walks,
        args: &[latents("points", 2), numbers("weights")],
        says: "Several latents with weights, which need not add up to 1.",
        example: "mix([seed(1), seed(2), seed(3)], [0.5, 0.3, 0.2])",
        run: |c| {
            let (apart, weights) = (Apart::of(c.latents(0)?.0, c.env)?, c.numbers(1)?);
            let even = vec![1.0; apart.z.len()];
            let class = blended(&apart.blends, if weights.is_empty() { &even } else { &weights });
            give_latent(apart.blended(field::mix(&apart.z, &weights), class, &weights))
        },
    },
    Verb {
        name: "path",
        group: Group::Walks,
        args: &[latents("points", 4), phase()],
        says: "Smoothly through the points, the first at phase 0 and the last at 1.",
        example: "path([seed(1), seed(2), seed(3)], t.phase(16))",
        run: |c| walked(c, false),
    },
    Verb {
        name: "ring",
        group: Group::Walks,
        args: &[latents("points", 4), phase()],
        says: "Smoothly through the points and back to the first; it closes exactly.",
        example: "ring([seed(1), seed(2), seed(3)], t.phase(16))",
        run: |c| walked(c, true),
    },
    Verb {
        name: "even",
        group: Group::Walks,
        args: &[latents("points", 4)],
        says: "Makes a path or ring through these points go at an even visual speed, measured on the pictures.",
        example: "ring(even([seed(1), seed(2), seed(3)]), t.phase(16))",
        run: |c| Value::new(Way { points: c.latents(0)?.0 }).map_err(|e| e.to_string()),
    },
    Verb {
        name: "circle",
        group: Group::Walks,
        args: &[latent("a", 0), latent("b", 1), phase()],
        says: "The great circle through a and b, once around in a phase.",
        example: "circle(seed(1), seed(2), t.phase(16))",
        run: |c| {
            c.charge(2)?;
            let (ends, phase) = (ends(c)?, c.number(2)?);
            // z is a sum with cosine and sine as weights; their squares add up to 1.
            let across = (phase.rem_euclid(1.0) * std::f64::consts::TAU).sin().powi(2);
            let mut latent = ends.on_the_way(walk::circle(&ends.z[0], &ends.z[1], phase), [0, 1], across);
            if let Some(w) = ends.w() {
                // Around the mean of W.
                let mean = c.env.mean_w();
                let at = |i: usize| mean[i % mean.len().max(1)];
                let from = |w: &Z| w.iter().enumerate().map(|(i, v)| v - at(i)).collect::<Z>();
                let around = walk::circle(&from(&w[0]), &from(&w[1]), phase);
                latent.manner.style.w = around.iter().enumerate().map(|(i, v)| v + at(i)).collect();
            }
            give_latent(latent)
        },
    },
    Verb {
        name: "noise_loop",
        group: Group::Walks,
        args: &[any("seed", 0.0), phase(), arg("radius", 0.0, 1000.0, 1.0), arg("much", 0.0, 1.0, 1.0)],
        says: "A loop through smooth noise that closes exactly; the radius says how much happens. On a StyleGAN2's latent, z.noise_loop(phase, much, seed): its planes of noise run along a loop, so much of them (1 is all).",
        example: "noise_loop(3, t.phase(16), 1.5)",
        run: |c| {
            if c.values.first().is_some_and(|v| v.borrow_ref::<Latent>().is_ok()) {
                return styles::noise_loop(c);
            }
            c.charge(16)?;
            let seed = c.number(0)?;
            let seed = if seed.is_finite() { seed.floor().rem_euclid(4_294_967_296.0) as u32 } else { 0 };
            let (phase, radius) = (c.number(1)?, c.number(2)?);
            give_latent(c.env.noise(seed, |noise| noise.around(phase, radius)))
        },
    },
    Verb {
        name: "orbit",
        group: Group::Walks,
        args: &[latent("z", 0), arg("radius", -100.0, 100.0, 0.5), phase(), arg("seed", 0.0, 4_294_967_295.0, 1.0)],
        says: "Around a latent in a small circle.",
        example: "seed(7).orbit(0.4, t.phase(8))",
        run: |c| {
            c.charge(8)?;
            let (radius, phase, seed) = (c.number(1)?, c.number(2)?, c.seed(3)?);
            changed(c, |z| {
                *z = walk::orbit(z, radius, phase, seed);
                Ok(())
            })
        },
    },
    Verb {
        name: "wobble",
        group: Group::Changes,
        args: &[latent("z", 0), arg("amount", -100.0, 100.0, 0.2), arg("time", -1e12, 1e12, 0.0)],
        says: "Every dimension drifts a little, each its own way, without end.",
        example: "seed(7).wobble(0.3, t.secs)",
        run: |c| {
            c.charge(16)?;
            let (amount, time) = (c.number(1)?, c.number(2)?);
            let drift = c.env.noise(u32::MAX, |noise| noise.at(time, 0.0));
            changed(c, |z| {
                z.iter_mut().zip(&drift).for_each(|(z, d)| *z += amount * d);
                Ok(())
            })
        },
    },
    Verb {
        name: "truncate",
        group: Group::Changes,
        args: &[latent("z", 0), arg("psi", -2.0, 2.0, 0.7)],
        says: "Towards the middle of the space: typical and calm below 1, wild above.",
        example: "seed(7).truncate(0.7)",
        run: |c| {
            let psi = c.number(1)?;
            let mean = c.env.mean_w();
            match c.latent(0)?.in_w() {
                true => changed(c, |w| {
                    w.iter_mut().zip(&mean).for_each(|(v, mean)| *v = mean + (*v - mean) * psi);
                    Ok(())
                }),
                false => each(c, |v| v * psi),
            }
        },
    },
    Verb {
        name: "normalize",
        group: Group::Changes,
        args: &[latent("z", 0)],
        says: "To the length of a typical seed, the root of the dimension.",
        example: "(seed(1) + seed(2)).normalize()",
        run: |c| {
            let own = c.latent(0)?;
            if own.in_w() {
                // Lengths of W have no such meaning.
                return give_latent(own);
            }
            let z = own.z;
            let length = walk::norm(&z);
            let factor = if length > 1e-12 { (z.len() as f64).sqrt() / length } else { 0.0 };
            each(c, |v| v * factor)
        },
    },
    Verb {
        name: "scale",
        group: Group::Changes,
        args: &[
            Arg { name: "z", kind: Kind::LatentOrDrawing, bare: Bare::Seed(0) },
            arg("k", -1e6, 1e6, 1.0),
            arg("down", -1e6, 1e6, 1.0),
        ],
        says: "All dimensions times k; of a drawing, all that follows k times as wide and high (or down times as high). With two numbers on a texture's latent: the structures of size k (0 is the finest) so strong, 1 as they are and 0 left to the network.",
        example: "seed(7).scale(1.5)",
        run: |c| {
            if let Some(drawing) = forms::scaled(c)? {
                return Ok(drawing);
            }
            if c.given(2) {
                return textures::amount(c);
            }
            let (mut latent, k) = (c.latent(0)?, c.number(1)?.clamp(-100.0, 100.0));
            let all = latent.z.iter_mut().chain(&mut latent.class).chain(&mut latent.manner.style.w);
            all.for_each(|v| *v *= k);
            give_latent(latent)
        },
    },
    Verb {
        name: "set",
        group: Group::Changes,
        args: &[Z_ARG, arg("i", 0.0, 65_535.0, 0.0), arg("v", -100.0, 100.0, 0.0)],
        says: "One dimension set to a value.",
        example: "seed(7).set(12, 2.5)",
        run: |c| at_dimension(c, |_, v| v),
    },
    Verb {
        name: "add",
        group: Group::Changes,
        args: &[Z_ARG, arg("i", 0.0, 65_535.0, 0.0), arg("v", -100.0, 100.0, 0.0)],
        says: "A value added to one dimension.",
        example: "seed(7).add(12, c.knob(\"twelve\", 0.5))",
        run: |c| at_dimension(c, |z, v| z + v),
    },
    Verb {
        name: "row",
        group: Group::Changes,
        args: &[Z_ARG, arg("r", 0.0, 65_535.0, 0.0), arg("v", -100.0, 100.0, 3.0)],
        says: "One row of the picture of z (ten by ten for z of 100) set to a value.",
        example: "zeros().row(3, 2)",
        run: |c| {
            let (row, v) = (c.whole(1)? as usize, c.number(2)?);
            changed(c, |z| {
                let (rows, columns) = grid(z.len());
                let row = row.min(rows - 1);
                z[row * columns..(row + 1) * columns].fill(v);
                Ok(())
            })
        },
    },
    Verb {
        name: "quadrant",
        group: Group::Changes,
        args: &[Z_ARG, arg("q", 0.0, 3.0, 0.0), arg("v", -100.0, 100.0, 1.0)],
        says: "One quarter of the picture of z set to a value: 0 top left, 1 top right, 2 and 3 below.",
        example: "zeros().quadrant(1, 2)",
        run: |c| {
            let (q, v) = (c.whole(1)? as usize, c.number(2)?);
            changed(c, |z| {
                let (rows, columns) = grid(z.len());
                for (i, z) in z.iter_mut().enumerate() {
                    if study::quadrant_of(i / columns, i % columns, (rows, columns)) == q {
                        *z = v;
                    }
                }
                Ok(())
            })
        },
    },
    Verb {
        name: "map",
        group: Group::Changes,
        args: &[Z_ARG, function()],
        says: "Every dimension through a function of its value and its number.",
        example: "seed(7).map(|v, i| v * 0.5)",
        run: |c| {
            let f = c.function(1)?;
            changed(c, |z| {
                if let Some(f) = &f {
                    *z = by_function(c, f, z.len(), |i| (z[i], i as f64))?;
                }
                Ok(())
            })
        },
    },
    Verb {
        name: "class",
        group: Group::Changes,
        args: &[
            latent("z", 0),
            Arg { name: "class", kind: Kind::Class, bare: Bare::Number(0.0) },
            arg("amount", 0.0, 1.0, 1.0),
        ],
        says: "z with so much of a class, by name or number, and the rest of what it had. Numbers count from 0 and begin anew behind the last; 1.5 is half of 1 and half of 2. Nothing where the model has no classes.",
        example: "seed(7).class(t.beat, 0.8)",
        run: |c| {
            let (mut latent, class, amount) = (c.latent(0)?, c.class(1)?, c.number(2)?);
            if let Some(class) = class {
                let before = match space::whole(&latent.class) {
                    none if none.is_empty() => c.env.lock().blend.clone(),
                    own => own,
                };
                // Where nobody said what the show has, it is this class alone.
                let before = if before.len() == class.len() { before } else { class.clone() };
                latent.class = blended(&[class, before], &[amount, 1.0 - amount]);
            }
            give_latent(latent)
        },
    },
    Verb {
        name: "prefer",
        group: Group::Changes,
        args: &[Z_ARG, arg("k", -100.0, 100.0, 1.0)],
        says: "z moved by k along the way in which the critic's score rises at the first latent shown: more like the data, or less. A point of W stays where it is.",
        example: "seed(7).prefer(2)",
        run: |c| {
            let k = c.number(1)?;
            let own = c.latent(0)?;
            if own.in_w() {
                // What is known is the way in z.
                return give_latent(own);
            }
            changed(c, |z| {
                let mut inside = c.env.lock();
                inside.eye.wants_direction = true;
                z.iter_mut().zip(inside.eye.direction.iter()).for_each(|(z, d)| *z += k * d);
                Ok(())
            })
        },
    },
    Verb {
        name: "get",
        group: Group::Changes,
        args: &[Z_ARG, arg("i", 0.0, 65_535.0, 0.0)],
        says: "The value of one dimension.",
        example: "seed(7).scale(seed(1).get(3))",
        run: |c| {
            let own = c.latent(0)?;
            let numbers = own.numbers(c.env);
            give_number(numbers[(c.whole(1)? as usize).min(numbers.len().saturating_sub(1))])
        },
    },
    Verb {
        name: "len",
        group: Group::Changes,
        args: &[Z_ARG],
        says: "How many dimensions the latent has.",
        example: "constant(1.0 / zeros().len() as f64)",
        run: |c| Ok(Value::from(c.env.dim() as i64)),
    },
];
