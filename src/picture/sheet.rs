//! Sheets: pictures of one size in rows and columns on a dark ground.

use super::Picture;

/// Pixels between pictures and around them.
const GAP: usize = 2;
const GROUND: [u8; 3] = [40, 40, 40];

/// Lays `pictures` out, row by row, `columns` in a row.
pub fn sheet(pictures: &[Picture], columns: usize) -> Picture {
    let columns = columns.max(1);
    let (width, height) = pictures.first().map_or((1, 1), |p| (p.width, p.height));
    let rows = pictures.len().div_ceil(columns);
    let mut out = Picture::filled(columns * (width + GAP) + GAP, rows * (height + GAP) + GAP, GROUND);
    for (i, picture) in pictures.iter().enumerate() {
        out.paste(picture, GAP + i % columns * (width + GAP), GAP + i / columns * (height + GAP));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_row_by_row() {
        let red = Picture::filled(4, 3, [255, 0, 0]);
        let blue = Picture::filled(4, 3, [0, 0, 255]);
        let out = sheet(&[red.clone(), red, blue], 2);
        assert_eq!((out.width, out.height), (14, 12));
        assert_eq!(
            (out.at(2, 2), out.at(8, 4), out.at(2, 7), out.at(8, 7)),
            ([255, 0, 0], [255, 0, 0], [0, 0, 255], GROUND)
        );
        assert_eq!(sheet(&[], 0).width, 5);
    }
}
