//! Cuts a sketch's source into tokens, with the same borders as Rune's own lexer.
//!
//! Read by [`super::guard`], which counts what would make Rune's parser recurse, and by [`super::instrument`], which puts
//! calls into bodies. Both are wrong where this lexer takes code for a comment or a text, so it follows Rune 0.14 in
//! its oddities: a block comment ends no sooner than with its third character, block comments do not nest, and
//! `${` in a template opens code. What Rune refuses to lex is passed on as a sign: the compiler says what is wrong.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Word,
    /// A number, a text, a character, a label, or a piece of a template's text.
    Literal,
    /// `(`, `[`, `{`, or `$` for the `${` of a template.
    Open(char),
    /// `)`, `]`, `}`, or `$` for the `}` that ends a `${`.
    Close(char),
    /// `;` or `,`.
    Separator,
    /// An operator or any other sign.
    Sign,
}

/// One token: its kind and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    /// Byte offset of its first character.
    pub at: usize,
    pub text: &'a str,
}

/// Where the lexer is: in code, at a depth of braces inside of a template's `${`, or in a template's text.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Code(usize),
    Template,
}

/// The tokens of a source, without white space and comments.
pub struct Tokens<'a> {
    source: &'a str,
    at: usize,
    modes: Vec<Mode>,
}

impl<'a> Tokens<'a> {
    /// The tokens of `source`.
    pub fn of(source: &'a str) -> Self {
        let mut tokens = Self { source, at: 0, modes: Vec::new() };
        if source.starts_with("#!") {
            tokens.line();
        }
        tokens
    }

    fn peek(&self) -> Option<char> {
        self.source.get(self.at..)?.chars().next()
    }

    fn peek_second(&self) -> Option<char> {
        self.source.get(self.at..)?.chars().nth(1)
    }

    fn step(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn line(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.step();
        }
    }

    /// What follows `/*`: Rune skips two characters before it looks for the end.
    fn block_comment(&mut self) {
        self.step();
        self.step();
        let mut before = self.step();
        while before.is_some() {
            let c = self.step();
            if (before, c) == (Some('*'), Some('/')) {
                return;
            }
            before = c;
        }
    }

    /// What follows an opening quote.
    fn text(&mut self, end: char) {
        while let Some(c) = self.step() {
            match c {
                '\\' => drop(self.step()),
                c if c == end => return,
                _ => {}
            }
        }
    }

