//! From controls that move to values for addresses, by the mapping files; and back to lamps and motors.
//!
//! Fed with [`Moved`] by the loop, gives [`Order`]s in the same form as messages from outside. It knows no
//! addresses: whoever asks tells it what a target takes and where it stands now.

use super::grip::Grip;
use super::hand::{Hand, Moved, Value, What};
use super::mapping::{Button, Device, Entry, Kind, Mapping, Target};

/// Steps of a control of seven bits are smoothed over this, finer ones over less.
const SMOOTH_COARSE: f64 = 0.03;
const SMOOTH_FINE: f64 = 0.008;
/// Share of the range for one step of an encoder.
const STEP: f64 = 1.0 / 128.0;
/// What counts as a press of a control change.
const PRESSED: u16 = 64;

/// What a target takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A number in a range.
    Number,
    /// On or off.
    Switch,
    /// Nothing: that it is pressed is all.
    Trigger,
    /// A text, or a name that may be a number.
    Text,
}

/// What a target is, just now.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// Its full address, as `/flaneur/z/3`.
    pub address: String,
    /// What it takes.
    pub role: Role,
    /// Of a number, in its unit, as far as a control should reach.
    pub range: [f64; 2],
    /// The value that hands have given it; 0 or 1 for a switch.
    pub now: f64,
}

/// A value for an address.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Where the values go, as `/flaneur/z/3`.
    pub address: String,
    /// Its arguments, as a message of OSC has them; empty for a trigger.
    pub values: Vec<Value>,
    /// The device that moved, and over how many seconds its steps are smoothed.
    pub hand: Hand,
}

/// Who changed an address, if anybody did.
pub type Changed<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// One control on one target.
struct Binding {
    device: Device,
    entry: Entry,
    number: Option<u16>,
    target: Target,
    /// What a press sends.
    value: Option<Value>,
    /// The file names the device as a whole: what any device may do is not for it.
    claims: bool,
    /// A grip for each device that it can mean.
    grips: Vec<(usize, Grip)>,
    on: bool,
}

/// All mappings of a show.
#[derive(Default)]
pub struct Mapper {
    bindings: Vec<Binding>,
}

/// Devices that have no port.
pub const KEYBOARD: &str = "keyboard";
/// The mouse over the picture.
pub const MOUSE: &str = "mouse";

impl Mapper {
    /// From files that were read and checked.
    pub fn new(mappings: &[Mapping]) -> Self {
        let mut bindings = Vec::new();
        for mapping in mappings {
            for entry in &mapping.map {
                let device = match entry.kind {
                    Kind::Key => KEYBOARD,
                    Kind::Mouse => MOUSE,
                    _ => entry.device.as_deref().unwrap_or(&mapping.device),
                };
                for further in 0..entry.count {
                    // What was checked can be read.
                    let Ok(target) = Target::read(&entry.target, usize::from(further)) else { continue };
                    let value = match &entry.value {
                        Some(Value::Number(v)) => Some(Value::Number(v + f64::from(further))),
                        other => other.clone(),
                    };
                    bindings.push(Binding {
                        device: Device::read(device),
                        number: entry.number.map(|n| n + further).or(entry.character()),
                        entry: entry.clone(),
                        target,
                        value,
                        claims: entry.device.is_none() && mapping.device != "*",
                        grips: Vec::new(),
                        on: false,
                    });
                }
            }
        }
        Self { bindings }
    }

    /// Other ports than before: a control may stand elsewhere than it did, and an index mean another device.
    pub fn forget(&mut self) {
        self.bindings.iter_mut().for_each(|b| (b.grips, b.on) = (Vec::new(), false));
    }

