//! Networks in files of Keras that say their layers: each becomes one of ours, in its order.
//!
//! What fits the settings of the three lines' network becomes one of its family; anything else is a chain. Kernels lie
//! as ours do.

use serde_json::Value as Json;

use super::super::import::bag::{Array, Bag, ReadError};
use super::super::import::keras::{self, Layer as Read};
use super::{Hints, Network, end_in_tanh};
use crate::net::arch::Arch;
use crate::net::families::Family;
use crate::net::families::chain::{Layers, Named};
use crate::net::families::wgan_gp::{self, WganGp};
use crate::net::geometry::Padding;
use crate::net::layers::{Activation, Chain, Init, Layer, Shape};

/// Recognises a generator in a Keras model.
///
/// # Errors
/// If its layers are none, or not all of them are known.
pub(super) fn network(bag: &Bag, hints: &Hints) -> Result<Network, ReadError> {
    let read = keras::layers(bag)?;
    let inputs = inputs(&read).ok_or_else(|| {
        let first = read.iter().map(|layer| layer.class_name.as_str()).take(4).collect::<Vec<_>>().join(", ");
        ReadError(format!(
            "it is no generator: it does not take a list of numbers (its layers begin with {first}); a discriminator or \
             an encoder draws nothing"
        ))
    })?;
    let mut made = Made { chain: Chain::new(Shape::Flat(inputs), Init::Keras), arrays: Vec::new() };
    for layer in &read {
        made.add(layer).map_err(|why| ReadError(format!("layer {} ({}): {why}", layer.name, layer.class_name)))?;
    }
    let Made { chain, arrays } = made;
    chain_to_network(chain, arrays, vec![format!("{} layers of Keras", read.len())], Vec::new(), hints)
}

/// A network of a chain's layers: of the three lines' family where it can be, else a chain.
pub(super) fn chain_to_network(
    mut chain: Chain,
    mut arrays: Vec<(String, Vec<f32>)>,
    mut recognised: Vec<String>,
    mut assumed: Vec<String>,
    hints: &Hints,
) -> Result<Network, ReadError> {
    let inputs = chain.input.len();
    if end_in_tanh(&mut chain, &mut arrays) {
        recognised.push("it ends in a sigmoid, for which a tanh of half of it stands here: the same pictures".into());
    }
    let classes = hints.classes.len();
    if classes >= inputs {
        return Err(ReadError(format!("it takes {inputs} numbers, too few for {classes} classes and z")));
    }
    if let Some(of_lines) = of_lines(&chain).filter(|_| classes == 0) {
        recognised.push("the settings of a WGAN-GP, as of the three lines".into());
        assumed.push("its critic is the original's, fresh; a training begins with a new one".into());
        let arrays = renamed(&chain, &of_lines.generator(), arrays);
        return Ok(Network::generator(Arch::WganGp(of_lines), arrays, [recognised, assumed], hints));
    }
    let Shape::Map(input_dim) = chain.output() else {
        return Err(ReadError(format!("it gives {} numbers and no picture", chain.output().len())));
    };
    if !matches!(chain.layers.last(), Some((_, Layer::Activation { curve: Activation::Tanh }))) {
        assumed.push("pictures come out in −1..1, though the last layer has no bounds".into());
    }
    let generator = chain.layers.into_iter().map(|(name, layer)| Named { name, layer }).collect();
    let z_dim = inputs - classes;
    let arch = Arch::Chain(Layers {
        input_dim,
        z_dim,
        classes,
        conditional: false,
        generator,
        critic: Vec::new(),
        init: Init::Keras,
    });
    Ok(Network::generator(arch, arrays, [recognised, assumed], hints))
}

/// Numbers that the first layer takes, if it takes a list of them.
fn inputs(layers: &[Read]) -> Option<usize> {
    let shape = layers.first()?.settings.get("batch_shape")?.as_array()?;
    match shape.len() {
        2 => usize::try_from(shape[1].as_u64()?).ok(),
        _ => None,
    }
}

/// What has been made of the layers so far.
struct Made {
    chain: Chain,
    arrays: Vec<(String, Vec<f32>)>,
}

