//! Numbers in lines: columns, CSV, and what spreadsheets, pandas and R save, with their headings, row numbers, quotes
//! and decimal commas.
//!
//! What has nothing to do with z (a heading, a row's number) is only passed by where it cannot be anything else.

use super::{TextError, Z, check_layout, number, rows_of};

/// A line that is not empty.
struct Line {
    /// Counted from 1.
    number: usize,
    fields: Vec<String>,
}

/// Reads rows of `dim` numbers; `flat`: lines are wrapped anywhere, as R prints them.
///
/// # Errors
/// As [`super::read`].
pub(super) fn read(text: &str, dim: usize, flat: bool) -> Result<Vec<Z>, TextError> {
    if text.contains("...") || text.contains('…') {
        return Err(TextError::Abridged);
    }
    // The last line of a pandas Series.
    let pandas = |line: &str| ["Name:", "Length:", "dtype:"].iter().any(|word| line.starts_with(word));
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let lines: Vec<(usize, &str)> = lines.filter(|(_, line)| !line.is_empty() && !pandas(line)).collect();
    let decimal = has_decimal_commas(&lines, dim);
    let field = |field: String| if decimal { field.replace(',', ".") } else { field };
    let split = |(number, line): &(usize, &str)| Line {
        number: *number,
        fields: split(line, !decimal).into_iter().map(field).collect(),
    };
    let mut lines: Vec<Line> = lines.iter().map(split).filter(|line| !line.fields.is_empty()).collect();
    let headed = drop_heading(&mut lines, dim);
    drop_row_numbers(&mut lines, dim, headed);
    let mut values = Vec::new();
    for line in &lines {
        for field in &line.fields {
            if field.is_empty() {
                return Err(TextError::Gap { line: line.number });
            }
            values.push(number(field).ok_or_else(|| TextError::word(line.number, field))?);
        }
    }
    if let Some(first) = lines.first().filter(|_| !flat)
        && lines.iter().all(|line| line.fields.len() == first.fields.len())
    {
        check_layout(lines.len(), first.fields.len(), dim)?;
    }
    rows_of(&values, dim)
}

/// The fields of a line. Commas (where they separate), semicolons and tabs stand between two fields, of which one may
/// be empty; spaces do not count beside them. Quotes hold a field
/// together, and a comma behind one always separates.
fn split(line: &str, at_commas: bool) -> Vec<String> {
    let (mut fields, mut field, mut quote) = (Vec::new(), String::new(), None);
    // Whether a field has to come (at the start, and behind a separator), and whether this one is quoted.
    let (mut due, mut quoted) = (true, false);
    for c in line.chars() {
        if let Some(open) = quote {
            match c == open {
                true => quote = None,
                false => field.push(c),
            }
            continue;
        }
        let separates = matches!(c, ';' | '\t') || (c == ',' && (at_commas || quoted));
        if !separates && !c.is_whitespace() {
            match c {
                '"' | '\'' => (quote, quoted) = (Some(c), true),
                _ => field.push(c),
            }
            continue;
        }
        quoted = false;
        if !field.is_empty() {
            fields.push(std::mem::take(&mut field));
            due = false;
        }
        if separates {
            if due {
                fields.push(String::new());
            }
            due = true;
        }
    }
    if !field.is_empty() {
        fields.push(field);
    }
    // Spreadsheets pad their lines with empty cells.
    let end = fields.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last + 1);
    fields.truncate(end);
    fields
}

/// Whether commas are decimal ones: no field has a point, each has one comma at most, and they are not what separates.
fn has_decimal_commas(lines: &[(usize, &str)], dim: usize) -> bool {
    let fields: Vec<Vec<String>> = lines.iter().map(|(_, line)| split(line, false)).collect();
    // A heading has no say.
    let heading = fields.first().is_some_and(|first| first.iter().all(|f| number(&f.replace(',', ".")).is_none()));
    let fields = &fields[usize::from(heading && fields.len() > 1)..];
    let is_number = |field: &String| {
        let one_comma = field.matches(',').count() <= 1 && !field.ends_with(',') && !field.starts_with(',');
        !field.contains('.') && one_comma && number(&field.replace(',', ".")).is_some()
    };
    let all = || fields.iter().flatten();
    if !all().any(|field| field.contains(',')) || !all().all(is_number) {
        return false;
    }
    let (count, columns) = (all().count(), all().map(|field| field.matches(',').count() + 1).sum::<usize>());
    let fits = |count: usize| dim > 0 && count.is_multiple_of(dim);
    // One number in each line, or two? Two only where z has two dimensions, or where one does not come out even.
    match fields.iter().all(|line| line.len() == 1) {
        true => dim != 2 && fits(count),
        false => fits(count) || !fits(columns),
    }
}

