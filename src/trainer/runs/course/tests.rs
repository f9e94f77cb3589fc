//! A history.csv as it can be: columns, broken lines, means, long ones.

use std::time::Instant;

use super::*;

/// Pieces at most.
const MOST: usize = 4096;

const PLAIN: How = How { x: X::Epochs, log: false, smooth: Some(1) };

/// The course of a file with this text.
fn read(text: &str, how: &How, batch: Option<f64>) -> Result<Course, RunError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.csv");
    std::fs::write(&path, text).unwrap();
    Course::read(&path, how, batch.map(Shown::Update))
}

#[test]
fn columns_are_found_by_their_names() {
    let text = "seconds,d_loss,epoch, g loss ,critic_steps\r\n0.5,1,0,-2,3\r\n0.25,2,1,-4,3\r\n1,3,2,-6,3\r\n";
    let course = read(text, &PLAIN, None).unwrap();
    assert_eq!((course.losses.as_slice(), course.epochs), (["d_loss".to_owned(), "g loss".to_owned()].as_slice(), 3));
    assert_eq!((course.seconds, course.last.as_slice(), course.last_rows), (Some(1.75), [3.0, -6.0].as_slice(), 1));
    assert_eq!(course.points(1), [(1.0, -2.0), (2.0, -4.0), (3.0, -6.0)]);
    assert!(course.smoothed(0).is_none() && course.remarks.is_empty(), "{:?}", course.remarks);
    // Along the time, and along the pictures that the critic was shown.
    let x =
        |x, batch| read(text, &How { x, ..PLAIN }, batch).unwrap().points(0).iter().map(|p| p.0).collect::<Vec<_>>();
    assert_eq!(x(X::Seconds, None), [0.5, 0.75, 1.75]);
    assert_eq!(x(X::Pictures, Some(16.0)), [48.0, 96.0, 144.0]);
    // What is not known is left out of the plots and kept in the table.
    let course = read(text, &How { x: X::Pictures, ..PLAIN }, None).unwrap();
    assert!(course.points(0).is_empty() && course.epochs == 3 && course.last == [3.0, -6.0]);
    assert!(course.remarks[0].contains("batch size") && course.remarks.len() == 1, "{:?}", course.remarks);
    let course = read("epoch,a\n0,1\n", &How { x: X::Seconds, ..PLAIN }, None).unwrap();
    assert!(course.remarks[0].contains("no column is named seconds") && course.seconds.is_none());
}

#[test]
fn half_a_line_is_none_and_a_broken_one_is_named() {
    let good = "epoch,a,b\n0,1,10\n1,2,20\n";
    for end in ["", "2,3,3", "2,", "\0\0\0\0"] {
        let course = read(&format!("{good}{end}"), &PLAIN, None).unwrap();
        assert_eq!((course.epochs, course.remarks.len(), course.last[1]), (2, 0, 20.0), "{end:?}");
    }
    let long = "9".repeat(5 * LINE as usize / 2);
    let exact = "8".repeat(LINE as usize);
    let bad = ["x,3,3", "2,3", "2,3,4,5", "2,three,4", "-1,3,3", "\0\0", &long, &exact, "1,3,3"];
    for bad in bad {
        let course = read(&format!("{good}{bad}\n2,3,30\n"), &PLAIN, None).unwrap();
        let short = &bad[..bad.len().min(20)];
        assert_eq!((course.epochs, course.last[1], course.points(0).len()), (3, 30.0, 3), "{short:?}");
        let [remark] = course.remarks.as_slice() else { panic!("{:?}", course.remarks) };
        assert!(remark.contains("history.csv, line 4: ") && remark.len() < 500, "{remark}");
    }
    // Of many the first are named, and the others are counted.
    let many = format!("{good}{}9,3,30\n", "broken\n".repeat(1000));
    let course = read(&many, &PLAIN, None).unwrap();
    assert!(course.remarks.len() == 4 && course.remarks[3].contains("997 more"), "{:?}", course.remarks);
    // All of the last hundredth are broken: the last one that is whole counts.
    let course = read(&format!("{good}{}", "broken\n".repeat(50)), &PLAIN, None).unwrap();
    assert_eq!((course.last_rows, course.last[0]), (1, 2.0));
}

#[test]
fn a_first_line_without_names_is_an_error() {
    for (text, words) in
        [("1,2,3\n", "no column is named epoch"), ("epoch,a,a\n0,1,1\n", "two columns"), ("\n", "epoch")]
    {
        let error = read(text, &PLAIN, None).err().unwrap().to_string();
        assert!(error.contains("history.csv, line 1: ") && error.contains(words), "{error}");
    }
    for text in ["", "epoch,a,seconds\n", "epoch"] {
        let course = read(text, &PLAIN, None).unwrap();
        assert!(course.epochs == 0 && course.ends().is_none() && course.remarks[0].contains("no epoch"), "{text:?}");
    }
    assert!(Course::read(Path::new("none.csv"), &PLAIN, None).is_err());
}

