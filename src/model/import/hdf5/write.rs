//! Writes HDF5 as h5py does by default: superblock 0, symbol tables, arrays of `f32` in one piece, texts in the global
//! heap.
//!
//! For tests and for the seeds of fuzzing, which need files as Keras writes them; `keras::write` knows Keras' own
//! layout. Absent: chunks, compression, other types.

use std::collections::BTreeMap;

/// The room of a symbol table's leaf, and the size of a B-tree's node, both halved, as HDF5 counts them.
const LEAF: usize = 4;
const UNDEFINED: u64 = u64::MAX;

/// A group to write.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Attributes in their order.
    pub attributes: Vec<(String, Attribute)>,
    /// The groups in it and their names, in the order in which they are written.
    pub groups: Vec<(String, Group)>,
    /// The arrays in it by name: shapes, and values in row-major order.
    pub arrays: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

/// An attribute to write.
#[derive(Clone, Debug)]
pub enum Attribute {
    /// One text of any length.
    Text(String),
    /// A list of texts of any length, as Keras 2.12 and later write names.
    Texts(Vec<String>),
    /// A list of texts of one length, as earlier versions write names; an empty one is a list of no numbers.
    Fixed(Vec<String>),
}

impl Group {
    /// The group at a path of names with slashes between them, made where it is missing.
    pub fn group(&mut self, path: &str) -> &mut Group {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.fold(self, |group, part| {
            let known = group.groups.iter().position(|(name, _)| name == part);
            let at = known.unwrap_or(group.groups.len());
            if known.is_none() {
                group.groups.push((part.into(), Group::default()));
            }
            &mut group.groups[at].1
        })
    }

    /// Puts an array at a path.
    pub fn array(&mut self, path: &str, shape: &[usize], values: &[f32]) {
        let (group, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.group(group).arrays.insert(name.into(), (shape.to_vec(), values.to_vec()));
    }

    /// Adds an attribute.
    pub fn attribute(&mut self, name: &str, value: Attribute) {
        self.attributes.push((name.into(), value));
    }

    /// How many names the group with the most of them has.
    fn widest(&self) -> usize {
        let below = self.groups.iter().map(|(_, group)| group.widest()).max().unwrap_or(0);
        below.max(self.groups.len() + self.arrays.len())
    }
}

/// The bytes of a file with this root group.
pub fn file(root: &Group) -> Vec<u8> {
    // Nodes have room for the widest group's leaves, so that every tree has one level.
    let leaves = root.widest().div_ceil(2 * LEAF);
    let mut out = Out { bytes: vec![0; 96], node: leaves.div_ceil(2).max(16) };
    let root = out.group(root);
    let mut head = b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0".to_vec();
    head.extend((LEAF as u16).to_le_bytes());
    head.extend((out.node as u16).to_le_bytes());
    head.extend([0; 4]);
    for address in [0, UNDEFINED, out.bytes.len() as u64, UNDEFINED, 0, root] {
        head.extend(address.to_le_bytes());
    }
    out.bytes.splice(..head.len(), head);
    out.bytes
}

struct Out {
    bytes: Vec<u8>,
    node: usize,
}

impl Out {
    /// Puts bytes at the next multiple of eight, and gives their address.
    fn put(&mut self, bytes: &[u8]) -> u64 {
        pad(&mut self.bytes);
        let at = self.bytes.len() as u64;
        self.bytes.extend(bytes);
        at
    }

    fn group(&mut self, group: &Group) -> u64 {
        let mut names = vec![0; 8];
        let mut entries = Vec::new();
        let groups: Vec<_> = group.groups.iter().map(|(name, group)| (name, self.group(group))).collect();
        let arrays = group.arrays.iter().map(|(name, (shape, values))| (name, self.array(shape, values)));
        let mut items: Vec<_> = arrays.collect();
        items.extend(groups);
        items.sort();
        for (name, address) in items {
            entries.push((names.len() as u64, address));
            names.extend(name.bytes());
            names.push(0);
            pad(&mut names);
        }
        let mut tree = b"TREE\0\0".to_vec();
        tree.extend((entries.len().div_ceil(2 * LEAF) as u16).to_le_bytes());
        tree.extend([0xff; 16]);
        tree.extend([0; 8]);
        for leaf in entries.chunks(2 * LEAF) {
            let mut bytes = b"SNOD\x01\0".to_vec();
            bytes.extend((leaf.len() as u16).to_le_bytes());
            for (name, address) in leaf {
                bytes.extend(name.to_le_bytes());
                bytes.extend(address.to_le_bytes());
                bytes.extend([0; 24]);
            }
            bytes.resize(8 + 2 * LEAF * 40, 0);
            tree.extend(self.put(&bytes).to_le_bytes());
            // The key behind a leaf is its last name.
            tree.extend(leaf.last().map_or(0, |(name, _)| *name).to_le_bytes());
        }
        tree.resize(24 + 8 * (4 * self.node + 1), 0);
        let names_at = self.put(&names);
        let mut heap = b"HEAP\0\0\0\0".to_vec();
        for number in [names.len() as u64, 1, names_at] {
            heap.extend(number.to_le_bytes());
        }
        let (tree, heap) = (self.put(&tree), self.put(&heap));
        let mut messages = vec![(0x11, [tree.to_le_bytes(), heap.to_le_bytes()].concat())];
        for (name, value) in &group.attributes {
            messages.push((0x0c, self.attribute(name, value)));
        }
        self.header(&messages)
    }

