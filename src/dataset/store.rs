//! Pictures of one size, from a folder, a zip or memory, for a training: it asks for batches by numbers.
//!
//! What fits the cache is decoded at once, when it is opened ([`super::read`] gives the same bytes, in the same order,
//! with the same fingerprint). Of what does not fit, every file is looked at and decoded as it is asked for
//! ([`on_demand`]). A number means the same picture for as long as the files are the same. Fed by `cli` and `trainer`,
//! read by `trainer`; clones share all of it and may be read from any thread.

mod on_demand;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::DatasetError;
use super::labels::Labels;
use super::listing::{Bad, Listing};
use super::read::{Fit, fingerprint, hexadecimal, pixels};
use super::zipped::Look;
use crate::random::RandomState;
use on_demand::OnDemand;

/// Bytes that are kept decoded unless something else is said: 1 GB.
pub const CACHE: u64 = 1 << 30;

/// What a dataset's classes have to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Classes {
    /// As they are found, if there are any.
    #[default]
    AsFound,
    /// Every picture has one.
    Needed,
    /// Every picture has one of these, and labels are numbers of these names.
    Of(Vec<String>),
    /// The same, if there are classes at all.
    OfIfAny(Vec<String>),
}

/// How a dataset is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// What pictures are brought to: `[height, width, channels]`; 1 channel is grey, 3 are RGB, 4 are RGBA.
    pub size: [usize; 3],
    /// How a picture of another size is brought to it.
    pub fit: Fit,
    /// Pictures that are needed.
    pub least: usize,
    /// Whether every picture is there a second time, flipped left to right: those are the second half of the numbers.
    pub mirror: bool,
    /// How many pictures are chosen, before they are mirrored; all of them if not given.
    pub subset: Option<usize>,
    /// The seed of the choice.
    pub seed: u32,
    /// Bytes of decoded pictures that are kept in memory.
    pub cache: u64,
    /// What its classes have to be.
    pub classes: Classes,
}

impl Options {
    /// All pictures at this size (`[height, width, channels]`), one at least, with the usual cache.
    pub fn new(size: [usize; 3]) -> Self {
        let (fit, classes) = (Fit::default(), Classes::default());
        Self { size, fit, least: 1, mirror: false, subset: None, seed: 0, cache: CACHE, classes }
    }

    fn check(&self) -> Result<(), DatasetError> {
        let [height, width, channels] = self.size;
        if !matches!(channels, 1 | 3 | 4) || height == 0 || width == 0 {
            return Err(DatasetError::Size(self.size));
        }
        let times = if self.mirror { 2 } else { 1 };
        match self.subset {
            Some(asked) if asked.saturating_mul(times) < self.least.max(1) => {
                Err(DatasetError::Subset { asked, least: self.least.max(1).div_ceil(times) })
            }
            _ => Ok(()),
        }
    }
}

/// What a store holds in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of decoded pictures now.
    pub bytes: u64,
    /// The most that there were so far.
    pub peak: u64,
    /// Pictures that were decoded so far.
    pub decoded: u64,
}

/// Pictures of one size that are decoded as they are needed. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    size: [usize; 3],
    /// Bytes of a picture.
    each: usize,
    /// Pictures without those that are mirrored.
    count: usize,
    mirror: bool,
    labels: Labels,
    fingerprint: String,
    /// What it was called before, where that is not found from the bytes.
    former: Option<String>,
    /// Files that could not be read when it was opened.
    bad: Vec<Bad>,
    pictures: Pictures,
}

enum Pictures {
    /// All of them, decoded.
    Whole(Vec<u8>),
    /// Decoded as they are asked for.
    OnDemand(OnDemand),
}

impl Store {
    /// Opens a folder or a zip.
    ///
    /// # Errors
    /// If there is neither, fewer pictures than are needed can be read, or the options cannot be followed.
    pub fn open(path: &Path, options: &Options) -> Result<Self, DatasetError> {
        Self::open_telling(path, options, &|| ())
    }

