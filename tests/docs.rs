//! README.md and docs/: every link leads somewhere, every command line is one that the program takes, and those in
//! blocks marked `run` are run.
//!
//! A block with a line of the program says in its first line what becomes of it: "sh run" is run, page by page and in
//! order, in a folder with the shipped sketches, presets and models; "sh no-run" (it needs a window, a show, hours, or
//! files that are not here) is only read. Sketches and presets in blocks are tried, too.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command, CommandFactory, Parser};

use flaneur::cli::{Cli, addresses};
use flaneur::control::mapping::Mapping;
use flaneur::preset::Preset;
use flaneur::show::addresses::KEYS;
use flaneur::sketch::verbs;

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The pages whose commands are read: the README first.
fn pages() -> Vec<String> {
    let mut docs: Vec<String> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| format!("docs/{}", entry.unwrap().file_name().to_string_lossy()))
        .filter(|name| name.ends_with(".md"))
        .collect();
    docs.sort();
    docs.insert(0, "README.md".into());
    docs.push("CONTRIBUTING.md".into());
    docs
}

/// One block of code: the words behind its first fence, the line it begins in, and its text.
struct Block {
    info: Vec<String>,
    line: usize,
    text: String,
}

impl Block {
    fn is(&self, word: &str) -> bool {
        self.info.iter().any(|w| w == word)
    }
}

/// The blocks of a page, and the page with spaces in their place.
fn blocks(page: &str) -> (Vec<Block>, String) {
    let (mut found, mut prose, mut open): (Vec<Block>, String, bool) = (Vec::new(), String::new(), false);
    for (at, line) in page.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open) {
            (Some(info), false) => {
                let info = info.split_whitespace().map(str::to_owned).collect();
                found.push(Block { info, line: at + 1, text: String::new() });
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => found.last_mut().unwrap().text += &format!("{line}\n"),
            (None, false) => prose += line,
        }
        prose.push('\n');
    }
    assert!(!open, "a block of code has no end");
    (found, prose)
}

/// The pieces of a page between back-ticks, and the page without them.
fn inline(prose: &str) -> (Vec<String>, String) {
    let (mut found, mut rest) = (Vec::new(), String::new());
    for line in prose.lines() {
        for (at, piece) in line.split('`').enumerate() {
            match at % 2 {
                1 => found.push(piece.to_owned()),
                _ => rest += piece,
            }
        }
        rest.push('\n');
    }
    (found, rest)
}

/// A heading's anchor, as code hosts make it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(page: &str) -> BTreeSet<String> {
    let (_, prose) = blocks(page);
    prose.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
}

/// The targets of a text's links and pictures.
fn links(text: &str) -> Vec<String> {
    let ends = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(target, _)| target.to_owned()).collect()
}

/// What is wrong with a link of a page.
fn wrong_link(page: &str, target: &str) -> Option<String> {
    if target.starts_with("https://") || target.starts_with("http://") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let here = root().join(page);
    let path = if path.is_empty() { here.clone() } else { here.parent().unwrap().join(path) };
    let Ok(whole) = path.canonicalize() else { return Some(format!("{page}: {target} leads nowhere")) };
    if !whole.starts_with(root().canonicalize().unwrap()) {
        return Some(format!("{page}: {target} leads out of the repository"));
    }
    let there = anchor.is_empty() || anchors(&fs::read_to_string(&whole).unwrap()).contains(anchor);
    (!there).then(|| format!("{page}: {target}: there is no such heading"))
}

