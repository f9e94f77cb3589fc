//! Puts a call of the meter's step at the beginning of every body: functions, closures with braces, and loops.
//!
//! Without it a loop inside of a closure or a generator that native code calls has no end that anybody could set (see
//! [`super::meter`]). Works on tokens: what is not surely a body is left alone, and a source that no longer compiles
//! with its steps is compiled without them. Lines stay where they are; [`Instrumented::original`] gives back columns.

use super::lexer::{Kind, Token, Tokens};

/// The function that is called; sketches have no reason to use a name like it.
pub const STEP: &str = "step__";
/// How it is called: by its whole path, since a module inside of a sketch sees only its own names.
const CALL: &str = "crate::step__";

/// What a sketch's own `draw(r, i)` is called when it is compiled, so that `draw()` in it is the verb.
pub const OWN_DRAW: &str = "draw__";

/// A source with its steps.
#[derive(Clone, Debug)]
pub struct Instrumented {
    pub text: String,
    /// Where something was put in, as offsets in the new text, and how many bytes.
    added: Vec<(usize, usize)>,
}

impl Instrumented {
    /// Source number `source` with steps in it.
    pub fn of(text: &str, source: usize) -> Self {
        let mut parts: Vec<(usize, String)> =
            bodies(text).into_iter().map(|at| (at, format!(" {CALL}({source}, {at});"))).collect();
        parts.extend(renamed(text, source));
        parts.sort_by_key(|(at, _)| *at);
        Self::with(text, parts)
    }

    /// A source as it stands.
    pub fn plain(text: &str, source: usize) -> Self {
        Self::with(text, renamed(text, source).into_iter().collect())
    }

    /// A source with parts put in, in their order.
    fn with(text: &str, parts: Vec<(usize, String)>) -> Self {
        let mut out = Self { text: String::with_capacity(text.len() + text.len() / 8), added: Vec::new() };
        let mut from = 0;
        for (at, part) in parts {
            out.text.push_str(&text[from..at]);
            out.added.push((out.text.len(), part.len()));
            out.text.push_str(&part);
            from = at;
        }
        out.text.push_str(&text[from..]);
        out
    }

    /// The offset in the original of one in the new text.
    pub fn original(&self, at: usize) -> usize {
        let before = self.added.iter().take_while(|(from, _)| *from < at);
        let added: usize = before.map(|(from, len)| (at - from).min(*len)).sum();
        at - added
    }
}

/// What makes `draw` to [`OWN_DRAW`] where the main source has such a function and no `walk`.
fn renamed(text: &str, source: usize) -> Option<(usize, String)> {
    let found = if source == 0 && function(text, "walk").is_none() { function(text, "draw") } else { None };
    found.map(|at| (at + "draw".len(), OWN_DRAW["draw".len()..].to_owned()))
}

/// Where the name of a function stands that is in no block.
pub fn function(text: &str, name: &str) -> Option<usize> {
    let (mut depth, mut after) = (0_usize, false);
    for token in Tokens::of(text) {
        match token.kind {
            Kind::Open(_) => depth += 1,
            Kind::Close(_) => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && after && token.text == name => return Some(token.at),
            _ => {}
        }
        after = token.kind == Kind::Word && token.text == "fn";
    }
    None
}

/// What the next `{` of a bracket level opens.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    /// The body of a function or a loop.
    Body,
    /// Something else: arms, a branch.
    Other,
}