    /// How many controls are mapped.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// What a movement on the port at `index` of `ports` does, and whether it is mapped at all: a control that
    /// has not passed its target's value yet does nothing.
    pub fn moved(
        &mut self,
        ports: &[String],
        index: usize,
        moved: &Moved,
        about: &dyn Fn(&Target) -> Option<About>,
    ) -> (Vec<Order>, bool) {
        let names = |b: &Binding| b.names(ports, index) && b.hears(moved);
        // What was learnt for one control goes before what its controller's file says of it.
        let learnt = self.bindings.iter().any(|b| !b.claims && names(b));
        let any = !self.claimed(ports, index) && !self.bindings.iter().any(names);
        let device = ports.get(index).map_or("", String::as_str);
        let (mut orders, mut mapped) = (Vec::new(), false);
        for binding in &mut self.bindings {
            let meant = match binding.device.part == "*" {
                true => any,
                false => binding.names(ports, index) && !(learnt && binding.claims),
            };
            let heard = meant && binding.hears(moved);
            mapped |= heard;
            if heard
                && let Some(about) = about(&binding.target)
                && let Some(values) = binding.turn(index, moved, &about)
            {
                let coarse = moved.what.top() == 127;
                let usual = if coarse { SMOOTH_COARSE } else { SMOOTH_FINE };
                let smooth_secs = binding.entry.smooth_ms.map_or(usual, |ms| ms / 1e3);
                let hand = Hand::new(device, Some(smooth_secs));
                orders.push(Order { address: about.address, values, hand });
            }
        }
        (orders, mapped)
    }

    /// Whether a file is for the port.
    fn claimed(&self, ports: &[String], index: usize) -> bool {
        self.bindings.iter().any(|b| b.claims && b.names(ports, index))
    }

    /// What the port's lamps and motors are to show: messages for the controls whose target is one of the
    /// changed addresses, or for all of them. Changes come with who made them: a control that is being turned
    /// is not pushed back.
    pub fn shown(
        &mut self,
        ports: &[String],
        index: usize,
        changed: Option<&Changed>,
        about: &dyn Fn(&Target) -> Option<About>,
    ) -> Vec<Vec<u8>> {
        let claimed = self.claimed(ports, index);
        let device = ports.get(index).map_or("", String::as_str);
        let mut messages = Vec::new();
        for binding in self.bindings.iter().filter(|b| b.entry.feedback) {
            let meant = binding.names(ports, index) || (!claimed && binding.device.part == "*");
            let Some(about) = meant.then(|| about(&binding.target)).flatten() else { continue };
            let own = match changed.map(|changed| changed(&about.address)) {
                Some(None) => continue,
                Some(Some(who)) => who == device,
                None => false,
            };
            let turned = about.role == Role::Number && binding.entry.kind != Kind::Relative;
            if !(own && turned) {
                binding.show(&about, &mut messages);
            }
        }
        messages
    }
}

impl Binding {
    /// Whether it names the port, by more than "any".
    fn names(&self, ports: &[String], index: usize) -> bool {
        self.device.part != "*" && self.device.is(ports, index)
    }

    fn hears(&self, moved: &Moved) -> bool {
        let what = match self.entry.kind {
            Kind::Cc | Kind::Relative => What::Cc,
            Kind::Cc14 => What::Cc14,
            Kind::Nrpn => What::Nrpn,
            Kind::Note | Kind::Velocity => What::Note,
            Kind::PitchBend => What::PitchBend,
            Kind::Aftertouch if self.number.is_some() => What::PolyPressure,
            Kind::Aftertouch => What::Pressure,
            Kind::Program => What::Program,
            Kind::Key => What::Key,
            Kind::Mouse => What::Mouse,
        };
        what == moved.what
            && self.entry.channel.is_none_or(|c| c == moved.channel)
            && self.number.is_none_or(|n| n == moved.number)
    }

    /// Bottom and top of what it moves its target through.
    fn reach(&self, about: &About) -> (f64, f64) {
        (self.entry.min.unwrap_or(about.range[0]), self.entry.max.unwrap_or(about.range[1]))
    }