    /// What follows `'`: a character to its closing quote, or a label without one.
    fn character_or_label(&mut self) {
        let (mut label, mut count) = (true, 0);
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.step();
                    self.step();
                    (label, count) = (false, count + 1);
                }
                '\'' => {
                    self.step();
                    return;
                }
                '0'..='9' | 'a'..='z' => {
                    self.step();
                    count += 1;
                }
                c if c.is_control() => return,
                _ if label && count > 0 => return,
                _ => {
                    self.step();
                    (label, count) = (false, count + 1);
                }
            }
        }
    }

    fn number(&mut self, first: char) {
        let hex = first == '0' && self.peek() == Some('x');
        let (mut fraction, mut exponent) = (false, false);
        while let Some(c) = self.peek() {
            match c {
                'e' if !exponent && !hex => {
                    self.step();
                    (exponent, fraction) = (true, true);
                    if matches!(self.peek(), Some('+' | '-')) {
                        self.step();
                    }
                }
                '.' if !fraction => {
                    if self.peek_second().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '.')) {
                        return;
                    }
                    self.step();
                    fraction = true;
                }
                c if c == '_' || c.is_alphanumeric() => drop(self.step()),
                _ => return,
            }
        }
    }

    fn word(&mut self) {
        while self.peek().is_some_and(|c| c == '_' || c.is_alphanumeric()) {
            self.step();
        }
    }

    /// The next piece of a template: text up to `${` or to the closing quote.
    fn template(&mut self) -> Option<Kind> {
        let from = self.at;
        loop {
            match self.peek() {
                None => return (self.at > from).then_some(Kind::Literal),
                Some('$' | '`') if self.at > from => return Some(Kind::Literal),
                Some('$') => {
                    self.step();
                    // Rune refuses any other character here.
                    self.step();
                    self.modes.push(Mode::Code(1));
                    return Some(Kind::Open('$'));
                }
                Some('`') => {
                    self.step();
                    self.modes.pop();
                    return Some(Kind::Literal);
                }
                Some('\\') => {
                    self.step();
                    self.step();
                }
                Some(_) => drop(self.step()),
            }
        }
    }

    /// The token that begins with `c`, which has been taken.
    fn code(&mut self, c: char) -> Kind {
        let depth = match self.modes.last() {
            Some(Mode::Code(depth)) => *depth,
            _ => 0,
        };
        match (c, self.peek()) {
            ('b', Some('\'')) => {
                self.step();
                self.step();
                while self.step().is_some_and(|c| c != '\'' && !c.is_control()) {}
                Kind::Literal
            }
            ('b', Some('"')) => {
                self.step();
                self.text('"');
                Kind::Literal
            }
            ('"', _) => {
                self.text('"');
                Kind::Literal
            }
            ('\'', _) => {
                self.character_or_label();
                Kind::Literal
            }
            ('`', _) => {
                self.modes.push(Mode::Template);
                Kind::Literal
            }
            ('{', _) => {
                if depth > 0 {
                    self.modes.push(Mode::Code(depth + 1));
                }
                Kind::Open('{')
            }
            ('}', _) => {
                if depth > 0 {
                    self.modes.pop();
                }
                Kind::Close(if depth == 1 { '$' } else { '}' })
            }
            ('(' | '[', _) => Kind::Open(c),
            (')' | ']', _) => Kind::Close(c),
            (';' | ',', _) => Kind::Separator,
            ('0'..='9', _) => {
                self.number(c);
                Kind::Literal
            }
            (c, _) if c == '_' || c.is_alphabetic() => {
                self.word();
                Kind::Word
            }
            // Signs of two and three characters are one token.
            (':', Some(':')) | ('.', Some('.')) | ('|', Some('|')) | ('&', Some('&')) | ('=' | '-', Some('>')) => {
                self.step();
                Kind::Sign
            }
            _ => Kind::Sign,
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let at = self.at;
            let kind = if self.modes.last() == Some(&Mode::Template) {
                self.template()?
            } else {
                match (self.step()?, self.peek()) {
                    (c, _) if c.is_whitespace() => continue,
                    ('/', Some('/')) => {
                        self.line();
                        continue;
                    }
                    ('/', Some('*')) => {
                        self.step();
                        self.block_comment();
                        continue;
                    }
                    (c, _) => self.code(c),
                }
            };
            return Some(Token { kind, at, text: &self.source[at..self.at] });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[&str]) {
        let found: Vec<&str> = Tokens::of(source).map(|token| token.text).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn borders_are_those_of_the_compiler() {
        check("#!/usr/bin/flaneur\nlet x = 1;", &["let", "x", "=", "1", ";"]);
        check("a /* \" ( */ b // ( \" \nc", &["a", "b", "c"]);
        check("/* a /* b */ c */", &["c", "*", "/"]);
        // An oddity of Rune: the end is not looked for in the first two characters.
        check("/* */ a /* b */ c", &["c"]);
        check(
            "\"a\\\"(\" b\"(\" b'(' '(' 'label: loop",
            &["\"a\\\"(\"", "b\"(\"", "b'('", "'('", "'label", ":", "loop"],
        );
        check(
            "1.5e-3.min(2) 0..n 1.abs() 0xfe",
            &["1.5e-3", ".", "min", "(", "2", ")", "0", "..", "n", "1", ".", "abs", "(", ")", "0xfe"],
        );
        check(
            "`a ${ b(`${c}`) } {` d",
            &["`", "a ", "${", "b", "(", "`", "${", "c", "}", "`", ")", "}", " {", "`", "d"],
        );
        check("`\\${ (`", &["`", "\\${ (", "`"]);
    }

    #[test]
    fn whatever_stands_there_has_an_end() {
        for text in ["/*", "\"", "'", "b'", "`", "`${", "`${`", "'\\", "\"\\", "\u{200b}", "\u{0}é'é'", "1.", "0x"] {
            assert!(Tokens::of(text).count() <= text.len(), "{text:?}");
        }
    }
}
