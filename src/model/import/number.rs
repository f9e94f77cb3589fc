//! Numbers as files hold them, and arrays of them as views into their bytes.
//!
//! Read by every reader of this floor that knows PyTorch, numpy or safetensors. Everything becomes f32. What a view
//! reaches is checked against its bytes, and the sum of all views against the file ([`Budget`]).
//! Absent: complex numbers and those of eight bits or less that are no integers.

use half::{bf16, f16};

use super::bag::ReadError;
use super::source::{Source, wrong};

/// What one number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IEEE half.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// Single.
    F32,
    /// Double.
    F64,
    /// Signed, of one byte.
    I8,
    /// Signed, of two.
    I16,
    /// Signed, of four.
    I32,
    /// Signed, of eight.
    I64,
    /// Unsigned, of one byte.
    U8,
    /// Unsigned, of two.
    U16,
    /// Unsigned, of four.
    U32,
    /// Unsigned, of eight.
    U64,
    /// 0 or 1 in a byte.
    Bool,
}

impl Kind {
    /// Bytes of one number.
    pub fn size(self) -> u64 {
        match self {
            Kind::I8 | Kind::U8 | Kind::Bool => 1,
            Kind::F16 | Kind::Bf16 | Kind::I16 | Kind::U16 => 2,
            Kind::F32 | Kind::I32 | Kind::U32 => 4,
            Kind::F64 | Kind::I64 | Kind::U64 => 8,
        }
    }

    /// Whether it has no fractions.
    pub fn whole(self) -> bool {
        !matches!(self, Kind::F16 | Kind::Bf16 | Kind::F32 | Kind::F64)
    }

    /// What numpy's letter and size mean: `f4`, `i8`, `b1`.
    pub fn of_numpy(code: &str) -> Option<Self> {
        Some(match code {
            "f2" => Kind::F16,
            "f4" => Kind::F32,
            "f8" => Kind::F64,
            "i1" => Kind::I8,
            "i2" => Kind::I16,
            "i4" => Kind::I32,
            "i8" => Kind::I64,
            "u1" => Kind::U8,
            "u2" => Kind::U16,
            "u4" => Kind::U32,
            "u8" => Kind::U64,
            "b1" => Kind::Bool,
            _ => return None,
        })
    }

    /// What the class of a storage of PyTorch holds, or what a `torch.dtype` means.
    pub fn of_torch(name: &str) -> Option<Self> {
        let name = name.rsplit('.').next().unwrap_or(name);
        Some(match name {
            "HalfStorage" | "float16" | "half" => Kind::F16,
            "BFloat16Storage" | "bfloat16" => Kind::Bf16,
            "FloatStorage" | "float32" | "float" => Kind::F32,
            "DoubleStorage" | "float64" | "double" => Kind::F64,
            "CharStorage" | "int8" => Kind::I8,
            "ShortStorage" | "int16" | "short" => Kind::I16,
            "IntStorage" | "int32" | "int" => Kind::I32,
            "LongStorage" | "int64" | "long" => Kind::I64,
            "ByteStorage" | "uint8" => Kind::U8,
            "uint16" => Kind::U16,
            "uint32" => Kind::U32,
            "uint64" => Kind::U64,
            "BoolStorage" | "bool" => Kind::Bool,
            _ => return None,
        })
    }
}

/// What numbers are, and in which order their bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// What one is.
    pub kind: Kind,
    /// Whether the byte of the highest value comes first.
    pub big: bool,
}

impl Format {
    /// The first number in the bytes, more exactly than f32 has it; `None` where there are too few.
    pub fn double(self, bytes: &[u8]) -> Option<f64> {
        let mut bytes = bytes.get(..self.kind.size() as usize)?.to_vec();
        if self.big {
            bytes.reverse();
        }
        match (self.kind, bytes.as_slice().try_into()) {
            (Kind::F64, Ok(bytes)) => Some(f64::from_le_bytes(bytes)),
            (Kind::I64, Ok(bytes)) => Some(i64::from_le_bytes(bytes) as f64),
            (kind, _) => {
                let mut out = Vec::new();
                Format { kind, big: false }.append(&bytes, &mut out);
                out.first().copied().map(f64::from)
            }
        }
    }

