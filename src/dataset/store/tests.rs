//! What fits the cache and what does not give the same pictures, whatever happens to the files meanwhile.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use super::super::read;
use super::*;

const SIZE: [usize; 3] = [8, 6, 3];
const EACH: u64 = 8 * 6 * 3;

/// A picture of its own for every number, larger than what is asked for.
fn png(number: usize) -> Vec<u8> {
    let pixel = |x: u32, y: u32| image::Rgb([number as u8, (x * 9 + y) as u8, (number / 3) as u8 ^ (y * 5) as u8]);
    let mut out = Cursor::new(Vec::new());
    image::RgbImage::from_fn(12, 16, pixel).write_to(&mut out, image::ImageFormat::Png).unwrap();
    out.into_inner()
}

/// One that begins as a picture does, and is none.
fn broken() -> Vec<u8> {
    let mut bytes = png(0);
    bytes.truncate(100);
    bytes
}

fn files(count: usize) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|number| (format!("{:02}/{number:04}.png", number % 3), png(number))).collect()
}

fn to_folder(path: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
        fs::write(path.join(name), bytes).unwrap();
    }
}

fn to_zip(path: &Path, files: &[(String, Vec<u8>)], method: CompressionMethod) {
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, bytes) in files {
        zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn open(path: &Path, cache: u64) -> Store {
    Store::open(path, &Options { cache, ..Options::new(SIZE) }).unwrap()
}

fn all(store: &Store) -> Vec<u8> {
    of(store, &(0..store.len()).collect::<Vec<_>>())
}

fn of(store: &Store, indices: &[usize]) -> Vec<u8> {
    let mut out = vec![1, 2, 3];
    store.read(indices, &mut out).unwrap();
    out
}

#[test]
fn every_cache_gives_the_same_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = files(60);
    to_zip(&folder.path().join("stored.zip"), &files, CompressionMethod::Stored);
    // What a quick look finds to be no picture has no number.
    files.push(("01/empty.png".into(), Vec::new()));
    files.push(("02/text.jpg".into(), b"text".to_vec()));
    to_folder(&folder.path().join("a folder"), &files);
    to_zip(&folder.path().join("packed.zip"), &files, CompressionMethod::Deflated);
    for (name, bad) in [("a folder", 2), ("packed.zip", 2), ("stored.zip", 0)] {
        let path = folder.path().join(name);
        let known = read::read(&path, SIZE, Fit::Stretch, 1).unwrap();
        let whole = open(&path, 62 * EACH);
        assert!(whole.is_whole() && whole.len() == 60 && whole.each() as u64 == EACH && whole.size() == SIZE);
        assert!(all(&whole) == known.bytes && whole.bad() == known.bad && whole.bad().len() == bad, "{name}");
        assert!(whole.is_of(&known.fingerprint) && whole.is_of(&whole.fingerprint()) && !whole.is_of(""));
        assert_eq!(Store::of_bytes(known.bytes.clone(), SIZE).fingerprint(), known.fingerprint);
        for pictures in [0, 9, 30, 59] {
            let store = open(&path, pictures * EACH);
            assert!(!store.is_whole() && store.len() == 60);
            let mut random = RandomState::new(pictures as u32);
            for pass in 0..4 {
                let order = random.permutation(60);
                for (at, batch) in order.chunks(7).enumerate() {
                    if pass % 2 == 1 {
                        store.ahead(&order[at * 7..(at * 7 + 14).min(60)]);
                    }
                    assert!(of(&store, batch) == of(&whole, batch), "{name}, cache of {pictures}, {batch:?}");
                }
            }
            // A batch of more than can wait, with pictures that come twice.
            let many: Vec<usize> = (0..150).map(|i| i * 7 % 60).collect();
            assert!(of(&store, &many) == of(&whole, &many));
            assert_eq!(store.bad(), known.bad);
            assert_eq!(store.fingerprint(), whole.fingerprint(), "whatever the cache");
            assert_eq!(store.fingerprint(), open(&path, 0).fingerprint(), "whatever the cache");
            let usage = store.usage();
            // The threads of a test's machine can have four pictures at work, the reader one, and eight wait.
            assert!(usage.peak <= pictures.max(8 + 5) * EACH && usage.bytes <= usage.peak, "{pictures}: {usage:?}");
        }
    }
}

