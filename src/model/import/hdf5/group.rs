//! The links of a group: names and the addresses of what they name.
//!
//! Old groups keep them in a B-tree whose leaves name places in a heap; new small ones keep them as messages. Read by
//! `tree`. Soft links and links to other files are left out: Keras writes none.

use std::io::{Read, Seek};

use super::super::bag::ReadError;
use super::attribute::text;
use super::header::{Message, kind};
use super::source::{Fields, Source, small};
use super::{damaged, unread};

/// Names and addresses.
pub(super) type Links = Vec<(String, u64)>;

/// The links of the object with these messages; `None` if it is no group.
pub(super) fn links<R: Read + Seek>(source: &mut Source<R>, messages: &[Message]) -> Result<Option<Links>, ReadError> {
    let mut found = None;
    for message in messages {
        match message.kind {
            kind::SYMBOLS => {
                let mut fields = Fields::new(&message.body, source.sizes);
                let (tree, heap) = (fields.address()?, fields.address()?);
                let names = names(source, heap)?;
                old(source, tree, None, &names, found.get_or_insert_default())?;
            }
            kind::LINK_INFO => {
                found.get_or_insert_default();
                let mut fields = Fields::new(&message.body, source.sizes);
                let (_, flags) = (fields.u8()?, fields.u8()?);
                fields.skip(if flags & 1 != 0 { 8 } else { 0 })?;
                if fields.offset()?.is_some() {
                    return Err(unread(
                        "the file keeps its groups in HDF5's newer form (libver=\"latest\"), which is not read",
                    ));
                }
            }
            kind::LINK => {
                let link = new(source, &message.body)?;
                found.get_or_insert_default().extend(link);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The bytes of a local heap, which names lie in.
fn names<R: Read + Seek>(source: &mut Source<R>, address: u64) -> Result<Vec<u8>, ReadError> {
    let head = source.record(address, 8 + 2 * source.sizes.length + source.sizes.offset)?;
    let mut fields = Fields::new(&head, source.sizes);
    fields.signature(b"HEAP")?;
    fields.skip(4)?;
    let size = small(fields.length()?)?;
    fields.length()?;
    source.record(fields.address()?, size)
}

/// Links below a node of a group's B-tree; each level lies one below its parent's.
fn old<R: Read + Seek>(
    source: &mut Source<R>,
    address: u64,
    level: Option<u8>,
    names: &[u8],
    links: &mut Links,
) -> Result<(), ReadError> {
    let node = node(source, address, 0, level, source.sizes.length)?;
    for child in node.children {
        match node.level {
            0 => symbols(source, child, names, links)?,
            above => old(source, child, Some(above - 1), names, links)?,
        }
    }
    Ok(())
}

/// A node of a version-1 B-tree.
pub(super) struct TreeNode {
    pub level: u8,
    /// Keys as bytes, one before each child.
    pub keys: Vec<Vec<u8>>,
    pub children: Vec<u64>,
}

/// Reads a node whose keys have `key` bytes; `level` is the one that it must have.
pub(super) fn node<R: Read + Seek>(
    source: &mut Source<R>,
    address: u64,
    sort: u8,
    level: Option<u8>,
    key: usize,
) -> Result<TreeNode, ReadError> {
    let width = source.sizes.offset;
    let head = source.record(address, 8 + 2 * width)?;
    let mut fields = Fields::new(&head, source.sizes);
    fields.signature(b"TREE")?;
    let (found, own, used) = (fields.u8()?, fields.u8()?, usize::from(fields.u16()?));
    if found != sort || level.is_some_and(|level| level != own) || own > 16 {
        return Err(damaged("a B-tree is not what it should be"));
    }
    let at = address.checked_add(8 + 2 * width as u64).ok_or_else(|| damaged("an address lies beyond its end"))?;
    let body = source.record(at, used * (key + width))?;
    let mut fields = Fields::new(&body, source.sizes);
    let mut node = TreeNode { level: own, keys: Vec::with_capacity(used), children: Vec::with_capacity(used) };
    for _ in 0..used {
        node.keys.push(fields.take(key)?.to_vec());
        node.children.push(fields.address()?);
    }
    Ok(node)
}

/// The links of one leaf.
fn symbols<R: Read + Seek>(
    source: &mut Source<R>,
    address: u64,
    names: &[u8],
    links: &mut Links,
) -> Result<(), ReadError> {
    let head = source.record(address, 8)?;
    let mut fields = Fields::new(&head, source.sizes);
    fields.signature(b"SNOD")?;
    fields.skip(2)?;
    let count = usize::from(fields.u16()?);
    let at = address.checked_add(8).ok_or_else(|| damaged("an address lies beyond its end"))?;
    let body = source.record(at, count * (2 * source.sizes.offset + 24))?;
    let mut fields = Fields::new(&body, source.sizes);
    for _ in 0..count {
        let name = small(fields.address()?)?;
        let target = fields.offset()?;
        let cached = fields.u32()?;
        fields.skip(20)?;
        // 2 is a soft link.
        let Some(target) = target.filter(|_| cached != 2) else { continue };
        let name = text(names.get(name..).ok_or_else(|| damaged("a name is not where it should be"))?);
        source.charge(name.len())?;
        links.push((name, target));
    }
    Ok(())
}

/// A link message; `None` for a soft link or one to another file.
fn new<R: Read + Seek>(source: &Source<R>, body: &[u8]) -> Result<Option<(String, u64)>, ReadError> {
    let mut fields = Fields::new(body, source.sizes);
    let (_, flags) = (fields.u8()?, fields.u8()?);
    let sort = if flags & 8 != 0 { fields.u8()? } else { 0 };
    fields.skip(if flags & 4 != 0 { 8 } else { 0 })?;
    fields.skip(usize::from(flags & 16 != 0))?;
    let length = small(fields.number(1 << (flags & 3))?)?;
    let name = text(fields.take(length)?);
    match sort {
        0 => Ok(Some((name, fields.address()?))),
        _ => Ok(None),
    }
}
