//! What a network is: one of the families, and the architectures that have a name here.
//!
//! Read from and written to TOML; every network is built from an `Arch` and nothing else. How it is trained is a
//! [`Recipe`]. No weights live here.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::enlarge::Layout;
use super::families::Family;
use super::families::chain::Layers;
use super::families::compact::Compact;
use super::families::dcgan::Dcgan;
use super::families::lesson;
use super::families::mlp::Mlp;
use super::families::rrdb::Rrdb;
use super::families::style::Style;
use super::families::stylegan2::StyleGan2;
use super::families::texture::Texture;
use super::families::wgan_gp::WganGp;
pub use super::layers::ArchError;
use super::layers::{Chain, Layer, Shape};
use super::params::Plan;
use super::recipe::{KEYS, Recipe};
use crate::latent::space;

/// A network of one of the families.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case")]
pub enum Arch {
    /// That of the three lines.
    WganGp(WganGp),
    /// Radford's, as PyTorch's tutorial has it.
    Dcgan(Dcgan),
    /// Dense layers alone.
    Mlp(Mlp),
    /// Layers one by one.
    Chain(Layers),
    /// Ulyanov's and Gutierrez' textures.
    Texture(Texture),
    /// Johnson's and Ulyanov's filters, which paint a picture in a style.
    Style(Style),
    /// NVIDIA's, with a mapping to w.
    #[serde(rename = "stylegan2")]
    StyleGan2(StyleGan2),
    /// ESRGAN's, which makes a picture larger.
    Rrdb(Rrdb),
    /// Real-ESRGAN's small one, which makes a picture larger.
    Compact(Compact),
}

/// Names that [`Arch::named`] knows, with what each is.
pub const NAMES: [(&str, &str); 13] = [
    ("small", "quarter-width generator, light critic that sees the whole picture"),
    ("quarter", "seed with a quarter of the filters"),
    ("seed", "the original network, kernels 3 and 6 (18.79 M parameters in the generator)"),
    ("seed-k10", "the original network, kernels 5 and 10 (46.08 M parameters in the generator)"),
    (
        "smooth",
        "what the shipped models use, without a checkerboard: nearest doubling and 3x3 kernels, a critic of kernels of 4",
    ),
    ("dcgan-64", "a DCGAN for 64x64 pictures, as in PyTorch's tutorial (3.58 M parameters in the generator)"),
    ("dcgan-128", "the same for 128x128 (12.66 M parameters in the generator)"),
    ("mlp-mnist", "dense layers alone, for 28x28 in grey: the lesson's, in PyTorch"),
    ("lesson-torch-dcgan", "the lesson's DCGAN for 28x28 in grey, in PyTorch"),
    ("lesson-tf", "dense layers alone, for 28x28 in grey: the lesson's, in TensorFlow"),
    ("lesson-tf-dcgan", "the lesson's DCGAN for 28x28 in grey, in TensorFlow (0.86 M parameters in the generator)"),
    ("texture", "Gutierrez' Pyramid2D, which learns the texture of a picture (116 835 parameters)"),
    ("enlarge", "a small network that makes pictures four times larger, live on two cores (70 320 parameters)"),
];

