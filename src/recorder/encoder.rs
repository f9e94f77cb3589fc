//! Where a recording's pictures end: ffmpeg's stdin, or PNG files.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix, rgb_to_yuv420};

use super::{RecorderError, Settings};
use crate::files;
use crate::latest::lock;
use crate::picture::Picture;
use crate::report::Board;
use crate::worker::Worker;

/// Codecs by the names people know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    H264,
    Hevc,
    ProRes,
    Vp9,
    Av1,
    Gif,
}

impl Codec {
    /// The usual one of a container, by a file's ending.
    fn of(ending: &str) -> Option<Self> {
        Some(match ending {
            "mp4" | "mkv" => Self::H264,
            "mov" => Self::ProRes,
            "webm" => Self::Vp9,
            "gif" => Self::Gif,
            _ => return None,
        })
    }

    /// Whether pictures of a size are handed to it as the planes it encodes. ffmpeg would make them too, but it takes
    /// as long for that as for encoding small ones. An odd side has no half for the colours; ffmpeg pads it.
    fn takes_planes(self, [width, height]: [usize; 2]) -> bool {
        !matches!(self, Self::ProRes | Self::Gif) && width % 2 == 0 && height % 2 == 0
    }

    /// ffmpeg's arguments for it.
    fn arguments(self, settings: &Settings) -> Vec<String> {
        let (live, [width, height]) = (settings.live, settings.size);
        let crf = |default: u8| settings.crf.unwrap_or(default).to_string();
        let mut words: Vec<String> = Vec::new();
        let mut add = |list: &[&str]| words.extend(list.iter().map(|w| (*w).to_owned()));
        if self != Self::Gif && !self.takes_planes(settings.size) {
            let read_as = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709";
            let made = "pad=ceil(iw/2)*2:ceil(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv";
            add(&["-vf", &format!("{made},{read_as}")]);
        }
        match self {
            Self::H264 => {
                let small = width * height <= SMALL;
                let preset = if live || small { "ultrafast" } else { "veryfast" };
                add(&["-c:v", "libx264", "-preset", preset, "-crf", &crf(16), "-pix_fmt", "yuv420p"]);
                add(&TAGGED);
                if small {
                    add(&["-threads", "1", "-filter_threads", "1"]);
                }
                if live {
                    // Nothing held back, and a point to start from every second: what a crash leaves can be played.
                    add(&["-tune", "zerolatency", "-g", "30"]);
                }
            }
            Self::Hevc => {
                add(&["-c:v", "libx265", "-preset", "fast", "-crf", &crf(20), "-pix_fmt", "yuv420p"]);
                add(&["-tag:v", "hvc1", "-x265-params", "log-level=error"]);
                add(&TAGGED);
            }
            Self::ProRes => {
                add(&["-c:v", "prores_ks", "-profile:v", "3", "-vendor", "apl0"]);
                add(&["-pix_fmt", "yuv422p10le"]);
                add(&TAGGED);
            }
            Self::Vp9 => {
                add(&["-c:v", "libvpx-vp9", "-b:v", "0", "-crf", &crf(24), "-row-mt", "1"]);
                add(&["-deadline", if live { "realtime" } else { "good" }, "-cpu-used", if live { "8" } else { "4" }]);
                add(&["-pix_fmt", "yuv420p"]);
                add(&TAGGED);
            }
            Self::Av1 => {
                add(&["-c:v", "libsvtav1", "-preset", "8", "-crf", &crf(28), "-pix_fmt", "yuv420p"]);
                add(&TAGGED);
            }
            Self::Gif => {
                let palette = "split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=none";
                let slower = if settings.fps > GIF_FPS { format!("fps={GIF_FPS},") } else { String::new() };
                add(&["-vf", &format!("{slower}{palette}"), "-loop", "0"]);
            }
        }
        words
    }
}

/// How colours are to be read. The matrix players assume for a size is not always the one that was used, so it is
/// written down.
const TAGGED: [&str; 8] =
    ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"];