#[test]
fn what_is_kept_is_decoded_once() {
    let folder = tempfile::tempdir().unwrap();
    to_folder(folder.path(), &files(40));
    let store = open(folder.path(), 39 * EACH);
    let (kept, order) = (39 - 8 - 5, (0..40).collect::<Vec<_>>());
    for _ in 0..5 {
        of(&store, &order);
    }
    let decoded = store.usage().decoded;
    // All once, and then those that are not kept.
    assert!((40 + 4..=40 + 4 * (40 - kept)).contains(&decoded), "{decoded}");
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4) as u64;
    assert_eq!(decoded, 40 + 4 * (40 - (39 - 8 - 1 - threads)));
}

#[test]
fn many_may_read_and_leave_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    to_zip(&folder.path().join("d.zip"), &files(50), CompressionMethod::Stored);
    let path = folder.path().join("d.zip");
    let (store, whole) = (open(&path, 10 * EACH), open(&path, CACHE));
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (store, whole) = (store.clone(), whole.clone());
            scope.spawn(move || {
                let mut random = RandomState::new(thread);
                for _ in 0..40 {
                    let batch: Vec<usize> = (0..6).map(|_| random.below(50)).collect();
                    store.ahead(&(0..6).map(|_| random.below(50)).collect::<Vec<_>>());
                    assert!(of(&store, &batch) == of(&whole, &batch));
                }
            });
        }
    });
    // With work that nobody waits for.
    store.ahead(&(0..50).collect::<Vec<_>>());
    drop(store);
}

#[test]
fn the_next_one_of_its_class_comes_for_a_bad_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = files(30);
    files.sort();
    // By their names the first ten are of class 00; the last of these and the two before it are bad.
    for at in [7, 8, 9] {
        files[at].1 = broken();
    }
    to_folder(folder.path(), &files);
    let labelled = |store: &Store| (0..30).map(|index| store.label(index).unwrap()).collect::<Vec<_>>();
    let store = open(folder.path(), 0);
    let before = labelled(&store);
    let (first, good) = (of(&store, &[0]), of(&store, &[6]));
    assert_eq!((store.len(), store.bad().len()), (30, 0));
    let whole = all(&store);
    let each = EACH as usize;
    assert!(whole[6 * each..7 * each] == good && whole[..each] == first);
    assert!([7, 8, 9].iter().all(|at| whole[at * each..(at + 1) * each] == first), "the first one of class 00");
    assert_eq!(labelled(&store), before);
    // Found in another order, and by the threads.
    let other = open(folder.path(), 0);
    other.ahead(&[9, 8]);
    for index in (0..30).rev().chain([8, 8, 9]) {
        assert!(of(&other, &[index]) == whole[index * each..(index + 1) * each], "{index}");
    }
    for store in [&store, &other] {
        let mut bad: Vec<String> = store.bad().into_iter().map(|bad| bad.name).collect();
        bad.sort();
        assert_eq!(bad, files[7..10].iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        assert_eq!((store.bad_after(1).len(), store.bad_after(9).len()), (2, 0));
    }
    // Decoded at once they have no number at all, as ever.
    assert_eq!(open(folder.path(), CACHE).len(), 27);
}

#[test]
fn where_nothing_is_left_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    to_folder(folder.path(), &(0..20).map(|i| (format!("{i}.png"), broken())).collect::<Vec<_>>());
    let store = open(folder.path(), 0);
    let why = store.read(&[3], &mut Vec::new()).unwrap_err().to_string();
    assert!(why.contains("holds 0 readable pictures (20 unreadable)"), "{why}");
    let why = Store::open(folder.path(), &Options::new(SIZE)).err().unwrap().to_string();
    assert!(why.contains("holds 0 readable pictures (20 unreadable)"), "{why}");
}

