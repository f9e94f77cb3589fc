//! Opening hours of a show that plays unattended: on, off or dimmed, by weekday, with fades.
//!
//! Read by `show`, which dims its output; the time of day is handed in.

use serde::{Deserialize, Serialize};

/// Minutes of a day and of a week.
const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
/// Monday first, as in ISO 8601.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `[hours]` of a preset. Each day is a list of times: `"10:00 on, 18:00 dim, 22:00 off"`, or `"10:00-18:00"` for on
/// and then off. A day of its own goes before `weekdays` and `weekend`, and these before `daily`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hours {
    /// Times of every day that has no others.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub daily: String,
    /// Times of Monday to Friday.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub weekdays: String,
    /// Times of Saturday and Sunday.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub weekend: String,
    /// Times of Monday.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mon: String,
    /// Times of Tuesday.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tue: String,
    /// Times of Wednesday.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub wed: String,
    /// Times of Thursday.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub thu: String,
    /// Times of Friday.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fri: String,
    /// Times of Saturday.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sat: String,
    /// Times of Sunday.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sun: String,
    /// Light of `dim`, 0..1.
    pub dim: f64,
    /// Seconds of a change from one to the other.
    pub fade_secs: f64,
}

impl Default for Hours {
    fn default() -> Self {
        let none = String::new;
        Self {
            daily: none(),
            weekdays: none(),
            weekend: none(),
            mon: none(),
            tue: none(),
            wed: none(),
            thu: none(),
            fri: none(),
            sat: none(),
            sun: none(),
            dim: 0.2,
            fade_secs: 30.0,
        }
    }
}

/// What is right from a minute of the week on: light 0..1.
pub type Change = (u32, f64);

impl Hours {
    fn of_day(&self, day: usize) -> (&'static str, &str) {
        let own = [&self.mon, &self.tue, &self.wed, &self.thu, &self.fri, &self.sat, &self.sun][day];
        let (name, several) = if day < 5 { ("weekdays", &self.weekdays) } else { ("weekend", &self.weekend) };
        match (own.is_empty(), several.is_empty()) {
            (false, _) => (DAYS[day], own),
            (true, false) => (name, several),
            (true, true) => ("daily", &self.daily),
        }
    }

    /// All changes of a week, in order; empty where there are no hours.
    ///
    /// # Errors
    /// The key that is wrong, and a sentence.
    pub fn week(&self) -> Result<Vec<Change>, (&'static str, String)> {
        if !(0.0..=1.0).contains(&self.dim) {
            return Err(("dim", format!("{} is outside of 0..1", self.dim)));
        }
        if !(0.0..=3600.0).contains(&self.fade_secs) {
            return Err(("fade_secs", format!("{} is outside of 0..3600", self.fade_secs)));
        }
        let mut changes = Vec::new();
        for day in 0..7 {
            let (key, text) = self.of_day(day);
            let begins = day as u32 * DAY;
            for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
                self.entry(entry, begins, &mut changes).map_err(|why| (key, why))?;
            }
        }
        changes.sort_by_key(|(minute, _)| *minute);
        Ok(changes)
    }

    fn entry(&self, entry: &str, begins: u32, changes: &mut Vec<Change>) -> Result<(), String> {
        let wrong = || format!("\"{entry}\" is no hour; write 10:00-18:00, or 10:00 on, 18:00 dim, 22:00 off");
        if matches!(entry, "off" | "on" | "dim") {
            changes.push((begins, self.level(entry).ok_or_else(wrong)?));
            return Ok(());
        }
        if let Some((from, to)) = entry.split_once('-') {
            let (from, to) = (minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?);
            // One that ends before it begins ends on the next day.
            let to = if to <= from { to + DAY } else { to };
            changes.push((begins + from, 1.0));
            changes.push(((begins + to) % WEEK, 0.0));
            return Ok(());
        }
        let (at, word) = entry.split_once(' ').ok_or_else(wrong)?;
        let level = self.level(word.trim()).ok_or_else(wrong)?;
        changes.push((begins + minute(at).ok_or_else(wrong)?, level));
        Ok(())
    }

    fn level(&self, word: &str) -> Option<f64> {
        match word {
            "on" => Some(1.0),
            "off" => Some(0.0),
            "dim" => Some(self.dim),
            _ => None,
        }
    }
}

/// `10:00` in minutes; `24:00` is the end of the day.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes) = (hours.parse::<u32>().ok()?, minutes.parse::<u32>().ok()?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= DAY).then_some(all)
}

/// The light at a minute of the week (Monday 0:00 is 0): that of the last change, which may be of the week before; 1
/// where there are none.
pub fn light(week: &[Change], minute: u32) -> f64 {
    let before = week.iter().rev().find(|(at, _)| *at <= minute);
    before.or(week.last()).map_or(1.0, |(_, light)| *light)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_hours_of_their_own() {
        let hours = Hours {
            daily: "10:00-18:00".into(),
            weekend: "11:00 on, 20:00 dim, 23:00 off".into(),
            mon: "off".into(),
            fri: "18:00-02:00".into(),
            ..Hours::default()
        };
        let week = hours.week().unwrap();
        let at = |day: u32, hour: u32, minute: u32| light(&week, day * DAY + hour * 60 + minute);
        assert_eq!((at(0, 12, 0), at(1, 9, 59), at(1, 10, 0), at(1, 17, 59), at(1, 18, 0)), (0.0, 0.0, 1.0, 1.0, 0.0));
        // Friday's night ends on Saturday; Sunday's light lasts until Monday says otherwise.
        assert_eq!((at(4, 17, 0), at(4, 23, 0), at(5, 1, 59), at(5, 2, 0), at(5, 11, 0)), (0.0, 1.0, 1.0, 0.0, 1.0));
        assert_eq!((at(5, 21, 0), at(6, 23, 30), at(0, 0, 0)), (0.2, 0.0, 0.0));
        assert_eq!(light(&Hours::default().week().unwrap(), 5000), 1.0);
    }

    #[test]
    fn what_is_no_hour_is_named() {
        for text in ["10-18", "10:00", "25:00-26:00", "10:61 on", "10:00 bright", "ten on", "10:00-"] {
            let hours = Hours { daily: text.into(), ..Hours::default() };
            assert!(hours.week().is_err_and(|(key, why)| key == "daily" && why.contains("is no hour")), "{text}");
        }
        assert!(Hours { dim: 2.0, ..Hours::default() }.week().is_err());
    }
}
