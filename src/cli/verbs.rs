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
        let fits = |verb: &&Verb| verb.name.contains(&word) || verb.says.to_lowercase().contains(&word);
        let mut found: Vec<&Verb> = match verbs::all().find(|verb| verb.name == word) {
            Some(verb) => vec![verb],
            None => verbs::all().filter(fits).collect(),
        };
        if found.is_empty() {
            let meant = verbs::meant(&word).map_or(String::new(), |verb| format!("; did you mean {}?", verb.name));
            bail!("no verb is called or says \"{word}\"{meant}");
        }
        found.sort_by_key(|verb| verb.group);
        let mut group = None;
        for verb in found {
            if group != Some(verb.group) {
                group = Some(verb.group);
                say(format_args!("\n{:?}", verb.group));
                if verb.group == Group::Time && word.is_empty() {
                    FIELDS.iter().for_each(|(name, says)| say(format_args!("  {name}\n      {says}")));
                }
            }
            say(format_args!("  {}\n      {}\n      {}", verb.signature(), verb.says, verb.example));
        }
        Ok(())
    }
}