    /// The values for its target, if the movement means something to it.
    fn turn(&mut self, index: usize, moved: &Moved, about: &About) -> Option<Vec<Value>> {
        let number = |v: f64| Some(vec![Value::Number(v)]);
        if self.entry.kind == Kind::Relative && about.role == Role::Number {
            let (low, high) = self.reach(about);
            let steps = f64::from(self.entry.encoding.steps(moved.value));
            let sign = if self.entry.invert { -1.0 } else { 1.0 };
            let to = about.now + sign * steps * self.entry.step.unwrap_or(STEP) * (high - low);
            return (steps != 0.0).then(|| to.clamp(low.min(high), low.max(high))).and_then(number);
        }
        let pressable = matches!(self.entry.kind, Kind::Note | Kind::Program | Kind::Key);
        match about.role {
            Role::Number if !pressable => {
                // Letting go of a note leaves its velocity where it is.
                if self.entry.kind == Kind::Velocity && moved.value == 0 {
                    return None;
                }
                let position = f64::from(moved.value) / f64::from(moved.what.top());
                number(self.absolute(index, position, about)?)
            }
            role => {
                let most = if pressable { 1 } else { PRESSED };
                let was = std::mem::replace(&mut self.on, moved.value >= most);
                let pressed = self.on && (!was || self.entry.kind == Kind::Program);
                let released = was && !self.on;
                let hold = match role {
                    Role::Switch => self.entry.button == Some(Button::Hold),
                    _ => self.entry.button != Some(Button::Toggle),
                };
                match role {
                    Role::Trigger => pressed.then(Vec::new),
                    Role::Text => pressed.then(|| vec![self.sent(moved)]),
                    Role::Switch | Role::Number => {
                        let (low, high) = if role == Role::Switch { (0.0, 1.0) } else { self.reach(about) };
                        let (low, high) = if self.entry.invert { (high, low) } else { (low, high) };
                        if let (Role::Number, Some(Value::Number(v))) = (role, &self.value) {
                            return pressed.then_some(*v).and_then(number);
                        }
                        let up = (about.now - high).abs() < (about.now - low).abs();
                        match (hold, pressed, released) {
                            (true, true, _) => number(high),
                            (true, _, true) if self.entry.kind != Kind::Program => number(low),
                            (false, true, _) => number(if up { low } else { high }),
                            _ => None,
                        }
                    }
                }
            }
        }
    }

    /// What a press sends to a text: its value, or the number of what was pressed.
    fn sent(&self, moved: &Moved) -> Value {
        self.value.clone().unwrap_or(Value::Number(f64::from(moved.number)))
    }

    /// The target's value for a control at a position 0..1, once it has hold of it.
    fn absolute(&mut self, index: usize, position: f64, about: &About) -> Option<f64> {
        let (low, high) = self.reach(about);
        let mut share = self.entry.curve.bend(position);
        if self.entry.invert {
            share = 1.0 - share;
        }
        let now = if high == low { 0.0 } else { ((about.now - low) / (high - low)).clamp(0.0, 1.0) };
        let usual = match self.entry.kind {
            // These come back to the middle or start from nothing by themselves.
            Kind::Velocity | Kind::PitchBend | Kind::Aftertouch | Kind::Mouse => super::grip::Takeover::Jump,
            _ => super::grip::Takeover::Pickup,
        };
        let grip = match self.grips.iter().position(|(at, _)| *at == index) {
            Some(at) => &mut self.grips[at].1,
            None => {
                self.grips.push((index, Grip::default()));
                &mut self.grips.last_mut()?.1
            }
        };
        let to = grip.turn(self.entry.takeover.unwrap_or(usual), share, now)?;
        Some(low + to * (high - low))
    }

