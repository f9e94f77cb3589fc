//! The home: where sketches, presets, models and recordings are looked for by name, and where they are written.
//!
//! One home, found once: `--home`, `FLANEUR_HOME`, the working folder if it holds sketches, presets or models, else
//! the user's data folder. Shared data folders (`/usr/share/flaneur` and such) always lie behind it. A name is looked
//! for in that order; a file is written to the first folder that can be written. A command that makes something new
//! in a folder that has nothing yet makes that folder the home ([`begin_here`]).
//! Read by everyone who knows files by name. It looks at the disk, so it is never called on the frame path (except
//! [`short`]). Paths that a person gives on the command line are theirs and stay relative to the working folder.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

mod leftover;

pub use leftover::leftover;

/// Folders that make a working folder the home.
const MARKS: [&str; 3] = ["sketches", "presets", "models"];

/// Why the home is where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// `--home` says so.
    Flag,
    /// `FLANEUR_HOME` says so.
    Variable,
    /// The working folder holds sketches, presets or models.
    WorkingFolder,
    /// None of these, so it is the user's data folder.
    User,
}

impl Why {
    /// In words, behind the home's path.
    pub fn words(self) -> &'static str {
        match self {
            Self::Flag => "as --home says",
            Self::Variable => "as FLANEUR_HOME says",
            Self::WorkingFolder => "the working folder",
            Self::User => "the user's data folder",
        }
    }
}

/// The home, the user's data folder, and the shared folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Empty where it is the working folder, so that paths in it stay short.
    pub home: PathBuf,
    /// Why the home is there.
    pub why: Why,
    /// Written to where the home cannot be; none where the system names no such folder.
    pub user: Option<PathBuf>,
    /// Read only behind the home, the first one first.
    pub shared: Vec<PathBuf>,
}

/// What the places are found from.
#[derive(Clone, Debug, Default)]
struct Clues {
    flag: Option<PathBuf>,
    variable: Option<OsString>,
    /// The working folder, if it can be told.
    working: Option<PathBuf>,
    user: Option<PathBuf>,
    data_dirs: Option<OsString>,
    program: Option<PathBuf>,
    /// The folder of everything that is the user's.
    own: Option<PathBuf>,
    /// Something new is to be made.
    begins: bool,
}

impl Clues {
    fn of_this_process(flag: Option<PathBuf>, begins: bool, working: Option<PathBuf>) -> Self {
        Self {
            flag,
            begins,
            own: std::env::home_dir(),
            variable: std::env::var_os("FLANEUR_HOME"),
            working,
            user: user_folder(),
            data_dirs: std::env::var_os("XDG_DATA_DIRS"),
            program: std::env::current_exe().ok(),
        }
    }

    fn places(self) -> Places {
        let shared = self.shared();
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
        let variable = self.variable.filter(|value| !value.is_empty());
        let (own, begins) = (&self.own, self.begins);
        // Neither the root nor the user's whole folder becomes a home by the way.
        let begun =
            |folder: &PathBuf| begins && folder.parent().is_some() && own.as_ref() != Some(folder) && writable(folder);
        let holds = |folder: &PathBuf| MARKS.iter().any(|mark| folder.join(mark).is_dir()) || begun(folder);
        let (home, why) = match (self.flag, variable, &self.user) {
            (Some(folder), ..) => (absolute(&folder), Why::Flag),
            (None, Some(folder), _) => (absolute(Path::new(&folder)), Why::Variable),
            (None, None, Some(user)) if !self.working.as_ref().is_some_and(holds) => (user.clone(), Why::User),
            _ => (PathBuf::new(), Why::WorkingFolder),
        };
        Places { home, why, user: self.user, shared }
    }

    /// `XDG_DATA_DIRS`, then the usual folders, then the one beside the program's folder.
    fn shared(&self) -> Vec<PathBuf> {
        let named = self.data_dirs.iter().flat_map(std::env::split_paths).filter(|folder| folder.is_absolute());
        let usual = if cfg!(unix) { &["/usr/local/share", "/usr/share"][..] } else { &[] };
        let beside = self.program.iter().filter_map(|program| Some(program.parent()?.parent()?.join("share")));
        let mut shared: Vec<PathBuf> = Vec::new();
        for folder in named.chain(usual.iter().map(PathBuf::from)).chain(beside).map(|folder| folder.join("flaneur")) {
            if !shared.contains(&folder) {
                shared.push(folder);
            }
        }
        shared
    }
}

/// The user's own data folder of this program, as the system has it.
fn user_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if cfg!(windows) {
        variable("APPDATA")?
    } else if cfg!(target_os = "macos") {
        std::env::home_dir()?.join("Library/Application Support")
    } else {
        match variable("XDG_DATA_HOME") {
            Some(folder) => folder,
            None => std::env::home_dir().filter(|home| home.is_absolute())?.join(".local/share"),
        }
    };
    Some(base.join("flaneur"))
}