    fn array(&mut self, shape: &[usize], values: &[f32]) -> u64 {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let at = if bytes.is_empty() { UNDEFINED } else { self.put(&bytes) };
        let mut layout = vec![3, 1];
        layout.extend(at.to_le_bytes());
        layout.extend((bytes.len() as u64).to_le_bytes());
        let single = [&[0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23][..], &127_u32.to_le_bytes()].concat();
        // Values to fill in: none is defined.
        self.header(&[(1, space(shape)), (3, single), (5, vec![2, 2, 2, 0]), (8, layout)])
    }

    fn attribute(&mut self, name: &str, value: &Attribute) -> Vec<u8> {
        let far = [0x19, 1, 1, 0, 16, 0, 0, 0, 0x13, 0, 0, 0, 1, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 8, 0];
        let (element, space, data) = match value {
            Attribute::Text(text) => (far[..20].to_vec(), space(&[]), self.far(std::slice::from_ref(text))),
            Attribute::Texts(texts) => (far[..20].to_vec(), space(&[texts.len()]), self.far(texts)),
            Attribute::Fixed(texts) if texts.is_empty() => {
                let mut double = vec![0x11, 0x20, 63, 0, 8, 0, 0, 0, 0, 0, 64, 0, 52, 11, 0, 52];
                double.extend(1023_u32.to_le_bytes());
                (double, space(&[0]), Vec::new())
            }
            Attribute::Fixed(texts) => {
                let width = texts.iter().map(String::len).max().unwrap_or(0).max(1);
                let mut data = Vec::new();
                for (number, text) in texts.iter().enumerate() {
                    data.extend(text.bytes());
                    data.resize((number + 1) * width, 0);
                }
                let element = [&[0x13, 1, 0, 0][..], &(width as u32).to_le_bytes()].concat();
                (element, space(&[texts.len()]), data)
            }
        };
        let mut body = vec![1, 0];
        for size in [name.len() + 1, element.len(), space.len()] {
            body.extend((size as u16).to_le_bytes());
        }
        for part in [[name.as_bytes(), &[0]].concat(), element, space] {
            body.extend(part);
            pad(&mut body);
        }
        body.extend(data);
        body
    }

    /// Puts texts into a collection of the global heap, and gives the places that name them.
    fn far(&mut self, texts: &[String]) -> Vec<u8> {
        let mut bytes = b"GCOL\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        for (number, text) in texts.iter().enumerate() {
            bytes.extend((number as u16 + 1).to_le_bytes());
            bytes.extend([1, 0, 0, 0, 0, 0]);
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text.bytes());
            pad(&mut bytes);
        }
        // What is left is an object of number 0.
        let size = (bytes.len() + 16).max(4096);
        let left = (size - bytes.len()) as u64;
        bytes.extend([0; 8]);
        bytes.extend(left.to_le_bytes());
        bytes.resize(size, 0);
        bytes.splice(8..16, (size as u64).to_le_bytes());
        let at = self.put(&bytes);
        let place = |(number, text): (usize, &String)| {
            let (length, number) = (text.len() as u32, number as u32 + 1);
            [&length.to_le_bytes()[..], &at.to_le_bytes(), &number.to_le_bytes()].concat()
        };
        texts.iter().enumerate().flat_map(place).collect()
    }

    fn header(&mut self, messages: &[(u16, Vec<u8>)]) -> u64 {
        let mut body = Vec::new();
        for (kind, message) in messages {
            let padded = message.len().next_multiple_of(8);
            body.extend(kind.to_le_bytes());
            body.extend((padded as u16).to_le_bytes());
            body.extend([0; 4]);
            body.extend(message);
            pad(&mut body);
        }
        let mut head = vec![1, 0];
        head.extend((messages.len() as u16).to_le_bytes());
        head.extend(1_u32.to_le_bytes());
        head.extend((body.len() as u32).to_le_bytes());
        head.extend([0; 4]);
        head.extend(body);
        self.put(&head)
    }
}

fn space(shape: &[usize]) -> Vec<u8> {
    let mut bytes = vec![1, shape.len() as u8, 0, 0, 0, 0, 0, 0];
    for length in shape {
        bytes.extend((*length as u64).to_le_bytes());
    }
    bytes
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}
