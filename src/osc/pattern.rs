//! Patterns of OSC addresses, as OSC 1.0 has them.

/// Longest pattern, and most wildcards in one: matching tries all ways through them.
const LONGEST_PATTERN: usize = 256;
const MOST_STARS: usize = 8;

/// Which of the addresses a pattern means; an address without wildcards is itself.
///
/// # Errors
/// If it is no pattern, or too long a one.
pub fn matching(pattern: &str, known: &[String]) -> Result<Vec<String>, String> {
    if !pattern.contains(['*', '?', '[', '{']) {
        return Ok(vec![pattern.to_owned()]);
    }
    if pattern.len() > LONGEST_PATTERN || pattern.matches(['*', '{']).count() > MOST_STARS {
        return Err("the pattern is too long".into());
    }
    let regex = regex::RegexBuilder::new(&translated(pattern)?).size_limit(1 << 20).build();
    let regex = regex.map_err(|_| "not a pattern: a bracket or a range is wrong".to_owned())?;
    Ok(known.iter().filter(|address| regex.is_match(address)).cloned().collect())
}

/// An OSC 1.0 pattern as a regular expression, which is matched in linear time. The library's own matcher
/// panics on some patterns and takes a class for several characters.
fn translated(pattern: &str) -> Result<String, String> {
    let mut out = String::from("^");
    let (mut class, mut choice) = (false, false);
    for c in pattern.chars() {
        match c {
            '*' if !class => out.push_str("[^/]*"),
            '?' if !class => out.push_str("[^/]"),
            '[' if !class => {
                class = true;
                out.push('[');
            }
            ']' if class => {
                class = false;
                out.push(']');
            }
            '!' if class && out.ends_with('[') => out.push('^'),
            '-' if class => out.push('-'),
            '{' if !class && !choice => {
                choice = true;
                out.push_str("(?:");
            }
            ',' if choice && !class => out.push('|'),
            '}' if choice && !class => {
                choice = false;
                out.push(')');
            }
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    if class || choice {
        return Err("not a pattern: a bracket is not closed".into());
    }
    out.push('$');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_addresses() {
        let known: Vec<String> = (0..12).map(|i| format!("/flaneur/z/{i}")).collect();
        assert_eq!(matching("/flaneur/z/*", &known).unwrap().len(), 12);
        assert_eq!(matching("/flaneur/z/[1-2]", &known).unwrap().len(), 2);
        assert_eq!(matching("/flaneur/x", &known).unwrap(), ["/flaneur/x"]);
        assert_eq!(matching("/flaneur/z/[!1-9]", &known).unwrap(), ["/flaneur/z/0"]);
        assert_eq!(matching("/flaneur/{z,knob}/1?", &known).unwrap().len(), 2);
        for wrong in ["*".repeat(20), "/[".into(), "/{a".into(), "/[z-a]".into(), "/[]".into()] {
            assert!(matching(&wrong, &known).is_err(), "{wrong}");
        }
    }
}