/// Offsets just behind the braces that open bodies.
fn bodies(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    // For each open bracket, what its next braces open; the last one is asked first.
    let mut levels: Vec<Vec<Next>> = vec![Vec::new()];
    let mut before: Option<Token> = None;
    let mut constant = false;
    for token in Tokens::of(text) {
        let was = before.replace(token);
        let after = |text: &str| was.is_some_and(|was| was.text == text);
        let Some(level) = levels.last_mut() else { break };
        match token.kind {
            // A field or a method may have any name.
            Kind::Word if after(".") => {}
            Kind::Word => match token.text {
                "fn" => level.push(if constant { Next::Other } else { Next::Body }),
                "loop" | "while" | "for" => level.push(Next::Body),
                "if" if after("else") => {}
                "if" | "else" | "match" | "select" => level.push(Next::Other),
                "const" => constant = true,
                _ => {}
            },
            Kind::Separator => {
                level.clear();
                constant = false;
            }
            Kind::Open(c) => {
                let body = match c {
                    // An object is no block.
                    '{' if after("#") => false,
                    // Behind the bar of a closure, or between two operands: a block in both cases.
                    '{' if after("|") || after("||") => true,
                    '{' => level.pop() == Some(Next::Body),
                    _ => false,
                };
                if body {
                    found.push(token.at + token.text.len());
                }
                levels.push(Vec::new());
            }
            Kind::Close(_) => {
                if levels.len() > 1 {
                    levels.pop();
                }
                constant = false;
            }
            Kind::Literal | Kind::Sign => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where steps are put: `!` in the source stands for each.
    fn check(marked: &str) {
        let source = marked.replace('!', "");
        let mut expected = Vec::new();
        for (i, (at, _)) in marked.match_indices('!').enumerate() {
            expected.push(at - i);
        }
        assert_eq!(bodies(&source), expected, "{source}");
    }

    #[test]
    fn bodies_are_functions_closures_and_loops() {
        check("pub fn walk(me, t, c) {! seed(7) }");
        check("pub fn setup() {! #{ a: 1, b: #{ c: 2 } } }");
        check("fn a() {! loop {! break; } while x < #{ y: 1 }.y {! } for i in 0..9 {! } }");
        check("fn a() {! while match x { 1 => true, _ => false } {! } }");
        check("fn a() {! for i in if b { c } else { d } {! } }");
        check("fn a() {! let f = |x| {! x }; let g = || {! 1 }; let h = move |a, b| a || {! b }; }");
        check("struct A { loop_, b } impl A { fn m(self) {! self.loop.for } }");
        check("const fn a() { 1 } const B = 3; fn c() {! if d { 1 } else { 2 } match e { F { g } => 3 } }");
        check("use a::{b, c}; mod d { fn e() {! `${ loop {! break 1 } } {` } }");
        check("// fn a() {\nfn b() {! \"fn {\" }");
    }

    #[test]
    fn columns_come_back() {
        let text = "fn a() { b }\nfn c() { loop { d } }";
        let made = Instrumented::of(text, 0);
        assert_eq!(made.text.lines().count(), 2);
        for word in ["a", "b", "c", "loop", "d"] {
            let (there, here) = (made.text.find(&format!("{word} ")), text.find(&format!("{word} ")));
            if let (Some(there), Some(here)) = (there, here) {
                assert_eq!(made.original(there), here, "{word}");
            }
        }
        let inside = made.text.find(STEP).unwrap();
        assert_eq!(made.original(inside + 4), 8);
        assert_eq!(Instrumented::plain(text, 0).original(15), 15);
    }

    #[test]
    fn a_drawing_sketch_has_the_verb_draw_beside_its_own() {
        let text = "fn a() { draw() } // fn draw\nmod b { fn draw() {} }\npub fn draw(r, i) { draw() }";
        let made = Instrumented::of(text, 0);
        assert_eq!((made.text.matches("draw__(r, i)").count(), made.text.matches("draw__").count()), (1, 1));
        assert_eq!(made.original(made.text.find("(r, i)").unwrap()), text.find("(r, i)").unwrap());
        assert!(Instrumented::plain(text, 0).text.contains("fn draw__(r, i) { draw() }"));
        let walks = format!("{text} pub fn walk(me, t, c) {{}}");
        assert!(
            !Instrumented::of(&walks, 0).text.contains("draw__") && !Instrumented::of(text, 1).text.contains("draw__")
        );
    }
}
