//! What was measured of a model's pictures, as its card keeps it under `[score]`.
//!
//! Measured and written by `cli::score`; a training that writes other weights leaves it out. What a person wrote into
//! the card stays as it is. Nothing is measured here.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml_edit::DocumentMut;

use super::ModelError;
use crate::dataset::measure::Compared;
use crate::files;

/// How near a model's pictures are to its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// The data as they were given.
    pub data: String,
    /// Pictures of the model, pictures of the data, and others of the data as the floor: so many of each.
    pub pictures: usize,
    /// Seed of the model's first picture, and of the choice of the data's.
    pub seed: u32,
    /// Side in pixels that pictures are brought to for the filters.
    pub side: usize,
    /// Seed of the filters.
    pub filters_seed: u32,
    /// State of the model: epochs done.
    pub step: u64,
    /// Version of flaneur that measured.
    pub flaneur: String,
    /// On features of fixed random filters.
    pub filters: Compared,
    /// On features of the model's own critic, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critic: Option<Compared>,
}

impl Score {
    /// Puts it into the `model.toml` of a folder, in place of an older one.
    ///
    /// # Errors
    /// If the card cannot be read or written.
    pub fn write(&self, folder: &Path) -> Result<(), ModelError> {
        let path = folder.join("model.toml");
        let text = files::read_text(&path)?;
        let text = self.with(&text).map_err(|why| ModelError::Card { path: path.clone(), why })?;
        Ok(files::write(&path, text.as_bytes())?)
    }

    /// The text of a card with this score at its end.
    fn with(&self, text: &str) -> Result<String, String> {
        #[derive(Serialize)]
        struct Table<'a> {
            score: &'a Score,
        }
        let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| e.message().to_owned())?;
        document.remove("score");
        let own = toml::to_string(&Table { score: self }).map_err(|e| e.to_string())?;
        Ok(format!("{}\n\n{own}", document.to_string().trim_end()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Card;
    use super::*;
    use crate::dataset::measure::Measures;
    use crate::net::arch::Arch;
    use crate::net::recipe::Recipe;

    fn score(precision: f64, critic: bool) -> Score {
        let compared = Compared { model: Measures { precision, ..Measures::default() }, floor: Measures::default() };
        Score {
            data: "my pictures".into(),
            pictures: 2000,
            seed: 5,
            side: 128,
            filters_seed: 1,
            step: 7,
            flaneur: "0".into(),
            filters: compared.clone(),
            critic: critic.then_some(compared),
        }
    }

    #[test]
    fn a_card_keeps_the_newest_score_and_all_that_stood_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let arch = Arch::named("small").unwrap();
        let card = Card {
            format: super::super::FORMAT,
            name: "t".into(),
            arch_name: "small".into(),
            z_dim: arch.z_dim(),
            step: 7,
            seed: 1,
            data: "d".into(),
            data_count: 3,
            data_fingerprint: String::new(),
            licence: String::new(),
            classes: Vec::new(),
            notes: Vec::new(),
            flaneur: "0".into(),
            burn: "0".into(),
            arch,
            recipe: Recipe::default(),
            score: None,
        };
        card.write(folder.path()).unwrap();
        let path = folder.path().join("model.toml");
        let text = format!("# mine\n{}", std::fs::read_to_string(&path).unwrap());
        std::fs::write(&path, &text).unwrap();
        for new in [score(0.25, true), score(0.5, false)] {
            new.write(folder.path()).unwrap();
            let read = Card::read(folder.path()).unwrap();
            assert_eq!(read, Card { score: Some(new), ..card.clone() });
        }
        let now = std::fs::read_to_string(&path).unwrap();
        assert!(now.starts_with(text.trim_end()) && now.matches("[score]").count() == 1, "{now}");
        assert!(!now.contains("score.critic"), "{now}");
        // What the card writes itself holds it, too.
        Card::read(folder.path()).unwrap().write(folder.path()).unwrap();
        assert_eq!(Card::read(folder.path()).unwrap().score, Some(score(0.5, false)));
        std::fs::write(&path, "name = ").unwrap();
        assert!(score(0.5, false).write(folder.path()).unwrap_err().to_string().contains("model.toml"));
    }
}
