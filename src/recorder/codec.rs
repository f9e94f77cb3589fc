//! Codecs by their containers, and ffmpeg's arguments for each.

use std::path::Path;

use super::{RecorderError, Settings};

/// Pixels of a picture that counts as small. x264 gets one thread for it, which encodes hundreds of these a second:
/// several would spend as long again on waiting for each other. It also gets the preset that takes the least from
/// the generator; at the same crf its pictures are the truer ones, in a file two to three times as large.
const SMALL: usize = 256 * 256;
/// Frames a second of a GIF at most: it counts in hundredths, and players take one hundredth for ten.
pub(super) const GIF_FPS: f64 = 50.0;

/// Codecs by the names people know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264, 4:2:0: the usual one of .mp4 and .mkv.
    H264,
    /// H.265, 4:2:0: smaller files, and slower.
    Hevc,
    /// ProRes 422 HQ, 10 bits: large files to edit, the usual one of .mov.
    ProRes,
    /// VP9, 4:2:0: the usual one of .webm.
    Vp9,
    /// AV1, 4:2:0: the smallest files.
    Av1,
    /// A GIF that loops, with 256 colours for each picture and at most 50 frames a second.
    Gif,
}

impl Codec {
    /// The usual one of a container, by a file's ending.
    pub(super) fn of(ending: &str) -> Option<Self> {
        Some(match ending {
            "mp4" | "mkv" => Self::H264,
            "mov" => Self::ProRes,
            "webm" => Self::Vp9,
            "gif" => Self::Gif,
            _ => return None,
        })
    }

    /// Refuses a name in which no film ends. One without an ending is a folder for pictures.
    ///
    /// # Errors
    /// With the endings there are, or if a folder has the name of a file.
    pub fn check(path: &Path) -> Result<Option<Self>, RecorderError> {
        let wrong = |why: String| RecorderError::Open { path: path.into(), why };
        let Some(ending) = path.extension().map(|e| e.to_string_lossy().to_lowercase()) else { return Ok(None) };
        let Some(usual) = Self::of(&ending) else {
            let why = format!("no film ends in .{ending}; use .mp4, .mkv, .mov, .webm, .gif, or a folder for PNGs");
            return Err(wrong(why));
        };
        if path.is_dir() {
            let why = "it is a folder; give the name of a file in it, or of a folder without an ending";
            return Err(wrong(why.into()));
        }
        Ok(Some(usual))
    }

    /// Whether pictures of a size are handed to it as the planes it encodes. ffmpeg would make them too, but it takes
    /// as long for that as for encoding small ones. An odd side has no half for the colours; ffmpeg pads it.
    pub(super) fn takes_planes(self, [width, height]: [usize; 2]) -> bool {
        !matches!(self, Self::ProRes | Self::Gif) && width % 2 == 0 && height % 2 == 0
    }

    /// ffmpeg's arguments for it.
    pub(super) fn arguments(self, settings: &Settings) -> Vec<String> {
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
                // A palette for each picture: one for all of them is known only at the end, and until then they would
                // all be kept.
                let palette = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=none";
                let slower = if settings.fps > GIF_FPS { format!("fps={GIF_FPS},") } else { String::new() };
                add(&["-vf", &format!("{slower}{palette}"), "-loop", "0"]);
            }
        }
        words
    }
}

/// How colours are to be read. The matrix players assume for a size is not always the one that was used, so it is
/// written down.
pub(super) const TAGGED: [&str; 8] =
    ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"];