#[test]
fn every_link_leads_somewhere() {
    let further = ["CHANGELOG.md", "src/ARCHITECTURE.md", "src/GLOSSARY.md", "benches/peers/README.md"];
    let mut all = pages();
    all.extend(further.map(str::to_owned));
    let models = fs::read_dir(root().join("models")).unwrap().map(|entry| entry.unwrap().file_name());
    all.extend(models.map(|name| format!("models/{}/README.md", name.to_string_lossy())));
    let mut count = 0;
    let mut wrong = Vec::new();
    for page in all.iter().filter(|page| root().join(page).is_file()) {
        let (_, text) = inline(&blocks(&read(page)).1);
        for target in links(&text) {
            count += 1;
            wrong.extend(wrong_link(page, &target));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 80, "only {count} links were found");
    for (target, words) in [("nowhere.md", "nowhere"), ("#no-such", "heading"), ("../..", "out of")] {
        assert!(wrong_link("README.md", target).unwrap().contains(words), "{target}");
    }
    assert_eq!(wrong_link("README.md", "docs/films.md#a-film-of-a-training"), None);
}

#[test]
fn every_page_is_reached_from_the_readme() {
    let (_, text) = inline(&blocks(&read("README.md")).1);
    let reached = links(&text);
    for page in pages().iter().filter(|page| *page != "README.md") {
        assert!(reached.iter().any(|target| target == page), "the README does not lead to {page}");
    }
}

/// The words of each command of a line of shell, without comments and redirections.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut out, mut word, mut quote, mut begun) = (vec![Vec::new()], String::new(), None, false);
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') => (quote, begun) = (Some(c), true),
            (None, '#') if !begun => break,
            (None, '&' | '|' | ';') | (None, ' ') => {
                if begun {
                    out.last_mut().unwrap().push(std::mem::take(&mut word));
                }
                begun = false;
                if c != ' ' {
                    out.push(Vec::new());
                }
            }
            (None, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    let mut out: Vec<Vec<String>> = out.into_iter().filter(|words| !words.is_empty()).collect();
    for words in &mut out {
        if let Some(at) = words.iter().position(|word| word == ">") {
            words.truncate(at);
        }
    }
    out
}

/// The arguments of the program's commands in a block, one list each.
fn lines_of_program(block: &Block) -> Vec<Vec<String>> {
    let joined = block.text.replace("\\\n", " ");
    let all = joined.lines().flat_map(commands);
    all.filter_map(|words| {
        let begins = words.iter().position(|word| word != "xvfb-run" && !word.starts_with('-')).unwrap_or(0);
        let words = &words[begins..];
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["flaneur", ..] => Some(words[1..].to_vec()),
            ["cargo", "run", ..] => words.iter().position(|word| word == "--").map(|at| words[at + 1..].to_vec()),
            _ => None,
        }
    })
    .collect()
}

fn matches(arguments: &[String]) -> Result<ArgMatches, String> {
    let all = [&["flaneur".to_owned()], arguments].concat();
    Cli::try_parse_from(&all).map_err(|e| e.to_string())?;
    Cli::command().try_get_matches_from(&all).map_err(|e| e.to_string())
}

/// The innermost subcommand's matches, and the words that lead there.
fn innermost(matches: &ArgMatches) -> (Vec<&str>, &ArgMatches) {
    let (mut names, mut inner) = (Vec::new(), matches);
    while let Some((name, further)) = inner.subcommand() {
        names.push(name);
        inner = further;
    }
    (names, inner)
}

fn text<'a>(matches: &'a ArgMatches, id: &str) -> Option<&'a str> {
    matches.try_get_one::<String>(id).ok().flatten().map(String::as_str)
}

/// Names that the pages' commands make.
fn made(all: &[Vec<String>]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for arguments in all {
        let Ok(matches) = matches(arguments) else { continue };
        let (words, inner) = innermost(&matches);
        let name = match words[..] {
            ["train"] => text(inner, "model"),
            ["import"] | ["new", _] => text(inner, "name"),
            _ => None,
        };
        names.extend(name.map(str::to_owned));
    }
    names
}

