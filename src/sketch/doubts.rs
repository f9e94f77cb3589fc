//! What compiles and is probably not meant: two whole numbers whose division loses its rest.
//!
//! Read by [`super::host`], which says it when a version takes over, and by `flaneur check`. It looks at tokens only, so
//! a division of names (`i / 5`), which may well be meant, is not looked at.

use super::lexer::Tokens;

/// The first division of two whole numbers that leaves a rest, in a sentence with its line.
pub fn doubt(text: &str) -> Option<String> {
    let tokens: Vec<_> = Tokens::of(text).collect();
    let whole = |word: &str| word.parse::<i64>().ok();
    tokens.windows(3).enumerate().find_map(|(at, three)| {
        let [a, sign, b] = three else { return None };
        let (over, under) = (whole(a.text)?, whole(b.text)?);
        // The number behind a point is a field of a tuple.
        let field = at > 0 && tokens[at - 1].text == ".";
        if sign.text != "/" || field || under == 0 || over % under == 0 {
            return None;
        }
        let line = text[..a.at].matches('\n').count() + 1;
        let (quotient, [over, under]) = (over / under, [over, under].map(|v| format!("{v}.0")));
        let [a, b] = [a.text, b.text];
        Some(format!("line {line}: {a} / {b} is {quotient}: whole numbers drop the rest; write {over} / {under}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_division_that_loses_its_rest_is_seen() {
        let seen = doubt("pub fn walk(me, t, c) {\n    draw(16 / 9) // 1 / 2\n}").unwrap();
        assert_eq!(seen, "line 2: 16 / 9 is 1: whole numbers drop the rest; write 16.0 / 9.0");
        assert!(doubt("seed(1) * (1/2)").unwrap().contains("1.0 / 2.0"));
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
