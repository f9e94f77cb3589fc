//! What hands did since the last frame: messages, ports, and what mappings make of them.
//!
//! Called by the loop at the beginning of a frame, on its thread. What does nothing is told on the monitor with its
//! reason. Absent: what acts do (`acts`) and which address means which act (`addresses`).

use super::addresses::{self, Act};
use super::hands::{self, FromPort, Hands, Notes};
use super::parts::parts;
use super::{Parts, Show, acts};
use crate::control::hand::What;
use crate::control::mapper::Order;
use crate::osc::Message;

/// What messages did that came since the last frame.
pub fn messages(show: &mut Show) {
    let real = show.real;
    for message in show.hands.messages(real) {
        let done = obey(show, &message);
        show.hands.note_message(&message, done, real);
    }
    let over = show.hands.left_out();
    if over > 0 {
        show.hands.note(format!("refused {over} values: a frame takes {}", hands::MOST_ACTS), real);
    }
}

/// What one message does: words for the monitor.
fn obey(show: &mut Show, message: &Message) -> Result<String, String> {
    let known = || hands::plain_addresses(&parts!(show));
    let paths = show.hands.meant(message, known)?;
    let hand = Hands::hand_of(message, show.preset.osc.smooth_ms / 1e3);
    let mut count = 0;
    for path in &paths {
        if !message.from.local() && !show.preset.osc.paths {
            addresses::only_names(path, &message.values)?;
        }
        count += acts::steer(show, path, &message.values, &hand)?;
    }
    show.hands.spend(count.saturating_sub(paths.len()));
    if let [path] = &paths[..] {
        let knob = path.strip_prefix("/flaneur/knob/").map(|name| show.controls.named(name));
        if knob.is_some_and(|name| !show.controls.asks(&name)) {
            return Ok("kept; the running sketch has no such knob".into());
        }
        // These are read from the disk, which no frame waits for.
        if ["sketch", "preset", "model"].iter().any(|kind| *path == format!("/flaneur/{kind}/load")) {
            return Ok("done: it is being read; the board says if it is not there".into());
        }
    }
    Ok(if count == 1 { "done".into() } else { format!("done, {count} values") })
}

/// What came from ports since the last frame.
pub fn ports(show: &mut Show) {
    let mut notes = Notes::default();
    for one in show.hands.from_ports(&parts!(show)) {
        match one {
            FromPort::Moved { hand, moved, orders, mapped } => {
                if moved.what == What::Note {
                    let held = f32::from(moved.value) / 127.0;
                    acts::act_by(show, Act::Note(usize::from(moved.number), held), &hand);
                }
                let mut done = carry_out(show, orders);
                if moved.what == What::Program && !mapped {
                    done.extend(acts::recall_program(show, usize::from(moved.number), &hand));
                }
                notes.add(&moved, mapped, &done, &hand);
            }
            FromPort::Clock { port, transport, real } => {
                let beat = show.walk.clock().now().beat;
                if let Some(beat) = show.hands.clock().hear(&port, transport, real, beat) {
                    show.walk.clock_mut().seek(beat);
                }
            }
            FromPort::Heard => {}
        }
    }
    notes.lines().for_each(|line| show.hands.note(line, show.real));
}

/// What mappings want; words for each.
pub fn carry_out(show: &mut Show, orders: Vec<Order>) -> Vec<String> {
    let each = |order: Order| {
        let said = hands::shown(&order.address, &order.values);
        match acts::steer(show, &order.address, &order.values, &order.hand) {
            Ok(_) => said,
            Err(why) => format!("{said} rejected: {why}"),
        }
    };
    orders.into_iter().map(each).collect()
}
