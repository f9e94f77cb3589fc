//! Neighbouring values in pieces, so many at most however many come.
//!
//! Filled by `trainer::curve` and `trainer::runs`, on whatever thread they are on. Where there would be too many pieces,
//! each two become one. Absent: what a piece holds of its values.

/// Pieces at most; a plot is 860 pixels wide.
pub(super) const MOST: usize = 4096;

/// Neighbouring values.
pub(super) trait Piece: Sized {
    /// The place of its first value; places ascend.
    fn place(&self) -> i64;

    /// Takes in the values behind its own.
    fn join(&mut self, next: Self);
}

/// Values in pieces.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pieces<P> {
    /// The pieces, in the order of their places.
    pub(super) list: Vec<P>,
    /// Places that a piece spans.
    width: i64,
}

impl<P> Default for Pieces<P> {
    fn default() -> Self {
        Self { list: Vec::new(), width: 1 }
    }
}

impl<P: Piece> Pieces<P> {
    /// Adds what comes behind all others.
    pub(super) fn push(&mut self, piece: P) {
        add(&mut self.list, piece, self.width);
        if self.list.len() > MOST {
            self.width *= 2;
            let mut wider = Vec::with_capacity(MOST + 1);
            self.list.drain(..).for_each(|piece| add(&mut wider, piece, self.width));
            self.list = wider;
        }
    }
}

fn add<P: Piece>(list: &mut Vec<P>, piece: P, width: i64) {
    match list.last_mut() {
        Some(last) if last.place().div_euclid(width) == piece.place().div_euclid(width) => last.join(piece),
        _ => list.push(piece),
    }
}
