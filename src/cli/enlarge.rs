//! `flaneur enlarge`: pictures, folders, zips and films, larger.

mod film;
mod picture;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use zip::write::SimpleFileOptions;

use self::picture::{Job, Made};
use super::DeviceChoice;
use crate::dataset::album::Album;
use crate::files;
use crate::home;
use crate::model::enlarge::{Ended, Enlarge, Tiles};
use crate::report::{Progress, Stop, say, tell};

/// Pixels of its neighbours that a tile sees at most, where nothing is said: of tiles that are asked for, and of those that
/// large pictures are cut into anyway. With the first ESRGAN's pictures are those of one piece, with the second they are
/// not quite and take half as long.
const OVERLAPS: [usize; 2] = [80, 32];
/// Quality of JPEGs, of 100: that of the notebooks.
const QUALITY: u8 = 75;
/// How many times larger at most.
const MOST: u8 = 16;
/// Endings of films.
const FILMS: [&str; 8] = ["mp4", "mkv", "mov", "webm", "gif", "avi", "m4v", "mpg"];

/// What `flaneur enlarge` takes.
#[derive(Args)]
pub struct EnlargeOf {
    /// Pictures, folders of pictures, zips of pictures, films (.mp4, .mkv, .mov, .webm, .gif)
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Where they go: a folder, or of one input a picture, a film or a .zip
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// The network, by name or path
    #[arg(long, default_value = "lines-x4")]
    model: String,
    /// How many times larger [default: what the network does]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST)))]
    scale: Option<u8>,
    /// Pixels of a tile, for large pictures [default: what fits 512 MB]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(16..=4096))]
    tile: Option<u16>,
    /// Pixels of its neighbours that a tile sees [default: as many as change anything, at most 80 with --tile and 32
    /// without]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(0..=512))]
    overlap: Option<u16>,
    /// Format of pictures
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// As the notebooks do: JPEGs "Super Resolution 0.jpg" and on, with the pictures themselves, in one zip
    #[arg(long)]
    notebook: bool,
    /// Quality of a film, 0 the best
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=63))]
    crf: Option<u8>,
    /// Where it is computed
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    /// Write over what is there; otherwise pictures of a folder that are there already are left as they are
    #[arg(long)]
    overwrite: bool,
}

/// What pictures are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Without loss
    Png,
    /// Smaller, of quality 75
    Jpg,
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpg => "jpg",
        }
    }

    /// What a path's ending says.
    fn of(path: &Path) -> Option<Self> {
        match ending(path).as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpg),
            _ => None,
        }
    }
}

fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn is_film(path: &Path) -> bool {
    // A GIF with one picture is a picture all the same, which a film of one frame shows.
    FILMS.contains(&&*ending(path)) && path.is_file()
}

/// How it went.
#[derive(Default)]
struct Tally {
    written: usize,
    there: usize,
    bad: usize,
    interrupted: bool,
}

impl EnlargeOf {
    /// Makes them larger.
    ///
    /// # Errors
    /// If the network or an input cannot be read, or something cannot be written; pictures that are bad are named, and
    /// the others are made.
    pub fn run(self) -> anyhow::Result<()> {
        home::begin_here();
        for input in &self.inputs {
            if !input.exists() {
                bail!("there is no {}: name a picture, a folder, a zip or a film", files::shown(input));
            }
        }
        let many = self.inputs.len() > 1;
        let named = Format::of(&self.output);
        let (zip, film) = (ending(&self.output) == "zip", FILMS.contains(&&*ending(&self.output)));
        if many && (film || named.is_some()) {
            bail!("{} takes one input; give a folder for several", files::shown(&self.output));
        }
        if let (Some(named), Some(format)) = (named, self.format)
            && named != format
        {
            bail!("{} and --format {} are two formats", files::shown(&self.output), format.ending());
        }
        if self.notebook && !zip {
            bail!("--notebook writes a zip: give -o superresolution.zip");
        }
        let films = self.inputs.iter().filter(|input| is_film(input)).count();
        if zip && films > 0 || film && films == 0 {
            bail!("{} is made of {}", files::shown(&self.output), if zip { "pictures" } else { "one film" });
        }
        if named.is_some() && !self.inputs.iter().all(|input| input.is_file()) {
            bail!("{} is one picture; give a folder for several", files::shown(&self.output));
        }
        let chosen = self.device.choose()?;
        let net = Enlarge::read(&self.model, &chosen.device)?;
        let job = self.job(&net)?;
        let stop = Stop::on_signals()?;
        let mut tally = Tally::default();
        if zip {
            self.zipped(&job, &stop, &mut tally)?;
        } else {
            for input in &self.inputs {
                match is_film(input) {
                    true => self.film(&job, input, &stop, &mut tally)?,
                    false => self.pictures(&job, input, &stop, &mut tally)?,
                }
                if tally.interrupted {
                    break;
                }
            }
        }
        self.told(&tally)
    }