impl Made {
    fn add(&mut self, read: &Read) -> Result<(), String> {
        let settings = Settings(read);
        let mut curve = None;
        match read.class_name.as_str() {
            "InputLayer" => {}
            "Dense" => {
                let units = settings.count("units")?;
                self.layer(read, Layer::Dense { units, bias: settings.flag("use_bias", true) });
                curve = settings.curve()?;
            }
            "Conv2D" | "Conv2DTranspose" => {
                settings.channels_last()?;
                let (filters, kernel, stride) =
                    (settings.count("filters")?, settings.side("kernel_size")?, settings.side("strides")?);
                // A transposed one has no groups, and a plain one no output_padding.
                for (name, most) in [("dilation_rate", 1), ("groups", 1), ("output_padding", 0)] {
                    if settings.optional(name) > most {
                        return Err(format!("its {name} is more than {most}, which is not known here"));
                    }
                }
                let (padding, bias) = (settings.padding()?, settings.flag("use_bias", true));
                let output_padding = if padding == Padding::Same { 0 } else { stride.saturating_sub(kernel) };
                self.layer(
                    read,
                    match read.class_name.as_str() {
                        "Conv2D" => Layer::Conv2d { filters, kernel, stride, padding, bias },
                        _ => Layer::ConvTranspose2d { filters, kernel, stride, padding, output_padding, bias },
                    },
                );
                curve = settings.curve()?;
            }
            "BatchNormalization" => {
                let eps = settings.number("epsilon", 1e-3);
                let momentum = settings.number("momentum", 0.99);
                let [center, scale] = ["center", "scale"].map(|name| settings.flag(name, true));
                let affine = center || scale;
                self.layer(read, Layer::BatchNorm { eps, momentum, unbiased: false, affine });
                // One of the two may be missing.
                let channels = read.get("moving_mean").map_or(0, |mean| mean.values.len());
                for (part, there, value) in [("gamma", scale, 1.0), ("beta", center, 0.0)] {
                    if affine && !there {
                        let name = format!("{}.{part}", named(&read.name));
                        self.arrays.push((name, vec![value; channels]));
                    }
                }
            }
            "LeakyReLU" => curve = Some(Activation::LeakyRelu(settings.number("negative_slope", 0.3))),
            "ReLU" => curve = Some(settings.relu()?),
            "ELU" if settings.number("alpha", 1.0) == 1.0 => curve = Some(Activation::Elu),
            "Activation" => curve = settings.curve()?,
            "Reshape" => {
                let shape = settings.list("target_shape").ok_or("its shape is not known")?;
                let shape = match shape[..] {
                    [h, w, c] => [h, w, c],
                    [h, w] => [h, w, 1],
                    // Features stay features.
                    [_] => return Ok(()),
                    _ => return Err(format!("a shape of {shape:?} is no map")),
                };
                self.chain.then(Layer::Reshape { shape });
            }
            "Flatten" => self.chain.then(Layer::Flatten),
            "UpSampling2D" => {
                settings.channels_last()?;
                let nearest = settings.text("interpolation").is_none_or(|word| word == "nearest");
                if settings.side("size")? != 2 || !nearest {
                    return Err("only nearest neighbours times 2 are known".into());
                }
                self.chain.then(Layer::Upsample2d);
            }
            "Dropout" => {
                let rate = settings.number("rate", 0.0);
                self.chain.then(Layer::Dropout { rate });
            }
            _ => {
                return Err(
                    "a layer of this kind is not known here; a generator of dense layers, convolutions, norms \
                             and activations can be played"
                        .into(),
                );
            }
        }
        if let Some(curve) = curve {
            self.chain.then(Layer::Activation { curve });
        }
        Ok(())
    }

    /// A layer with its arrays.
    fn layer(&mut self, read: &Read, layer: Layer) {
        let name = named(&read.name);
        let array = |array: &Array| (format!("{name}.{}", array.name), array.values.clone());
        self.arrays.extend(read.arrays.iter().map(array));
        self.chain.push(name, layer);
    }
}

/// A layer's name as one that is no path: names of ours have a dot before the array alone.
pub(super) fn named(name: &str) -> String {
    name.replace(['.', '/'], "_")
}

/// A layer's settings.
struct Settings<'a>(&'a Read);