/// What was chosen by the flag, and what was found for a working folder.
struct Found {
    flag: Option<PathBuf>,
    begins: bool,
    places: Option<(Option<PathBuf>, Arc<Places>)>,
}

static FOUND: Mutex<Found> = Mutex::new(Found { flag: None, begins: false, places: None });

/// Makes `folder` the home, as `--home` does. It need not be there yet: what is written first makes it.
///
/// # Errors
/// If there is something else than a folder.
pub fn choose(folder: &Path) -> io::Result<()> {
    if fs::metadata(folder).is_ok_and(|meta| !meta.is_dir()) {
        let why = format!("--home takes a folder, and {} is none", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, why));
    }
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    (found.flag, found.places) = (Some(folder.into()), None);
    Ok(())
}

/// Something new is made by name: where nothing else says where the home is, a working folder that can be written
/// becomes it, even with nothing in it yet.
pub fn begin_here() {
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    (found.begins, found.places) = (true, None);
}

/// The places of this process: found once, and again only if the working folder has changed.
pub fn places() -> Arc<Places> {
    let working = std::env::current_dir().ok();
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, places)) = &found.places
        && *of == working
    {
        return places.clone();
    }
    let places = Arc::new(Clues::of_this_process(found.flag.clone(), found.begins, working.clone()).places());
    found.places = Some((working, places.clone()));
    places
}

impl Places {
    /// All roots, in the order in which something is written.
    fn roots(&self) -> impl Iterator<Item = &PathBuf> {
        let user = self.user.iter().filter(|user| **user != self.home);
        std::iter::once(&self.home).chain(user).chain(&self.shared)
    }

    /// Where something of that kind is written: the first that can be.
    fn place(&self, kind: &Path) -> PathBuf {
        let found = self.roots().map(|root| root.join(kind)).find(|folder| writable(folder));
        found.unwrap_or_else(|| self.home.join(kind))
    }

    /// Where something of that kind is looked for. What was written is found first, wherever it went.
    fn folders(&self, kind: &Path) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> =
            std::iter::once(&self.home).chain(&self.shared).map(|root| root.join(kind)).collect();
        let written = self.place(kind);
        if !folders.contains(&written) {
            folders.insert(0, written);
        }
        folders
    }

    fn short(&self, kind: &str, path: &Path) -> Option<String> {
        let folder = path.parent()?;
        let ours = self.roots().any(|root| root.join(kind) == folder);
        ours.then(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))?
    }
}

/// Whether something can be written in a folder, or in the nearest one above it that is there. One that nobody may
/// write counts as read-only for the superuser, too.
pub fn writable(folder: &Path) -> bool {
    for above in folder.ancestors() {
        let here = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        match fs::metadata(here) {
            Ok(meta) => return meta.is_dir() && !meta.permissions().readonly() && allowed(here),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return false,
        }
    }
    false
}

