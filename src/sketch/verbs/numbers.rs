//! Verbs on numbers: time, the hand, easing, mathematics that the script language leaves out.

use rune::Value;

use super::super::call::{Bare, Kind};
use super::super::values::Latent;
use super::{Arg, Group, Verb, arg, give_number, receiver, text, textures};
use crate::latent::{ease, walk};

const T: Arg = receiver("t", Kind::Time);
const C: Arg = receiver("c", Kind::Hand);
const NAME: Arg = text("name", "a");
const FAR: f64 = 1e12;
const SHARE: Arg = arg("x", 0.0, 1.0, 0.5);
const POWER: Arg = arg("power", 0.01, 100.0, 2.0);

const fn x(bare: f64) -> Arg {
    arg("x", -FAR, FAR, bare)
}

/// A verb of one number.
macro_rules! plain {
    ($name:literal, $says:literal, $example:literal, $f:expr) => {
        Verb {
            name: $name,
            group: Group::Numbers,
            args: &[x(0.0)],
            says: $says,
            example: $example,
            run: |c| give_number($f(c.number(0)?)),
        }
    };
}

/// An easing of 0..1.
macro_rules! easing {
    ($name:literal, $says:literal, $f:expr) => {
        Verb {
            name: $name,
            group: Group::Easing,
            args: &[SHARE],
            says: $says,
            example: concat!("lerp(seed(1), seed(2), ", $name, "(t.phase(4)))"),
            run: |c| give_number($f(c.number(0)?)),
        }
    };
}

/// An easing with a power.
macro_rules! powered {
    ($name:literal, $says:literal, $f:expr) => {
        Verb {
            name: $name,
            group: Group::Easing,
            args: &[SHARE, POWER],
            says: $says,
            example: concat!("lerp(seed(1), seed(2), ", $name, "(t.phase(4), 3))"),
            run: |c| give_number($f(c.number(0)?, c.number(1)?)),
        }
    };
}

