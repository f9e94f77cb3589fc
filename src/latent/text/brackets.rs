//! Numbers in brackets: what numpy, PyTorch, JAX and TensorFlow print, JSON, lists of arrays in any language.
//!
//! Words that wrap the numbers are passed by (`np.float32(…)`, `tensor(…, device='cuda:0')`); a word that may mean
//! something else is an error, so that no number is read that was not meant as one.

use super::{TextError, Z, check_layout, number, rows_of};

/// The last part of the names of what holds numbers: `np.array`, `torch.tensor`, `jax.numpy.float32`.
const HOLDERS: [&str; 24] = [
    "array",
    "asarray",
    "ndarray",
    "matrix",
    "tensor",
    "eagertensor",
    "devicearray",
    "parameter",
    "variable",
    "constant",
    "float16",
    "float32",
    "float64",
    "float",
    "half",
    "single",
    "double",
    "longdouble",
    "bfloat16",
    "list",
    "tuple",
    "vector",
    "vec",
    "c",
];
/// Names of arguments whose values are the numbers.
const HELD: [&str; 6] = ["numpy", "data", "value", "values", "object", "initial_value"];

/// Reads rows of `dim` numbers.
///
/// # Errors
/// As [`super::read`].
pub(super) fn read(text: &str, dim: usize) -> Result<Vec<Z>, TextError> {
    let mut reader = Reader { rest: text, line: 1, ..Reader::default() };
    while reader.step()? {}
    reader.finish(dim)
}

#[derive(Default)]
struct Reader<'a> {
    rest: &'a str,
    line: usize,
    /// Brackets that are open.
    open: Vec<char>,
    /// Square brackets in each other at most.
    deepest: usize,
    /// Whether one was closed that was not open: then brackets say nothing of rows.
    unbalanced: bool,
    /// Whether numbers stood in front of a bracket instead of in one.
    beside: bool,
    rows: Vec<Z>,
    row: Z,
}

impl<'a> Reader<'a> {
    /// Takes `len` bytes.
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// Takes as long as the characters are those.
    fn take_while(&mut self, is: impl Fn(char) -> bool) -> &'a str {
        self.take(self.rest.find(|c| !is(c)).unwrap_or(self.rest.len()))
    }

    fn wrong(&self, word: &str) -> TextError {
        TextError::word(self.line, word)
    }

    /// Reads what comes next; false at the end.
    fn step(&mut self) -> Result<bool, TextError> {
        let Some(c) = self.rest.chars().next() else { return Ok(false) };
        match c {
            '[' | '(' | '<' => {
                self.take(1);
                self.open.push(c);
                self.beside |= c == '[' && !self.row.is_empty();
                let square = self.open.iter().filter(|open| **open == '[').count();
                self.deepest = self.deepest.max(square);
            }
            ']' | ')' | '>' => {
                self.take(1);
                self.close(c);
            }
            '{' | '}' => {
                let what = "it holds { }, as a JSON object or a dictionary does; give the list of numbers alone";
                return Err(TextError::Form(what.into()));
            }
            ',' | ';' | ':' | '"' | '\'' | '|' => drop(self.take(1)),
            _ if c.is_whitespace() => drop(self.take(c.len_utf8())),
            _ if self.rest.starts_with("...") || c == '…' => return Err(TextError::Abridged),
            _ if c.is_alphabetic() || c == '_' => self.word()?,
            _ => {
                let word = self.take_while(|c| !c.is_whitespace() && !"[](),;<>\"'".contains(c));
                if word.is_empty() {
                    return Err(self.wrong(&c.to_string()));
                }
                let value = number(word).ok_or_else(|| self.wrong(word))?;
                self.row.push(value);
            }
        }
        Ok(true)
    }

    fn close(&mut self, c: char) {
        let opened = match c {
            ']' => '[',
            ')' => '(',
            _ => '<',
        };
        match self.open.last() == Some(&opened) {
            true => drop(self.open.pop()),
            false => self.unbalanced = true,
        }
        if c == ']' && !self.row.is_empty() {
            self.rows.push(std::mem::take(&mut self.row));
        }
    }

    /// A word: the name of something that holds numbers, or of an argument.
    fn word(&mut self) -> Result<(), TextError> {
        let name = self.take_while(|c| c.is_alphanumeric() || c == '_' || c == '.');
        let last = name.rsplit('.').next().unwrap_or_default().to_lowercase();
        let spaces = self.rest.len() - self.rest.trim_start().len();
        let next = self.rest[spaces..].chars().next();
        match next {
            Some('=') => {
                self.take(spaces + 1);
                // Outside of all brackets it is a variable, and what follows are its numbers.
                if !self.open.is_empty() && !HELD.contains(&last.as_str()) {
                    self.pass_value();
                }
                Ok(())
            }
            Some('(' | '[' | ':') if HOLDERS.contains(&last.as_str()) => Ok(()),
            // "Parameter containing: tensor(…)", as PyTorch prints it.
            _ if last == "parameter" || (last == "containing" && next == Some(':')) => Ok(()),
            // YAML's "z: [1, 2]".
            Some(':') if self.open.is_empty() => Ok(()),
            _ => Err(self.wrong(name)),
        }
    }

    /// Passes by the value of an argument: to the comma or bracket that ends it.
    fn pass_value(&mut self) {
        let (mut depth, mut quote) = (0_usize, None);
        let end = self.rest.find(|c: char| {
            if let Some(open) = quote {
                quote = (c != open).then_some(open);
                return false;
            }
            match c {
                '"' | '\'' => quote = Some(c),
                '(' | '[' | '<' => depth += 1,
                ')' | ']' | '>' if depth > 0 => depth -= 1,
                ')' | ']' | '>' => return true,
                ',' => return depth == 0,
                _ => {}
            }
            false
        });
        self.take(end.unwrap_or(self.rest.len()));
    }

    /// The rows, as the brackets say or by their number.
    fn finish(mut self, dim: usize) -> Result<Vec<Z>, TextError> {
        if self.rows.is_empty() {
            return rows_of(&self.row, dim);
        }
        self.beside |= !self.row.is_empty();
        if self.unbalanced {
            self.rows.push(std::mem::take(&mut self.row));
            return rows_of(&self.rows.concat(), dim);
        }
        if self.beside {
            let what = "some numbers stand beside the brackets that hold the others; put each z in brackets of its own";
            return Err(TextError::Form(what.into()));
        }
        let rows = std::mem::take(&mut self.rows);
        let each = rows[0].len();
        let alike = rows.iter().all(|row| row.len() == each);
        // A lone flat list may hold several; shorter rows are a z that was cut up.
        if rows.len() == 1 || (alike && each < dim) {
            if self.deepest <= 2 {
                check_layout(rows.len(), each, dim)?;
            }
            return rows_of(&rows.concat(), dim);
        }
        match rows.iter().position(|row| row.len() != dim) {
            Some(at) => Err(TextError::Row { row: at + 1, count: rows[at].len(), dim }),
            None => Ok(rows),
        }
    }
}