#[test]
fn a_folder_that_goes_away_is_said_and_may_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d");
    to_folder(&path, &files(40));
    let (store, whole) = (open(&path, 30 * EACH), open(&path, CACHE));
    let known = all(&store);
    fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    let mut out = Vec::new();
    let errors: Vec<String> =
        [0, 39].iter().filter_map(|index| Some(store.read(&[*index], &mut out).err()?.to_string())).collect();
    assert!(
        errors.len() == 1 && errors[0].contains("d cannot be read any longer"),
        "the first one is kept: {errors:?}"
    );
    assert!(all(&whole) == known, "what is decoded goes on");
    fs::rename(folder.path().join("elsewhere"), &path).unwrap();
    assert!(all(&store) == known && store.bad().is_empty());
    // One file alone is a bad file.
    fs::remove_file(path.join("02/0038.png")).unwrap();
    assert!(of(&store, &[39]) == of(&store, &[27]) && store.bad()[0].name == "02/0038.png", "{:?}", store.bad());
}

#[test]
fn a_zip_may_be_taken_away_but_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.zip");
    to_zip(&path, &files(40), CompressionMethod::Stored);
    let (store, known) = (open(&path, 0), all(&open(&path, CACHE)));
    #[cfg(unix)]
    {
        fs::rename(&path, folder.path().join("other.zip")).unwrap();
        assert!(all(&store) == known);
        fs::rename(folder.path().join("other.zip"), &path).unwrap();
    }
    let content = fs::read(&path).unwrap();
    fs::write(&path, &content[..1000]).unwrap();
    let why = store.read(&[39], &mut Vec::new()).unwrap_err().to_string();
    assert!(why.contains("cannot be read any longer (the zip was changed"), "{why}");
    assert!(store.bad().is_empty());
    assert!(open_again(&path, &content, &known));
}

fn open_again(path: &Path, content: &[u8], known: &[u8]) -> bool {
    fs::write(path, content).unwrap();
    all(&open(path, 0)) == known
}

#[test]
fn mirrored_pictures_are_the_second_half() {
    let folder = tempfile::tempdir().unwrap();
    to_folder(folder.path(), &files(9));
    let plain = open(folder.path(), CACHE);
    for (cache, channels) in [(0, 3), (CACHE, 3), (CACHE, 1), (CACHE, 4)] {
        let size = [SIZE[0], SIZE[1], channels];
        let options = Options { mirror: true, least: 18, cache, ..Options::new(size) };
        let store = Store::open(folder.path(), &options).unwrap();
        assert_eq!((store.len(), store.is_whole()), (18, cache > 0));
        assert_ne!(store.fingerprint(), plain.fingerprint());
        for index in 0..9 {
            let (one, other) = (of(&store, &[index]), of(&store, &[index + 9]));
            let rows = one.chunks_exact(SIZE[1] * channels);
            let flipped: Vec<u8> = rows.flat_map(|row| row.rchunks_exact(channels).flatten()).copied().collect();
            assert!(other == flipped && other != one, "{index} with {channels} channels");
            assert!(channels != 3 || one == of(&plain, &[index]));
            assert_eq!(store.label(index), store.label(index + 9));
        }
        let why = Store::open(folder.path(), &Options { least: 19, ..options }).err().unwrap().to_string();
        assert!(why.contains("holds 9 readable pictures") && why.contains("at least 10"), "{why}");
    }
}

#[test]
fn a_subset_is_chosen_by_its_seed_from_what_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = files(40);
    files.push(("01/bad.png".into(), Vec::new()));
    to_folder(folder.path(), &files);
    let choose = |subset, seed, cache| {
        let options = Options { subset: Some(subset), seed, cache, ..Options::new(SIZE) };
        Store::open(folder.path(), &options).unwrap()
    };
    let every = open(folder.path(), CACHE);
    let numbers = |store: &Store| -> Vec<usize> {
        let is = |index: usize| (0..40).find(|at| of(&every, &[*at]) == of(store, &[index])).unwrap();
        (0..store.len()).map(is).collect()
    };
    for subset in [1, 5, 39, 40] {
        let chosen = numbers(&choose(subset, 3, CACHE));
        assert!(chosen.len() == subset && chosen.is_sorted_by(|a, b| a < b), "{chosen:?}");
        assert_eq!(numbers(&choose(subset, 3, 0)), chosen, "the same where they are decoded on demand");
    }
    let (one, other) = (choose(9, 1, CACHE), choose(9, 2, CACHE));
    assert!(numbers(&one) != numbers(&other) && one.fingerprint() != other.fingerprint());
    assert_ne!(choose(9, 1, 0).fingerprint(), choose(9, 2, 0).fingerprint());
    assert_eq!(choose(500, 1, CACHE).fingerprint(), every.fingerprint());
    assert_eq!(one.labels(), every.labels());
    (0..9).for_each(|index| assert_eq!(one.label(index), every.label(numbers(&one)[index])));
    let few = Options { subset: Some(7), least: 16, mirror: true, ..Options::new(SIZE) };
    let why = Store::open(folder.path(), &few).err().unwrap().to_string();
    assert_eq!(why, "a subset of 7 pictures is too small; at least 8 are needed");
    let none = Options { subset: Some(0), ..Options::new(SIZE) };
    assert!(Store::open(folder.path(), &none).err().unwrap().to_string().contains("at least 1"));
}

