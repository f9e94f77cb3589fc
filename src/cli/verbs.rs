//! `flaneur verbs`: what a sketch can say.

use anyhow::bail;
use clap::Args;

use crate::report::{print, say};
use crate::sketch::verbs::{self, FIELDS, Group, Verb};

/// What `flaneur verbs` takes.
#[derive(Args)]
pub struct Verbs {
    /// Only this verb, or those whose name or sentence holds this word
    word: Option<String>,
    /// As the table of docs/verbs.md
    #[arg(long)]
    markdown: bool,
}

/// A field of the time, and its sentence.
type Field = (&'static str, &'static str);

impl Verbs {
    /// Prints the verbs that fit the word, by group, or all of them as a table for docs/verbs.md.
    ///
    /// # Errors
    /// If no verb fits the word; it says which one was probably meant.
    pub fn run(self) -> anyhow::Result<()> {
        if self.markdown {
            print(verbs::markdown());
            return Ok(());
        }
        let word = self.word.as_deref().unwrap_or_default().to_lowercase();
        let (fields, mut verbs) = found(&word);
        if verbs.is_empty() && fields.is_empty() {
            let meant =
                verbs::meant(last(&word)).map_or(String::new(), |verb| format!("; did you mean {}?", verb.name));
            bail!("no verb is called or says \"{word}\"{meant}");
        }
        verbs.sort_by_key(|verb| verb.group);
        let mut entries: Vec<(Group, String)> =
            fields.iter().map(|(name, says)| (Group::Time, format!("  {name}\n      {says}"))).collect();
        let entry = |verb: &Verb| format!("  {}\n      {}\n      {}", verb.signature(), verb.says, verb.example);
        entries.extend(verbs.iter().map(|verb| (verb.group, entry(verb))));
        entries.sort_by_key(|(group, _)| *group);
        let mut group = None;
        for (of, text) in entries {
            if group != Some(of) {
                group = Some(of);
                say(format_args!("\n{of:?}"));
            }
            say(text);
        }
        Ok(())
    }
}

/// What stands behind the last point: `picture` of `draw.picture`.
fn last(word: &str) -> &str {
    word.rsplit('.').next().unwrap_or_default()
}

/// Fields of the time and verbs that fit a word as a sketch writes it: `ring`, `t.beat`, `draw.picture`, `beats`.
fn found(word: &str) -> (Vec<&'static Field>, Vec<&'static Verb>) {
    if let Some(field) = FIELDS.iter().find(|(field, _)| *field == word) {
        return (vec![field], Vec::new());
    }
    if let Some(verb) = verbs::all().find(|verb| verb.name == last(word)) {
        return (Vec::new(), vec![verb]);
    }
    // Of several beats one is said.
    let one = word.strip_suffix('s').filter(|one| one.len() > 2).unwrap_or(word);
    let says = |text: &str| text.to_lowercase().contains(one);
    let fields = FIELDS.iter().filter(|(name, sentence)| says(name) || says(sentence)).collect();
    (fields, verbs::all().filter(|verb| says(verb.name) || says(verb.says)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_found() {
        let names = |word| {
            let (fields, verbs) = found(word);
            let fields = fields.iter().map(|(name, _)| (*name).to_owned());
            fields.chain(verbs.iter().map(|verb| verb.name.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(names("t.beat"), ["t.beat"]);
        assert_eq!(names("draw.picture"), ["picture"]);
        assert_eq!(names("ring"), ["ring"]);
        for word in ["beat", "beats"] {
            let found = names(word);
            for name in ["t.beat", "t.bar", "t.bpm", "phase"] {
                assert!(found.iter().any(|n| n == name), "{word}: {found:?}");
            }
        }
        assert_eq!(names("").len(), FIELDS.len() + verbs::all().count());
        assert!(names("no such").is_empty());
    }
}
