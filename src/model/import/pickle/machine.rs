//! The machine that reads a pickle: a stack, a memo and a heap of values.
//!
//! Every opcode of protocols 0 to 5 but those of the extension registry and of buffers outside of the pickle.
//! Nothing is imported or called: a call becomes an object that remembers what was asked. Steps, values and bytes are
//! bounded by the file.

use std::collections::HashMap;

use super::super::bag::ReadError;
use super::super::source::{Source, Tape, wrong};
use super::text;
use super::value::{Blob, EMPTY, FALSE, Heap, Id, MOST_VALUES, NONE, Object, TRUE, Value};

/// Bytes up to which texts and bytes are taken into the heap.
const SHORT: u64 = 4096;
/// Opcodes that a pickle may have.
const MOST_STEPS: u64 = 8_000_000;

/// What is said of a pickle that is too large.
const TOO_MANY: &str = "its pickle has more than a million values beside its arrays: save the state dict alone";

struct Machine {
    tape: Tape,
    heap: Heap,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

/// Reads the pickle that begins there; gives it, and where it ends.
///
/// # Errors
/// If it is damaged, or too large.
pub fn read(source: &Source, at: u64) -> Result<(Heap, u64), ReadError> {
    let mut machine = Machine {
        tape: Tape::new(source, at),
        heap: Heap::new(source),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    for _ in 0..MOST_STEPS {
        let code = machine.tape.byte()?;
        if code == b'.' {
            let root = machine.pop()?;
            machine.heap.root = root;
            return Ok((machine.heap, machine.tape.at()));
        }
        machine.step(code)?;
    }
    wrong(TOO_MANY)
}

fn damaged<T>() -> Result<T, ReadError> {
    wrong("its pickle is damaged: fetch the file again")
}

impl Machine {
    fn step(&mut self, code: u8) -> Result<(), ReadError> {
        match code {
            b'(' => self.marks.push(self.stack.len()),
            b'0' => self.discard()?,
            b'1' => drop(self.since_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.stack.push(NONE),
            0x88 => self.stack.push(TRUE),
            0x89 => self.stack.push(FALSE),
            b')' => self.stack.push(EMPTY),
            0x80 => self.protocol()?,
            0x95 => drop(self.tape.bytes::<8>()?), // a frame's length: nothing depends on it
            b'F' | b'I' | b'L' | b'J' | b'K' | b'M' | b'G' | 0x8a | 0x8b => self.number(code)?,
            b'S' | b'T' | b'U' | b'V' | b'X' | b'B' | b'C' | 0x8c..=0x8e | 0x96 => self.string(code)?,
            b'p' | b'q' | b'r' | b'g' | b'h' | b'j' | 0x94 => self.remember(code)?,
            b']' | b'l' | 0x8f | 0x91 | b't' | 0x85..=0x87 | b'}' | b'd' => self.container(code)?,
            b'a' | b'e' | 0x90 | b's' | b'u' | b'b' => self.fill(code)?,
            b'c' | b'i' | b'o' | b'R' | 0x81 | 0x92 | 0x93 | b'P' | b'Q' => self.call(code)?,
            0x98 => {} // a buffer that is only read is the same value
            0x97 => return wrong("its pickle keeps its arrays outside of the file: save it without `buffer_callback`"),
            0x82..=0x84 => return wrong("its pickle uses Python's extension registry: save the state dict instead"),
            _ => return wrong(format!("its pickle is damaged, or it is none (opcode {code:#04x}): fetch it again")),
        }
        Ok(())
    }

    fn protocol(&mut self) -> Result<(), ReadError> {
        match self.tape.byte()? {
            0..=5 => Ok(()),
            other => wrong(format!("its pickle has protocol {other}; up to 5 are known")),
        }
    }

    fn top(&mut self) -> Result<Id, ReadError> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(id) if self.stack.len() > bottom => Ok(*id),
            _ => damaged(),
        }
    }

    fn pop(&mut self) -> Result<Id, ReadError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// Takes the top away, be it a value or a mark.
    fn discard(&mut self) -> Result<(), ReadError> {
        match self.marks.last() {
            Some(mark) if *mark == self.stack.len() => drop(self.marks.pop()),
            _ => drop(self.pop()?),
        }
        Ok(())
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, ReadError> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => damaged(),
        }
    }