/// What a command names that is neither shipped nor made by the pages.
fn missing(arguments: &[String], made: &BTreeSet<String>) -> Option<String> {
    let matches = matches(arguments).ok()?;
    let (words, inner) = innermost(&matches);
    let shipped = |name: &str, folder: &str, ending: &str| root().join(folder).join(format!("{name}{ending}")).exists();
    let show = |name: &str| {
        made.contains(name)
            || shipped(name, "sketches", ".rn")
            || shipped(name, "presets", ".toml")
            || name.contains('/')
    };
    // A training beside a show writes NAME-live.
    let model = |name: &str| {
        let name = name.strip_suffix("-live").unwrap_or(name);
        // Textures have any size.
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        made.contains(name) || shipped(name, "models", "/model.toml") || name.contains('/')
    };
    let target = text(inner, "target").filter(|name| !show(name) && words[0] != "learn");
    let sketch = text(inner, "sketch").filter(|name| !show(name));
    let models = ["model", "from"]
        .into_iter()
        .filter_map(|id| text(inner, id).filter(|_| words != ["still", "interpolate"] || id == "model"));
    target.or(sketch).map(str::to_owned).or_else(|| models.into_iter().find(|name| !model(name)).map(str::to_owned))
}

/// Every command of the program in a page's blocks, with where it stands and whether it is run.
fn told() -> Vec<(String, Vec<String>, bool)> {
    let mut all = Vec::new();
    for page in pages() {
        for block in blocks(&read(&page)).0 {
            let at = format!("{page}:{}", block.line);
            let lines = lines_of_program(&block);
            let marked = block.is("run") != block.is("no-run");
            assert!(lines.is_empty() || marked, "{at}: mark this block \"sh run\" or \"sh no-run\"");
            all.extend(lines.into_iter().map(|line| (at.clone(), line, block.is("run"))));
        }
    }
    all
}

#[test]
fn every_command_is_one_that_the_program_takes() {
    let all = told();
    assert!(all.len() > 50, "only {} commands were found", all.len());
    let lines: Vec<Vec<String>> = all.iter().map(|(_, line, _)| line.clone()).collect();
    let made = made(&lines);
    let mut wrong = Vec::new();
    for (at, line, _) in &all {
        if let Err(why) = matches(line) {
            wrong.push(format!("{at}: flaneur {}: {why}", line.join(" ")));
        }
        wrong.extend(missing(line, &made).map(|name| format!("{at}: there is no {name}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The checks see what is wrong.
    let words = |line: &str| commands(line).remove(0)[1..].to_vec();
    assert!(matches(&words("flaneur film ring --no-such")).is_err());
    assert_eq!(missing(&words("flaneur play nosuch"), &made), Some("nosuch".into()));
    assert_eq!(missing(&words("flaneur film ring --model gone -o a.mp4"), &made), Some("gone".into()));
    assert_eq!(commands("a \"b c\" > d  # e && f"), [["a", "b c"]]);
    assert_eq!(commands("a && b c").len(), 2);
}

/// The command that inline words begin with, and the words behind it.
fn command_of<'a>(program: &'a Command, words: &'a [&'a str]) -> (&'a Command, &'a [&'a str]) {
    match words.split_first().and_then(|(word, rest)| Some((program.find_subcommand(word)?, rest))) {
        Some((inner, rest)) => command_of(inner, rest),
        None => (program, words),
    }
}

/// Whether a command, or one below it, has an option.
fn has(command: &Command, option: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some(option))
        || command.get_subcommands().any(|inner| has(inner, option))
}

#[test]
fn options_in_sentences_exist() {
    // Options of cargo, of its tests, of cage and of scripts.
    let foreign = ["no-default-features", "features", "lib", "release", "gpu", "test", "help", "no-run", "smoke"];
    let program = Cli::command();
    let mut count = 0;
    for page in pages() {
        for piece in inline(&blocks(&read(&page)).1).0 {
            let words: Vec<&str> = piece.split_whitespace().collect();
            let is_program = words.first() == Some(&"flaneur");
            let (command, rest) = if is_program { command_of(&program, &words[1..]) } else { (&program, &words[..]) };
            if is_program && words.len() > 1 {
                assert!(rest.len() < words.len() - 1, "{page}: `{piece}`: there is no such subcommand");
                count += 1;
            }
            if !is_program && !piece.starts_with("--") {
                continue;
            }
            for option in rest.iter().filter_map(|word| word.strip_prefix("--")) {
                let option = option.split(['=', '[']).next().unwrap();
                let known = has(command, option) || has(&program, option) && option == "home";
                assert!(known || option.is_empty() || foreign.contains(&option), "{page}: `{piece}`: no --{option}");
                count += 1;
            }
        }
    }
    assert!(count > 60, "only {count} were found");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(fs::copy(from, to).unwrap()),
        }
    }
}

