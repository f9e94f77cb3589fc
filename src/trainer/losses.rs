//! The numbers of an epoch, by name: those of WGAN-GP, of a GAN with cross-entropy, of a texture, and of a network that
//! makes pictures larger.
//!
//! Made by `trainer::step` and the files beside it, one a recipe; read by name by the log line, `history.csv`, the guard, the
//! plots, events and the desk. Knows no files.

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::net::recipe::{Line, Recipe};

/// Which numbers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `real = −mean D(x)`, `fake = mean D(G(z))`, `penalty = mean((1 − ‖∇D(x̂)‖)²)` without its weight,
    /// `total = real + fake + weight · penalty`, `generator = −mean D(G(z))`; of the last updates in the epoch.
    Wasserstein,
    /// Both losses, and what the discriminator said: of real pictures, of fake ones before its update, and of those
    /// that the generator was updated by, as means of 0..1; means over the epoch.
    CrossEntropy,
    /// How far pictures are from the data in what is seen of them, as a share of that: in all, in the first layer, the
    /// middle one and the last; and how far apart pictures are, where that is asked for.
    Texture,
    /// The judge's loss, what it costs the network, and the mean difference to large pictures, as of the last step; signal to noise
    /// in decibels, and how far what is seen of pictures is from what is seen in large ones, both of pictures that it
    /// does not learn from, as they were measured last.
    Enlarge,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Wasserstein, Self::CrossEntropy, Self::Texture, Self::Enlarge];

    /// That of a recipe.
    pub fn of(recipe: &Recipe) -> Self {
        match (&recipe.cross_entropy, &recipe.texture) {
            (Some(_), _) => Self::CrossEntropy,
            (None, Some(_)) => Self::Texture,
            (None, None) if recipe.enlarge.is_some() => Self::Enlarge,
            (None, None) => Self::Wasserstein,
        }
    }

    /// The names of its numbers, in their order.
    pub fn names(self) -> [&'static str; 5] {
        match self {
            Self::Wasserstein => ["total", "real", "fake", "penalty", "generator"],
            Self::CrossEntropy => ["d_loss", "g_loss", "d_real", "d_fake", "g_real"],
            Self::Texture => ["loss", "variety", "shallow", "middle", "deep"],
            Self::Enlarge => ["judge", "judged", "difference", "psnr", "distance"],
        }
    }

    /// Names of the critic's loss and of the generator's.
    fn two(self) -> [&'static str; 2] {
        match self {
            Self::Wasserstein => ["total", "generator"],
            Self::CrossEntropy => ["d_loss", "g_loss"],
            // Nothing judges: both are how far it is.
            Self::Texture => ["loss", "loss"],
            Self::Enlarge => ["judge", "difference"],
        }
    }
}

/// Name of the diversity beside the losses.
pub const DIVERSITY: &str = "diversity";

/// The numbers of one epoch, or of one update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// Index of the epoch.
    pub epoch: u64,
    /// Updates of the critic in it.
    pub critic_steps: u32,
    /// Which numbers they are.
    pub kind: Kind,
    /// They, in the order of their names.
    pub values: [f32; 5],
    /// How far apart the pictures of a few fixed z are, where that was measured (`trainer::diversity`).
    pub diversity: Option<f32>,
}

impl Losses {
    /// The number of that name, if there is one.
    pub fn get(&self, name: &str) -> Option<f32> {
        if name == DIVERSITY {
            return self.diversity;
        }
        let at = self.kind.names().iter().position(|own| *own == name)?;
        Some(self.values[at])
    }

    /// The critic's loss.
    pub fn critic(&self) -> f32 {
        self.get(self.kind.two()[0]).unwrap_or(f32::NAN)
    }

    /// The generator's loss.
    pub fn generator(&self) -> f32 {
        self.get(self.kind.two()[1]).unwrap_or(f32::NAN)
    }

    /// Whether every number is finite.
    pub fn finite(&self) -> bool {
        self.values.iter().all(|v| v.is_finite())
    }

    /// The log line of an epoch that took so many seconds, in the form of where the recipe is from: the original's,
    /// the report's, the lesson's. None where that one prints nothing for this epoch.
    pub fn line(&self, recipe: &Recipe, seconds: f64) -> Option<String> {
        let [a, b, c, d, e] = self.values;
        let (epoch, steps) = (self.epoch, self.critic_steps);
        if self.kind == Kind::Texture {
            return Some(format!("Iteration: {epoch}, loss: {a:.6} (shallow {c:.4}, middle {d:.4}, deep {e:.4})"));
        }
        if self.kind == Kind::Enlarge {
            let judged = if (a, b) == (0.0, 0.0) { String::new() } else { format!(", judged {b:.3}, judge {a:.3}") };
            return Some(format!("Iteration: {epoch}, difference: {c:.5}{judged}, psnr: {d:.2} dB, distance: {e:.4}"));
        }
        let own = match (&recipe.cross_entropy, self.kind) {
            (Some(own), Kind::CrossEntropy) => own,
            _ => {
                let losses = format!("[D loss: ({a:.1})(R {b:.1}, F {c:.1}, G {d:.1})] [G loss: {e:.1}]");
                return Some(format!("{epoch} ({steps}, 1) {losses}"));
            }
        };
        match own.line {
            Line::Report => Some(format!(
                "=> EPOCH {epoch} | Time: {seconds:.0}s | D_loss: {a:.4} | G_loss: {b:.4} | D_real: {c:.4} | \
                 D_fake: {d:.4} | G_real: {e:.4}"
            )),
            Line::LessonTorch => Some(format!("epoch {epoch} | generator loss: {b:.3} | discriminator loss: {a:.3}")),
            Line::LessonTf => (epoch % own.print_every == 0)
                .then(|| format!("epoch: {epoch}, [Discriminator :: d_loss: {a:.6}], [ Generator :: loss: {b:.6}]")),
        }
    }