impl Arch {
    /// The architecture of that name, or `None`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "seed" => Self::WganGp(WganGp::lines(1, 3, 6)),
            "seed-k10" => Self::WganGp(WganGp::lines(1, 5, 10)),
            "quarter" => Self::WganGp(WganGp::lines(4, 3, 6)),
            "small" => Self::WganGp(WganGp::small()),
            "smooth" => Self::WganGp(WganGp::smooth()),
            "dcgan-64" => Self::Dcgan(Dcgan::default()),
            "dcgan-128" => Self::Dcgan(Dcgan { size: 128, ..Dcgan::default() }),
            "mlp-mnist" => Self::Mlp(Mlp::default()),
            "lesson-torch-dcgan" => Self::Chain(lesson::torch_dcgan()),
            "lesson-tf" => Self::Chain(lesson::tf_mlp()),
            "lesson-tf-dcgan" => Self::Chain(lesson::tf_dcgan()),
            "texture" => Self::Texture(Texture::default()),
            "enlarge" => Self::Compact(Compact::live()),
            _ => return None,
        })
    }

    /// The settings as those of a family.
    pub fn family(&self) -> &dyn Family {
        match self {
            Self::WganGp(own) => own,
            Self::Dcgan(own) => own,
            Self::Mlp(own) => own,
            Self::Chain(own) => own,
            Self::Texture(own) => own,
            Self::Style(own) => own,
            Self::StyleGan2(own) => own,
            Self::Rrdb(own) => own,
            Self::Compact(own) => own,
        }
    }

    /// Dimensions of z.
    pub fn z_dim(&self) -> usize {
        self.family().z_dim()
    }

    /// Numbers that a picture is drawn from: z, and behind it the classes and the manner.
    pub fn input_len(&self) -> usize {
        self.z_dim() + self.classes() + self.manner()
    }

    /// Numbers of the manner, which say how a picture is drawn; all 0 is as usual.
    pub fn manner(&self) -> usize {
        self.family().manner()
    }

    /// The texture network that it is, if it is one.
    pub fn texture(&self) -> Option<&Texture> {
        self.family().texture()
    }

    /// The network for styles that it is, if it is one.
    pub fn style(&self) -> Option<&Style> {
        self.family().style()
    }

    /// The StyleGAN2 that it is, if it is one.
    pub fn styled(&self) -> Option<&StyleGan2> {
        self.family().styled()
    }

    /// The network that it is, if it makes pictures larger.
    pub fn enlarger(&self) -> Option<Layout> {
        self.family().enlarger()
    }

    /// Whether it stands behind a generator and makes no pictures by itself.
    pub fn is_filter(&self) -> bool {
        matches!(self, Self::Style(_) | Self::Rrdb(_) | Self::Compact(_))
    }

    /// The same network for pictures of another height and width.
    ///
    /// # Errors
    /// If it draws pictures of one size, or not of this one.
    pub fn sized(&self, [h, w]: [usize; 2]) -> Result<Self, ArchError> {
        match self {
            Self::Texture(own) => {
                let sized = Self::Texture(Texture { size: [h, w], ..own.clone() });
                sized.check().map(|()| sized)
            }
            Self::StyleGan2(own) => own.sized([h, w]).map(Self::StyleGan2),
            Self::Compact(own) => {
                let sized = Self::Compact(Compact { size: [h, w], ..own.clone() });
                sized.check().map(|()| sized)
            }
            other => {
                let [own_h, own_w, _] = other.picture();
                Err(ArchError(format!(
                    "it draws pictures of {own_w}x{own_h}; only textures and StyleGAN2 have other sizes"
                )))
            }
        }
    }

    /// A latent as the generator takes it, `[input_len]`. One of z alone gets the first class. One of another length
    /// becomes a z of this one's ([`space::adapted`]): a shorter one is continued, a longer one gives its leading numbers.
    pub fn input(&self, z: &[f32]) -> Vec<f32> {
        let mut all = z.to_vec();
        if all.len() != self.input_len() {
            space::adapt(&mut all, self.z_dim());
            all.resize(self.input_len(), 0.0);
            if self.classes() > 0 {
                all[self.z_dim()] = 1.0;
            }
        }
        all
    }

    /// Classes, of which there is one number each behind z.
    pub fn classes(&self) -> usize {
        self.family().classes()
    }

    /// Planes that what judges the pictures sees behind their channels: one a class where it is conditional, else none.
    pub fn planes(&self) -> usize {
        if self.family().conditional() { self.classes() } else { 0 }
    }

    /// The same networks with so many classes, which what judges them sees.
    pub fn with_classes(&self, count: usize) -> Self {
        let mut arch = self.clone();
        let (classes, conditional) = match &mut arch {
            Self::WganGp(own) => (&mut own.classes, &mut own.conditional),
            Self::Dcgan(own) => (&mut own.classes, &mut own.conditional),
            Self::Mlp(own) => (&mut own.classes, &mut own.conditional),
            Self::Chain(own) => {
                let behind = own.z_dim + count;
                if let Some(Layer::Reshape { shape: [1, 1, inputs] }) = own.generator.first_mut().map(|n| &mut n.layer)
                {
                    *inputs = behind;
                }
                (&mut own.classes, &mut own.conditional)
            }
            Self::Texture(_) | Self::Style(_) | Self::StyleGan2(_) | Self::Rrdb(_) | Self::Compact(_) => return arch,
        };
        (*classes, *conditional) = (count, count > 0);
        arch
    }

    /// Height, width and channels of a picture.
    pub fn picture(&self) -> [usize; 3] {
        self.family().picture()
    }

    /// From [`Self::input_len`] numbers to a picture.
    pub fn generator(&self) -> Chain {
        self.family().generator()
    }

    /// From a picture, and the [`planes`](Self::planes) behind it, to one number, if anything judges it.
    pub fn critic(&self) -> Option<Chain> {
        self.family().critic()
    }

    /// The arrays of the generator, in the order of its layers.
    pub fn generator_plans(&self) -> Vec<Plan> {
        match self {
            Self::Texture(own) => own.plans(),
            Self::Style(own) => own.plans(),
            Self::StyleGan2(own) => own.plans(),
            Self::Rrdb(own) => own.layout().plans(),
            Self::Compact(own) => own.layout().plans(),
            Self::WganGp(_) | Self::Dcgan(_) | Self::Mlp(_) | Self::Chain(_) => self.generator().plans(),
        }
    }

    /// The arrays of the critic; none where nothing judges.
    pub fn critic_plans(&self) -> Vec<Plan> {
        match self.styled() {
            Some(own) => own.judge_plans(),
            None => self.critic().map_or_else(Vec::new, |critic| critic.plans()),
        }
    }

    /// Checks that the layers fit together and lead from z to a picture, and from a picture to one number.
    ///
    /// # Errors
    /// At the first thing that does not fit, in a sentence.
    pub fn check(&self) -> Result<(), ArchError> {
        self.family().check()?;
        if self.texture().is_some() || self.is_filter() || self.styled().is_some() {
            return Ok(());
        }
        let shapes = self.generator().shapes()?;
        let [h, w, c] = self.picture();
        if shapes.last() != Some(&Shape::Map([h, w, c])) {
            let made = match shapes.last() {
                Some(Shape::Map([h, w, c])) => format!("{w}x{h} pictures of {c} channels"),
                Some(Shape::Flat(features)) => format!("{features} features and no map"),
                None => "nothing".into(),
            };
            return Err(ArchError(format!("the generator makes {made}, a picture is {w}x{h} of {c}")));
        }
        if let Some(critic) = self.critic() {
            critic.shapes()?;
            let made = critic.output().len();
            if made != 1 {
                return Err(ArchError(format!("the critic gives {made} numbers for a picture, where one is wanted")));
            }
        }
        Ok(())
    }

    /// Whether weights of the one are weights of the other: the same layers and activations, however
    /// they are trained.
    pub fn same_networks(&self, other: &Self) -> bool {
        self.same_critic(other) && self.same_generator(other)
    }

    /// The same of the generators alone.
    pub fn same_generator(&self, other: &Self) -> bool {
        if let (Some(one), Some(other)) = (self.texture(), other.texture()) {
            // A network of one size draws any other.
            return one.pyramid() == other.pyramid();
        }
        if let (Some(one), Some(other)) = (self.styled(), other.styled()) {
            // Whoever judged them draws nothing.
            let alone = |own: &StyleGan2| StyleGan2 { judge: None, ..own.clone() };
            return alone(one) == alone(other);
        }
        if let (Self::Compact(one), Self::Compact(other)) = (self, other) {
            // What it learnt from draws nothing.
            return Compact { size: other.size, ..one.clone() } == *other;
        }
        let other_kind = |arch: &Self| arch.is_filter() || arch.styled().is_some();
        if other_kind(self) || other_kind(other) {
            return self == other;
        }
        self.picture() == other.picture() && self.generator().same_network(&other.generator())
    }

    /// The same of what judges their pictures.
    pub fn same_critic(&self, other: &Self) -> bool {
        match (self.critic(), other.critic()) {
            (Some(one), Some(other)) => one.same_network(&other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

/// Puts the settings of a training beside those of the networks, where they stood among them: in cards of format 1,
/// in checkpoints and in the files of `--config` as they were before there were families. A table that is newer
/// stays as it is.
pub fn modernise(table: &mut Table) {
    let Some(Value::Table(arch)) = table.get_mut("arch") else { return };
    if arch.contains_key("family") {
        return;
    }
    let recipe: Table =
        KEYS.iter().filter_map(|key| arch.remove(*key).map(|value| ((*key).to_owned(), value))).collect();
    arch.insert("family".into(), Value::String("wgan_gp".into()));
    table.insert("recipe".into(), Value::Table(recipe));
}

/// Networks and their training from the text of a file: a family's settings under `[arch]` and a `[recipe]`, or a
/// WGAN-GP's 21 settings in one list.
///
/// # Errors
/// If it is neither, with what is wrong.
pub fn read(text: &str) -> Result<(Arch, Recipe), String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Both {
        arch: Arch,
        #[serde(default)]
        recipe: Recipe,
    }
    let mut table: Table = toml::from_str(text).map_err(|e| e.to_string())?;
    if !table.contains_key("arch") {
        table = [("arch".to_owned(), Value::Table(table))].into_iter().collect();
    }
    modernise(&mut table);
    let Both { arch, recipe } = table.try_into().map_err(|e: toml::de::Error| e.to_string())?;
    Ok((arch, recipe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_architecture_holds_together() {
        for (name, _) in NAMES {
            let arch = Arch::named(name).unwrap();
            arch.check().unwrap_or_else(|error| panic!("{name}: {error}"));
            let text = toml::to_string(&arch).unwrap();
            assert_eq!(toml::from_str::<Arch>(&text).unwrap(), arch);
        }
    }

    #[test]
    fn networks_are_the_same_however_they_are_trained() {
        let small = Arch::named("small").unwrap();
        let dropped = Arch::WganGp(WganGp { critic_dropout_rate: Some(0.3), ..WganGp::small() });
        assert!(small.same_networks(&dropped) && !small.same_networks(&Arch::named("quarter").unwrap()));
        assert!(!Arch::named("dcgan-64").unwrap().same_networks(&Arch::named("dcgan-128").unwrap()));
    }

    #[test]
    fn settings_of_before_there_were_families_are_read() {
        let (arch, recipe) = (Arch::named("small").unwrap(), Recipe { batch_size: 7, ..Recipe::default() });
        let Value::Table(mut all) = Value::try_from(&arch).unwrap() else { panic!() };
        let Value::Table(training) = Value::try_from(&recipe).unwrap() else { panic!() };
        all.remove("family");
        all.extend(training);
        let flat = toml::to_string(&all).unwrap();
        assert_eq!(read(&flat).unwrap(), (arch.clone(), recipe.clone()));
        let both =
            format!("[arch]\n{}\n[recipe]\n{}", toml::to_string(&arch).unwrap(), toml::to_string(&recipe).unwrap());
        assert_eq!(read(&both).unwrap(), (arch, recipe));
        assert!(read(&flat.replace("z_dim", "z_dims")).unwrap_err().contains("z_dim"));
    }
}