#[cfg(unix)]
fn allowed(folder: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn allowed(_: &Path) -> bool {
    true
}

/// The folder to write things of a kind to ("sketches", "presets/snapshots", "recordings"): that of the first place
/// that can be written. It need not be there yet. A whole path stays as it is.
pub fn place(kind: impl AsRef<Path>) -> PathBuf {
    places().place(kind.as_ref())
}

/// `folder` if it can be written; otherwise a folder of the same name in the place of `kind`.
pub fn beside(folder: &Path, kind: &str) -> PathBuf {
    match folder.file_name() {
        Some(name) if !writable(folder) => place(kind).join(name),
        _ => folder.into(),
    }
}

/// The folders to look for things of a kind, the first one first. Not all of them need be there.
pub fn folders(kind: impl AsRef<Path>) -> Vec<PathBuf> {
    places().folders(kind.as_ref())
}

/// A file or folder by its whole name ("ring.rn"), from the first folder of its kind that has it.
pub fn find(kind: impl AsRef<Path>, name: impl AsRef<Path>) -> Option<PathBuf> {
    folders(kind).into_iter().map(|folder| folder.join(name.as_ref())).find(|path| path.exists())
}

/// A path from a preset: as it stands if something is there, else where the home or a shared folder has it.
pub fn at(path: &Path) -> PathBuf {
    match path.is_absolute() || path.exists() {
        true => path.into(),
        false => find("", path).unwrap_or_else(|| path.into()),
    }
}

/// Names of the files of a kind with an ending, from all its folders, sorted; without what editors and systems leave.
pub fn names(kind: impl AsRef<Path>, ending: &str) -> Vec<String> {
    let mut names = BTreeSet::new();
    for folder in folders(kind) {
        for path in entries(&folder) {
            if path.extension().is_some_and(|e| e == ending)
                && path.is_file()
                && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
            {
                names.insert(name.to_owned());
            }
        }
    }
    names.into_iter().collect()
}

/// What lies in a folder, sorted; without what editors and systems leave. Empty where it cannot be read.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> =
        found.filter(|entry| !leftover(&entry.file_name().to_string_lossy())).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The name of a file in one of the folders of a kind, without its ending; none for one from elsewhere. Looks at no
/// disk once the places are found.
pub fn short(kind: &str, path: &Path) -> Option<String> {
    places().short(kind, path)
}

/// Makes the folders that a show watches, where they are written in the user's data folder: it is nobody else's.
pub fn prepare() {
    let places = places();
    for kind in ["sketches", "presets"] {
        let place = places.place(Path::new(kind));
        if places.user.as_ref().is_some_and(|user| place.starts_with(user)) {
            // One that cannot be made is not watched; whoever writes there says why.
            let _ = fs::create_dir_all(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_is_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let user = here.join("user");
        let clues = Clues { working: Some(here.into()), user: Some(user.clone()), ..Clues::default() };
        let check = |clues: Clues, home: &Path, why: Why| {
            let places = clues.places();
            assert_eq!((places.home.as_path(), places.why), (home, why));
        };
        check(clues.clone(), &user, Why::User);
        check(Clues { user: None, ..clues.clone() }, Path::new(""), Why::WorkingFolder);
        // What is made begins a home, but not in the root, and not among everything that is the user's.
        let begins = Clues { begins: true, ..clues.clone() };
        check(begins.clone(), Path::new(""), Why::WorkingFolder);
        check(Clues { working: Some("/".into()), ..begins.clone() }, &user, Why::User);
        check(Clues { own: Some(here.into()), ..begins }, &user, Why::User);
        fs::create_dir(here.join("presets")).unwrap();
        check(clues.clone(), Path::new(""), Why::WorkingFolder);
        let variable = Clues { variable: Some(here.join("v").into()), ..clues.clone() };
        check(variable.clone(), &here.join("v"), Why::Variable);
        check(Clues { variable: Some("".into()), ..clues }, Path::new(""), Why::WorkingFolder);
        check(Clues { flag: Some(here.join("f")), ..variable }, &here.join("f"), Why::Flag);
    }

    #[test]
    fn shared_folders_lie_behind_each_other() {
        let clues = Clues {
            data_dirs: Some("/opt/one:relative:/usr/share".into()),
            program: Some("/opt/two/bin/flaneur".into()),
            ..Clues::default()
        };
        let expected = ["/opt/one", "/usr/share", "/usr/local/share", "/opt/two/share"];
        assert_eq!(clues.shared(), expected.map(|folder| Path::new(folder).join("flaneur")));
    }

    fn read_only(folder: &Path, is: bool) {
        let mut mode = fs::metadata(folder).unwrap().permissions();
        #[cfg(unix)]
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, if is { 0o555 } else { 0o755 });
        fs::set_permissions(folder, mode).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn what_cannot_be_written_is_written_elsewhere_and_found_there_first() {
        let folder = tempfile::tempdir().unwrap();
        let [home, user, shared] = ["home", "user", "shared"].map(|name| folder.path().join(name));
        for made in [&home, &shared] {
            fs::create_dir_all(made.join("presets/snapshots")).unwrap();
        }
        let places =
            Places { home: home.clone(), why: Why::Flag, user: Some(user.clone()), shared: vec![shared.clone()] };
        let kind = Path::new("presets/snapshots");
        assert_eq!(places.place(kind), home.join(kind));
        assert_eq!(places.folders(kind), [home.join(kind), shared.join(kind)]);
        // Only one folder of it cannot be written: what is in it has its place elsewhere.
        read_only(&home.join(kind), true);
        assert_eq!(places.place(kind), user.join(kind));
        assert_eq!(places.folders(kind), [user.join(kind), home.join(kind), shared.join(kind)]);
        assert_eq!(places.place(Path::new("recordings")), home.join("recordings"));
        read_only(&home, true);
        assert_eq!(places.place(Path::new("recordings")), user.join("recordings"));
        assert_eq!(places.place(Path::new("/elsewhere")), Path::new("/elsewhere"));
        // Without a user's folder the next that can be written is taken, and without any it is the home that fails.
        let alone = Places { user: None, ..places };
        assert_eq!(alone.place(kind), shared.join(kind));
        assert_eq!(alone.folders(kind), [home.join(kind), shared.join(kind)]);
        read_only(&shared, true);
        assert_eq!(alone.place(Path::new("recordings")), home.join("recordings"));
        [&home.join(kind), &home, &shared].into_iter().for_each(|folder| read_only(folder, false));
    }

    #[test]
    fn a_name_is_short_where_it_can_be_found_again() {
        let places = Places {
            home: PathBuf::new(),
            why: Why::WorkingFolder,
            user: Some("/u".into()),
            shared: vec!["/usr/share/flaneur".into()],
        };
        for path in ["sketches/ring.rn", "/u/sketches/ring.rn", "/usr/share/flaneur/sketches/ring.rn"] {
            assert_eq!(places.short("sketches", Path::new(path)).as_deref(), Some("ring"), "{path}");
        }
        assert_eq!(places.short("sketches", Path::new("/elsewhere/sketches/ring.rn")), None);
        assert_eq!(places.short("sketches", Path::new("ring.rn")), None);
    }
}