pub const VERBS: &[Verb] = &[
    Verb {
        name: "phase",
        group: Group::Time,
        args: &[T, arg("beats", 0.0, FAR, 4.0)],
        says: "0..1, once in so many beats.",
        example: "lerp(seed(1), seed(2), t.phase(8))",
        run: |c| give_number(c.time()?.tick.phase(c.number(1)?)),
    },
    Verb {
        name: "count",
        group: Group::Time,
        args: &[T, arg("beats", 1e-6, FAR, 1.0)],
        says: "How many times so many beats have passed: a whole number for seeds.",
        example: "seed(t.count(4))",
        run: |c| Ok(Value::from((c.time()?.tick.beat / c.number(1)?).floor() as i64)),
    },
    Verb {
        name: "every",
        group: Group::Time,
        args: &[T, arg("beats", 1e-6, FAR, 1.0)],
        says: "True in the first frame of every so many beats.",
        example: "if t.every(4) { seed(2) } else { seed(1) }",
        run: |c| {
            let (tick, beats) = (c.time()?.tick, c.number(1)?);
            let before = tick.beat - tick.dt * tick.bpm / 60.0;
            Ok(Value::from(tick.frame == 0 || (tick.beat / beats).floor() != (before / beats).floor()))
        },
    },
    Verb {
        name: "knob",
        group: Group::Hand,
        args: &[C, NAME, arg("default", 0.0, 1.0, 0.5)],
        says: "A knob, 0..1, smoothed; it appears on the desk by being named.",
        example: "lerp(seed(1), seed(2), c.knob(\"blend\", 0.5))",
        run: |c| {
            let (name, default) = (c.text(1)?, c.number(2)?);
            give_number(c.env.lock().controls.knob(&name, default))
        },
    },
    Verb {
        name: "value",
        group: Group::Hand,
        args: &[C, NAME, arg("min", -FAR, FAR, 0.0), arg("max", -FAR, FAR, 1.0), arg("default", -FAR, FAR, 0.5)],
        says: "A knob in a unit of its own.",
        example: "seed(7).truncate(c.value(\"psi\", 0, 1.5, 0.8))",
        run: |c| {
            let (name, min, max, default) = (c.text(1)?, c.number(2)?, c.number(3)?, c.number(4)?);
            give_number(c.env.lock().controls.value(&name, min, max, default))
        },
    },
    Verb {
        name: "hit",
        group: Group::Hand,
        args: &[C, NAME],
        says: "True in the frame of a trigger: a key of that name, a pad, a message.",
        example: "if c.hit(\"x\") { seed(2) } else { seed(1) }",
        run: |c| {
            let name = c.text(1)?;
            Ok(Value::from(c.env.lock().controls.hit(&name)))
        },
    },
    Verb {
        name: "note",
        group: Group::Hand,
        args: &[C, arg("n", 0.0, 127.0, 60.0)],
        says: "How hard a note is held, 0..1.",
        example: "seed(7).scale(1.0 - c.note(60))",
        run: |c| {
            let n = c.whole(1)? as usize;
            give_number(c.env.lock().controls.note(n))
        },
    },
    easing!("smooth", "Slow at both ends (smoothstep).", ease::smooth),
    powered!("ease_in", "Slow at the start.", ease::ease_in),
    powered!("ease_out", "Slow at the end.", ease::ease_out),
    powered!("ease_in_out", "Slow at both ends, with a power.", ease::ease_in_out),
    easing!("bounce", "Bounces at the end.", ease::bounce),
    easing!("elastic", "Overshoots like a spring.", ease::elastic),
    easing!("back", "Overshoots once.", ease::back),
    easing!("sine", "Half a cosine.", ease::sine),
    Verb {
        name: "pingpong",
        group: Group::Easing,
        args: &[x(0.0)],
        says: "There and back: 0, 1 at the half, 0 again; period 1.",
        example: "slerp(seed(1), seed(2), pingpong(t.phase(8)))",
        run: |c| give_number(1.0 - (2.0 * c.number(0)?.rem_euclid(1.0) - 1.0).abs()),
    },
    Verb {
        name: "steps",
        group: Group::Easing,
        args: &[SHARE, arg("n", 1.0, 1e6, 4.0)],
        says: "In n equal steps.",
        example: "path([1, 2, 3], steps(t.phase(8), 8))",
        run: |c| {
            let n = c.number(1)?.floor();
            give_number((c.number(0)? * n).floor() / n)
        },
    },
    plain!("sin", "The sine of radians.", "seed(7).scale(sin(t.secs))", libm::sin),
    plain!("cos", "The cosine of radians.", "seed(7).scale(cos(t.secs))", libm::cos),
    plain!("tan", "The tangent of radians.", "seed(7).set(3, tan(0.5))", libm::tan),
    plain!("exp", "e to the power of x.", "seed(7).scale(exp(-1))", libm::exp),
    plain!(
        "log",
        "The natural logarithm; of 0 and less that of a very small number.",
        "seed(7).scale(log(2))",
        |v: f64| { libm::log(v.max(f64::MIN_POSITIVE)) }
    ),
    plain!("sqrt", "The square root; of a negative number 0.", "seed(7).scale(sqrt(0.5))", |v: f64| v.max(0.0).sqrt()),
    plain!("floor", "Down to a whole number.", "seed(floor(t.secs))", f64::floor),
    plain!("fract", "What is behind the point, 0..1.", "slerp(seed(1), seed(2), fract(t.secs))", |v: f64| v
        .rem_euclid(1.0)),
    plain!("abs", "Without its sign.", "seed(7).scale(abs(sin(t.secs)))", f64::abs),
    Verb {
        name: "tau",
        group: Group::Numbers,
        args: &[arg("k", -FAR, FAR, 1.0)],
        says: "k full turns in radians.",
        example: "seed(7).scale(sin(tau(t.phase(4))))",
        run: |c| give_number(std::f64::consts::TAU * c.number(0)?),
    },
    Verb {
        name: "pow",
        group: Group::Numbers,
        args: &[arg("x", 0.0, FAR, 1.0), arg("y", -100.0, 100.0, 2.0)],
        says: "x to the power of y, for x from 0.",
        example: "seed(7).scale(pow(t.phase(4), 3))",
        run: |c| give_number(libm::pow(c.number(0)?, c.number(1)?)),
    },
    Verb {
        name: "min",
        group: Group::Numbers,
        args: &[x(0.0), arg("y", -FAR, FAR, 0.0)],
        says: "The smaller of two.",
        example: "seed(7).scale(min(t.secs, 1))",
        run: |c| give_number(c.number(0)?.min(c.number(1)?)),
    },
    Verb {
        name: "max",
        group: Group::Numbers,
        args: &[x(0.0), arg("y", -FAR, FAR, 0.0)],
        says: "The larger of two.",
        example: "seed(7).scale(max(0.3, sin(t.secs)))",
        run: |c| give_number(c.number(0)?.max(c.number(1)?)),
    },
    Verb {
        name: "clamp",
        group: Group::Numbers,
        args: &[x(0.0), arg("low", -FAR, FAR, 0.0), arg("high", -FAR, FAR, 1.0)],
        says: "Kept between two bounds.",
        example: "seed(7).scale(clamp(t.secs, 0, 1))",
        run: |c| give_number(c.number(0)?.max(c.number(1)?).min(c.number(2)?)),
    },
    Verb {
        name: "remap",
        group: Group::Numbers,
        args: &[
            x(0.0),
            arg("from_low", -FAR, FAR, 0.0),
            arg("from_high", -FAR, FAR, 1.0),
            arg("to_low", -FAR, FAR, 0.0),
            arg("to_high", -FAR, FAR, 1.0),
        ],
        says: "From one range to another.",
        example: "seed(7).scale(remap(sin(t.secs), -1, 1, 0.5, 1.2))",
        run: |c| {
            let (low, high) = (c.number(1)?, c.number(2)?);
            let share = if high == low { 0.0 } else { (c.number(0)? - low) / (high - low) };
            give_number(c.number(3)? + (c.number(4)? - c.number(3)?) * share)
        },
    },
    Verb {
        name: "noise",
        group: Group::Numbers,
        args: &[
            Arg { name: "x", kind: Kind::Any, bare: Bare::Number(0.0) },
            arg("y", -FAR, FAR, 0.0),
            arg("seed", 0.0, 4_294_967_295.0, 0.0),
        ],
        says: "A smooth random number, −1..1, over x and y. On a texture's latent, z.noise(seed, k): it with the noise of a seed at one size k (0 is the finest), or at all without k; on a StyleGAN2's, z.noise(seed): it with planes of noise of a seed.",
        example: "seed(7).set(3, noise(t.secs) * 3.0)",
        run: |c| match c.values.first().is_none_or(|v| v.borrow_ref::<Latent>().is_err()) {
            true => {
                let x = c.number(0)?;
                let x = if x.is_finite() { x.clamp(-FAR, FAR) } else { 0.0 };
                give_number(walk::noise(x, c.number(1)?, c.seed(2)?))
            }
            false => textures::noise(c),
        },
    },
    Verb {
        name: "rand",
        group: Group::Numbers,
        args: &[x(0.0), arg("seed", 0.0, 4_294_967_295.0, 0.0)],
        says: "A random number, 0..1, that depends on nothing but its arguments.",
        example: "seed(7).scale(rand(t.count(1)))",
        run: |c| give_number(walk::hash([c.whole(0)?, 0], c.seed(1)?)),
    },
];
