//! Batches: which pictures an update learns from, and as which numbers.
//!
//! Asked by `trainer::step` and `trainer::cross_entropy`. Pictures are a dataset, or a mixture of two; their order comes
//! from (seed, pass), so that nothing of it has to be kept. What comes next is asked for ahead of time.

use burn::tensor::{Device, Tensor, TensorData};

use super::step::{State, Stream};
use crate::dataset::DatasetError;
use crate::dataset::store::Store;
use crate::net::recipe::{CrossEntropy, Epoch};
use crate::random::RandomState;

/// Batches that are asked for ahead of time.
const AHEAD: usize = 4;

/// What batches are drawn from: one dataset, or two of them and the share of the second, 0..1.
#[derive(Clone, Copy)]
pub struct Mixture<'a> {
    /// The dataset.
    pub first: &'a Store,
    /// The second one, and its share, 0..1.
    pub second: Option<(&'a Store, f64)>,
}

impl<'a> From<&'a Store> for Mixture<'a> {
    fn from(first: &'a Store) -> Self {
        Self { first, second: None }
    }
}

/// Real pictures that an update learns from.
pub(super) struct Batch {
    /// As what judges them sees them: `[n, h, w, channels]`, with a plane for each class where it is conditional.
    pub pictures: Tensor<4>,
    /// The class of each; empty where nothing sees classes.
    pub classes: Vec<usize>,
}

/// What is asked between updates.
pub struct Between<'a> {
    /// Called after every update; false where the epoch should end soon.
    pub updates: &'a mut dyn FnMut(&mut State) -> bool,
    /// Called where pictures cannot be read just now; true where it is to be tried again.
    pub lost: &'a mut dyn FnMut(&DatasetError) -> bool,
}

/// The order of the pass at hand: no part of what is learnt.
#[derive(Default)]
pub struct Order {
    of: Option<(u64, usize)>,
    places: Vec<usize>,
}

impl State {
    /// The next batch of a pass in random order; what is left at the end of a pass is not used. Of a mixture,
    /// each picture gives its place to a random one of the second dataset with that one's share.
    pub(super) fn next_batch(
        &mut self,
        data: Mixture,
        between: &mut Between,
        device: &Device,
    ) -> Result<Batch, DatasetError> {
        let (size, count) = (self.recipe.batch_size, data.first.len());
        let mut random = RandomState::with_key(&[self.seed, Stream::Mix as u32, self.batches as u32]);
        let per_pass = (count / size).max(1) as u64;
        let (pass, index) = (self.batches / per_pass, (self.batches % per_pass) as usize);
        let order = self.order(pass, count);
        let chosen: Vec<usize> = order.iter().cycle().skip(index * size).take(size).copied().collect();
        data.first.ahead(after(order, (index + 1) * size, size));
        let batch = self.batch(&chosen, data, true, &mut random, between, device)?;
        self.batches += 1;
        Ok(batch)
    }

    /// The next batch of a recipe with cross-entropy: a part of a pass, of which the last may be shorter, or a slice.
    /// Real pictures are given as −1..1 where they are normalised, else as 0..1.
    pub(super) fn part(
        &mut self,
        own: &CrossEntropy,
        data: Mixture,
        between: &mut Between,
        device: &Device,
    ) -> Result<Batch, DatasetError> {
        let (size, count) = (self.recipe.batch_size.min(data.first.len()), data.first.len());
        let mut random = RandomState::with_key(&[self.seed, Stream::Mix as u32, self.batches as u32]);
        let chosen: Vec<usize> = if own.slices {
            let from = random.below(count - size + 1);
            (from..from + size).collect()
        } else {
            let per_pass = own.batches(count, size);
            let (pass, from) = match own.epoch {
                // Of pictures that have become fewer there may be none left.
                Epoch::Pass if own.is_over(self.pass.place, count, size) => (self.epoch, 0),
                Epoch::Pass => (self.epoch, self.pass.place as usize),
                Epoch::Step => (self.batches / per_pass, (self.batches % per_pass) as usize * size),
            };
            let order = self.order(pass, count);
            data.first.ahead(after(order, from + size, size));
            order[from..].iter().take(size).copied().collect()
        };
        let batch = self.batch(&chosen, data, own.normalised, &mut random, between, device)?;
        self.batches += 1;
        Ok(batch)
    }

