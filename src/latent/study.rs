//! The z studies published with the original: hand-made vectors on the 10×10 picture of z.

use super::Z;

/// A series of hand-made vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Study {
    /// One row of ten set to 3, the rest 0: ten frames for z of 100.
    Rows,
    /// One quadrant (top left, top right, bottom left, bottom right) set to 1, then 2, then 3.
    Quadrants,
    /// All dimensions −3, −2, … 3.
    Constants,
}

/// Rows and columns that z is shown in: as square as it can be, `columns ≥ rows`.
pub fn grid(dim: usize) -> (usize, usize) {
    let rows = (1..=dim).take_while(|r| r * r <= dim).filter(|r| dim.is_multiple_of(*r)).last().unwrap_or(1);
    (rows, dim / rows)
}

/// Which quarter of the picture of z a cell lies in: 0 top left, 1 top right, 2 and 3 below.
pub fn quadrant_of(y: usize, x: usize, (rows, columns): (usize, usize)) -> usize {
    (2 * y / rows).min(1) * 2 + (2 * x / columns).min(1)
}

/// The vectors of a study, each with what it is called.
pub fn frames(study: Study, dim: usize) -> Vec<(String, Z)> {
    let (rows, columns) = grid(dim);
    let made = |value: &dyn Fn(usize, usize) -> f64| (0..dim).map(|i| value(i / columns, i % columns)).collect();
    match study {
        Study::Rows => {
            (0..rows).map(|row| (format!("row {row} = 3"), made(&|y, _| if y == row { 3.0 } else { 0.0 }))).collect()
        }
        Study::Quadrants => (0..4)
            .flat_map(|quadrant| (1..=3).map(move |level| (quadrant, level)))
            .map(|(quadrant, level)| {
                let name = ["top left", "top right", "bottom left", "bottom right"][quadrant];
                let inside = |y: usize, x: usize| quadrant_of(y, x, (rows, columns)) == quadrant;
                let value = f64::from(level);
                (format!("{name} = {level}"), made(&|y, x| if inside(y, x) { value } else { 0.0 }))
            })
            .collect(),
        Study::Constants => (-3..=3).map(|v| (format!("all = {v}"), vec![f64::from(v); dim])).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_studies_have_their_frames() {
        let check = |study, count, at: usize, sum: f64| {
            let frames = frames(study, 100);
            assert_eq!(frames.len(), count);
            assert_eq!(frames[at].1.iter().sum::<f64>(), sum);
        };
        check(Study::Rows, 10, 9, 30.0);
        check(Study::Quadrants, 12, 5, 75.0);
        check(Study::Constants, 7, 0, -300.0);
        let (name, z) = &frames(Study::Quadrants, 100)[3];
        assert_eq!((name.as_str(), z[5], z[4], z[95]), ("top right = 1", 1.0, 0.0, 0.0));
    }

    #[test]
    fn the_grid_is_as_square_as_it_can_be() {
        assert_eq!((grid(100), grid(512), grid(7), grid(1)), ((10, 10), (16, 32), (1, 7), (1, 1)));
    }
}
