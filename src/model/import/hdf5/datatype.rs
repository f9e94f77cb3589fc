//! What an element is (a number, a text) and how many there are: the datatype and dataspace messages.
//!
//! Read from headers by `tree` and from attributes by `attribute`; `values` turns elements into `f32`.

use half::{bf16, f16};

use super::super::bag::ReadError;
use super::damaged;
use super::source::{Fields, Sizes, small};

/// The type of an element.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Element {
    /// A whole number of 1 to 8 bytes.
    Int { size: usize, signed: bool, big: bool },
    /// A floating-point number of one of the four forms that networks are kept in.
    Float { form: Form, big: bool },
    /// Text of a fixed length.
    Text(usize),
    /// Text in the global heap: a length, an address and a number.
    Far(usize),
    /// Something else, in words.
    Other(&'static str, usize),
}

/// Forms of floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    Half,
    Brain,
    Single,
    Double,
}

impl Element {
    /// Reads a datatype message.
    pub fn read(body: &[u8], sizes: Sizes) -> Result<Self, ReadError> {
        let mut fields = Fields::new(body, sizes);
        let class = fields.u8()? & 0x0f;
        let bits = fields.number(3)?;
        let size = fields.u32()? as usize;
        let big = bits & 1 != 0;
        Ok(match class {
            0 => {
                let (offset, precision) = (fields.u16()?, usize::from(fields.u16()?));
                if !(1..=8).contains(&size) || offset != 0 || precision != size * 8 {
                    return Ok(Element::Other("whole numbers of an unusual width", size));
                }
                Element::Int { size, signed: bits & 8 != 0, big }
            }
            1 => {
                fields.skip(5)?;
                let (exponent, _, mantissa) = (fields.u8()?, fields.u8()?, fields.u8()?);
                let form = match (size, exponent, mantissa, bits & 0x40) {
                    (2, 5, 10, 0) => Form::Half,
                    (2, 8, 7, 0) => Form::Brain,
                    (4, 8, 23, 0) => Form::Single,
                    (8, 11, 52, 0) => Form::Double,
                    _ => return Ok(Element::Other("floating-point numbers of an unusual form", size)),
                };
                Element::Float { form, big }
            }
            3 => Element::Text(size),
            // numpy has no bfloat16, so that h5py keeps it as bytes without a meaning.
            5 if size == 2 => Element::Float { form: Form::Brain, big: false },
            5 => Element::Other("bytes without a meaning", size),
            // An enumeration (numpy's bool) holds numbers of its base type, which comes first.
            8 => match body.get(8..).map(|base| Element::read_base(base, sizes)) {
                Some(Ok(int @ Element::Int { .. })) if int.size() == size => int,
                _ => Element::Other("an enumeration", size),
            },
            9 if bits & 0x0f == 1 => Element::Far(size),
            6 => Element::Other("records of several numbers", size),
            7 => Element::Other("references to other objects", size),
            9 => Element::Other("lists of different lengths", size),
            _ => Element::Other("elements of an unusual type", size),
        })
    }

    /// The base of an enumeration: a plain type, never another enumeration.
    fn read_base(body: &[u8], sizes: Sizes) -> Result<Self, ReadError> {
        match body.first().map(|first| first & 0x0f) {
            Some(0) => Element::read(body, sizes),
            _ => Err(damaged("an enumeration has no whole numbers")),
        }
    }

    /// Bytes of one element.
    pub fn size(&self) -> usize {
        match *self {
            Element::Int { size, .. } | Element::Text(size) | Element::Far(size) => size,
            Element::Other(_, size) => size,
            Element::Float { form: Form::Half | Form::Brain, .. } => 2,
            Element::Float { form: Form::Single, .. } => 4,
            Element::Float { form: Form::Double, .. } => 8,
        }
    }

    /// Adds the numbers in `bytes`; false if elements are no numbers.
    pub fn numbers(&self, bytes: &[u8], out: &mut Vec<f32>) -> bool {
        match *self {
            Element::Float { form: Form::Single, big } => each(bytes, out, big, f32::from_le_bytes),
            Element::Float { form: Form::Half, big } => each(bytes, out, big, |b| f16::from_le_bytes(b).to_f32()),
            Element::Float { form: Form::Brain, big } => each(bytes, out, big, |b| bf16::from_le_bytes(b).to_f32()),
            Element::Float { form: Form::Double, big } => each(bytes, out, big, |b| f64::from_le_bytes(b) as f32),
            Element::Int { size, signed, big } => {
                let whole = |bytes: &[u8]| {
                    let mut wide = [0; 8];
                    for (to, from) in wide.iter_mut().zip(bytes) {
                        *to = *from;
                    }
                    if big {
                        wide.rotate_left(size);
                        wide.reverse();
                    }
                    let unused = 64 - 8 * size as u32;
                    let value = u64::from_le_bytes(wide);
                    if signed { ((value << unused) as i64 >> unused) as f32 } else { value as f32 }
                };
                out.extend(bytes.chunks_exact(size.max(1)).map(whole));
            }
            _ => return false,
        }
        true
    }
}

fn each<const N: usize>(bytes: &[u8], out: &mut Vec<f32>, big: bool, number: impl Fn([u8; N]) -> f32) {
    let turned = |mut bytes: [u8; N]| {
        bytes.reverse();
        number(bytes)
    };
    let (whole, _) = bytes.as_chunks::<N>();
    if big { out.extend(whole.iter().copied().map(turned)) } else { out.extend(whole.iter().copied().map(number)) }
}

/// Reads a dataspace message: the shape, empty for a single element; `None` where there is no element at all.
pub(super) fn shape(body: &[u8], sizes: Sizes) -> Result<Option<Vec<usize>>, ReadError> {
    let mut fields = Fields::new(body, sizes);
    let (version, rank, _) = (fields.u8()?, fields.u8()?, fields.u8()?);
    match version {
        1 => fields.skip(5)?,
        2 if fields.u8()? == 2 => return Ok(None),
        2 => {}
        _ => return Err(damaged("the shape of an array is of an unknown version")),
    }
    if rank > 32 {
        return Err(damaged("an array has more than 32 axes"));
    }
    (0..rank).map(|_| small(fields.length()?)).collect::<Result<Vec<_>, _>>().map(Some)
}

/// How many elements a shape holds.
pub(super) fn count(shape: &[usize]) -> Result<usize, ReadError> {
    // Axes beside an empty one are multiplied as well, so that whoever does it again stays within a `usize`.
    let whole = shape.iter().try_fold(1, |product: usize, &length| product.checked_mul(length.max(1)));
    let whole = whole.ok_or_else(|| damaged("an array claims more numbers than any machine holds"))?;
    Ok(if shape.contains(&0) { 0 } else { whole })
}