    /// The same; `tell` is called for each picture that is decoded meanwhile.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_telling(path: &Path, options: &Options, tell: &dyn Fn()) -> Result<Self, DatasetError> {
        options.check()?;
        let each = options.size.iter().product::<usize>();
        let mut listing = Listing::of(path)?;
        let mut labels = Labels::of(&mut listing);
        let fingerprint = fingerprint_of_all(&listing, options);
        let mut choice = Choice::new(listing.len(), options);
        let whole = (choice.wanted as u64).saturating_mul(each as u64) <= options.cache;
        let (bytes, looks) = match whole {
            true => (choice.decode(&mut listing, options, each, tell), Vec::new()),
            false => (Vec::new(), choice.look(&mut listing)),
        };
        let Choice { good, .. } = choice;
        let (count, bad) = (good.len(), std::mem::take(&mut listing.bad));
        let enough = if options.mirror { count * 2 } else { count };
        if enough < options.least.max(1) {
            let least = options.least.max(1).div_ceil(if options.mirror { 2 } else { 1 });
            return Err(DatasetError::TooFew { path: path.into(), count, bad: bad.len(), least });
        }
        labels.keep(&good);
        let adopted = match &options.classes {
            Classes::Needed => labels.adopt(None),
            Classes::Of(names) => labels.adopt(Some(names)),
            Classes::OfIfAny(names) if !labels.names.is_empty() => labels.adopt(Some(names)),
            Classes::AsFound | Classes::OfIfAny(_) => Ok(()),
        };
        adopted.map_err(|why| DatasetError::Classes { path: path.into(), why })?;
        let (former, pictures) = if whole {
            (None, Pictures::Whole(bytes))
        } else {
            listing.keep(&good);
            let former = fingerprint_of_files(&listing, &looks, options);
            (Some(former), Pictures::OnDemand(OnDemand::start(path, listing, labels.of.clone(), options)))
        };
        Ok(Self(Arc::new(Inner {
            size: options.size,
            each,
            count,
            mirror: options.mirror,
            labels,
            fingerprint: if options.mirror { mirrored(&fingerprint) } else { fingerprint },
            former,
            bad,
            pictures,
        })))
    }

    /// Pictures that are decoded already, `[n, height, width, channels]`; what is no whole picture at the end is left
    /// out.
    pub fn of_bytes(mut bytes: Vec<u8>, size: [usize; 3]) -> Self {
        let each = size.iter().product::<usize>().max(1);
        let count = bytes.len() / each;
        bytes.truncate(count * each);
        Self(Arc::new(Inner {
            size,
            each,
            count,
            mirror: false,
            labels: Labels::default(),
            fingerprint: fingerprint(size, &bytes),
            former: None,
            bad: Vec::new(),
            pictures: Pictures::Whole(bytes),
        }))
    }

    /// How many pictures there are; with mirrored ones twice as many as files.
    pub fn len(&self) -> usize {
        if self.0.mirror { self.0.count * 2 } else { self.0.count }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of one picture.
    pub fn each(&self) -> usize {
        self.0.each
    }

    /// `[height, width, channels]` of every picture.
    pub fn size(&self) -> [usize; 3] {
        self.0.size
    }

    /// The class of a picture, if it has one: a number of [`labels`](Self::labels).
    ///
    /// # Panics
    /// If there is no such picture.
    pub fn label(&self, index: usize) -> Option<u16> {
        assert!(index < self.len(), "picture {index} of {}", self.len());
        let file = index % self.0.count;
        let file = match &self.0.pictures {
            Pictures::OnDemand(pictures) => pictures.stands_for(file),
            Pictures::Whole(_) => file,
        };
        self.0.labels.of.get(file).copied().flatten()
    }

    /// The names of the classes; empty if there are none.
    pub fn labels(&self) -> &[String] {
        &self.0.labels.names
    }

    /// Says that these pictures will be asked for soon. They are decoded on threads of the store; nothing is waited
    /// for. What would be more than [`most_ahead`](Self::most_ahead) is not begun.
    ///
    /// # Panics
    /// If there is no such picture.
    pub fn ahead(&self, indices: &[usize]) {
        if let Pictures::OnDemand(pictures) = &self.0.pictures {
            let files: Vec<usize> = indices.iter().map(|index| self.file(*index).0).collect();
            pictures.ahead(&files);
        }
    }

    /// Pictures that can wait decoded until they are read, beside those that are kept: a trainer may be so far ahead.
    /// All of them where all are decoded.
    pub fn most_ahead(&self) -> usize {
        match &self.0.pictures {
            Pictures::OnDemand(pictures) => pictures.most_ahead(),
            Pictures::Whole(_) => self.len(),
        }
    }

    /// Puts the bytes of these pictures, in this order, into `out`, instead of what was there:
    /// `[indices, height, width, channels]`. Waits for what is not decoded yet. In place of a picture that turns out to
    /// be unreadable comes the next one of its class that is not, always the same.
    ///
    /// # Errors
    /// If the folder or zip cannot be read any longer, also when it is tried again, or no picture is left.
    ///
    /// # Panics
    /// If there is no such picture.
    pub fn read(&self, indices: &[usize], out: &mut Vec<u8>) -> Result<(), DatasetError> {
        out.clear();
        out.reserve(indices.len() * self.0.each);
        match &self.0.pictures {
            Pictures::Whole(bytes) => {
                for index in indices {
                    let (file, flipped) = self.file(*index);
                    self.put(&bytes[file * self.0.each..(file + 1) * self.0.each], flipped, out);
                }
                Ok(())
            }
            Pictures::OnDemand(pictures) => {
                let files: Vec<(usize, bool)> = indices.iter().map(|index| self.file(*index)).collect();
                pictures.read(&files, |picture, flipped| self.put(picture, flipped, out))
            }
        }
    }

    /// The file of a picture, and whether it is flipped.
    fn file(&self, index: usize) -> (usize, bool) {
        assert!(index < self.len(), "picture {index} of {}", self.len());
        (index % self.0.count, index >= self.0.count)
    }

    fn put(&self, picture: &[u8], flipped: bool, out: &mut Vec<u8>) {
        let [_, width, channels] = self.0.size;
        if !flipped {
            return out.extend_from_slice(picture);
        }
        for row in picture.chunks_exact(width * channels) {
            row.rchunks_exact(channels).for_each(|pixel| out.extend_from_slice(pixel));
        }
    }

    /// What tells these pictures from others, in hexadecimal: the SHA-256 of the names, sizes and (in a zip) check sums of
    /// the files, of how they are chosen and brought to their size. It does not depend on the cache. With mirrored ones
    /// it is another. Of pictures that never were files it is that of size and bytes.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint.clone()
    }

    /// Whether a fingerprint is of these pictures, in its present form or in that of before: there it was of the bytes
    /// where all were in memory, and of the files alone where they were not.
    pub fn is_of(&self, known: &str) -> bool {
        if self.0.fingerprint == known {
            return true;
        }
        let former = match (&self.0.former, &self.0.pictures) {
            (Some(former), _) => former.clone(),
            (None, Pictures::Whole(bytes)) => fingerprint(self.0.size, bytes),
            (None, Pictures::OnDemand(_)) => return false,
        };
        known == if self.0.mirror { mirrored(&former) } else { former }
    }

    /// The files that could not be read so far, each once. While a training reads there can be more.
    pub fn bad(&self) -> Vec<Bad> {
        self.bad_after(0)
    }

    /// The same without the first `known` of them.
    pub fn bad_after(&self, known: usize) -> Vec<Bad> {
        let mut bad: Vec<Bad> = self.0.bad.iter().skip(known).cloned().collect();
        if let Pictures::OnDemand(pictures) = &self.0.pictures {
            bad.extend(pictures.bad_after(known.saturating_sub(self.0.bad.len())));
        }
        bad
    }

    /// Whether everything is decoded already.
    pub fn is_whole(&self) -> bool {
        matches!(self.0.pictures, Pictures::Whole(_))
    }

    /// What it holds in memory.
    pub fn usage(&self) -> Usage {
        match &self.0.pictures {
            Pictures::OnDemand(pictures) => pictures.usage(),
            Pictures::Whole(bytes) => {
                Usage { bytes: bytes.len() as u64, peak: bytes.len() as u64, decoded: self.0.count as u64 }
            }
        }
    }
}

