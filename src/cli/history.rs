//! `flaneur history`: the versions of a sketch that ran, and back to one of them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::bail;
use clap::Args;

use crate::preset;
use crate::report::{print, say};
use crate::sketch::history;

/// What `flaneur history` takes.
#[derive(Args)]
pub struct History {
    /// A sketch, by name or path
    sketch: String,
    /// Put this version back as the sketch (its number in the list, or its fingerprint)
    #[arg(long, value_name = "VERSION")]
    restore: Option<String>,
    /// Print this version
    #[arg(long, value_name = "VERSION", conflicts_with = "restore")]
    show: Option<String>,
}

impl History {
    /// Lists versions, prints one or puts one back.
    ///
    /// # Errors
    /// If there is no such version, or a file cannot be read or written.
    pub fn run(self) -> anyhow::Result<()> {
        let path = preset::sketch_path(&self.sketch);
        let versions = history::versions(&path);
        if versions.is_empty() {
            bail!("no version of {} has run yet; flaneur play keeps each one that runs", path.display());
        }
        let find = |wanted: &str| {
            let by_number = wanted.parse::<usize>().ok().and_then(|n| versions.get(n.wrapping_sub(1)));
            by_number.or_else(|| versions.iter().find(|v| v.fingerprint.starts_with(wanted)))
        };
        let missing = |wanted: &str| anyhow::anyhow!("there is no version {wanted}; there are 1 to {}", versions.len());
        if let Some(wanted) = &self.show {
            let version = find(wanted).ok_or_else(|| missing(wanted))?;
            print(crate::files::read_text(&version.path)?);
            return Ok(());
        }
        if let Some(wanted) = &self.restore {
            let version = find(wanted).ok_or_else(|| missing(wanted))?;
            let restored = history::restore(&path, version)?;
            let kept = restored.kept.map_or(String::new(), |n| format!("; what was there is kept as version {n}"));
            say(format_args!("{} is version {wanted} again{kept}", restored.path.display()));
            return Ok(());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        for (i, version) in versions.iter().enumerate() {
            let text = crate::files::read_text(&version.path).unwrap_or_default();
            let before = i.checked_sub(1).and_then(|at| crate::files::read_text(&versions[at].path).ok());
            let first = telling(&text, before.as_deref().unwrap_or_default());
            let ago = indicatif::HumanDuration(std::time::Duration::from_secs(now.saturating_sub(version.secs)));
            say(format_args!("{:4}  {}  {ago} ago  {first}", i + 1, version.fingerprint));
        }
        Ok(())
    }
}

/// The line by which a version is known: the first one that the version `before` did not have, or its first one.
fn telling<'a>(text: &'a str, before: &str) -> &'a str {
    let old: Vec<&str> = before.lines().map(str::trim).collect();
    let new = text.lines().map(str::trim).find(|line| !before.is_empty() && !line.is_empty() && !old.contains(line));
    new.or_else(|| text.lines().map(str::trim).find(|line| !line.is_empty())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_known_by_what_changed() {
        assert_eq!(telling("fn walk() {\n  seed(8)\n}", "fn walk() {\n  seed(7)\n}"), "seed(8)");
        assert_eq!(telling("fn walk() {\n  seed(7)\n}", ""), "fn walk() {");
        assert_eq!(telling("a", "a\nb"), "a");
        assert_eq!(telling("", "a"), "");
    }
}