#[test]
fn blocks_that_can_be_run_are_run() {
    if !common::ffmpeg() {
        return;
    }
    let mut count = 0;
    for page in pages() {
        let blocks = blocks(&read(&page)).0;
        if !blocks.iter().any(|block| block.is("run")) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        for shipped in ["sketches", "presets", "models"] {
            copy(&root().join(shipped), &folder.path().join(shipped));
        }
        for block in blocks.iter().filter(|block| block.is("run")) {
            let lines = lines_of_program(block);
            let all = block.text.lines().filter(|line| !line.trim().is_empty()).count();
            assert_eq!(lines.len(), all, "{page}:{}: not every line is one of the program's", block.line);
            for line in lines {
                let arguments: Vec<&str> = line.iter().map(String::as_str).collect();
                let begun = std::time::Instant::now();
                common::succeed(folder.path(), &arguments);
                println!("{:5.1} s  {page}: flaneur {}", begun.elapsed().as_secs_f64(), line.join(" "));
                count += 1;
            }
        }
    }
    assert!(count > 20, "only {count} commands were run");
}

#[test]
fn sketches_and_presets_of_the_pages_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir_all(here.join("sketches")).unwrap();
    let (mut sketches, mut presets) = (0, 0);
    for page in pages() {
        for block in blocks(&read(&page)).0 {
            let at = format!("{page}:{}", block.line);
            if block.is("rust") && block.text.contains("fn walk") {
                fs::write(here.join(format!("sketches/s{sketches}.rn")), &block.text).unwrap();
                sketches += 1;
            }
            if block.is("toml") && block.text.contains("[[map]]") {
                let path = here.join("map.toml");
                fs::write(&path, &block.text).unwrap();
                Mapping::read(&path).map_err(|e| format!("{at}: {e}")).unwrap();
            } else if block.is("toml") {
                Preset::parse(&block.text).map_err(|e| format!("{at}: {e}")).unwrap();
                presets += 1;
            }
        }
    }
    assert!(sketches >= 2 && presets >= 3, "{sketches} sketches, {presets} presets");
    common::succeed(here, &["check"]);
}

/// What stands between two comments of a page.
fn between(page: &str, word: &str) -> String {
    let text = read(page);
    let (_, rest) = text.split_once(&format!("<!-- {word} -->\n")).unwrap();
    rest.split_once(&format!("<!-- /{word} -->")).unwrap().0.to_owned()
}

#[test]
fn tables_are_those_of_the_program() {
    assert!(between("docs/verbs.md", "verbs") == verbs::markdown(), "docs/verbs.md is not flaneur verbs --markdown");
    let table = between("docs/addresses.md", "addresses");
    assert!(table == addresses::markdown(), "docs/addresses.md is not flaneur addresses --markdown");
    let keys = read("docs/show.md");
    for key in KEYS {
        let row = |line: &str| {
            line.starts_with("| ") && line.split('|').nth(1).unwrap().split(", ").any(|k| k.trim() == key.key)
        };
        assert!(keys.lines().any(row), "docs/show.md has no row for the key {}", key.key);
    }
}

#[test]
fn the_readme_is_short_and_begins_with_a_moving_picture() {
    let readme = read("README.md");
    assert!(readme.len() <= 10_000, "{} bytes", readme.len());
    let first = links(&readme).remove(0);
    let bytes = fs::read(root().join(&first)).unwrap();
    assert!(first.ends_with(".gif") && bytes.starts_with(b"GIF89a") && bytes.len() < 3_000_000, "{first}");
    // What CI runs is what the README says.
    for (page, line) in [("README.md", "\ncargo test --release\n"), (".ci/run", "\ncargo test --release\n")] {
        assert!(read(page).contains(line), "{page}");
    }
    let script = blocks(&readme).0.remove(0).text;
    assert!(root().join(script.trim().trim_start_matches("sh ")).is_file(), "{script}");
}