    /// All numbers in one line, for messages.
    pub fn in_words(&self) -> String {
        let named = self.kind.names().into_iter().zip(self.values);
        named.map(|(name, value)| format!("{name} {value:.3}")).collect::<Vec<_>>().join(", ")
    }
}

/// As an object of numbers by name.
impl Serialize for Losses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("epoch", &self.epoch)?;
        map.serialize_entry("critic_steps", &self.critic_steps)?;
        for (name, value) in self.kind.names().into_iter().zip(self.values) {
            map.serialize_entry(name, &value)?;
        }
        if let Some(diversity) = self.diversity {
            map.serialize_entry(DIVERSITY, &diversity)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Losses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

/// Takes the numbers that it knows out of an object.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Losses;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("the losses of an epoch by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Losses, A::Error> {
        use serde::de::Error;
        let (mut epoch, mut critic_steps, mut diversity) = (None, None, None);
        let mut found: [[Option<f32>; 5]; 4] = Default::default();
        while let Some(key) = map.next_key::<String>()? {
            let place = Kind::ALL.iter().enumerate().find_map(|(which, kind)| {
                let at = kind.names().iter().position(|name| *name == key)?;
                Some((which, at))
            });
            match (key.as_str(), place) {
                ("epoch", _) => epoch = Some(map.next_value()?),
                ("critic_steps", _) => critic_steps = Some(map.next_value()?),
                (DIVERSITY, _) => diversity = Some(map.next_value()?),
                (_, Some((which, at))) => found[which][at] = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let all = |values: &[Option<f32>; 5]| values.iter().all(Option::is_some);
        let which = found.iter().position(all).ok_or_else(|| A::Error::custom("losses are missing"))?;
        Ok(Losses {
            epoch: epoch.ok_or_else(|| A::Error::missing_field("epoch"))?,
            critic_steps: critic_steps.ok_or_else(|| A::Error::missing_field("critic_steps"))?,
            kind: Kind::ALL[which],
            values: found[which].map(Option::unwrap_or_default),
            diversity,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(kind: Kind) -> Losses {
        Losses { epoch: 7, critic_steps: 5, kind, values: [-92.21, -71.9, -58.8, 3.8, 41.4], diversity: None }
    }

    #[test]
    fn lines_have_the_form_of_their_source() {
        let line = |name: &str, losses: Losses| losses.line(&Recipe::named(name).unwrap(), 46.4);
        let wgan = line("wgan-gp", losses(Kind::Wasserstein)).unwrap();
        assert_eq!(wgan, "7 (5, 1) [D loss: (-92.2)(R -71.9, F -58.8, G 3.8)] [G loss: 41.4]");
        let judged = Losses { values: [0.9164, 2.78354, 0.6861, 0.2149, 0.1146], ..losses(Kind::CrossEntropy) };
        assert_eq!(
            line("dcgan3", judged).unwrap(),
            "=> EPOCH 7 | Time: 46s | D_loss: 0.9164 | G_loss: 2.7835 | D_real: 0.6861 | D_fake: 0.2149 | G_real: 0.1146"
        );
        let lesson = line("lesson-torch", judged).unwrap();
        assert_eq!(lesson, "epoch 7 | generator loss: 2.784 | discriminator loss: 0.916");
        assert_eq!(line("lesson-tf", judged), None);
        let lesson = line("lesson-tf", Losses { epoch: 500, ..judged }).unwrap();
        assert_eq!(lesson, "epoch: 500, [Discriminator :: d_loss: 0.916400], [ Generator :: loss: 2.783540]");
    }

    #[test]
    fn they_are_objects_by_name() {
        for kind in Kind::ALL {
            for diversity in [None, Some(0.25)] {
                let losses = Losses { diversity, ..losses(kind) };
                let text = serde_json::to_string(&losses).unwrap();
                assert!(text.contains(&format!("\"{}\":-71.9", kind.names()[1])), "{text}");
                let more = text.replace('{', r#"{"v":1,"other":["x"],"#);
                assert_eq!(serde_json::from_str::<Losses>(&more).unwrap(), losses);
                assert_eq!((losses.critic(), losses.get("none")), (-92.21, None));
            }
        }
        assert!(serde_json::from_str::<Losses>(r#"{"epoch":1,"critic_steps":5,"total":1.0}"#).is_err());
    }
}