fn is_whole(field: &str) -> bool {
    !field.is_empty() && field.chars().all(|c| c.is_ascii_digit())
}

/// Whether the fields are 0, 1, 2, … or 1, 2, 3, …
fn counts<'a>(fields: impl Iterator<Item = &'a String>) -> bool {
    let numbers: Option<Vec<usize>> = fields.map(|f| f.parse().ok().filter(|_| is_whole(f))).collect();
    numbers.is_some_and(|n| n.first().is_some_and(|first| *first <= 1 && n.iter().zip(*first..).all(|(n, i)| *n == i)))
}

/// Whether a line holds a number that is no whole one: neither a heading nor a row's number does.
fn is_broken(fields: &[String]) -> bool {
    fields.iter().any(|field| number(field).is_some() && !is_whole(field))
}

/// Takes a first line away that names the columns, in words or by their numbers; says whether there was one.
fn drop_heading(lines: &mut Vec<Line>, dim: usize) -> bool {
    let [first, second, ..] = &lines[..] else { return false };
    let missing = |field: &String| ["nan", "inf", "na", "null", "none"].contains(&field.to_lowercase().as_str());
    let word = |field: &String| number(field).is_none() && !missing(field);
    let numbers_follow =
        second.fields.iter().filter(|field| number(field).is_some()).count() + 1 >= second.fields.len();
    let words = first.fields.iter().all(word) && second.fields.len() > 1 && numbers_follow;
    // The corner over the row numbers is empty or a word.
    let corner = usize::from(first.fields.first().is_some_and(word));
    let named = &first.fields[corner..];
    let follow = || lines[1..].iter().all(|line| is_broken(&line.fields));
    // As many as z has dimensions, or the one column of a Series beside its row numbers.
    let wide = dim > 1 && (named.len() == dim || (named.len() == 1 && corner == 1));
    // pandas calls a lone column 0.
    let tall = first.fields == ["0"] && !lines.len().is_multiple_of(dim) && (lines.len() - 1).is_multiple_of(dim);
    let numbered = (wide || tall) && counts(named.iter()) && follow();
    // A column of one number a line may have a heading, too.
    let lone = first.fields.len() == 1 && second.fields.len() == 1 && first.fields.iter().all(word) && numbers_follow;
    let lone = lone && number(&second.fields[0]).is_some();
    let headed = words || numbered || lone;
    if headed {
        lines.remove(0);
    }
    headed
}

/// Takes a first column away that numbers or names the rows.
fn drop_row_numbers(lines: &mut [Line], dim: usize, headed: bool) {
    let Some(width) = lines.first().map(|line| line.fields.len()) else { return };
    if width < 2 || lines.iter().any(|line| line.fields.len() != width || !is_broken(&line.fields[1..])) {
        return;
    }
    let column = || lines.iter().map(|line| &line.fields[0]);
    let counted = counts(column());
    let named = column().all(|field| number(field).is_none());
    let beside_z = width == dim + 1 && (counted || named || (headed && column().all(|field| is_whole(field))));
    // One number a line, each with its own: a printed Series.
    let series = width == 2 && dim > 2 && lines.len() > 1 && counted;
    if beside_z || series {
        lines.iter_mut().for_each(|line| drop(line.fields.remove(0)));
    }
}

/// The text without the numbers in brackets that R prints in front of each line (`[1] 0.49 …`); none if it is not
/// of R.
pub(super) fn without_r_numbers(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    lines.peek()?;
    let unnumbered = |line: &str| {
        let (number, rest) = line.strip_prefix('[')?.split_once(']')?;
        let follows = rest.starts_with([' ', '\t']) && rest.trim_start().starts_with(|c: char| !"[],".contains(c));
        (is_whole(number.trim()) && follows).then(|| rest.trim().to_owned())
    };
    lines.map(unnumbered).collect::<Option<Vec<_>>>().map(|lines| lines.join("\n"))
}
