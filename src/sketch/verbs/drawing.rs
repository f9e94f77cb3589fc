//! Verbs that compose a frame: several pictures, their places and opacities, and marks.

use rune::Value;

use super::super::call::{Bare, Call, Kind, Wrong};
use super::super::pen::move_mark;
use super::super::values::{Drawing, Latent};
use super::{Arg, Group, Verb, arg, colour, latents, numbers, receiver, text};
use crate::latent::pose::{Colour, MOST_LATENTS, Mark, Place, Point, Pose};
use crate::latent::study;

pub(super) const DRAW: Arg = receiver("draw", Kind::Drawing);
/// How far from the frame a mark may lie, in its units.
pub(super) const FAR: f64 = 1e6;
pub(super) const X: Arg = arg("x", -FAR, FAR, 0.0);
pub(super) const Y: Arg = arg("y", -FAR, FAR, 0.0);
pub(super) const W: Arg = arg("w", -FAR, FAR, 1.0);
pub(super) const H: Arg = arg("h", -FAR, FAR, 1.0);
const OPACITY: Arg = arg("opacity", 0.0, 1.0, 1.0);
pub(super) const WEIGHT: Arg = arg("weight", 0.0, FAR, 0.0);
pub(super) const LINE_WEIGHT: Arg = arg("weight", 0.0, FAR, 0.01);

fn give(pose: Pose) -> Result<Value, Wrong> {
    Value::new(Drawing::of(pose)).map_err(|e| e.to_string())
}

pub(super) fn place(c: &Call, from: usize) -> Result<Place, Wrong> {
    let at = |i: usize| Ok::<f32, Wrong>(c.number(from + i)? as f32);
    Ok(Place { x: at(0)?, y: at(1)?, w: at(2)?, h: at(3)? })
}

/// Adds a latent to the frame's batch; an equal one is drawn only once.
fn add_latent(pose: &mut Pose, point: Point) -> Result<usize, Wrong> {
    let at = pose.place_of(point);
    match at < MOST_LATENTS {
        true => Ok(at),
        false => Err(format!("a frame has room for {MOST_LATENTS} different latents")),
    }
}

/// Adds a mark where the pen has it.
pub(super) fn add_mark(c: &Call, d: &mut Drawing, mark: Mark) -> Result<(), Wrong> {
    let drawn = c.env.lock().drawing;
    if drawn && matches!(mark, Mark::Picture { .. } | Mark::Heatmap { .. }) {
        return Err(format!("{}: a drawing sketch draws without a network, so it has no pictures of latents", c.verb));
    }
    d.lay(mark, drawn).map_err(|why| format!("{}: {why}", c.verb))
}

/// The latent of argument `i`: one given as such, or the number of one that the drawing has already.
fn which(c: &Call, pose: &mut Pose, i: usize) -> Result<usize, Wrong> {
    let known = c.values.get(i).and_then(|v| v.as_integer::<usize>().ok());
    match known {
        Some(at) if at < pose.latents.len() => Ok(at),
        Some(at) if !pose.latents.is_empty() => {
            Err(format!("{}: there is no picture {at}; this drawing has 0 to {}", c.verb, pose.latents.len() - 1))
        }
        _ => add_latent(pose, c.latent(i)?.narrow()),
    }
}

/// Pictures of `points` in `columns`.
fn grid(points: &[Latent], columns: usize, gap: f32) -> Result<Value, Wrong> {
    let pose = Pose::grid(points.iter().map(Latent::narrow).collect(), columns, gap);
    match pose.latents.len() <= MOST_LATENTS {
        true => give(pose),
        false => Err(format!("a frame has room for {MOST_LATENTS} different latents")),
    }
}

/// Adds a rectangle or an ellipse: both take a place, a colour and a weight.
fn area(c: &Call, mark: fn(Place, f32, Colour) -> Mark) -> Result<Value, Wrong> {
    c.draw(|d| add_mark(c, d, mark(place(c, 1)?, c.number(6)? as f32, c.colour(5)?)))
}

/// Changes every place in the marks.
fn move_marks(pose: &mut Pose, to: Place) {
    pose.marks.iter_mut().for_each(|mark| move_mark(mark, to, to.h));
}

fn fade(pose: &mut Pose, by: f32) {
    for mark in &mut pose.marks {
        match mark {
            Mark::Picture { opacity, .. } | Mark::Heatmap { opacity, .. } => *opacity *= by,
            Mark::Line { colour, .. }
            | Mark::Rect { colour, .. }
            | Mark::Ellipse { colour, .. }
            | Mark::Text { colour, .. } => colour[3] *= by,
            Mark::Path(path) => path.colour[3] *= by,
        }
    }
}