#[test]
fn classes_come_from_a_file_or_from_folders() {
    let folder = tempfile::tempdir().unwrap();
    let labels = r#"{"labels": [["00/0000.png", 2], ["01/0001.png", 0]], "classes": ["a", "b", "c"]}"#;
    let wrapped = |files: &[(String, Vec<u8>)]| -> Vec<(String, Vec<u8>)> {
        files.iter().map(|(name, bytes)| (format!("pets/{name}"), bytes.clone())).collect()
    };
    for (name, json, names, first, counts) in [
        ("folders", None, &["00", "01", "02"][..], [Some(0), Some(1)], &[2, 2, 2][..]),
        ("json", Some(labels), &["a", "b", "c"], [Some(2), Some(0)], &[1, 0, 1]),
        ("null", Some(r#"{"labels": null}"#), &[], [None, None], &[]),
        ("wrong", Some("{"), &[], [None, None], &[]),
    ] {
        let mut files = files(6);
        files.extend(json.map(|json| ("dataset.json".into(), json.into())));
        let zips = ["flat.zip", "wrapped.zip"].map(|ending| folder.path().join(format!("{name}-{ending}")));
        to_folder(&folder.path().join(name), &files);
        to_zip(&zips[0], &files, CompressionMethod::Deflated);
        to_zip(&zips[1], &wrapped(&files), CompressionMethod::Stored);
        for path in [&folder.path().join(name), &zips[0], &zips[1]] {
            for cache in [0, CACHE] {
                let store = open(path, cache);
                // By their names 00/0000 is the first, and 01/0001 the third.
                assert_eq!((store.labels().len(), [store.label(0), store.label(2)]), (names.len(), first), "{path:?}");
                assert_eq!(store.labels(), names);
                assert_eq!(store.bad().len(), usize::from(name == "wrong"), "{:?}", store.bad());
            }
        }
        let classes = read::census(&folder.path().join(name), &|| ()).unwrap().classes;
        assert_eq!(classes.iter().map(|(_, count)| *count).collect::<Vec<_>>(), counts);
    }
}

#[test]
fn many_small_pictures_are_opened_in_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.zip");
    let some: Vec<Vec<u8>> = (0..10).map(png).collect();
    let files: Vec<_> = (0..20_000).map(|number| (format!("{number:05}.png"), some[number % 10].clone())).collect();
    to_zip(&path, &files, CompressionMethod::Stored);
    let began = Instant::now();
    let store = open(&path, 0);
    assert_eq!(store.len(), 20_000);
    assert!(of(&store, &[19_999]) == of(&store, &[9]));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for size in [[8, 8, 2], [8, 8, 0], [0, 8, 3], [8, 0, 1]] {
        let why = Store::open(folder.path(), &Options::new(size)).err().unwrap().to_string();
        assert!(why.contains("1 (grey), 3 (RGB) or 4 (RGBA)"), "{why}");
    }
    let why = Store::open(folder.path(), &Options::new(SIZE)).err().unwrap().to_string();
    assert!(why.contains("holds 0 readable pictures"), "{why}");
    let why = Store::open(&folder.path().join("none"), &Options::new(SIZE)).err().unwrap().to_string();
    assert!(why.contains("there is no"), "{why}");
    let empty = Store::of_bytes(vec![0; EACH as usize + 5], SIZE);
    assert_eq!((empty.len(), empty.usage().bytes, empty.label(0)), (1, EACH, None));
    assert!(Store::of_bytes(Vec::new(), SIZE).is_empty());
}