/// The version line of the ffmpeg that would be used, if there is one.
pub fn ffmpeg_version() -> Option<String> {
    let out = Command::new("ffmpeg").arg("-version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    out.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

/// Where pictures go.
pub(super) enum Sink {
    Ffmpeg(Box<Ffmpeg>),
    Pngs { folder: PathBuf, next: u64 },
}

/// A running encoder.
pub(super) struct Ffmpeg {
    child: Child,
    stdin: Option<ChildStdin>,
    /// The end of what it said on stderr.
    said: Arc<Mutex<String>>,
    _listener: Option<Worker>,
    size: [usize; 2],
    /// The planes of a picture (Y, then Cb and Cr of half its sides), where those are what it is handed.
    planes: Option<Vec<u8>>,
    path: PathBuf,
    /// Where it writes until the file is whole.
    part: Option<PathBuf>,
    /// Whether it was handed a picture.
    begun: bool,
}

/// Pixels of a picture that counts as small. x264 gets one thread for it, which encodes hundreds of these a second:
/// several would spend as long again on waiting for each other. It also gets the preset that takes the least from
/// the generator; at the same crf its pictures are the truer ones, in a file two to three times as large.
const SMALL: usize = 256 * 256;
/// Bytes that can be on their way to an encoder, so that it encodes several small pictures each time it is woken.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;
/// Frames a second of a GIF at most: it counts in hundredths, and players take one hundredth for ten.
const GIF_FPS: f64 = 50.0;
/// Longest wait for an encoder to finish its file.
const PATIENCE: Duration = Duration::from_secs(300);

impl Sink {
    pub fn open(settings: &Settings, board: &Board) -> Result<Self, RecorderError> {
        let path = settings.path.clone();
        let wrong = |why: String| RecorderError::Open { path: settings.path.clone(), why };
        let Some(ending) = path.extension().map(|e| e.to_string_lossy().to_lowercase()) else {
            return pngs(path);
        };
        let codec = match Codec::of(&ending) {
            Some(usual) => settings.codec.unwrap_or(usual),
            None => {
                let why = format!("no film ends in .{ending}; use .mp4, .mkv, .mov, .webm, .gif, or a folder for PNGs");
                return Err(wrong(why));
            }
        };
        if path.is_dir() {
            return Err(wrong(
                "it is a folder; give the name of a file in it, or of a folder without an ending".into(),
            ));
        }
        if codec == Codec::Gif && settings.fps > GIF_FPS {
            board.notice("recorder", format!("a GIF shows {GIF_FPS} frames a second at most; the others are left out"));
        }
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            files::make_folder(folder).map_err(|e| wrong(e.to_string()))?;
        }
        if let Some(ffmpeg) = Ffmpeg::open(settings, codec, &ending).map_err(wrong)? {
            return Ok(Self::Ffmpeg(Box::new(ffmpeg)));
        }
        let folder = path.with_extension("frames");
        board.notice("recorder", format!("ffmpeg is not installed; the pictures go to {} as PNGs", folder.display()));
        pngs(folder)
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::Ffmpeg(ffmpeg) => &ffmpeg.path,
            Self::Pngs { folder, .. } => folder,
        }
    }

    pub fn write(&mut self, picture: &Picture) -> Result<(), String> {
        match self {
            Self::Ffmpeg(ffmpeg) => ffmpeg.write(picture),
            Self::Pngs { folder, next } => {
                let path = folder.join(format!("{next:06}.png"));
                *next += 1;
                picture.write_png(&path).map_err(|e| e.to_string())
            }
        }
    }

    /// The encoder's process, if it is one.
    pub fn process(&self) -> Option<u32> {
        match self {
            Self::Ffmpeg(ffmpeg) => Some(ffmpeg.child.id()),
            Self::Pngs { .. } => None,
        }
    }

    /// Whether the encoder still runs.
    pub fn look(&mut self) -> Result<(), String> {
        match self {
            Self::Ffmpeg(ffmpeg) => match ffmpeg.child.try_wait() {
                Ok(Some(_)) => Err(ffmpeg.why("it ended by itself")),
                _ => Ok(()),
            },
            Self::Pngs { .. } => Ok(()),
        }
    }

    pub fn finish(&mut self) -> Result<(), String> {
        match self {
            Self::Ffmpeg(ffmpeg) => ffmpeg.finish(),
            Self::Pngs { .. } => Ok(()),
        }
    }
}