fn join(c: &Call, d: &mut Drawing, other: Pose) -> Result<(), Wrong> {
    let mut moved = Vec::with_capacity(other.latents.len());
    for at in 0..other.latents.len() {
        moved.push(add_latent(&mut d.pose, other.point(at))?);
    }
    for mut mark in other.marks {
        if let Mark::Picture { latent, .. } | Mark::Heatmap { latent, .. } = &mut mark {
            *latent = moved.get(*latent).copied().unwrap_or(0);
        }
        add_mark(c, d, mark)?;
    }
    Ok(())
}

pub const VERBS: &[Verb] = &[
    Verb {
        name: "draw",
        group: Group::Frames,
        args: &[arg("aspect", 0.05, 20.0, 1.0)],
        says: "An empty frame to draw in, as wide as high, or wider; x and y go 0..1 from the top left.",
        example: "draw(2).picture(seed(1), 0, 0, 0.5, 1).heatmap(seed(1), 0.5, 0, 0.5, 1)",
        run: |c| give(Pose { aspect: c.number(0)? as f32, ..Pose::default() }),
    },
    Verb {
        name: "grid",
        group: Group::Frames,
        args: &[latents("points", 4), arg("columns", 1.0, 64.0, 2.0), arg("gap", 0.0, 0.9, 0.0)],
        says: "Pictures of several latents in rows and columns.",
        example: "grid([1, 2, 3, 4, 5, 6], 3, 0.05)",
        run: |c| grid(&c.latents(0)?.0, c.whole(1)? as usize, c.number(2)? as f32),
    },
    Verb {
        name: "side_by_side",
        group: Group::Frames,
        args: &[latents("points", 2), arg("gap", 0.0, 0.9, 0.0)],
        says: "Pictures of several latents in one row.",
        example: "side_by_side([seed(1), seed(2)])",
        run: |c| {
            let points = c.latents(0)?.0;
            grid(&points, points.len(), c.number(1)? as f32)
        },
    },
    Verb {
        name: "crossfade",
        group: Group::Frames,
        args: &[latents("points", 2), numbers("weights")],
        says: "Pictures of several latents over each other, with weights: a blend of pictures, not of latents.",
        example: "crossfade([seed(1), seed(2)], [0.7, 0.3])",
        run: |c| {
            let (points, weights) = (c.latents(0)?.0, c.numbers(1)?);
            let mut pose = Pose::default();
            let mut sum = 0.0;
            for (i, z) in points.iter().enumerate() {
                let bare = if weights.is_empty() { 1.0 } else { 0.0 };
                let weight = weights.get(i).copied().unwrap_or(bare).max(0.0);
                sum += weight;
                // Over what is there, this opacity leaves each its share of the sum.
                let opacity = if sum > 0.0 { (weight / sum) as f32 } else { 0.0 };
                let latent = add_latent(&mut pose, z.narrow())?;
                pose.marks.push(Mark::Picture { latent, place: Place::ALL, opacity });
            }
            give(pose)
        },
    },
    Verb {
        name: "picture",
        group: Group::Marks,
        args: &[DRAW, Arg { name: "z", kind: Kind::Latent, bare: Bare::Seed(0) }, X, Y, W, H, OPACITY],
        says: "The picture of a latent, or of the drawing's latent number 0, 1, 2, at a place.",
        example: "draw().picture(seed(1), 0.1, 0.1, 0.8, 0.8)",
        run: |c| {
            c.draw(|d| {
                let latent = which(c, &mut d.pose, 1)?;
                add_mark(c, d, Mark::Picture { latent, place: place(c, 2)?, opacity: c.number(6)? as f32 })
            })
        },
    },
    Verb {
        name: "heatmap",
        group: Group::Marks,
        args: &[
            DRAW,
            Arg { name: "z", kind: Kind::Latent, bare: Bare::Seed(0) },
            X,
            Y,
            W,
            H,
            arg("numbers", 0.0, 1.0, 1.0),
            arg("range", 0.01, 100.0, 3.0),
        ],
        says: "A latent as grey cells with its numbers; black is −range and white range.",
        example: "draw().heatmap(seed(1), 0.05, 0.05, 0.9, 0.9)",
        run: |c| {
            c.draw(|d| {
                let latent = which(c, &mut d.pose, 1)?;
                let range = c.number(7)? as f32;
                let (_, columns) = study::grid(c.env.dim().max(1));
                let numbers = c.number(6)? >= 0.5;
                let place = place(c, 2)?;
                let range = [-range, range];
                add_mark(c, d, Mark::Heatmap { latent, place, columns, numbers, range, opacity: 1.0 })
            })
        },
    },
    Verb {
        name: "line",
        group: Group::Marks,
        args: &[
            DRAW,
            arg("x1", -FAR, FAR, 0.0),
            arg("y1", -FAR, FAR, 0.0),
            arg("x2", -FAR, FAR, 1.0),
            arg("y2", -FAR, FAR, 1.0),
            LINE_WEIGHT,
            colour(),
        ],
        says: "A line, its weight a share of the frame's height.",
        example: "draw().line(0.1, 0.5, 0.9, 0.5, 0.02, \"magenta\")",
        run: |c| {
            c.draw(|d| {
                let Place { x, y, w, h } = place(c, 1)?;
                let weight = c.number(5)? as f32;
                add_mark(c, d, Mark::Line { from: [x, y], to: [w, h], weight, colour: c.colour(6)? })
            })
        },
    },
    Verb {
        name: "rect",
        group: Group::Marks,
        args: &[DRAW, X, Y, W, H, colour(), WEIGHT],
        says: "A rectangle, filled, or with a line of some weight.",
        example: "draw().rect(0.1, 0.1, 0.8, 0.8, \"cyan\", 0.01)",
        run: |c| area(c, |place, weight, colour| Mark::Rect { place, weight, colour }),
    },
    Verb {
        name: "ellipse",
        group: Group::Marks,
        args: &[DRAW, X, Y, W, H, colour(), WEIGHT],
        says: "An ellipse within a rectangle, filled, or with a line of some weight.",
        example: "draw().ellipse(0.4, 0.4, 0.2, 0.2, \"yellow\")",
        run: |c| area(c, |place, weight, colour| Mark::Ellipse { place, weight, colour }),
    },
    Verb {
        name: "text",
        group: Group::Marks,
        args: &[
            DRAW,
            text("text", ""),
            arg("x", -FAR, FAR, 0.5),
            arg("y", -FAR, FAR, 0.5),
            arg("size", 0.001, FAR, 0.05),
            colour(),
        ],
        says: "A line of text with its middle at a place, its size a share of the frame's height.",
        example: "draw().text(\"z\", 0.5, 0.9, 0.06)",
        run: |c| {
            c.draw(|d| {
                let at = [c.number(2)? as f32, c.number(3)? as f32];
                let (text, size, colour) = (c.text(1)?, c.number(4)? as f32, c.colour(5)?);
                add_mark(c, d, Mark::Text { text, at, size, colour })
            })
        },
    },
    Verb {
        name: "background",
        group: Group::Marks,
        args: &[DRAW, colour()],
        says: "The colour behind everything in the frame.",
        example: "draw().background(\"paper\").picture(seed(1), 0.2, 0.2, 0.6, 0.6)",
        run: |c| {
            c.draw(|d| {
                let [r, g, b, _] = if c.given(1) { c.colour(1)? } else { [0.0; 4] };
                d.pose.background = [r, g, b];
                Ok(())
            })
        },
    },
    Verb {
        name: "place",
        group: Group::Frames,
        args: &[DRAW, X, Y, W, H],
        says: "Moves everything drawn so far into a rectangle of the frame.",
        example: "grid([1, 2, 3, 4], 2).place(0.25, 0.25, 0.5, 0.5)",
        run: |c| {
            c.draw(|d| {
                move_marks(&mut d.pose, place(c, 1)?);
                Ok(())
            })
        },
    },
    Verb {
        name: "fade",
        group: Group::Frames,
        args: &[DRAW, OPACITY],
        says: "Makes everything drawn so far more transparent.",
        example: "grid([1, 2, 3, 4], 2).fade(0.5)",
        run: |c| {
            c.draw(|d| {
                fade(&mut d.pose, c.number(1)? as f32);
                Ok(())
            })
        },
    },
    Verb {
        name: "join",
        group: Group::Frames,
        args: &[DRAW, receiver("other", Kind::Any)],
        says: "Draws another drawing, or the picture of a latent, over this one.",
        example: "side_by_side([1, 2]).join(draw().text(\"two\", 0.5, 0.9))",
        run: |c| {
            let other = if c.given(1) { c.drawing(1)? } else { Drawing::of(Pose::default()) };
            c.draw(|d| join(c, d, other.pose))
        },
    },
];
