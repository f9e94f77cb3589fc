//! What is wrong with a sketch, as its author needs it: where, the line, what, and what was probably meant.

use std::fmt;
use std::path::{Path, PathBuf};

/// One complaint. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Complaint {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The text of that line; empty about a file as a whole.
    pub source: String,
    /// The text of the whole file.
    pub text: String,
    /// What is wrong.
    pub what: String,
    /// What was probably meant, or what to do.
    pub hint: Option<String>,
}

impl Complaint {
    /// About the byte range `at` of a source.
    pub fn at(path: &Path, text: &str, at: std::ops::Range<usize>, what: String, hint: Option<String>) -> Self {
        let start = (0..=at.start.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        // A character that would act on a terminal is shown as one that cannot, and keeps its column.
        let shown = |c: char| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
        let line = text[line_start..].lines().next().unwrap_or_default();
        let source: String = line.chars().take(200).map(shown).collect();
        let line = text[..start].matches('\n').count() + 1;
        let column = text[line_start..start].chars().count() + 1;
        Self { path: path.into(), line, column, source, text: text.into(), what, hint }
    }

    /// The same place, with these words.
    pub fn with(self, what: String, hint: Option<String>) -> Box<Self> {
        Box::new(Self { what, hint, ..self })
    }

    /// About a file as a whole.
    pub fn whole(path: &Path, what: String, hint: Option<String>) -> Self {
        Self { path: path.into(), line: 1, column: 1, source: String::new(), text: String::new(), what, hint }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.path.display(), self.line, self.column, self.what)?;
        if !self.source.trim().is_empty() {
            let number = self.line.to_string();
            let pad = " ".repeat(number.len());
            let caret = " ".repeat(self.column.saturating_sub(1));
            write!(f, "\n {number} | {}\n {pad} | {caret}^", self.source)?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Complaint {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_place() {
        let text = "one\ntwö x\n";
        let at = text.find('x').unwrap();
        let complaint = Complaint::at(Path::new("a.rn"), text, at..at + 1, "no".into(), Some("yes".into()));
        assert_eq!(complaint.to_string(), "a.rn:2:5: no\n 2 | twö x\n   |     ^\n yes");
        assert_eq!(Complaint::at(Path::new("a"), "", 9..10, "no".into(), None).line, 1);
        let complaint = Complaint::at(Path::new("a"), "\u{1b}[2J x", 5..6, "no".into(), None);
        assert!(!complaint.to_string().contains('\u{1b}') && complaint.column == 6);
    }
}