fn pngs(folder: PathBuf) -> Result<Sink, RecorderError> {
    let open = |why: String| RecorderError::Open { path: folder.clone(), why };
    files::make_folder(&folder).map_err(|e| open(e.to_string()))?;
    let entries = std::fs::read_dir(&folder).map_err(|e| open(e.to_string()))?;
    if entries.flatten().any(|e| e.path().extension().is_some_and(|e| e == "png")) {
        return Err(open("there are pictures in it already; give another folder, or empty this one".into()));
    }
    Ok(Sink::Pngs { folder, next: 0 })
}

impl Ffmpeg {
    /// Starts it; nothing where it is not installed.
    fn open(settings: &Settings, codec: Codec, ending: &str) -> Result<Option<Self>, String> {
        let path = settings.path.clone();
        // A film is renamed when it is whole. A live recording has to be there after a crash.
        let part = (!settings.live).then(|| {
            let part = files::temporary(&path);
            part.with_extension(format!("part.{ending}"))
        });
        let [width, height] = settings.size;
        let planes = codec.takes_planes(settings.size).then(|| vec![0; width * height * 3 / 2]);
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-f", "rawvideo"]);
        match planes {
            Some(_) => command.args(["-pix_fmt", "yuv420p"]).args(TAGGED),
            None => command.args(["-pix_fmt", "rgb24"]),
        };
        command.args(["-s", &format!("{width}x{height}"), "-framerate", &settings.fps.to_string(), "-i", "pipe:0"]);
        command.args(codec.arguments(settings));
        // Nothing that differs between two runs: no dates, no library versions.
        command.args(["-an", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]);
        match (ending, settings.live) {
            ("mp4" | "mov", true) => command.args([
                "-movflags",
                "+frag_keyframe+empty_moov+default_base_moof",
                "-g",
                "30",
                "-flush_packets",
                "1",
            ]),
            ("mp4" | "mov", false) => command.args(["-movflags", "+faststart"]),
            ("mkv" | "webm", true) => command.args(["-cluster_time_limit", "1000", "-flush_packets", "1"]),
            _ => &mut command,
        };
        // A name may begin with a dash, or have a colon in it.
        let mut name = std::ffi::OsString::from("file:");
        name.push(part.as_ref().unwrap_or(&path));
        command.arg(name);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A Ctrl-C on the terminal is for us; the encoder ends when its input does.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("ffmpeg cannot be started: {error}")),
        };
        let said = Arc::new(Mutex::new(String::new()));
        let listener = child.stderr.take().and_then(|stderr| listen(stderr, said.clone()));
        let stdin = child.stdin.take();
        #[cfg(target_os = "linux")]
        if let Some(stdin) = &stdin {
            // The system may allow less; then it stays as it is.
            let _ = rustix::pipe::fcntl_setpipe_size(stdin, PIPE);
        }
        Ok(Some(Self {
            child,
            stdin,
            said,
            _listener: listener,
            size: settings.size,
            planes,
            path,
            part,
            begun: false,
        }))
    }

    fn write(&mut self, picture: &Picture) -> Result<(), String> {
        if [picture.width, picture.height] != self.size {
            return Err(format!("a picture of {}x{} in a film of {:?}", picture.width, picture.height, self.size));
        }
        let Some(stdin) = &mut self.stdin else { return Err("it is closed".into()) };
        let bytes = match &mut self.planes {
            Some(planes) => {
                to_planes(picture, planes)?;
                &planes[..]
            }
            None => &picture.pixels[..],
        };
        self.begun = true;
        match stdin.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.why(&error.to_string())),
        }
    }

    /// What ffmpeg said, or else what was seen from here.
    fn why(&mut self, seen: &str) -> String {
        // Its last words may still be on their way.
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) && !matches!(self.child.try_wait(), Ok(Some(_))) {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(20));
        let said = lock(&self.said).trim().replace('\n', "; ");
        if said.is_empty() { format!("ffmpeg is gone ({seen})") } else { format!("ffmpeg: {said}") }
    }

    fn finish(&mut self) -> Result<(), String> {
        // A film of nothing replaces none that was there.
        if !self.begun && self.part.is_some() {
            return Ok(());
        }
        self.stdin = None;
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => return Err("ffmpeg does not come to an end".into()),
                Err(error) => return Err(error.to_string()),
            }
        };
        if !status.success() {
            return Err(self.why(&status.to_string()));
        }
        match self.part.take() {
            Some(part) => files::at(&self.path, std::fs::rename(&part, &self.path))
                .map_err(|e| format!("{e}; what was filmed is in {}", part.display())),
            None => Ok(()),
        }
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        self.stdin = None;
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // Reached only after a fault; an encoder that was finished has ended. Then there is nothing to add.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if let Some(part) = self.part.take() {
            let _ = std::fs::remove_file(part);
        }
    }
}

