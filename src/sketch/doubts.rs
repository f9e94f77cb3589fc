//! What compiles and is probably not meant: two whole numbers whose division loses its rest.
//!
//! Read by [`super::host`], which says it when a version takes over, and by `flaneur check`. It looks at tokens only, so
//! it knows of a name what `let n = 5;` or `for i in 0..5` says before it. A division that may well be meant (`i / 5` of
//! a row that goes on behind 5) is not doubted.

use std::collections::BTreeMap;

use super::lexer::{Kind, Token, Tokens};

/// What is known of a whole number.
#[derive(Clone, Copy)]
enum Whole {
    /// It is this.
    Is(i64),
    /// It goes from 0 up to this and no further.
    UpTo(i64),
}

/// The first division of two whole numbers that leaves a rest, in a sentence with its line.
pub fn doubt(text: &str) -> Option<String> {
    let tokens: Vec<Token> = Tokens::of(text).collect();
    let mut names = BTreeMap::new();
    (0..tokens.len()).find_map(|at| {
        let (before, rest) = (at.checked_sub(1).map_or("", |at| tokens[at].text), &tokens[at..]);
        learn(before, rest, &mut names);
        divided(before, rest, &names).map(|says| {
            let line = text[..tokens[at].at].matches('\n').count() + 1;
            format!("line {line}: {says}")
        })
    })
}

/// What the tokens behind `before` say about a name.
fn learn<'a>(before: &str, tokens: &[Token<'a>], names: &mut BTreeMap<&'a str, Whole>) {
    let words: Vec<&str> = tokens.iter().take(9).map(|token| token.text).collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<i64>().ok());
    match words[..] {
        // Another function has other names.
        ["fn", ..] => names.clear(),
        ["let", name, "=", _, ";", ..] if let Some(is) = number(3) => drop(names.insert(name, Whole::Is(is))),
        ["for", name, "in", "0", "..", _, "{", ..] if let Some(end) = number(5) => {
            names.insert(name, Whole::UpTo(end - 1));
        }
        ["for", name, "in", "0", "..", "=", _, "{", ..] if let Some(end) = number(6) => {
            names.insert(name, Whole::UpTo(end));
        }
        // Anything else that may give a name another value: `let n = …`, `for n in …`, `n = …`, `n += …`, `|n|`.
        // Patterns of several names, too.
        ["let" | "for" | "match", ..] => {
            tokens[1..].iter().take_while(|token| !["=", "in", "{", ";"].contains(&token.text)).for_each(|token| {
                names.remove(token.text);
            });
        }
        ["|", ..] => tokens[1..].iter().take_while(|token| token.text != "|").for_each(|token| {
            names.remove(token.text);
        }),
        [name, "=", after, ..] if after != "=" && before != "let" => drop(names.remove(name)),
        [name, "+" | "-" | "*" | "/" | "%", "=", ..] => drop(names.remove(name)),
        _ => {}
    }
}

/// What is wrong with the division that begins here, behind the token `before`, if one does.
fn divided(before: &str, tokens: &[Token], names: &BTreeMap<&str, Whole>) -> Option<String> {
    let [a, sign, b, ..] = tokens else { return None };
    let behind = tokens.get(3).map_or("", |token| token.text);
    // The number behind a point is a field of a tuple, and what is multiplied or counted on is not divided alone.
    if sign.text != "/" || [".", "*", "/", "%"].contains(&before) || [".", "as", "(", "["].contains(&behind) {
        return None;
    }
    let known = |token: &Token| match token.kind {
        Kind::Word => names.get(token.text).copied(),
        _ => token.text.parse().ok().map(Whole::Is),
    };
    let (over, under) = (known(a)?, known(b)?);
    let Whole::Is(under) = under else { return None };
    let says = match over {
        Whole::Is(over) if under != 0 && over % under != 0 => format!("{}", over / under),
        Whole::UpTo(most) if most > 0 && most < under => format!("0 for every {}", a.text),
        _ => return None,
    };
    let whole = |token: &Token| match token.kind {
        Kind::Word => format!("{} as f64", token.text),
        _ => format!("{}.0", token.text),
    };
    let [over, under] = [a, b].map(whole);
    let [a, b] = [a.text, b.text];
    Some(format!("{a} / {b} is {says}: whole numbers drop the rest; write {over} / {under}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_division_that_loses_its_rest_is_seen() {
        let seen = doubt("pub fn walk(me, t, c) {\n    draw(16 / 9) // 1 / 2\n}").unwrap();
        assert_eq!(seen, "line 2: 16 / 9 is 1: whole numbers drop the rest; write 16.0 / 9.0");
        assert!(doubt("seed(1) * (1/2)").unwrap().contains("1.0 / 2.0"));
        let looped = "for i in 0..5 { d.disc(0.5, i / 5, 0.1); }";
        assert_eq!(
            doubt(looped).unwrap(),
            "line 1: i / 5 is 0 for every i: whole numbers drop the rest; write i as f64 / 5.0"
        );
        let named = "let n = 5;\nfor i in 0..=4 { z = z.set(i, i / n); }";
        assert!(doubt(named).unwrap().starts_with("line 2: i / n is 0 for every i"));
        assert!(doubt("let w = 16; let h = 9; draw(w / h)").unwrap().contains("w / h is 1"));
        for good in [
            "for i in 0..25 { i / 5 }",
            "for i in 0..5 { i as f64 / 5.0 }",
            "for i in 0..5 { 3 * i / 5 }",
            "let n = 5; let n = 5.0; 1 / n",
            "let n = 5; n = 2; 4 / n",
            "let n = 5; n += 1; 12 / n",
            "fn a() { let n = 5; } fn b(n) { 12 / n }",
            "let n = 5; let (n, m) = (4, 1); 12 / n",
            "let n = 5; for (n, m) in all { 12 / n }",
            "let n = 5; all.map(|n| 12 / n)",
            "let n = 5; all.map(|a, n| 12 / n)",
            "let n = 5; n / 2 as f64",
            "let n = 5; 12 / n.len()",
            "let n = 5; 12 / n[0]",
            "for i in 0..1 { i / 5 }",
        ] {
            assert_eq!(doubt(good), None, "{good}");
        }
        for good in ["16.0 / 9.0", "8 / 4", "i / 5", "12 / n", "1 / 0", "// 1 / 2", "\"1 / 2\"", "p.1 / 2", "", "1 /"] {
            assert_eq!(doubt(good), None, "{good}");
        }
    }

    #[test]
    fn no_shipped_sketch_is_doubted() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sketches");
        let sketches =
            std::fs::read_dir(folder).unwrap().filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
        assert!(sketches.map(|text| assert_eq!(doubt(&text), None)).count() > 15);
    }
}
