//! `flaneur enlarge`: pictures, folders, zips and films, larger.

mod film;
mod picture;

use std::collections::HashSet;
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
/// Endings of pictures that can be read and not be written.
const OTHERS: [&str; 5] = ["webp", "bmp", "tif", "tiff", "avif"];
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
    FILMS.contains(&&*ending(path)) && path.is_file()
}

/// That name, or the first one behind it with a number that no other picture of this run has.
fn unique<T: Clone + Eq + std::hash::Hash>(name: T, taken: &mut HashSet<T>, numbered: impl Fn(&T, usize) -> T) -> T {
    let mut found = name.clone();
    let mut number = 2;
    while !taken.insert(found.clone()) {
        found = numbered(&name, number);
        number += 1;
    }
    found
}

/// A path whose name has a number.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!("{stem}-{number}.{}", ending(path)))
}

/// How it went.
#[derive(Default)]
struct Tally {
    written: usize,
    there: usize,
    bad: usize,
    interrupted: bool,
    /// The names that pictures of this run have.
    taken: HashSet<PathBuf>,
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
        if OTHERS.contains(&&*ending(&self.output)) {
            bail!("{}: pictures are written as .png or .jpg", files::shown(&self.output));
        }
        if (zip || film || named.is_some()) && self.output.is_dir() {
            bail!("{} is a folder; give the name of a file in it", files::shown(&self.output));
        }
        if self.notebook && !zip {
            bail!("--notebook writes a zip: give -o superresolution.zip");
        }
        // A GIF is a picture where one is wanted.
        let films = self.inputs.iter().filter(|input| self.is_film(input)).count();
        if named.is_some() && films > 0 {
            bail!("a film becomes a film: give -o NAME.mp4");
        }
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
                match self.is_film(input) {
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

    fn is_film(&self, input: &Path) -> bool {
        is_film(input) && !(ending(input) == "gif" && Format::of(&self.output).is_some())
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
        let Tally { written, there, bad, interrupted, .. } = tally;
        let shown = files::shown(&self.output);
        let there = if *there > 0 { format!("; {there} were there already") } else { String::new() };
        match interrupted {
            true if self.output.is_dir() => {
                say(format_args!("interrupted; {written} written to {shown}{there}; the same command goes on"));
            }
            true => say(format_args!("interrupted; {written} written to {shown}{there}")),
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
            tally.written += 1;
        }
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
        if named.is_some() && album.len() > 1 {
            bail!("{} has {} pictures: give a folder for them", files::shown(input), album.len());
        }
        let progress = (album.len() > 1).then(|| Progress::new("pictures", album.len() as u64));
        // What an earlier run has made of it is no picture to be made larger.
        let own = fs::canonicalize(&self.output).ok().filter(|own| own.is_dir());
        let below = fs::canonicalize(input).ok().filter(|input| input.is_dir());
        let skipped = |place: &Path| match (&own, &below) {
            (Some(own), Some(below)) if own != below => below.join(place).starts_with(own),
            _ => false,
        };
        for at in 0..album.len() {
            if skipped(&album.place(at)) {
                continue;
            }
            let path = match named {
                Some(_) => super::free(&self.output, self.overwrite),
                None => {
                    // Two may differ in their endings alone, or come from two inputs.
                    let path = self.output.join(album.place(at)).with_extension(format.ending());
                    unique(path, &mut tally.taken, |path, number| numbered(path, number))
                }
            };
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
        let size @ [h, w] = opened.size().map(|side| side * job.wanted);
        if album.is_at(at, path) {
            return Err(Ended::Failed("it would take its own place: give another folder".into()));
        }
        if !self.overwrite && path.exists() {
            return match picture::is_there(path, size) {
                true => Ok(None),
                false => Err(Ended::Failed(format!(
                    "{} is there already, and no picture of {w}x{h}: --overwrite writes over it",
                    files::shown(path)
                ))),
            };
        }
        if format == Format::Jpg && opened.is_clear() {
            tell(format_args!("{}: a JPEG has no transparency, which is left out", files::shown(&album.place(at))));
        }
        if let Some(remark) = &opened.remark {
            tell(format_args!("{}: {remark}", files::shown(&album.place(at))));
        }
        job.write(&opened, path, format, stop, alone).map(Some)
    }

    /// All pictures of all inputs in one zip.
    fn zipped(&self, job: &Job, stop: &Stop, tally: &mut Tally) -> anyhow::Result<()> {
        // Opened before anything is made.
        let mut albums = Vec::new();
        for input in &self.inputs {
            albums.push(self.album(input, tally)?);
        }
        let path = super::free(&self.output, self.overwrite);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            files::make_folder(folder)?;
        }
        let format = if self.notebook { Format::Jpg } else { self.format.unwrap_or(Format::Png) };
        let part = files::temporary(&path);
        let packed = self.packed(job, albums, (&part, format), stop, tally);
        if packed.is_err() || tally.written == 0 {
            let _ = fs::remove_file(&part);
            return packed;
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

    /// Packs what is made of all pictures.
    fn packed(
        &self,
        job: &Job,
        albums: Vec<Album>,
        (part, format): (&Path, Format),
        stop: &Stop,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let mut zip = zip::ZipWriter::new(files::at(part, fs::File::create(part))?);
        // Pictures are compressed already.
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored).large_file(true);
        let mut names = HashSet::new();
        let mut free = |name: String| {
            let other = |name: &String, number| numbered(Path::new(name), number).to_string_lossy().into_owned();
            unique(name, &mut names, other)
        };
        let mut number = 0;
        'all: for mut album in albums {
            let progress = Progress::new("pictures", album.len() as u64);
            for at in 0..album.len() {
                let place = album.place(at);
                let made = album.bytes(at).map_err(|bad| Ended::Failed(bad.why)).and_then(|bytes| {
                    let opened = picture::Opened::of(&bytes).map_err(Ended::Failed)?;
                    Ok((job.bytes(&opened, format, stop)?, bytes))
                });
                match made {
                    Ok((made, original)) => {
                        let mut put = |name: &str, bytes: &[u8]| {
                            zip.start_file(name, options)?;
                            zip.write_all(bytes).map_err(zip::result::ZipError::from)
                        };
                        let name = match self.notebook {
                            true => {
                                let original_name = free(format!("images/{}", place.to_string_lossy()));
                                put(&original_name, &original).with_context(|| files::shown(part))?;
                                free(format!("images/Super Resolution {number}.jpg"))
                            }
                            false => free(place.with_extension(format.ending()).to_string_lossy().into_owned()),
                        };
                        put(&name, &made).with_context(|| files::shown(part))?;
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
        zip.finish().with_context(|| files::shown(part))?;
        Ok(())
    }
}