/// Which files of a listing are taken.
struct Choice {
    /// All of them, in the order in which they are tried.
    order: Vec<usize>,
    /// How many are tried already.
    tried: usize,
    /// How many are to be taken.
    wanted: usize,
    /// Those that can be read, in the order of their names.
    good: Vec<usize>,
}

impl Choice {
    /// Of `count` files. A subset is the first ones of a random order that can be read.
    fn new(count: usize, options: &Options) -> Self {
        let (order, wanted) = match options.subset {
            Some(subset) => (RandomState::new(options.seed).permutation(count), subset.min(count)),
            None => ((0..count).collect(), count),
        };
        Self { order, tried: 0, wanted, good: Vec::new() }
    }

    /// The next files to try, in the order of their names; none if there are enough.
    fn next(&mut self) -> Option<Vec<usize>> {
        let left = &self.order[self.tried..];
        let mut next = left[..left.len().min(self.wanted - self.good.len())].to_vec();
        self.tried += next.len();
        next.sort_unstable();
        (!next.is_empty()).then_some(next)
    }

    /// Decodes what is taken, in the order of the names.
    fn decode(&mut self, listing: &mut Listing, options: &Options, each: usize, tell: &dyn Fn()) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.wanted * each);
        while let Some(next) = self.next() {
            let mut bad = Vec::new();
            let decode = |file: &[u8]| pixels(file, options.size, options.fit);
            listing.each_of(&next, decode, |at, result| match result {
                Ok(picture) => {
                    bytes.extend(picture);
                    self.good.push(at);
                    tell();
                }
                Err(why) => bad.push(why),
            });
            listing.bad.extend(bad);
        }
        if !self.good.is_sorted() {
            // Some of a subset were taken in place of others.
            let mut places: Vec<usize> = (0..self.good.len()).collect();
            places.sort_unstable_by_key(|place| self.good[*place]);
            bytes = places.iter().flat_map(|place| &bytes[place * each..(place + 1) * each]).copied().collect();
            self.good.sort_unstable();
        }
        bytes
    }

    /// Looks at what is taken, without decoding it.
    fn look(&mut self, listing: &mut Listing) -> Vec<Look> {
        let mut taken = Vec::with_capacity(self.wanted);
        while let Some(next) = self.next() {
            for (at, look) in next.iter().zip(listing.look(&next)) {
                match look {
                    Ok(look) => {
                        taken.push((*at, look));
                        self.good.push(*at);
                    }
                    Err(why) => listing.bad.push(why),
                }
            }
        }
        taken.sort_unstable_by_key(|(at, _)| *at);
        self.good.sort_unstable();
        taken.into_iter().map(|(_, look)| look).collect()
    }
}

