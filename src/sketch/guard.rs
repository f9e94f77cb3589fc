//! What a source must be before the parser sees it.
//!
//! Rune's parser and compiler recurse: a few thousand nested brackets, operators in a row or parts of a path overflow
//! the stack, which ends the program and cannot be caught. So sources that are too long, too deep or have too long an
//! expression are refused first. [`super::lexer`] says what is code and what is text.

use super::lexer::{Kind, Tokens};

/// Most bytes of a source.
pub const MOST_BYTES: usize = 1 << 20;
/// Deepest nesting of brackets.
pub const DEEPEST: usize = 256;
/// Most parts (names, numbers, signs) of one expression, those around it included: each may be a level of recursion.
const MOST_PARTS: usize = 3000;

/// A refusal: byte offset, and why.
#[derive(Debug, PartialEq)]
pub struct Refused {
    pub at: usize,
    pub why: String,
}

/// Looks at a source without parsing it.
///
/// # Errors
/// With the place and the reason, if the parser must not see it.
pub fn check(text: &str) -> Result<(), Refused> {
    if text.len() > MOST_BYTES {
        return Err(Refused {
            at: 0,
            why: format!("the sketch has {} bytes; at most {MOST_BYTES} are read", text.len()),
        });
    }
    // Parts of the expression so far, for each open bracket; and their sum.
    let mut open = vec![0usize];
    let mut sum = 0usize;
    // A block has just ended: what follows it may go on with the expression, or be the next statement.
    let mut after_block = false;
    for token in Tokens::of(text) {
        let goes_on = match token.kind {
            Kind::Word => matches!(token.text, "else" | "as" | "is"),
            Kind::Literal => false,
            _ => true,
        };
        if std::mem::take(&mut after_block) && !goes_on {
            sum -= open.last_mut().map_or(0, std::mem::take);
        }
        match token.kind {
            Kind::Open(_) => open.push(0),
            Kind::Close(_) if open.len() > 1 => {
                sum -= open.pop().unwrap_or(0);
                after_block = token.kind == Kind::Close('}');
            }
            Kind::Close(_) => {}
            Kind::Separator => sum -= open.last_mut().map_or(0, std::mem::take),
            Kind::Word | Kind::Literal | Kind::Sign => {
                if let Some(parts) = open.last_mut() {
                    *parts += 1;
                }
                sum += 1;
            }
        }
        let why = if open.len() > DEEPEST + 1 {
            format!("brackets are nested deeper than {DEEPEST}")
        } else if sum > MOST_PARTS {
            format!("one expression has more than {MOST_PARTS} parts")
        } else {
            continue;
        };
        return Err(Refused { at: token.at, why: format!("{why}; take it apart") });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_overflow_the_parser_is_refused() {
        for part in [
            "(",
            "[",
            "{",
            "-",
            "!",
            "|x| ",
            "if a {} else ",
            "break ",
            "return ",
            "yield ",
            "a::",
            "a.b.",
            "a.b(1, 2)",
            "x = ",
            "& ",
            "a + ",
            "a as ",
            "'a: loop ",
            "#[a]",
            "move || ",
            "async ",
            "`${",
            "x[0]",
            "x?",
            ".await",
            "1..",
            "not ",
            "let x = ",
            "match a {} .b",
            "/* \" */ (",
            "'(' (",
            "// '\n (",
            "b'(' (",
            "\"`\" (",
        ] {
            assert!(check(&part.repeat(5000)).is_err(), "{part}");
        }
        assert!(check(&" ".repeat(MOST_BYTES + 1)).is_err());
        assert_eq!(check(&format!("let a = {};", "(".repeat(300))).unwrap_err().at, 8 + DEEPEST);
    }

    #[test]
    fn texts_and_comments_do_not_count_and_long_sketches_are_no_long_expressions() {
        let text = format!("// {}\nlet a = \"{}\";", "(".repeat(300), "[\\\"".repeat(300));
        assert_eq!(check(&text), Ok(()));
        let banner = format!("/*{}*/ pub fn walk(me, t, c) {{ seed(7) }}", format!("{}\n", "=".repeat(120)).repeat(40));
        assert_eq!(check(&banner), Ok(()));
        let functions = "pub fn a(x, y) { if x > 1 { y } else { let z = [1, 2, 3]; z[0] + x * y } }\n".repeat(3000);
        assert_eq!(check(&functions), Ok(()));
        let statements = format!(
            "pub fn a(x) {{ {} }}",
            "if x { b(1) } for i in 0..3 { c(i) } match x { 1 => 2, _ => 3 } ".repeat(900)
        );
        assert_eq!(check(&statements), Ok(()));
        assert_eq!(check(&format!("let a = [{}];", "seed(1) * 0.5, ".repeat(20_000))), Ok(()));
    }
}
