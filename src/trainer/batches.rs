//! Batches: which pictures an update learns from, and as which numbers.
//!
//! Asked by `trainer::step` and `trainer::cross_entropy`. Pictures are a dataset, or a mixture of two; their order comes
//! from (seed, pass), so that nothing of it has to be kept.

use burn::tensor::{Device, Tensor, TensorData};

use super::step::{State, Stream};
use crate::net::recipe::{CrossEntropy, Epoch};
use crate::random::RandomState;

/// Pictures to learn from, as bytes in `[n, h, w, c]`.
#[derive(Clone)]
pub struct Data {
    /// `[n, h, w, c]`, 8 bits a channel.
    pub bytes: Vec<u8>,
    /// Bytes of one picture.
    pub each: usize,
}

impl Data {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.each
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What batches are drawn from: one dataset, or two of them and the share of the second, 0..1.
#[derive(Clone, Copy)]
pub struct Mixture<'a> {
    /// The dataset.
    pub first: &'a Data,
    /// The second one, and its share, 0..1.
    pub second: Option<(&'a Data, f64)>,
}

impl<'a> From<&'a Data> for Mixture<'a> {
    fn from(first: &'a Data) -> Self {
        Self { first, second: None }
    }
}

impl State {
    /// The next batch of a pass in random order; what is left at the end of a pass is not used. Of a mixture,
    /// each picture gives its place to a random one of the second dataset with that one's share.
    pub(super) fn next_batch(&mut self, Mixture { first: data, second }: Mixture, device: &Device) -> Tensor<4> {
        let size = self.recipe.batch_size;
        let mut random = RandomState::with_key(&[self.seed, Stream::Mix as u32, self.batches as u32]);
        let per_pass = (data.len() / size).max(1) as u64;
        let (pass, index) = (self.batches / per_pass, (self.batches % per_pass) as usize);
        self.batches += 1;
        let order = self.order(pass, data.len());
        let chosen: Vec<usize> = order.iter().cycle().skip(index * size).take(size).copied().collect();
        self.batch(&chosen, Mixture { first: data, second }, true, &mut random, device)
    }

    /// The next batch of a recipe with cross-entropy: a part of a pass, of which the last may be shorter, or a slice.
    /// Real pictures are given as −1..1 where they are normalised, else as 0..1.
    pub(super) fn part(&mut self, own: &CrossEntropy, data: Mixture, device: &Device) -> Tensor<4> {
        let (size, count) = (self.recipe.batch_size.min(data.first.len()), data.first.len());
        let mut random = RandomState::with_key(&[self.seed, Stream::Mix as u32, self.batches as u32]);
        let chosen: Vec<usize> = match (own.slices, own.epoch) {
            (true, _) => {
                let from = random.below(count - size + 1);
                (from..from + size).collect()
            }
            (false, epoch) => {
                let per_pass = own.batches(count, size);
                let (pass, at) = match epoch {
                    Epoch::Pass => (self.epoch, self.pass.batches),
                    Epoch::Step => (self.batches / per_pass, self.batches % per_pass),
                };
                let from = (at as usize * size).min(count);
                self.order(pass, count).into_iter().skip(from).take(size).collect()
            }
        };
        self.batches += 1;
        self.batch(&chosen, data, own.normalised, &mut random, device)
    }

    /// The order of a pass. A permutation of ten thousand is drawn in a fraction of a millisecond: no state to keep.
    fn order(&self, pass: u64, count: usize) -> Vec<usize> {
        RandomState::with_key(&[self.seed, Stream::Shuffle as u32, pass as u32]).permutation(count)
    }

    /// These pictures as numbers.
    fn batch(
        &self,
        chosen: &[usize],
        Mixture { first, second }: Mixture,
        normalised: bool,
        random: &mut RandomState,
        device: &Device,
    ) -> Tensor<4> {
        let [h, w, c] = self.arch.picture();
        let [middle, half] = if normalised { [127.5, 127.5] } else { [0.0, 255.0] };
        let mut values = Vec::with_capacity(chosen.len() * first.each);
        for at in chosen {
            let (data, at) = match second {
                Some((other, share)) if random.uniform() < share => (other, random.below(other.len())),
                _ => (first, *at),
            };
            let picture = &data.bytes[at * data.each..(at + 1) * data.each];
            values.extend(picture.iter().map(|v| (f32::from(*v) - middle) / half));
        }
        Tensor::from_data(TensorData::new(values, [chosen.len(), h, w, c]), device)
    }
}

impl CrossEntropy {
    /// Batches of a pass over so many pictures.
    pub(super) fn batches(&self, count: usize, size: usize) -> u64 {
        let whole = if self.drop_last { count / size.max(1) } else { count.div_ceil(size.max(1)) };
        whole.max(1) as u64
    }
}