#[test]
fn what_is_not_finite_is_counted_and_not_drawn() {
    let course = read("epoch,a,b\n0,NaN,1\n1,2,inf\n2,,2\n3,4,-inf\n", &PLAIN, None).unwrap();
    assert_eq!(course.points(0), [(2.0, 2.0), (4.0, 4.0)]);
    assert_eq!((course.points(1).len(), course.last[0]), (2, 4.0));
    assert!(course.last[1].is_nan() && course.remarks.len() == 2 && course.remarks[0].contains("a is no finite"));
    let smooth = read("epoch,a\n0,NaN\n1,2\n2,4\n", &How { smooth: Some(3), ..PLAIN }, None).unwrap();
    assert_eq!(smooth.smoothed(0).unwrap(), [(2.0, 3.0), (3.0, 3.0)]);
}

/// The moving mean as it is defined, row by row.
fn slow_mean(values: &[f64], window: usize) -> Vec<f64> {
    let (before, behind) = (window / 2, (window - 1) / 2);
    let around = |i: usize| {
        // At the beginning as many behind a row as before it, if the course is long enough for that.
        let behind = if i < behind && 2 * i < values.len() { i } else { behind };
        &values[i.saturating_sub(before)..(i + behind + 1).min(values.len())]
    };
    (0..values.len()).map(|i| around(i).iter().sum::<f64>() / around(i).len() as f64).collect()
}

#[test]
fn the_moving_mean_is_that_of_its_definition() {
    for (rows, window) in
        [(1, 5), (2, 2), (3, 9), (10, 3), (10, 4), (50, 7), (50, 40), (51, 51), (300, 100), (20, 99_999)]
    {
        let values: Vec<f64> = (0..rows).map(|i| f64::from((i * 37) % 101) + if i == 7 { 1e6 } else { 0.0 }).collect();
        let lines: String = values.iter().enumerate().map(|(i, v)| format!("{i},{v}\n")).collect();
        let how = How { smooth: Some(window), ..PLAIN };
        let course = read(&format!("epoch,a\n{lines}"), &how, None).unwrap();
        let (mean, slow) = (course.smoothed(0).unwrap(), slow_mean(&values, window as usize));
        assert_eq!(mean.len(), slow.len(), "{rows} {window}");
        for (i, ((x, y), wanted)) in mean.iter().zip(slow).enumerate() {
            assert!(
                *x == i as f64 + 1.0 && (y - wanted).abs() <= wanted.abs() * 1e-6,
                "{rows} {window} {i}: {y} {wanted}"
            );
        }
    }
}

/// Fast, in pieces, without losing a peak; by powers of ten the beginning stays exact.
#[test]
fn a_long_course_is_thinned() {
    let row = |i: u64| format!("{i},5,{}.5,-1.25,{}\n", i % 97, if i == 123_456 { "1000" } else { "1" });
    let text = "epoch,critic_steps,a,b,c\n".to_owned() + &(0..200_000).map(row).collect::<String>();
    let start = Instant::now();
    let course = read(&text, &How { smooth: None, ..PLAIN }, None).unwrap();
    assert!(start.elapsed().as_secs_f64() < 2.0, "{:?}", start.elapsed());
    assert_eq!((course.epochs, course.window, course.last_rows), (200_000, 1000, 2000));
    assert!((course.last[0] - 48.5).abs() < 1.0 && course.last[1] == -1.25, "{:?}", course.last);
    assert!(course.raw.len() <= MOST && course.points(0).len() > MOST);
    assert!(course.points(2).iter().any(|p| p.1 == 1000.0 && (p.0 - 123_457.0).abs() < 128.0));
    let mean = course.smoothed(2).unwrap();
    assert!(mean.iter().all(|p| p.1 < 3.0) && mean.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    assert_eq!((course.begins(), course.ends()), (Some(1.0), Some(200_000.0)));
    let log = read(&text, &How { log: true, ..PLAIN }, None).unwrap();
    assert!(log.raw.len() < MOST);
    assert_eq!(
        log.points(0)[..50].iter().map(|p| p.0).collect::<Vec<_>>(),
        (1..=50).map(f64::from).collect::<Vec<_>>()
    );
    assert!(log.points(2).iter().any(|p| p.1 == 1000.0));
}