/// SHA-256 of what tells all files of a dataset from others without opening them, of how they are brought to their
/// size, and of the choice among them.
fn fingerprint_of_all(listing: &Listing, options: &Options) -> String {
    let mut hash = Sha256::new();
    hash.update(b"pictures by their files, 2");
    for side in options.size {
        hash.update((side as u64).to_le_bytes());
    }
    hash.update(options.fit.to_string());
    if let Some(subset) = options.subset.filter(|subset| *subset < listing.len()) {
        hash.update(format!(" {subset} of them, chosen by {}", options.seed));
    }
    add_files(&mut hash, listing, &listing.said());
    hexadecimal(hash)
}

/// The fingerprint of before, of files that were not all in memory.
fn fingerprint_of_files(listing: &Listing, looks: &[Look], options: &Options) -> String {
    let mut hash = Sha256::new();
    hash.update(b"pictures by their files, 1");
    for side in options.size {
        hash.update((side as u64).to_le_bytes());
    }
    hash.update(format!("{:?}", options.fit));
    add_files(&mut hash, listing, looks);
    hexadecimal(hash)
}

/// Names, sizes and check sums.
fn add_files(hash: &mut Sha256, listing: &Listing, looks: &[Look]) {
    for (at, look) in looks.iter().enumerate() {
        let name = listing.name(at).replace('\\', "/");
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update(look.size.to_le_bytes());
        hash.update(look.check.to_le_bytes());
    }
}

/// The fingerprint of the same pictures with mirrored ones.
fn mirrored(fingerprint: &str) -> String {
    hexadecimal(Sha256::new_with_prefix(format!("{fingerprint} mirrored")))
}
