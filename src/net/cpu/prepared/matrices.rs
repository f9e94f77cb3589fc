//! The three matrices of a fast convolution, from its definition.
//!
//! `F(m, t)` makes m outputs of a t-tap filter from A = m + t − 1 inputs with A multiplications:
//! `y = Aᵀ[(G g) ⊙ (Bᵀ d)]` (Winograd 1980; Lavin & Gray 2015, "Fast Algorithms for Convolutional
//! Neural Networks", section 4). It is Toom and Cook's multiplication of polynomials, transposed:
//! both factors are taken at A − 1 points and at infinity, and interpolated.

/// Points that lose little accuracy; as many are used as a transform needs.
const POINTS: [f64; 7] = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5];

/// `F(M, T)` with A = M + T − 1.
pub struct Matrices<const M: usize, const T: usize, const A: usize> {
    /// From products to outputs.
    pub at: [[f32; A]; M],
    /// From taps to factors.
    pub g: [[f32; T]; A],
    /// From inputs to factors.
    pub bt: [[f32; A]; A],
}

impl<const M: usize, const T: usize, const A: usize> Matrices<M, T, A> {
    /// The matrices, made by the compiler.
    pub const MADE: Self = Self::cook_toom();

    /// Row j of `at` and `g` has the powers of point j, that of `bt` the coefficients of the product
    /// of all `x − point` but the j-th; `g` is divided by that product at the point itself.
    const fn cook_toom() -> Self {
        assert!(A == M + T - 1 && A <= POINTS.len() + 1);
        let (mut at, mut g, mut bt) = ([[0.0; A]; M], [[0.0; T]; A], [[0.0; A]; A]);
        let mut j = 0;
        while j + 1 < A {
            let mut product = [0.0; A];
            product[0] = 1.0;
            let (mut at_point, mut l) = (1.0, 0);
            while l + 1 < A {
                if l != j {
                    product = times(product, POINTS[l]);
                    at_point *= POINTS[j] - POINTS[l];
                }
                l += 1;
            }
            let (mut power, mut i) = (1.0, 0);
            while i < A {
                if i < M {
                    at[i][j] = power as f32;
                }
                if i < T {
                    g[j][i] = (power / at_point) as f32;
                }
                bt[j][i] = product[i] as f32;
                power *= POINTS[j];
                i += 1;
            }
            j += 1;
        }
        let mut whole = [0.0; A];
        whole[0] = 1.0;
        j = 0;
        while j + 1 < A {
            whole = times(whole, POINTS[j]);
            j += 1;
        }
        j = 0;
        while j < A {
            bt[A - 1][j] = whole[j] as f32;
            j += 1;
        }
        at[M - 1][A - 1] = 1.0;
        g[A - 1][T - 1] = 1.0;
        Self { at, g, bt }
    }
}

/// The polynomial times `x − point`; coefficients from the lowest on.
const fn times<const A: usize>(polynomial: [f64; A], point: f64) -> [f64; A] {
    let mut out = [0.0; A];
    let mut i = 0;
    while i < A {
        out[i] -= point * polynomial[i];
        if i + 1 < A {
            out[i + 1] += polynomial[i];
        }
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const M: usize, const T: usize, const A: usize>() {
        let m = &Matrices::<M, T, A>::MADE;
        let (d, g): ([f32; A], [f32; T]) =
            (std::array::from_fn(|i| (i as f32 * 1.7).sin()), std::array::from_fn(|i| (i as f32 * 0.9).cos()));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let products: [f32; A] = std::array::from_fn(|j| dot(&m.g[j], &g) * dot(&m.bt[j], &d));
        for i in 0..M {
            let (fast, slow) = (dot(&m.at[i], &products), dot(&d[i..i + T], &g));
            assert!((fast - slow).abs() < 1e-5, "F({M}, {T})[{i}]: {fast} {slow}");
        }
    }

    #[test]
    fn fast_filters_are_filters() {
        check::<2, 3, 4>();
        check::<4, 3, 6>();
        check::<2, 5, 6>();
        check::<4, 5, 8>();
    }
}