/// A picture of even sides as Y, Cb and Cr of BT.709 in the range of television (16..235), one after the other.
fn to_planes(picture: &Picture, planes: &mut [u8]) -> Result<(), String> {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let (y, colours) = planes.split_at_mut(picture.width * picture.height);
    let (cb, cr) = colours.split_at_mut(y.len() / 4);
    let mut image = YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(y),
        y_stride: width,
        u_plane: BufferStoreMut::Borrowed(cb),
        u_stride: width / 2,
        v_plane: BufferStoreMut::Borrowed(cr),
        v_stride: width / 2,
        width,
        height,
    };
    let (range, matrix) = (YuvRange::Limited, YuvStandardMatrix::Bt709);
    rgb_to_yuv420(&mut image, &picture.pixels, 3 * width, range, matrix, YuvConversionMode::default())
        .map_err(|e| format!("a picture has no planes: {e}"))
}

/// Keeps the last lines of the encoder's stderr, so that its pipe never fills.
fn listen(mut stderr: std::process::ChildStderr, said: Arc<Mutex<String>>) -> Option<Worker> {
    let read = move |_| {
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = stderr.read(&mut buffer) {
            let mut said = lock(&said);
            said.push_str(&String::from_utf8_lossy(&buffer[..count]));
            let surplus = said.len().saturating_sub(2000);
            let cut = (surplus..=said.len()).find(|i| said.is_char_boundary(*i)).unwrap_or(0);
            said.drain(..cut);
        }
    };
    Worker::start("recorder-log", 1 << 20, read).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a colour in all pixels, by the formula of BT.709.
    #[test]
    fn planes_are_those_of_bt709() {
        for colour in [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 140, 30]] {
            let picture = Picture { width: 64, height: 6, pixels: colour.repeat(64 * 6) };
            let mut planes = vec![0; 64 * 6 * 3 / 2];
            to_planes(&picture, &mut planes).unwrap();
            let [r, g, b] = colour.map(|v| f64::from(v) / 255.0);
            let light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
            let expected =
                [16.0 + 219.0 * light, 128.0 + 224.0 * (b - light) / 1.8556, 128.0 + 224.0 * (r - light) / 1.5748];
            for (i, plane) in [&planes[..384], &planes[384..480], &planes[480..]].into_iter().enumerate() {
                let worst = plane.iter().map(|v| (f64::from(*v) - expected[i]).abs()).fold(0.0, f64::max);
                assert!(worst <= 1.0, "{colour:?}: plane {i} is {worst} off {}", expected[i]);
            }
        }
    }
}
