//! The tree of a file: groups, their attributes, and arrays with all that is needed to read their values.
//!
//! Built once when a file is opened, by walking links from the root. Circles and deep nesting end in an error; an
//! array that cannot be read keeps its reason, which only who wants its values meets.

use std::io::{Read, Seek};

use super::super::bag::{MOST_ARRAYS, ReadError};
use super::attribute::{self, Value};
use super::datatype::{self, Element};
use super::header::{self, Message, kind};
use super::layout::{Filter, Layout, filters};
use super::source::Source;
use super::{damaged, group, unread};

/// Groups within groups at most.
const DEEPEST: usize = 64;

/// A group or an array.
#[derive(Debug)]
pub struct Node {
    /// The furthest place of its records and of those below it. What was made later reaches further, unless the file
    /// was packed anew; headers alone also fill gaps further in front.
    pub reach: u64,
    /// Its attributes by name.
    pub attributes: Vec<(String, Value)>,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug)]
pub enum Kind {
    /// A group: names and nodes, sorted by name.
    Group(Vec<(String, Node)>),
    /// An array, or why it cannot be read.
    Array(Result<Dataset, ReadError>),
}

/// An array whose values can be read.
#[derive(Debug)]
pub struct Dataset {
    /// Its shape; empty for a single number.
    pub shape: Vec<usize>,
    pub(super) element: Element,
    pub(super) layout: Layout,
    pub(super) filters: Vec<Filter>,
}

impl Dataset {
    /// Whether the elements are whole numbers.
    pub fn whole(&self) -> bool {
        matches!(self.element, Element::Int { .. })
    }
}

impl Node {
    pub(super) fn empty() -> Self {
        Node { reach: 0, attributes: Vec::new(), kind: Kind::Group(Vec::new()) }
    }

    /// The nodes in a group; none in an array.
    pub fn nodes(&self) -> &[(String, Node)] {
        match &self.kind {
            Kind::Group(nodes) => nodes,
            Kind::Array(_) => &[],
        }
    }

    /// The shape of an array; empty for all else.
    pub fn shape(&self) -> &[usize] {
        match &self.kind {
            Kind::Array(Ok(dataset)) => &dataset.shape,
            _ => &[],
        }
    }

    /// The node at a path of names with slashes between them.
    pub fn find(&self, path: &str) -> Option<&Node> {
        path.split('/').filter(|part| !part.is_empty()).try_fold(self, |node, part| {
            let nodes = node.nodes();
            let at = nodes.binary_search_by(|(name, _)| name.as_str().cmp(part)).ok()?;
            nodes.get(at).map(|(_, node)| node)
        })
    }

    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }
}

/// Reads the tree below the object at `root`.
pub(super) fn read<R: Read + Seek>(source: &mut Source<R>, root: u64) -> Result<Node, ReadError> {
    let mut count = 0;
    node(source, root, &mut Vec::new(), &mut count)
}

fn node<R: Read + Seek>(
    source: &mut Source<R>,
    address: u64,
    above: &mut Vec<u64>,
    count: &mut usize,
) -> Result<Node, ReadError> {
    if above.contains(&address) {
        return Err(damaged("a group contains itself"));
    }
    if above.len() >= DEEPEST {
        return Err(damaged("its groups are nested too deep"));
    }
    *count += 1;
    if *count > 4 * MOST_ARRAYS {
        return Err(damaged("it claims too many groups"));
    }
    source.furthest = 0;
    let messages = header::messages(source, address)?;
    let mut attributes = Vec::new();
    for message in &messages {
        match message.kind {
            kind::ATTRIBUTE if !message.shared => attributes.push(attribute::read(source, &message.body)?),
            kind::ATTRIBUTE_INFO => attribute::dense(source, &message.body)?,
            _ => {}
        }
    }
    let links = group::links(source, &messages)?;
    let mut reach = source.furthest;
    let Some(links) = links else {
        return Ok(Node { reach, attributes, kind: Kind::Array(dataset(source, &messages)) });
    };
    above.push(address);
    let mut nodes = Vec::with_capacity(links.len());
    for (name, address) in links {
        let node = node(source, address, above, count)?;
        reach = reach.max(node.reach);
        nodes.push((name, node));
    }
    above.pop();
    nodes.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(Node { reach, attributes, kind: Kind::Group(nodes) })
}

/// An array from its messages.
fn dataset<R>(source: &Source<R>, messages: &[Message]) -> Result<Dataset, ReadError>
where
    R: Read + Seek,
{
    let body = |wanted: u16| match messages.iter().find(|message| message.kind == wanted) {
        Some(message) if message.shared => Err(unread("an array's type is named elsewhere in the file")),
        found => Ok(found.map(|message| message.body.as_slice())),
    };
    let need = |wanted: u16| body(wanted)?.ok_or_else(|| damaged("an array does not say what it holds"));
    let shape = datatype::shape(need(kind::SPACE)?, source.sizes)?;
    Ok(Dataset {
        // No element at all is an empty list here.
        shape: shape.unwrap_or_else(|| vec![0]),
        element: Element::read(need(kind::DATATYPE)?, source.sizes)?,
        layout: Layout::read(need(kind::LAYOUT)?, source.sizes)?,
        filters: body(kind::FILTERS)?.map(|body| filters(body, source.sizes)).transpose()?.unwrap_or_default(),
    })
}