    /// The order of a pass.
    fn order(&mut self, pass: u64, count: usize) -> &[usize] {
        if self.order.of != Some((pass, count)) {
            let mut random = RandomState::with_key(&[self.seed, Stream::Shuffle as u32, pass as u32]);
            self.order = Order { of: Some((pass, count)), places: random.permutation(count) };
        }
        &self.order.places
    }

    /// These pictures as numbers.
    fn batch(
        &self,
        chosen: &[usize],
        Mixture { first, second }: Mixture,
        normalised: bool,
        random: &mut RandomState,
        between: &mut Between,
        device: &Device,
    ) -> Result<Batch, DatasetError> {
        // The places of the second dataset's pictures, and which those are.
        let mut others: Vec<(usize, usize)> = Vec::new();
        if let Some((other, share)) = second {
            for at in 0..chosen.len() {
                if random.uniform() < share {
                    others.push((at, random.below(other.len())));
                }
            }
        }
        let mut read = |store: &Store, indices: &[usize]| {
            let mut bytes = Vec::new();
            while let Err(error) = store.read(indices, &mut bytes) {
                if !(between.lost)(&error) {
                    return Err(error);
                }
            }
            Ok(bytes)
        };
        let mut bytes = read(first, chosen)?;
        if let (Some((other, _)), false) = (second, others.is_empty()) {
            let each = first.each();
            let theirs = read(other, &others.iter().map(|(_, index)| *index).collect::<Vec<_>>())?;
            for ((at, _), picture) in others.iter().zip(theirs.chunks_exact(each)) {
                bytes[at * each..(at + 1) * each].copy_from_slice(picture);
            }
        }
        let ([h, w, c], planes) = (self.arch.picture(), self.arch.planes());
        let [middle, half] = if normalised { [127.5, 127.5] } else { [0.0, 255.0] };
        let number = |v: &u8| (f32::from(*v) - middle) / half;
        let classes = match planes {
            0 => Vec::new(),
            _ => classes(chosen, &others, first, second.map(|(other, _)| other), planes)?,
        };
        let mut values: Vec<f32> = Vec::with_capacity(chosen.len() * h * w * (c + planes));
        match planes {
            0 => values.extend(bytes.iter().map(number)),
            _ => {
                for (picture, class) in bytes.chunks_exact(h * w * c).zip(&classes) {
                    for pixel in picture.chunks_exact(c) {
                        values.extend(pixel.iter().map(number));
                        values.extend((0..planes).map(|plane| if plane == *class { 1.0 } else { 0.0 }));
                    }
                }
            }
        }
        let pictures = Tensor::from_data(TensorData::new(values, [chosen.len(), h, w, c + planes]), device);
        Ok(Batch { pictures, classes })
    }
}

/// The classes of chosen pictures, of which some gave their place to `others` of the second dataset.
fn classes(
    chosen: &[usize],
    others: &[(usize, usize)],
    first: &Store,
    second: Option<&Store>,
    count: usize,
) -> Result<Vec<usize>, DatasetError> {
    let mut labels: Vec<Option<u16>> = chosen.iter().map(|index| first.label(*index)).collect();
    for ((at, index), other) in others.iter().zip(second.into_iter().cycle()) {
        labels[*at] = other.label(*index);
    }
    let known = |label: Option<u16>| label.map(usize::from).filter(|class| *class < count);
    labels.into_iter().map(known).collect::<Option<_>>().ok_or(DatasetError::Unlabelled)
}

/// The next batches of an order.
fn after(order: &[usize], from: usize, size: usize) -> &[usize] {
    let from = from.min(order.len());
    &order[from..(from + AHEAD * size).min(order.len())]
}

impl CrossEntropy {
    /// Whether a pass over so many pictures has come to its end.
    pub(super) fn is_over(&self, place: u64, count: usize, size: usize) -> bool {
        let left = (count as u64).saturating_sub(place);
        left == 0 || self.drop_last && left < size as u64
    }

    /// Batches of a pass over so many pictures.
    pub(super) fn batches(&self, count: usize, size: usize) -> u64 {
        let whole = if self.drop_last { count / size.max(1) } else { count.div_ceil(size.max(1)) };
        whole.max(1) as u64
    }
}
