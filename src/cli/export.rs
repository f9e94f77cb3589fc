//! `flaneur export`: a model's generator as a file for other programs.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use crate::files;
use crate::model::import::write;
use crate::model::recognise::own::{Note, torch_name};
use crate::model::{self, Model};
use crate::net::arch::Arch;
use crate::net::device::{self, Wanted};
use crate::net::params::Plan;
use crate::report::say;

/// Write a model's generator as safetensors (a DCGAN with PyTorch's names) or as .npz in Keras' layout
#[derive(Args)]
pub struct Export {
    /// A model, by name or path
    model: String,
    /// The file: .safetensors or .npz
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    overwrite: bool,
}

/// An array to be written.
struct Array {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Export {
    /// Reads the model and writes the file.
    ///
    /// # Errors
    /// If there is no such model, the file is there, or its ending is another.
    pub fn run(self) -> anyhow::Result<()> {
        let ending = self.output.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        if ending != "safetensors" && ending != "npz" {
            bail!("{} is neither .safetensors nor .npz; give one of the two", self.output.display());
        }
        if self.output.exists() && !self.overwrite {
            bail!("{} is there already; give --overwrite to replace it", self.output.display());
        }
        let device = device::choose(Wanted::Cpu)?.device;
        let Model { card, generator, .. } = Model::read(&self.model, &device)?;
        let torch = ending == "safetensors" && matches!(card.arch, Arch::Dcgan(_));
        let arrays: Vec<Array> = card
            .arch
            .generator_plans()
            .iter()
            .zip(&generator.list)
            .map(|(plan, param)| match torch {
                true => by_torch(plan, param.values()),
                false => Array { name: plan.name.clone(), shape: plan.shape.clone(), values: param.values() },
            })
            .collect();
        let note = Note { classes: card.classes, arch: card.arch, recipe: card.recipe };
        let note = toml::to_string(&note).context("what the network is")?;
        let out: Vec<write::Out> =
            arrays.iter().map(|a| (a.name.as_str(), a.shape.as_slice(), a.values.as_slice())).collect();
        let bytes = match ending.as_str() {
            "npz" => {
                // As numpy's own tools and Keras name them.
                let names: Vec<String> = arrays.iter().map(|a| a.name.replace('.', "/")).collect();
                let out: Vec<write::Out> =
                    names.iter().zip(&out).map(|(name, (_, shape, values))| (name.as_str(), *shape, *values)).collect();
                write::npz(&out, &note)
            }
            _ => {
                let notes = [("format", "pt".to_owned()), ("flaneur", note), ("licence", card.licence)];
                let notes: HashMap<String, String> = notes.map(|(key, text)| (key.to_owned(), text)).into();
                write::safetensors(&out, notes)
            }
        };
        files::write(&self.output, &bytes.context("the file's format")?)?;
        let names = if torch { "PyTorch's names" } else { "Keras' layout" };
        say(format_args!("wrote {} arrays to {}, in {names}", arrays.len(), self.output.display()));
        if model::folder(&self.model).join(model::CRITIC).is_file() {
            say("the critic is not in it: that is what a training goes on with");
        }
        Ok(())
    }
}

/// An array as PyTorch has it.
fn by_torch(plan: &Plan, values: Vec<f32>) -> Array {
    let Some((name, axes)) = torch_name(plan) else {
        return Array { name: plan.name.clone(), shape: plan.shape.clone(), values };
    };
    let shape = axes.iter().map(|axis| plan.shape[*axis]).collect();
    Array { name, shape, values: crate::model::recognise::turned(&values, &plan.shape, axes) }
}
