//! What a source must be before the parser sees it.
//!
//! The parser recurses: a few thousand nested brackets, or operators in a row, overflow its stack, which ends
//! the program. So sources that are too long, too deep or have too long an expression are refused first.

/// Most bytes of a source.
pub const MOST_BYTES: usize = 1 << 20;
/// Deepest nesting of brackets.
pub const DEEPEST: usize = 256;
/// Most operators between two of `; , { }`.
const MOST_OPERATORS: usize = 2000;
/// Most `else` of a source: a chain of them is nested, too.
const MOST_ELSE: usize = 1000;

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
    let (mut depth, mut operators, mut elses) = (0usize, 0usize, 0usize);
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            '/' if rest.peek().is_some_and(|(_, c)| *c == '/') => {
                while rest.next_if(|(_, c)| *c != '\n').is_some() {}
                continue;
            }
            '"' | '`' => {
                while let Some((_, inside)) = rest.next() {
                    match inside {
                        '\\' => drop(rest.next()),
                        end if end == c => break,
                        _ => {}
                    }
                }
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '-' | '!' | '&' | '|' | '*' | '+' | '/' | '.' | '<' | '>' | '=' | '%' | '^' | '?' => operators += 1,
            'e' if text[at..].starts_with("else") => elses += 1,
            'r' if text[at..].starts_with("return") => operators += 1,
            'a' if text[at..].starts_with("async") || text[at..].starts_with("await") => operators += 1,
            'l' if text[at..].starts_with("loop") => operators += 1,
            _ => {}
        }
        if matches!(c, ';' | ',' | '{' | '}') {
            operators = 0;
        }
        let why = if depth > DEEPEST {
            format!("brackets are nested deeper than {DEEPEST}")
        } else if operators > MOST_OPERATORS {
            format!("one expression has more than {MOST_OPERATORS} operators")
        } else if elses > MOST_ELSE {
            format!("there are more than {MOST_ELSE} else branches")
        } else {
            continue;
        };
        return Err(Refused { at, why: format!("{why}; take it apart") });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_overflow_the_parser_is_refused() {
        for (open, count) in
            [("(", 5000), ("[", 5000), ("{", 5000), ("-", 5000), ("|x| ", 5000), ("if a {} else ", 5000)]
        {
            assert!(check(&open.repeat(count)).is_err(), "{open}");
        }
        assert!(check(&" ".repeat(MOST_BYTES + 1)).is_err());
        assert_eq!(check(&format!("let a = {};", "(".repeat(300))).unwrap_err().at, 8 + DEEPEST);
    }

    #[test]
    fn brackets_in_texts_and_comments_do_not_count() {
        let text = format!("// {}\nlet a = \"{}\";", "(".repeat(300), "[\\\"".repeat(300));
        assert_eq!(check(&text), Ok(()));
        assert_eq!(check("pub fn walk(me, t, c) { seed(7) }"), Ok(()));
    }
}
