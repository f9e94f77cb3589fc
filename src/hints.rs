//! What to say about a text that a person wrote: the line that is wrong, and what was probably meant.

/// A text for a message: control characters escaped, so that what stands in a file or in a name cannot act on a
/// terminal; without its end where it is very long.
pub fn plain(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(MOST_SHOWN) {
        match c.is_control() {
            true => shown.extend(c.escape_debug()),
            false => shown.push(c),
        }
    }
    if text.chars().nth(MOST_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Characters of a foreign text that a message shows at most.
const MOST_SHOWN: usize = 300;

/// The candidate nearest to a word, if it is near enough to be meant.
pub fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>, most: usize) -> Option<&'a str> {
    let near = candidates.into_iter().map(|known| (strsim::damerau_levenshtein(word, known), known));
    near.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= most).map(|(_, known)| known)
}

/// A TOML reader's error with its line, and a suggestion for a key that is not known.
pub fn explained(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message().trim().to_owned();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let meant = match quoted.split_first() {
        Some((unknown, known)) if message.starts_with("unknown") => {
            meant(unknown, known.iter().copied(), 3).map_or(String::new(), |k| format!(" (did you mean {k}?)"))
        }
        _ => String::new(),
    };
    let source = plain(text.lines().nth(line - 1).unwrap_or_default().trim());
    format!("line {line}: {}{meant}\n {line} | {source}", plain(&message))
}

/// "line 3: " for the first line that gives the key a value.
pub fn line_of(text: &str, key: &str) -> String {
    let gives = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    text.lines().position(gives).map_or(String::new(), |at| format!("line {}: ", at + 1))
}
