//! The superblock, and the headers of objects: lists of messages, in versions 1 and 2.
//!
//! Read by `tree`, which looks at the messages by their kind.

use std::io::{Read, Seek};

use super::super::bag::ReadError;
use super::source::{Fields, Sizes, Source, small};
use super::{MAGIC, damaged, unread};

/// A message of an object's header.
pub(super) struct Message {
    pub kind: u16,
    /// Whether the body only says where else the message lies.
    pub shared: bool,
    pub body: Vec<u8>,
}

/// Kinds of messages.
pub(super) mod kind {
    pub const SPACE: u16 = 0x01;
    pub const LINK_INFO: u16 = 0x02;
    pub const DATATYPE: u16 = 0x03;
    pub const LINK: u16 = 0x06;
    pub const LAYOUT: u16 = 0x08;
    pub const FILTERS: u16 = 0x0b;
    pub const ATTRIBUTE: u16 = 0x0c;
    pub const CONTINUATION: u16 = 0x10;
    pub const SYMBOLS: u16 = 0x11;
    pub const ATTRIBUTE_INFO: u16 = 0x15;
}

/// Reads the superblock, and gives the address of the root group's header.
pub(super) fn root<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, ReadError> {
    let start = find(source)?;
    let version = Fields::new(&source.record(start + 8, 1)?, source.sizes).u8()?;
    // Behind the signature: widths at 13 and 14 in versions 0 and 1, at 9 and 10 in 2 and 3.
    let (widths, fixed) = match version {
        0 => (13, 24),
        1 => (13, 28),
        2 | 3 => (9, 12),
        other => return Err(unread(&format!("the file uses version {other} of HDF5's superblock, which is not read"))),
    };
    let head = source.record(start + widths, 2)?;
    let width = |at: usize| match head.get(at) {
        Some(&width @ (2 | 4 | 8)) => Ok(usize::from(width)),
        _ => Err(damaged("its superblock names addresses of an unknown width")),
    };
    source.sizes = Sizes { offset: width(0)?, length: width(1)? };
    let body = source.record(start + fixed, source.sizes.offset * 6)?;
    let mut fields = Fields::new(&body, source.sizes);
    let base = fields.address()?;
    fields.offset()?;
    let end = fields.address()?;
    let last = fields.offset()?;
    let root = match version {
        // A driver's information, then the root's entry: the offset of its name, then its address.
        0 | 1 => {
            fields.offset()?;
            fields.address()?
        }
        _ => last.ok_or_else(|| damaged("it has no root group"))?,
    };
    // A file that was put behind other bytes keeps its old base.
    source.base = if base == 0 { start } else { base };
    if end > source.reach().saturating_add(source.base) || source.reach() == 0 {
        let (want, have) = (end, source.reach());
        return Err(ReadError(format!(
            "the HDF5 file is cut short: {have} bytes are there of {want}; copy or download it again"
        )));
    }
    Ok(root)
}

/// Where the superblock begins: at 0, or at 512, 1024, … behind a user's block.
fn find<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, ReadError> {
    let mut start = 0;
    while start + 64 <= source.reach() && start <= 1 << 20 {
        if source.record(start, MAGIC.len())? == MAGIC {
            return Ok(start);
        }
        start = if start == 0 { 512 } else { start * 2 };
    }
    if source.reach() >= 8 && source.record(0, MAGIC.len())? == MAGIC {
        return Err(damaged("it ends within its first record"));
    }
    Err(ReadError("the file does not begin as HDF5 does; give a .h5 or .keras file that Keras has saved".into()))
}

/// All messages of the object at `address`.
pub(super) fn messages<R: Read + Seek>(source: &mut Source<R>, address: u64) -> Result<Vec<Message>, ReadError> {
    let head = source.record(address, 4)?;
    match head.as_slice() {
        b"OHDR" => second(source, address),
        [1, ..] => first(source, address),
        _ => Err(damaged("an object has no header")),
    }
}

/// Version 1: messages of 8 bytes and their body, on multiples of 8.
fn first<R: Read + Seek>(source: &mut Source<R>, address: u64) -> Result<Vec<Message>, ReadError> {
    let head = source.record(address, 12)?;
    let mut fields = Fields::new(&head, source.sizes);
    fields.skip(8)?;
    let size = u64::from(fields.u32()?);
    let mut found = Vec::new();
    let mut blocks = vec![(after(address, 16)?, size)];
    while let Some((at, size)) = blocks.pop() {
        let block = source.record(at, small(size)?)?;
        let mut fields = Fields::new(&block, source.sizes);
        while fields.left() >= 8 {
            let (kind, size, flags) = (fields.u16()?, fields.u16()?, fields.u8()?);
            fields.skip(3)?;
            let body = fields.take(usize::from(size))?;
            note(source, kind, flags, body, &mut found, &mut blocks)?;
        }
    }
    Ok(found)
}

/// Version 2: messages of 4 or 6 bytes and their body; blocks end with a checksum, which is not looked at.
fn second<R: Read + Seek>(source: &mut Source<R>, address: u64) -> Result<Vec<Message>, ReadError> {
    let flags = Fields::new(&source.record(after(address, 5)?, 1)?, source.sizes).u8()?;
    let mut at = after(address, 6)?;
    if flags & 0x20 != 0 {
        at = after(at, 16)?;
    }
    if flags & 0x10 != 0 {
        at = after(at, 4)?;
    }
    let width = 1 << (flags & 3);
    let size = Fields::new(&source.record(at, width)?, source.sizes).number(width)?;
    let ordered = flags & 4 != 0;
    let mut found = Vec::new();
    let mut blocks = Vec::new();
    let mut next = Some((after(at, width as u64)?, size));
    while let Some((at, size)) = next {
        let block = source.record(at, small(size)?)?;
        let mut fields = Fields::new(&block, source.sizes);
        while fields.left() >= if ordered { 6 } else { 4 } {
            let (kind, size, flags) = (fields.u8()?, fields.u16()?, fields.u8()?);
            fields.skip(if ordered { 2 } else { 0 })?;
            let body = fields.take(usize::from(size))?;
            note(source, u16::from(kind), flags, body, &mut found, &mut blocks)?;
        }
        next = match blocks.pop() {
            // "OCHK" before and a checksum behind belong to the block's length.
            Some((at, size)) => {
                let letters = source.record(at, 4)?;
                Fields::new(&letters, source.sizes).signature(b"OCHK")?;
                let inner = u64::checked_sub(size, 8).ok_or_else(|| damaged("a block is too short"))?;
                Some((after(at, 4)?, inner))
            }
            None => None,
        };
    }
    Ok(found)
}

/// Keeps a message, or the block that it says the header goes on in.
fn note<R: Read + Seek>(
    source: &Source<R>,
    kind: u16,
    flags: u8,
    body: &[u8],
    found: &mut Vec<Message>,
    blocks: &mut Vec<(u64, u64)>,
) -> Result<(), ReadError> {
    match kind {
        kind::CONTINUATION => {
            let mut fields = Fields::new(body, source.sizes);
            blocks.push((fields.address()?, fields.length()?));
        }
        // Empty room.
        0 => {}
        _ => found.push(Message { kind, shared: flags & 2 != 0, body: body.to_vec() }),
    }
    Ok(())
}

fn after(address: u64, bytes: u64) -> Result<u64, ReadError> {
    address.checked_add(bytes).ok_or_else(|| damaged("an address lies beyond its end"))
}