    fn push(&mut self, value: Value) -> Result<(), ReadError> {
        let id = self.heap.add(value)?;
        self.stack.push(id);
        Ok(())
    }

    fn number(&mut self, code: u8) -> Result<(), ReadError> {
        let value = match code {
            b'J' => Value::Int(i32::from_le_bytes(self.tape.bytes()?).into()),
            b'K' => Value::Int(self.tape.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.tape.bytes()?).into()),
            b'G' => Value::Float(f64::from_be_bytes(self.tape.bytes()?)),
            0x8a => {
                let len = self.tape.byte()?;
                text::long(self.tape.take(len.into())?)
            }
            0x8b => {
                let len = u32::from_le_bytes(self.tape.bytes()?);
                text::long(self.tape.take(len.into())?)
            }
            _ => match text::number(code, &self.tape.line()?) {
                Some(value) => value,
                None => return damaged(),
            },
        };
        match value {
            Value::Bool(truth) => self.stack.push(if truth { TRUE } else { FALSE }),
            value => self.push(value)?,
        }
        Ok(())
    }

    fn string(&mut self, code: u8) -> Result<(), ReadError> {
        let len = match code {
            b'U' | b'C' | 0x8c => self.tape.byte()?.into(),
            b'T' | b'B' | b'X' => u32::from_le_bytes(self.tape.bytes()?).into(),
            0x8d | 0x8e | 0x96 => u64::from_le_bytes(self.tape.bytes()?),
            b'S' => {
                let bytes = text::quoted(&self.tape.line()?);
                return bytes.map_or_else(damaged, |bytes| self.push(Value::Bytes(Blob::Own(bytes.into()))));
            }
            _ => {
                let text = text::raw_unicode(&self.tape.line()?);
                return self.push(Value::Text(Blob::Own(text.into_bytes().into())));
            }
        };
        let blob = match len <= SHORT {
            true => Blob::Own(self.tape.take(len)?.into()),
            false => {
                let at = self.tape.at();
                self.tape.skip(len)?;
                Blob::Range(at, len)
            }
        };
        self.push(if matches!(code, b'X' | 0x8c | 0x8d) { Value::Text(blob) } else { Value::Bytes(blob) })
    }

    fn remember(&mut self, code: u8) -> Result<(), ReadError> {
        let key = match code {
            b'q' | b'h' => self.tape.byte()?.into(),
            b'r' | b'j' => u32::from_le_bytes(self.tape.bytes()?).into(),
            0x94 => self.memo.len() as u64,
            _ => match text::decimal(&self.tape.line()?) {
                Some(key) => key,
                None => return damaged(),
            },
        };
        if matches!(code, b'g' | b'h' | b'j') {
            let Some(id) = self.memo.get(&key) else { return damaged() };
            self.stack.push(*id);
        } else {
            let top = self.top()?;
            self.memo.insert(key, top);
            if self.memo.len() > MOST_VALUES {
                return wrong(TOO_MANY);
            }
        }
        Ok(())
    }

    fn container(&mut self, code: u8) -> Result<(), ReadError> {
        let value = match code {
            b']' | 0x8f => Value::List(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            b'l' | 0x91 => Value::List(self.since_mark()?),
            b't' => Value::Tuple(self.since_mark()?.into()),
            b'd' => Value::Dict(pairs(&self.since_mark()?)),
            _ => {
                let mut members = vec![NONE; usize::from(code - 0x84)];
                for member in members.iter_mut().rev() {
                    *member = self.pop()?;
                }
                Value::Tuple(members.into())
            }
        };
        self.push(value)
    }

    /// Opcodes that change the value below.
    fn fill(&mut self, code: u8) -> Result<(), ReadError> {
        match code {
            b'a' => {
                let (item, to) = (self.pop()?, self.top()?);
                self.append(to, vec![item])
            }
            b'e' | 0x90 => {
                let (items, to) = (self.since_mark()?, self.top()?);
                self.append(to, items)
            }
            b's' => {
                let (value, key, to) = (self.pop()?, self.pop()?, self.top()?);
                self.set(to, vec![(key, value)])
            }
            b'u' => {
                let (items, to) = (self.since_mark()?, self.top()?);
                self.set(to, pairs(&items))
            }
            _ => {
                let (state, to) = (self.pop()?, self.top()?);
                if let Some(Value::Object(object)) = self.heap.get_mut(to) {
                    object.state = state;
                }
                Ok(())
            }
        }
    }

    fn append(&mut self, to: Id, new: Vec<Id>) -> Result<(), ReadError> {
        let to = match self.heap.get(to) {
            Value::Object(Object { items, .. }) if *items != NONE => *items,
            Value::Object(_) => {
                let list = self.heap.add(Value::List(Vec::new()))?;
                if let Some(Value::Object(object)) = self.heap.get_mut(to) {
                    object.items = list;
                }
                list
            }
            _ => to,
        };
        match self.heap.get_mut(to) {
            Some(Value::List(list)) => list.extend(new),
            _ => return damaged(),
        }
        Ok(())
    }

    fn set(&mut self, to: Id, new: Vec<(Id, Id)>) -> Result<(), ReadError> {
        let to = match self.heap.get(to) {
            Value::Object(Object { entries, .. }) if *entries != NONE => *entries,
            Value::Object(_) => {
                let dict = self.heap.add(Value::Dict(Vec::new()))?;
                if let Some(Value::Object(object)) = self.heap.get_mut(to) {
                    object.entries = dict;
                }
                dict
            }
            _ => to,
        };
        match self.heap.get_mut(to) {
            Some(Value::Dict(dict)) => dict.extend(new),
            _ => return damaged(),
        }
        Ok(())
    }

    /// Opcodes that name something in Python, or would call it.
    fn call(&mut self, code: u8) -> Result<(), ReadError> {
        match code {
            b'c' => {
                let name = self.global()?;
                self.push(name)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                self.push(Value::Global(module, name))
            }
            b'i' => {
                let class = self.global()?;
                let class = self.heap.add(class)?;
                let args = self.since_mark()?;
                self.object(class, args)
            }
            b'o' => {
                let args = self.since_mark()?;
                match args.split_first() {
                    Some((class, args)) => self.object(*class, args.to_vec()),
                    None => damaged(),
                }
            }
            b'P' => {
                let key = self.tape.line()?;
                let key = self.heap.add(Value::Text(Blob::Own(key.into())))?;
                self.push(Value::Persistent(key))
            }
            b'Q' => {
                let key = self.pop()?;
                self.push(Value::Persistent(key))
            }
            _ => {
                if code == 0x92 {
                    self.pop()?; // arguments by name
                }
                let (args, class) = (self.pop()?, self.pop()?);
                self.push(Value::Object(Object { class, args, state: NONE, entries: NONE, items: NONE }))
            }
        }
    }

    fn global(&mut self) -> Result<Value, ReadError> {
        let (module, name) = (self.tape.line()?, self.tape.line()?);
        let module = self.heap.add(Value::Text(Blob::Own(module.into())))?;
        let name = self.heap.add(Value::Text(Blob::Own(name.into())))?;
        Ok(Value::Global(module, name))
    }

    fn object(&mut self, class: Id, args: Vec<Id>) -> Result<(), ReadError> {
        let args = self.heap.add(Value::Tuple(args.into()))?;
        self.push(Value::Object(Object { class, args, state: NONE, entries: NONE, items: NONE }))
    }
}

fn pairs(items: &[Id]) -> Vec<(Id, Id)> {
    items.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value)).collect()
}
