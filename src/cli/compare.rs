//! `flaneur compare`: the losses of several trainings over each other, and the settings in which they differ.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::files;
use crate::report::{say, tell};
use crate::trainer::runs::course::{How, WIDEST, X};
use crate::trainer::runs::{self, table};

/// What `flaneur compare` takes.
#[derive(Args)]
pub struct Compare {
    /// Trainings: models by name, or the paths of their folders
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
    /// What the curves run along
    #[arg(long, value_enum, default_value_t = Along::Epochs)]
    x: Along,
    /// Powers of ten at equal distances, where one run is much longer than another
    #[arg(long)]
    log: bool,
    /// Epochs of the moving mean; 1 draws none [default: a 200th of a run of 1000 epochs or more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=WIDEST))]
    smooth: Option<u64>,
    /// The plots: a name that ends with .svg or .png, or one without an ending for both
    #[arg(short, long, value_name = "FILE", default_value = "compare")]
    output: PathBuf,
    /// Write over files of the same names
    #[arg(long)]
    overwrite: bool,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
}

/// What the curves can run along.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Along {
    /// Epochs that are done
    Epochs,
    /// Pictures of the data that the critic was shown: its updates times the batch
    Pictures,
    /// Time spent in epochs
    Seconds,
}

impl Compare {
    /// Reads the runs, writes the plots and prints the table.
    ///
    /// # Errors
    /// If a run is not there, its losses cannot be read, or a plot cannot be written.
    pub fn run(self) -> anyhow::Result<()> {
        let x = match self.x {
            Along::Epochs => X::Epochs,
            Along::Pictures => X::Pictures,
            Along::Seconds => X::Seconds,
        };
        let how = How { x, log: self.log, smooth: self.smooth };
        let wanted = files_of(&self.output)?;
        let runs = runs::read(&self.runs, &how)?;
        runs.iter().flat_map(|run| &run.remarks).for_each(tell);
        let mut written = Vec::new();
        match runs::stack(&runs, &how) {
            None => tell("there is nothing to draw, so that no plot was written"),
            Some(stack) => {
                runs::unseen(&runs, &how).iter().for_each(tell);
                for path in free(&wanted, self.overwrite) {
                    let svg = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("svg"));
                    let bytes = if svg { stack.svg().into_bytes() } else { stack.picture().png(&path)? };
                    files::write(&path, &bytes)?;
                    written.push(files::shown(&path));
                }
            }
        }
        if self.json {
            let mut all = table::json(&runs);
            all["plots"] = json!(written);
            say(serde_json::to_string_pretty(&all)?);
            return Ok(());
        }
        crate::report::print(table::text(&runs));
        if !written.is_empty() {
            say(format_args!("\nwrote {}", written.join(" and ")));
        }
        Ok(())
    }
}

/// The files to write: one where the name says which kind, otherwise both. A folder gets files of the usual name.
fn files_of(output: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = if output.is_dir() { output.join("compare") } else { output.to_owned() };
    let ending = output.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    if ["svg", "png"].contains(&ending.as_str()) {
        return Ok(vec![output]);
    }
    // "run.2" is a name; "run.pdf" is another kind of file.
    if !ending.is_empty() && ending.chars().all(|c| c.is_ascii_alphabetic()) {
        bail!("{} is neither .svg nor .png; give one of the two, or no ending for both", files::shown(&output));
    }
    let Some(name) = output.file_name() else { bail!("{} is no name for a file", files::shown(&output)) };
    let with = |ending: &str| output.with_file_name(format!("{}.{ending}", name.to_string_lossy()));
    Ok(vec![with("svg"), with("png")])
}

/// The same names, or the next ones of which none is taken, which is said.
fn free(wanted: &[PathBuf], overwrite: bool) -> Vec<PathBuf> {
    if overwrite || wanted.iter().all(|path| !path.exists()) {
        return wanted.to_vec();
    }
    let mut lists: Vec<_> = wanted.iter().map(|path| files::candidates(path)).collect();
    loop {
        let names: Vec<PathBuf> = lists.iter_mut().filter_map(Iterator::next).collect();
        if names.len() < wanted.len() {
            return wanted.to_vec();
        }
        if names.iter().all(|path| !path.exists()) {
            let taken = wanted.iter().zip(&names).filter(|(path, _)| path.exists());
            taken.for_each(|(path, used)| super::is_there(path, used));
            return names;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_plots() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let names = |output: &str| {
            let files = files_of(&here.join(output)).unwrap();
            files.iter().map(|p| p.strip_prefix(here).unwrap().display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names("a"), ["a.svg", "a.png"]);
        assert_eq!(names("run.2"), ["run.2.svg", "run.2.png"]);
        assert_eq!((names("a b.PNG"), names("a.svg")), (vec!["a b.PNG".to_owned()], vec!["a.svg".to_owned()]));
        assert_eq!(names(""), ["compare.svg", "compare.png"]);
        assert!(files_of(&here.join("a.pdf")).unwrap_err().to_string().contains("neither .svg nor .png"));
        // Both take the next number where one name is taken.
        std::fs::write(here.join("a.png"), "").unwrap();
        let both = files_of(&here.join("a")).unwrap();
        assert_eq!(free(&both, true), both);
        assert_eq!(free(&both, false), ["a-2.svg", "a-2.png"].map(|name| here.join(name)));
    }
}