    /// The messages that make its control show the target's value.
    fn show(&self, about: &About, out: &mut Vec<Vec<u8>>) {
        let (low, high) = if about.role == Role::Number { self.reach(about) } else { (0.0, 1.0) };
        let share = if high == low { 0.0 } else { ((about.now - low) / (high - low)).clamp(0.0, 1.0) };
        let share = self.entry.curve.unbend(if self.entry.invert { 1.0 - share } else { share });
        let coarse = (share * 127.0).round() as u8;
        let fine = (share * 16_383.0).round() as u16;
        let channel = self.entry.channel.unwrap_or(1) - 1;
        let number = (self.number.unwrap_or(0) & 127) as u8;
        let (high, low) = ((fine >> 7) as u8, (fine & 127) as u8);
        match self.entry.kind {
            Kind::Cc | Kind::Relative => out.push(vec![0xb0 | channel, number, coarse]),
            Kind::Cc14 => {
                out.push(vec![0xb0 | channel, number, high]);
                out.push(vec![0xb0 | channel, number + 32, low]);
            }
            Kind::Nrpn => {
                let of = self.number.unwrap_or(0);
                for (controller, byte) in [(99, (of >> 7) as u8), (98, (of & 127) as u8), (6, high), (38, low)] {
                    out.push(vec![0xb0 | channel, controller, byte & 127]);
                }
            }
            Kind::Note => out.push(vec![0x90 | channel, number, coarse]),
            Kind::PitchBend => out.push(vec![0xe0 | channel, low, high]),
            Kind::Velocity | Kind::Aftertouch | Kind::Program | Kind::Key | Kind::Mouse => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapper(entry: &str) -> Mapper {
        let text = format!("version = 1\ndevice = \"box\"\n[[map]]\n{entry}");
        Mapper::new(&[Mapping::parse(&text).unwrap()])
    }

    fn about(target: &Target, role: Role, now: f64) -> About {
        let address = match target {
            Target::Knob(i) => format!("/flaneur/knob/{i}"),
            Target::Address(address) => address.clone(),
        };
        About { address, role, range: [0.0, 1.0], now }
    }

    /// The numbers that go to the target for values of a control, which stands at 0 in the beginning.
    fn check(entry: &str, role: Role, what: What, values: &[u16], expected: &[f64]) {
        let mut mapper = mapper(entry);
        let ports = ["A Box 1".to_owned()];
        let (mut now, mut given) = (0.0, Vec::new());
        for value in values {
            let moved = Moved { what, channel: 1, number: 5, value: *value };
            for order in mapper.moved(&ports, 0, &moved, &|t| Some(about(t, role, now))).0 {
                let Some(Value::Number(v)) = order.values.first() else { panic!("{order:?}") };
                now = *v;
                given.push((*v * 1e3).round() / 1e3);
            }
        }
        assert_eq!(given, expected, "{entry}");
    }

    #[test]
    fn each_kind_does_its_own() {
        let n = Role::Number;
        check("kind = \"cc\"\nnumber = 5\ntarget = \"knob[0]\"", n, What::Cc, &[0, 127, 64], &[0.0, 1.0, 0.504]);
        check("kind = \"cc\"\nnumber = 5\ntarget = \"knob[0]\"", n, What::Cc, &[100, 64], &[]);
        check("kind = \"cc14\"\nnumber = 5\ntarget = \"knob[0]\"\nmax = 2", n, What::Cc14, &[0, 16_383], &[0.0, 2.0]);
        let relative = "kind = \"relative\"\nnumber = 5\nstep = 0.1\ntarget = \"knob[0]\"";
        check(relative, n, What::Cc, &[1, 2, 127], &[0.1, 0.3, 0.2]);
        check("kind = \"velocity\"\nnumber = 5\ntarget = \"knob[0]\"", n, What::Note, &[127, 0, 64], &[1.0, 0.504]);
        check("kind = \"note\"\nnumber = 5\ntarget = \"knob[0]\"", n, What::Note, &[90, 0], &[1.0, 0.0]);
        check("kind = \"pitchbend\"\ntarget = \"knob[0]\"", n, What::PitchBend, &[16_383, 0], &[1.0, 0.0]);
        check("kind = \"aftertouch\"\ntarget = \"knob[0]\"", n, What::Pressure, &[127], &[1.0]);
        check("kind = \"cc\"\nnumber = 6\ntarget = \"knob[0]\"", n, What::Cc, &[0], &[]);
        let s = Role::Switch;
        let press = [127, 0, 127, 0];
        check("kind = \"note\"\nnumber = 5\ntarget = \"/flaneur/x\"", s, What::Note, &press, &[1.0, 0.0]);
        let hold = "kind = \"cc\"\nnumber = 5\nbutton = \"hold\"\ntarget = \"/flaneur/x\"";
        check(hold, s, What::Cc, &press, &[1.0, 0.0, 1.0, 0.0]);
        let program = "kind = \"program\"\ntarget = \"/flaneur/x\"";
        check(program, Role::Text, What::Program, &[127, 127], &[5.0, 5.0]);
        let value = "kind = \"note\"\nnumber = 4\ncount = 3\nvalue = 1\ntarget = \"/flaneur/x\"";
        check(value, Role::Text, What::Note, &[127, 0], &[2.0]);
    }

    #[test]
    fn two_controls_on_one_target_take_over_each_on_its_own() {
        let text =
            "kind = \"cc\"\nnumber = 5\ntarget = \"knob[0]\"\n[[map]]\nkind = \"cc\"\nnumber = 6\ntarget = \"knob[0]\"";
        let mut mapper = mapper(text);
        let ports = ["box".to_owned()];
        let mut now = 0.0;
        let mut turn = |number, value| {
            let moved = Moved { what: What::Cc, channel: 1, number, value };
            let (orders, _) = mapper.moved(&ports, 0, &moved, &|t| Some(about(t, Role::Number, now)));
            if let Some(Value::Number(v)) = orders.first().and_then(|o| o.values.first()) {
                now = *v;
            }
            now
        };
        turn(5, 0);
        assert_eq!(turn(5, 127), 1.0);
        assert_eq!((turn(6, 0), turn(6, 64)), (1.0, 1.0));
        assert_eq!((turn(6, 127), turn(6, 0)), (1.0, 0.0));
        // The first one stands at 127 still, and lets go.
        assert_eq!(turn(5, 126), 0.0);
    }

    #[test]
    fn any_device_means_those_that_nobody_names() {
        let generic = "version = 1\ndevice = \"*\"\n[[map]]\nkind = \"cc\"\nnumber = 5\ntarget = \"z[5]\"";
        let own = "version = 1\ndevice = \"box\"\n[[map]]\nkind = \"cc\"\nnumber = 6\ntarget = \"z[6]\"";
        let mut mapper = Mapper::new(&[Mapping::parse(generic).unwrap(), Mapping::parse(own).unwrap()]);
        let ports = ["box".to_owned(), "other".to_owned()];
        let moved = Moved { what: What::Cc, channel: 1, number: 5, value: 0 };
        let count = |mapper: &mut Mapper, index| {
            mapper.moved(&ports, index, &moved, &|t| Some(about(t, Role::Number, 0.0))).0.len()
        };
        assert_eq!((count(&mut mapper, 0), count(&mut mapper, 1)), (0, 1));
        // One control that was learnt takes nothing from the others of its device.
        let learnt = "version = 1\n[[map]]\ndevice = \"other\"\nkind = \"cc\"\nnumber = 5\ntarget = \"z[9]\"";
        let files = [generic, own, learnt].map(|text| Mapping::parse(text).unwrap());
        let mut mapper = Mapper::new(&files);
        let mut targets = |number| {
            let moved = Moved { number, ..moved };
            let (orders, _) = mapper.moved(&ports, 1, &moved, &|t| Some(about(t, Role::Number, 0.0)));
            orders.into_iter().map(|o| o.address).collect::<Vec<_>>()
        };
        assert_eq!((targets(5), targets(6)), (vec!["/flaneur/z/9".to_owned()], vec![]));
    }

    #[test]
    fn lamps_and_motors_show_what_others_do() {
        let mut mapper = mapper("kind = \"cc\"\nnumber = 5\nfeedback = true\ntarget = \"knob[0]\"");
        let ports = ["box".to_owned()];
        let at = |t: &Target| Some(about(t, Role::Number, 1.0));
        let by = |who: &'static str| move |address: &str| (address == "/flaneur/knob/0").then(|| who.to_owned());
        assert_eq!(mapper.shown(&ports, 0, Some(&by("desk")), &at), [[0xb0, 5, 127]]);
        assert!(mapper.shown(&ports, 0, Some(&by("box")), &at).is_empty());
        assert_eq!(mapper.shown(&ports, 0, None, &at).len(), 1);
    }
}