impl Settings<'_> {
    fn get(&self, name: &str) -> Option<&Json> {
        self.0.settings.get(name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    fn flag(&self, name: &str, usual: bool) -> bool {
        self.get(name).and_then(Json::as_bool).unwrap_or(usual)
    }

    fn number(&self, name: &str, usual: f32) -> f32 {
        self.get(name).and_then(Json::as_f64).map_or(usual, |v| v as f32)
    }

    fn count(&self, name: &str) -> Result<usize, String> {
        let count = self.get(name).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok());
        count.ok_or_else(|| format!("its {name} is not known"))
    }

    /// The largest of a number or a list of them; 0 where it is not said.
    fn optional(&self, name: &str) -> u64 {
        match self.get(name) {
            Some(Json::Array(list)) => list.iter().filter_map(Json::as_u64).max().unwrap_or(0),
            Some(value) => value.as_u64().unwrap_or(0),
            None => 0,
        }
    }

    fn list(&self, name: &str) -> Option<Vec<usize>> {
        let list = self.get(name)?.as_array()?;
        list.iter().map(|n| n.as_u64().and_then(|n| usize::try_from(n).ok())).collect()
    }

    /// One number that holds for both directions.
    fn side(&self, name: &str) -> Result<usize, String> {
        let both = self.list(name).or_else(|| Some(vec![usize::try_from(self.get(name)?.as_u64()?).ok()?]));
        match both.as_deref() {
            Some([side]) => Ok(*side),
            Some([a, b]) if a == b => Ok(*a),
            _ => Err(format!("its {name} is not the same in both directions, which is not known here")),
        }
    }

    fn padding(&self) -> Result<Padding, String> {
        match self.text("padding") {
            Some("same") => Ok(Padding::Same),
            Some("valid") | None => Ok(Padding::Pixels(0)),
            Some(other) => Err(format!("padding \"{other}\" is not known here")),
        }
    }

    fn channels_last(&self) -> Result<(), String> {
        match self.text("data_format") {
            Some("channels_first") => Err("it has its channels first; save it with channels_last".into()),
            _ => Ok(()),
        }
    }

    fn relu(&self) -> Result<Activation, String> {
        if self.get("max_value").is_some_and(|v| !v.is_null()) || self.number("threshold", 0.0) != 0.0 {
            return Err("a ReLU with a limit is not known here".into());
        }
        Ok(match self.number("negative_slope", 0.0) {
            0.0 => Activation::Relu,
            slope => Activation::LeakyRelu(slope),
        })
    }

    /// The curve that a layer has by itself.
    fn curve(&self) -> Result<Option<Activation>, String> {
        Ok(Some(match self.text("activation") {
            None | Some("linear") => return Ok(None),
            Some("relu") => Activation::Relu,
            Some("leaky_relu") => Activation::LeakyRelu(0.2),
            Some("tanh") => Activation::Tanh,
            Some("sigmoid") => Activation::Sigmoid,
            Some("elu") => Activation::Elu,
            Some("selu") => Activation::Selu,
            Some(other) => return Err(format!("the activation \"{other}\" is not known here")),
        }))
    }
}

/// The settings of the three lines' family that give this chain, if there are any.
fn of_lines(chain: &Chain) -> Option<WganGp> {
    let Shape::Flat(z_dim) = chain.input else { return None };
    let mut layers = chain.layers.iter().map(|(_, layer)| *layer).peekable();
    let Layer::Dense { .. } = layers.next()? else { return None };
    let mut settings = WganGp { z_dim, ..WganGp::lines(1, 3, 6) };
    settings.generator_batch_norm_momentum = match layers.peek()? {
        Layer::BatchNorm { momentum, .. } => Some(*momentum),
        _ => None,
    };
    let curves = [
        wgan_gp::Activation::LeakyRelu,
        wgan_gp::Activation::Relu,
        wgan_gp::Activation::Tanh,
        wgan_gp::Activation::Sigmoid,
        wgan_gp::Activation::Elu,
    ];
    let first = chain.layers.iter().find_map(|(_, layer)| match layer {
        Layer::Activation { curve } => Some(*curve),
        _ => None,
    })?;
    settings.generator_activation = curves.into_iter().find(|word| word.curve() == Some(first))?;
    let lists = [(); 4].map(|()| Vec::new());
    let [mut upsample, mut filters_of, mut kernels, mut strides] = lists;
    let mut doubled = false;
    for layer in chain.layers.iter().map(|(_, layer)| *layer) {
        match layer {
            Layer::Reshape { shape } => settings.generator_initial_dense_layer_size = shape,
            Layer::Dropout { rate } => settings.generator_dropout_rate = Some(rate),
            Layer::Upsample2d => doubled = true,
            Layer::Conv2d { filters, kernel, .. } | Layer::ConvTranspose2d { filters, kernel, .. } => {
                let stride = if let Layer::ConvTranspose2d { stride, .. } = layer { stride } else { 1 };
                upsample.push(if std::mem::take(&mut doubled) { 2 } else { 1 });
                filters_of.push(filters);
                kernels.push(kernel);
                strides.push(stride);
            }
            _ => {}
        }
    }
    (settings.generator_upsample, settings.generator_conv_filters) = (upsample, filters_of);
    (settings.generator_conv_kernel_size, settings.generator_conv_strides) = (kernels, strides);
    settings.input_dim = chain.output().map();
    settings.check().ok()?;
    let bare = |chain: &Chain| -> Vec<Layer> { chain.layers.iter().map(|(_, layer)| *layer).collect() };
    (bare(&settings.generator()) == bare(chain)).then_some(settings)
}

/// Arrays under the names of another chain of the same layers.
fn renamed(from: &Chain, to: &Chain, arrays: Vec<(String, Vec<f32>)>) -> Vec<(String, Vec<f32>)> {
    let names: Vec<(&String, &String)> =
        from.layers.iter().zip(&to.layers).map(|((from, _), (to, _))| (from, to)).collect();
    let rename = |(name, values): (String, Vec<f32>)| {
        let (layer, part) = name.rsplit_once('.')?;
        let (_, to) = names.iter().find(|(from, _)| from.as_str() == layer)?;
        Some((format!("{to}.{part}"), values))
    };
    arrays.into_iter().filter_map(rename).collect()
}