    /// Adds all numbers that lie in the bytes.
    pub fn append(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self.kind {
            Kind::F16 => self.each(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
            Kind::Bf16 => self.each(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
            Kind::F32 => self.each(bytes, out, f32::from_le_bytes),
            Kind::F64 => self.each(bytes, out, |b| f64::from_le_bytes(b) as f32),
            Kind::I8 => self.each(bytes, out, |b| i8::from_le_bytes(b).into()),
            Kind::I16 => self.each(bytes, out, |b| i16::from_le_bytes(b).into()),
            Kind::I32 => self.each(bytes, out, |b| i32::from_le_bytes(b) as f32),
            Kind::I64 => self.each(bytes, out, |b| i64::from_le_bytes(b) as f32),
            Kind::U8 => self.each(bytes, out, |b| u8::from_le_bytes(b).into()),
            Kind::U16 => self.each(bytes, out, |b| u16::from_le_bytes(b).into()),
            Kind::U32 => self.each(bytes, out, |b| u32::from_le_bytes(b) as f32),
            Kind::U64 => self.each(bytes, out, |b| u64::from_le_bytes(b) as f32),
            Kind::Bool => self.each(bytes, out, |[b]| f32::from(u8::from(b != 0))),
        }
    }

    fn each<const N: usize>(self, bytes: &[u8], out: &mut Vec<f32>, value: impl Fn([u8; N]) -> f32) {
        out.extend(bytes.as_chunks::<N>().0.iter().map(|chunk| {
            let mut chunk = *chunk;
            if self.big {
                chunk.reverse();
            }
            value(chunk)
        }));
    }
}

/// How much may come out of a file, so that one of a few bytes cannot fill the memory by naming them again and again.
pub struct Budget {
    values: u64,
    work: u64,
}

impl Budget {
    /// For arrays in that many bytes: as many numbers, and some reading again.
    pub fn new(bytes: u64) -> Self {
        Self { values: bytes.saturating_add(1 << 16), work: bytes.saturating_mul(32).saturating_add(16 << 20) }
    }

    /// Takes that many numbers.
    ///
    /// # Errors
    /// If there are more in all than the file can hold.
    pub fn values(&mut self, count: u64) -> Result<(), ReadError> {
        match self.values.checked_sub(count) {
            Some(left) => self.values = left,
            None => return wrong("its arrays claim more numbers than the file holds: save the state dict anew"),
        }
        Ok(())
    }

    /// Takes that many bytes of reading.
    ///
    /// # Errors
    /// If too much is read several times.
    pub fn work(&mut self, bytes: u64) -> Result<(), ReadError> {
        match self.work.checked_sub(bytes) {
            Some(left) => self.work = left,
            None => return wrong("its arrays share their bytes too often: save copies of them (`tensor.clone()`)"),
        }
        Ok(())
    }
}

/// An array as a view: where it begins, its shape and its strides, all counted in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Where it begins.
    pub offset: u64,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How far one step of each axis goes.
    pub strides: Vec<u64>,
}

/// Axes that an array may have.
const MOST_AXES: usize = 64;

impl View {
    /// One after the other, the last axis or (`fortran`) the first one fastest. `None` if the shape is impossible.
    pub fn dense(shape: Vec<usize>, fortran: bool) -> Option<Self> {
        let mut strides = vec![0; shape.len()];
        let mut step = 1u64;
        let axes: Vec<usize> = if fortran { (0..shape.len()).collect() } else { (0..shape.len()).rev().collect() };
        for axis in axes {
            *strides.get_mut(axis)? = step;
            step = step.checked_mul((*shape.get(axis)? as u64).max(1))?;
        }
        Some(Self { offset: 0, shape, strides })
    }

    /// How many numbers it has; `None` if they cannot be counted.
    pub fn count(&self) -> Option<u64> {
        self.shape.iter().try_fold(1u64, |product, axis| product.checked_mul(*axis as u64))
    }

    fn is_dense(&self) -> bool {
        let dense = View::dense(self.shape.clone(), false);
        dense.is_some_and(|dense| {
            let axes = self.shape.iter().zip(self.strides.iter().zip(&dense.strides));
            axes.into_iter().all(|(axis, (ours, theirs))| *axis == 1 || ours == theirs)
        })
    }

    /// How many numbers lie from its first to its last one.
    fn span(&self) -> Option<u64> {
        let steps = self.shape.iter().zip(&self.strides);
        steps.into_iter().try_fold(1u64, |span, (axis, stride)| {
            span.checked_add(stride.checked_mul((*axis as u64).saturating_sub(1))?)
        })
    }

    /// Its numbers in row-major order.
    ///
    /// # Errors
    /// If it reaches beyond its bytes, or the budget ends.
    pub fn read(&self, source: &Source, format: Format, budget: &mut Budget) -> Result<Vec<f32>, ReadError> {
        let impossible = || {
            let axes: Vec<String> = self.shape.iter().take(8).map(|axis| axis.to_string()).collect();
            ReadError(format!("its shape ({}) is impossible: fetch the file again", axes.join(", ")))
        };
        if self.shape.len() > MOST_AXES || self.shape.len() != self.strides.len() {
            return Err(impossible());
        }
        let count = self.count().ok_or_else(impossible)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let (size, span) = (format.kind.size(), self.span().ok_or_else(impossible)?);
        let end = self.offset.checked_add(span).and_then(|end| end.checked_mul(size)).ok_or_else(impossible)?;
        if end > source.len() {
            return wrong("it reaches beyond its bytes, as if the file had been cut: fetch it again");
        }
        budget.values(count)?;
        budget.work(span * size)?;
        let mut values = Vec::with_capacity(count as usize);
        if self.is_dense() {
            let (mut at, end) = (self.offset * size, end);
            let mut piece = vec![0; (end - at).min(1 << 16) as usize];
            while at < end {
                piece.truncate((end - at) as usize);
                source.fill(at, &mut piece)?;
                format.append(&piece, &mut values);
                at += piece.len() as u64;
            }
        } else {
            let bytes = source.read(self.offset * size, span * size)?;
            self.gather(&bytes, format, count, &mut values);
        }
        Ok(values)
    }

    fn gather(&self, bytes: &[u8], format: Format, count: u64, values: &mut Vec<f32>) {
        let size = format.kind.size();
        let mut index = vec![0usize; self.shape.len()];
        let mut at = 0u64;
        for _ in 0..count {
            format.append(bytes.get((at * size) as usize..((at + 1) * size) as usize).unwrap_or_default(), values);
            for (place, (axis, stride)) in index.iter_mut().zip(self.shape.iter().zip(&self.strides)).rev() {
                *place += 1;
                if *place < *axis {
                    at += stride;
                    break;
                }
                at = at.wrapping_sub(stride.wrapping_mul(*axis as u64 - 1));
                *place = 0;
            }
        }
    }
}