    /// What is done to each picture.
    fn job<'a>(&self, net: &'a Enlarge) -> anyhow::Result<Job<'a>> {
        let own = net.scale();
        let usual = net.overlap(OVERLAPS[usize::from(self.tile.is_none())]);
        let overlap = self.overlap.map_or(usual, usize::from);
        let wanted = self.scale.map_or(own, usize::from);
        if own == 1 && wanted > 1 {
            bail!("{} keeps the size of pictures; leave out --scale, or name another --model", self.model);
        }
        let mut passes = 1;
        while own.pow(passes) < wanted {
            passes += 1;
        }
        let tiles = self.tile.map(|side| Tiles { side: usize::from(side), overlap });
        Ok(Job { net, passes, wanted, tiles, overlap })
    }

    fn told(&self, tally: &Tally) -> anyhow::Result<()> {
        let Tally { written, there, bad, interrupted } = tally;
        let shown = files::shown(&self.output);
        let there = if *there > 0 { format!("; {there} were there already") } else { String::new() };
        match interrupted {
            true => say(format_args!("interrupted; {written} written to {shown}{there}; the same command goes on")),
            false if *written + bad > 1 || !there.is_empty() => {
                say(format_args!("{written} written to {shown}{there}"))
            }
            false => {}
        }
        match bad {
            0 => Ok(()),
            1 => bail!("one picture could not be made larger"),
            count => bail!("{count} pictures could not be made larger"),
        }
    }

    fn film(&self, job: &Job, input: &Path, stop: &Stop, tally: &mut Tally) -> anyhow::Result<()> {
        let path = match FILMS.contains(&&*ending(&self.output)) {
            true => self.output.clone(),
            false => {
                files::make_folder(&self.output)?;
                let name = input.file_name().context("give the path of a film")?;
                // What cannot be written becomes the usual.
                let kept = ["mp4", "mkv", "mov", "webm", "gif"].contains(&&*ending(input));
                let path = self.output.join(name);
                if kept { path } else { path.with_extension("mp4") }
            }
        };
        let (path, interrupted) = film::enlarged(job, input, &path, self.crf, self.overwrite, stop)?;
        if let Some(path) = path {
            let how = if interrupted { "interrupted; wrote" } else { "wrote" };
            say(format_args!("{how} {}", files::shown(&path)));
        }
        tally.written += 1;
        tally.interrupted |= interrupted;
        Ok(())
    }

    fn album(&self, input: &Path, tally: &mut Tally) -> anyhow::Result<Album> {
        let album = Album::open(input)?;
        for bad in album.bad() {
            tell(format_args!("{}: {}", bad.name, bad.why));
            tally.bad += 1;
        }
        if album.is_empty() {
            bail!("there are no pictures in {}: PNG, JPEG, GIF, BMP and WebP can be read", files::shown(input));
        }
        Ok(album)
    }

    fn pictures(&self, job: &Job, input: &Path, stop: &Stop, tally: &mut Tally) -> anyhow::Result<()> {
        let mut album = self.album(input, tally)?;
        let named = Format::of(&self.output);
        let format = named.or(self.format).unwrap_or(Format::Png);
        let progress = (album.len() > 1).then(|| Progress::new("pictures", album.len() as u64));
        let mut taken = std::collections::HashSet::new();
        for at in 0..album.len() {
            let mut path = match named {
                Some(_) => super::free(&self.output, self.overwrite),
                None => self.output.join(album.place(at)).with_extension(format.ending()),
            };
            // Two that differ in their endings alone, or come from two inputs.
            if !taken.insert(path.clone()) {
                let name = album.place(at).to_string_lossy().replace(['.', '/'], "-");
                path = self.output.join(name).with_extension(format.ending());
            }
            match self.one(job, &mut album, at, (&path, format), stop, progress.is_none()) {
                Ok(Some(made)) => {
                    tally.written += 1;
                    if progress.is_none() {
                        say(format_args!("wrote {} ({}x{})", files::shown(&made.path), made.size[1], made.size[0]));
                    }
                }
                Ok(None) => tally.there += 1,
                Err(Ended::Stopped) => {
                    tally.interrupted = true;
                    break;
                }
                Err(Ended::Failed(why)) => {
                    tally.bad += 1;
                    tell(format_args!("{}: {why}", files::shown(&album.place(at))));
                }
            }
            if let Some(progress) = &progress {
                progress.step();
            }
        }
        if let Some(progress) = progress {
            progress.finish();
        }
        Ok(())
    }

    /// One picture of an album; nothing where it was there.
    fn one(
        &self,
        job: &Job,
        album: &mut Album,
        at: usize,
        (path, format): (&Path, Format),
        stop: &Stop,
        alone: bool,
    ) -> Result<Option<Made>, Ended> {
        let bytes = album.bytes(at).map_err(|bad| Ended::Failed(bad.why))?;
        let opened = picture::Opened::of(&bytes).map_err(Ended::Failed)?;
        if !self.overwrite && picture::is_there(path, opened.size().map(|side| side * job.wanted)) {
            return Ok(None);
        }
        if let Some(remark) = &opened.remark {
            tell(format_args!("{}: {remark}", files::shown(&album.place(at))));
        }
        job.write(&opened, path, format, stop, alone).map(Some)
    }

    /// All pictures of all inputs in one zip.
    fn zipped(&self, job: &Job, stop: &Stop, tally: &mut Tally) -> anyhow::Result<()> {
        let path = super::free(&self.output, self.overwrite);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            files::make_folder(folder)?;
        }
        let format = if self.notebook { Format::Jpg } else { self.format.unwrap_or(Format::Png) };
        let part = files::temporary(&path);
        let mut zip = zip::ZipWriter::new(files::at(&part, fs::File::create(&part))?);
        // Pictures are compressed already.
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored).large_file(true);
        let mut names = std::collections::HashSet::new();
        let mut number = 0;
        'all: for input in &self.inputs {
            let mut album = self.album(input, tally)?;
            let progress = Progress::new("pictures", album.len() as u64);
            for at in 0..album.len() {
                let place = album.place(at);
                let made = album.bytes(at).map_err(|bad| Ended::Failed(bad.why)).and_then(|bytes| {
                    let opened = picture::Opened::of(&bytes).map_err(Ended::Failed)?;
                    Ok((job.bytes(&opened, format, stop)?, bytes))
                });
                match made {
                    Ok((made, original)) => {
                        let name = match self.notebook {
                            true => format!("images/Super Resolution {number}.jpg"),
                            false => {
                                let name = place.with_extension(format.ending()).to_string_lossy().into_owned();
                                let taken = !names.insert(name.clone());
                                if taken { format!("{number}-{name}") } else { name }
                            }
                        };
                        let mut put = |name: &str, bytes: &[u8]| {
                            zip.start_file(name, options)?;
                            zip.write_all(bytes).map_err(zip::result::ZipError::from)
                        };
                        let first = match self.notebook {
                            true => {
                                let name = format!("images/{}", place.to_string_lossy());
                                if names.insert(name.clone()) { put(&name, &original) } else { Ok(()) }
                            }
                            false => Ok(()),
                        };
                        first.and_then(|()| put(&name, &made)).with_context(|| files::shown(&part))?;
                        number += 1;
                        tally.written += 1;
                    }
                    Err(Ended::Stopped) => {
                        tally.interrupted = true;
                        progress.finish();
                        break 'all;
                    }
                    Err(Ended::Failed(why)) => {
                        tally.bad += 1;
                        tell(format_args!("{}: {why}", files::shown(&place)));
                    }
                }
                progress.step();
            }
            progress.finish();
        }
        zip.finish().with_context(|| files::shown(&part))?;
        if tally.written == 0 {
            let _ = fs::remove_file(&part);
            return Ok(());
        }
        let path = match self.overwrite {
            true => {
                files::at(&path, fs::rename(&part, &path))?;
                path
            }
            false => files::rename_free(&part, &path)?,
        };
        say(format_args!("wrote {} ({} pictures)", files::shown(&path), tally.written));
        Ok(())
    }
}
