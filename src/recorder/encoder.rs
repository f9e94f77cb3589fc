//! Where a recording's pictures end: ffmpeg's stdin, or PNG files.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix, rgb_to_yuv420};

use super::codec::{Codec, GIF_FPS, TAGGED};
use super::names::free_folder;
use super::{RecorderError, Settings};
use crate::files;
use crate::latest::lock;
use crate::picture::Picture;
use crate::report::Board;
use crate::worker::Worker;

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
    /// Whether there was a file of that name when it began, which may be written over.
    replaces: bool,
    /// Whether it was handed a picture.
    begun: bool,
}

/// Bytes that can be on their way to an encoder, so that it encodes several small pictures each time it is woken.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;
/// Longest wait for an encoder to finish its file.
const PATIENCE: Duration = Duration::from_secs(300);

impl Sink {
    /// Opens the file with its encoder, or the folder where there is no ffmpeg.
    ///
    /// # Errors
    /// If the path's ending is not known, or the file or folder cannot be written.
    pub fn open(settings: &Settings, board: &Board) -> Result<Self, RecorderError> {
        let path = settings.path.clone();
        let wrong = |why: String| RecorderError::Open { path: settings.path.clone(), why };
        let Some(usual) = Codec::check(&path)? else { return pngs(path) };
        let codec = settings.codec.unwrap_or(usual);
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        if codec == Codec::Gif && settings.fps > GIF_FPS {
            board.notice("recorder", format!("a GIF shows {GIF_FPS} frames a second at most; the others are left out"));
        }
        // A link is followed, as everywhere.
        let path = files::resolved(&path).map_err(|e| wrong(e.to_string()))?;
        if let Some(folder) = path.parent() {
            // What a film that was killed has left.
            files::sweep(folder);
            if !folder.as_os_str().is_empty() {
                files::make_folder(folder).map_err(|e| wrong(e.to_string()))?;
            }
        }
        if let Some(ffmpeg) = Ffmpeg::open(settings, path.clone(), codec, &ending).map_err(wrong)? {
            return Ok(Self::Ffmpeg(Box::new(ffmpeg)));
        }
        if settings.live {
            files::remove_if_empty(&path);
        }
        let folder = free_folder(&path.with_extension("frames"));
        board.notice("recorder", format!("ffmpeg is not installed; the pictures go to {} as PNGs", folder.display()));
        pngs(folder)
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::Ffmpeg(ffmpeg) => &ffmpeg.path,
            Self::Pngs { folder, .. } => folder,
        }
    }

    /// Writes one picture.
    ///
    /// # Errors
    /// If the encoder or the disk does not take it.
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
    ///
    /// # Errors
    /// If it has ended by itself.
    pub fn look(&mut self) -> Result<(), String> {
        match self {
            Self::Ffmpeg(ffmpeg) => match ffmpeg.child.try_wait() {
                Ok(Some(_)) => Err(ffmpeg.why("it ended by itself")),
                _ => Ok(()),
            },
            Self::Pngs { .. } => Ok(()),
        }
    }

    /// Ends the file, and waits for the encoder.
    ///
    /// # Errors
    /// If the encoder does not end in order.
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
    if free_folder(&folder) != folder {
        return Err(open("there are pictures in it already; give another folder, or empty this one".into()));
    }
    Ok(Sink::Pngs { folder, next: 0 })
}

impl Ffmpeg {
    /// Starts it; nothing where it is not installed.
    fn open(settings: &Settings, path: PathBuf, codec: Codec, ending: &str) -> Result<Option<Self>, String> {
        let replaces = path.exists();
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
            replaces,
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
        // A film of nothing replaces none that was there, and a recording of nothing keeps no name.
        if !self.begun {
            self.stop();
            if self.part.is_none() {
                files::remove_if_empty(&self.path);
            }
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
        let Some(part) = self.part.take() else { return Ok(()) };
        let named = match self.replaces {
            true => files::at(&self.path, std::fs::rename(&part, &self.path)),
            // Somebody else may have taken the name meanwhile.
            false => files::rename_free(&part, &self.path).map(|name| self.path = name),
        };
        named.map_err(|e| format!("{e}; what was filmed is in {}", part.display()))
    }

    /// Ends it, and waits for that.
    fn stop(&mut self) {
        self.stdin = None;
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // Only after a fault, or where nothing was recorded: there is nothing to add.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        self.stop();
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
