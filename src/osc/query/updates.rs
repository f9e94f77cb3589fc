//! What the show tells the server: the namespace, values, lines for watchers.
//!
//! Written by the frame, which only leaves it here under a short lock; applied on the server's thread, which builds
//! answers from its own tree and so never holds the frame up. Bounded: the newest value of each address, the newest
//! namespace, and so many lines.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use axum::body::Bytes;
use serde_json::json;
use tokio::sync::Notify;

use super::super::packet;
use super::super::tree::{Change, Node, Tree};
use crate::control::hand::Value;
use crate::latest::lock;

/// Lines and notices that wait; the oldest goes first.
const MOST_LINES: usize = 512;

/// What clients are told.
pub(super) enum News {
    /// An address, and its value as an OSC message.
    Value(String, Bytes),
    /// A command of OSCQuery.
    Command(String),
    /// A line for those who watch.
    Line(String),
}

#[derive(Default)]
struct Pending {
    nodes: Option<Vec<Node>>,
    values: BTreeMap<String, Vec<Value>>,
    changed: VecDeque<String>,
    lines: VecDeque<String>,
}

/// What has been told and not been applied.
#[derive(Default)]
pub(super) struct Updates {
    pending: Mutex<Pending>,
    told: Notify,
}

fn push(queue: &mut VecDeque<String>, text: &str) {
    if queue.len() >= MOST_LINES {
        queue.pop_front();
    }
    queue.push_back(text.to_owned());
}

impl Updates {
    pub fn publish(&self, nodes: Vec<Node>) {
        let before = lock(&self.pending).nodes.replace(nodes);
        self.told.notify_one();
        // Not under the lock: it is large.
        drop(before);
    }

    pub fn changed(&self, path: &str) {
        push(&mut lock(&self.pending).changed, path);
        self.told.notify_one();
    }

    pub fn set(&self, path: &str, value: &[Value]) {
        let mut pending = lock(&self.pending);
        match pending.values.get_mut(path) {
            Some(waiting) => value.clone_into(waiting),
            None => drop(pending.values.insert(path.to_owned(), value.to_vec())),
        }
        drop(pending);
        self.told.notify_one();
    }

    pub fn line(&self, line: &str) {
        push(&mut lock(&self.pending).lines, line);
        self.told.notify_one();
    }

    /// Waits until something was told.
    pub async fn told(&self) {
        self.told.notified().await;
    }

    /// Applies what was told; gives what clients are to hear, if there are any.
    pub fn apply(&self, tree: &mut Tree, heard: bool) -> Vec<News> {
        let Pending { nodes, values, changed, lines } = std::mem::take(&mut *lock(&self.pending));
        let command = |command: &str, path: &str| News::Command(json!({"COMMAND": command, "DATA": path}).to_string());
        let mut news = Vec::new();
        for change in nodes.map(|nodes| tree.publish(nodes)).unwrap_or_default() {
            news.push(match change {
                Change::Added(path) => command("PATH_ADDED", &path),
                Change::Removed(path) => command("PATH_REMOVED", &path),
                Change::Changed(path) => command("PATH_CHANGED", &path),
            });
        }
        news.extend(changed.iter().map(|path| command("PATH_CHANGED", path)));
        for (path, value) in values {
            let bytes = if heard { tree.get(&path).and_then(|node| packet(&path, node.kind, &value)) } else { None };
            tree.set(&path, value);
            news.extend(bytes.map(|bytes| News::Value(path, bytes.into())));
        }
        news.extend(lines.into_iter().map(News::Line));
        if heard { news } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::osc::Kind;

    fn node(path: &str) -> Node {
        Node {
            path: path.into(),
            kind: Kind::Float,
            readable: true,
            writable: true,
            range: None,
            choices: vec![],
            default: None,
            slider: None,
            says: String::new(),
            value: vec![Value::Number(0.0)],
        }
    }

    #[test]
    fn a_server_that_sleeps_is_told_the_newest() {
        let (updates, mut tree) = (Updates::default(), Tree::default());
        updates.publish(vec![node("/a")]);
        updates.apply(&mut tree, true);
        for i in 0..10_000 {
            updates.publish(vec![node("/a"), node("/b")]);
            updates.set("/a", &[Value::Number(f64::from(i))]);
            updates.line(&format!("line {i}"));
            updates.changed("/b");
        }
        updates.set("/nowhere", &[Value::Number(1.0)]);
        let news = updates.apply(&mut tree, true);
        assert_eq!(tree.get("/a").unwrap().value, [Value::Number(9999.0)]);
        let count = |so: fn(&News) -> bool| news.iter().filter(|news| so(news)).count();
        assert_eq!(count(|n| matches!(n, News::Value(..))), 1);
        assert_eq!(count(|n| matches!(n, News::Command(text) if text.contains("PATH_ADDED"))), 1);
        assert_eq!(count(|n| matches!(n, News::Line(_))), MOST_LINES);
        assert!(matches!(news.last(), Some(News::Line(line)) if line == "line 9999"));
        updates.set("/a", &[Value::Number(3.0)]);
        assert!(updates.apply(&mut tree, false).is_empty());
        assert_eq!(tree.get("/a").unwrap().value, [Value::Number(3.0)]);
    }
}
