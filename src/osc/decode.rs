//! Bytes of a datagram as messages: OSC 1.0 by its sizes, element by element.
//!
//! Used by the inbox, on the threads of the doors. An element that cannot be read is named with its reason, and those
//! beside it are read all the same, because one odd element must not take a blackout with it. Also read: messages
//! without type tags, as old programs send them, and strings that are not filled up at the end. Memory and work are
//! bounded by the size of a datagram. Absent: what addresses mean, and when a message is due.

use crate::control::hand::Value;

/// Deepest nesting of bundles.
const DEEPEST: usize = 16;
/// Longest address in bytes.
pub(super) const LONGEST_ADDRESS: usize = 1024;
/// Most arguments of one message.
const MOST_VALUES: usize = 4096;
/// Wrong elements of one datagram that are named; more are counted.
const MOST_WRONG: usize = 8;

/// The bytes before the first element of a bundle: its name and its time tag.
const HEAD: usize = 16;
const BUNDLE: &[u8] = b"#bundle\0";

/// One message as it was sent.
#[derive(Debug, PartialEq)]
pub(super) struct Decoded {
    pub address: String,
    pub values: Vec<Value>,
    /// The time tag of the innermost bundle around it.
    pub tag: Option<u64>,
}

/// Something that is no message.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    /// The address, where that can be read.
    pub address: Option<String>,
    pub why: String,
}

/// All that one datagram holds.
#[derive(Debug, Default)]
pub(super) struct Datagram {
    pub messages: Vec<Decoded>,
    pub wrong: Vec<Wrong>,
    /// Wrong elements beyond those that are named.
    pub more_wrong: u64,
    /// The time tag of the outermost bundle.
    pub tag: Option<u64>,
}

impl Datagram {
    /// Reads a datagram.
    pub fn read(bytes: &[u8]) -> Self {
        let mut out = Self::default();
        match bytes {
            [b'#', ..] if bytes.starts_with(BUNDLE) => {
                out.tag = tag(bytes);
                out.bundle(bytes, 1);
            }
            [b'/', ..] => out.message(bytes, None, String::new),
            [] => out.wrong(None, "an empty datagram".into()),
            _ => out.wrong(None, format!("{} bytes that are not OSC: no address and no bundle", bytes.len())),
        }
        out
    }

    fn wrong(&mut self, address: Option<String>, why: String) {
        if self.wrong.len() < MOST_WRONG {
            self.wrong.push(Wrong { address, why });
        } else {
            self.more_wrong += 1;
        }
    }

    /// The elements of a bundle, which is the `depth`-th around them.
    fn bundle(&mut self, bytes: &[u8], depth: usize) {
        if depth > DEEPEST {
            return self.wrong(None, format!("bundles nested deeper than {DEEPEST}"));
        }
        let Some(tag) = tag(bytes) else {
            return self.wrong(None, format!("a bundle of {} bytes is cut short", bytes.len()));
        };
        let mut rest = bytes.get(HEAD..).unwrap_or_default();
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            let place = || format!(" (element {number} of a bundle)");
            let Some((size, after)) = rest.split_first_chunk::<4>() else {
                return self.wrong(None, format!("{} bytes too many at the end of a bundle", rest.len()));
            };
            let size = u32::from_be_bytes(*size) as usize;
            let Some((element, after)) = after.split_at_checked(size) else {
                let why = format!("its size is {size} bytes, and {} are left{}", after.len(), place());
                return self.wrong(None, why);
            };
            rest = after;
            match element {
                [b'#', ..] if element.starts_with(BUNDLE) => self.bundle(element, depth + 1),
                [b'/', ..] => self.message(element, Some(tag), place),
                [] => self.wrong(None, format!("an empty element{}", place())),
                _ => self.wrong(None, format!("no address and no bundle{}", place())),
            }
        }
    }

    fn message(&mut self, bytes: &[u8], tag: Option<u64>, place: impl Fn() -> String) {
        let mut rest = Rest(bytes);
        let address = match address(rest.string()) {
            Ok(address) => address,
            Err(why) => return self.wrong(None, why + &place()),
        };
        match values(rest) {
            Ok(values) => self.messages.push(Decoded { address, values, tag }),
            Err(why) => self.wrong(Some(address), why + &place()),
        }
    }
}

/// The time tag of a bundle.
fn tag(bundle: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*bundle.get(BUNDLE.len()..)?.first_chunk()?))
}

/// What is left of a message.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, after) = self.0.split_first_chunk()?;
        self.0 = after;
        Some(*bytes)
    }

    /// Takes a string and what fills it up to a multiple of four; without a zero at its end all that is left.
    fn string(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let (text, filled) = (&self.0[..end], end / 4 * 4 + 4);
        self.0 = self.0.get(filled..).unwrap_or_default();
        text
    }

    /// Takes a blob, and looks at nothing in it.
    fn blob(&mut self) -> Option<()> {
        let size = u32::from_be_bytes(self.take()?) as usize;
        self.0.get(..size)?;
        self.0 = self.0.get(size.div_ceil(4) * 4..).unwrap_or_default();
        Some(())
    }
}

fn address(bytes: &[u8]) -> Result<String, String> {
    if bytes.len() > LONGEST_ADDRESS {
        return Err(format!("an address of {} bytes; at most {LONGEST_ADDRESS} are read", bytes.len()));
    }
    match std::str::from_utf8(bytes) {
        // It is shown in terminals.
        Ok(text) if text.chars().any(char::is_control) => Err("control characters in its address".into()),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err("an address that is not UTF-8".into()),
    }
}

/// The arguments, given all that follows the address.
fn values(mut rest: Rest) -> Result<Vec<Value>, String> {
    match rest.0 {
        [] => return Ok(Vec::new()),
        [b',', ..] => {}
        // Something was sent, and what it is cannot be known: enough for a trigger.
        _ => return Ok(vec![Value::Other(())]),
    }
    let tags = &rest.string()[1..];
    if tags.len() > MOST_VALUES {
        return Err(format!("{} arguments; at most {MOST_VALUES} are read", tags.len()));
    }
    let mut values = Vec::with_capacity(tags.len());
    for tag in tags.iter().copied() {
        // Arrays are taken as what is in them.
        if !matches!(tag, b'[' | b']') {
            values.push(argument(tag, &mut rest)?);
        }
    }
    Ok(values)
}

/// The argument that a type tag announces.
fn argument(tag: u8, rest: &mut Rest) -> Result<Value, String> {
    let shown = char::from(tag).escape_default();
    let found = match tag {
        b'i' => rest.take().map(|bytes| Value::Number(f64::from(i32::from_be_bytes(bytes)))),
        b'f' => rest.take().map(|bytes| Value::Number(f64::from(f32::from_be_bytes(bytes)))),
        b'h' => rest.take().map(|bytes| Value::Number(i64::from_be_bytes(bytes) as f64)),
        b'd' => rest.take().map(|bytes| Value::Number(f64::from_be_bytes(bytes))),
        b'c' => rest.take().map(|bytes| character(u32::from_be_bytes(bytes))),
        b's' | b'S' => (!rest.0.is_empty()).then(|| text(rest.string())),
        b'b' => rest.blob().map(Value::Other),
        b'r' | b'm' => rest.take::<4>().map(|_| Value::Other(())),
        b't' => rest.take::<8>().map(|_| Value::Other(())),
        b'T' => Some(Value::Number(1.0)),
        b'F' => Some(Value::Number(0.0)),
        b'N' | b'I' => Some(Value::Other(())),
        // How long its argument is cannot be known, nor where the next one begins.
        _ => return Err(format!("type tag '{shown}' is not known")),
    };
    found.ok_or_else(|| format!("its arguments are cut short at type tag '{shown}'"))
}

fn character(code: u32) -> Value {
    match char::from_u32(code) {
        Some(c) if !c.is_control() => Value::Text(c.into()),
        _ => Value::Other(()),
    }
}

/// A text as it may be shown in a terminal: what is not UTF-8, and control characters, become U+FFFD.
fn text(bytes: &[u8]) -> Value {
    let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    Value::Text(String::from_utf8_lossy(bytes).chars().map(visible).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A string with its zeros.
    pub fn s(text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(text.len() / 4 * 4 + 4, 0);
        bytes
    }

    /// A message.
    pub fn m(address: &str, tags: &str, data: &[u8]) -> Vec<u8> {
        [s(address), s(tags), data.to_vec()].concat()
    }

    /// A bundle.
    pub fn b(tag: u64, elements: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = [BUNDLE, &tag.to_be_bytes()].concat();
        for element in elements {
            bytes.extend((element.len() as u32).to_be_bytes());
            bytes.extend(element);
        }
        bytes
    }

    /// Addresses and reasons that a datagram holds.
    fn check(bytes: &[u8], addresses: &[&str], reasons: &[&str]) {
        let read = Datagram::read(bytes);
        let found: Vec<&str> = read.messages.iter().map(|message| message.address.as_str()).collect();
        assert_eq!(found, addresses, "{:?}", read.wrong);
        assert_eq!(read.wrong.len(), reasons.len(), "{:?}", read.wrong);
        for (wrong, reason) in read.wrong.iter().zip(reasons) {
            assert!(wrong.why.contains(reason), "{} is not {reason}", wrong.why);
        }
    }

    #[test]
    fn good_elements_act_beside_bad_ones() {
        let good = |name: &str| m(name, ",f", &1.0_f32.to_be_bytes());
        let unknown = m("/odd", ",Q", &[0; 4]);
        // First, in the middle, last; alone.
        check(&b(1, &[unknown.clone(), good("/a")]), &["/a"], &["type tag 'Q' is not known (element 1 of a bundle)"]);
        check(&b(1, &[good("/a"), unknown.clone(), good("/b")]), &["/a", "/b"], &["(element 2 of a bundle)"]);
        check(&b(1, &[good("/a"), unknown.clone()]), &["/a"], &["'Q'"]);
        check(&b(1, &[unknown]), &[], &["'Q'"]);
        check(&b(1, &[good("/a"), vec![], good("/b")]), &["/a", "/b"], &["an empty element"]);
        check(&b(1, &[good("/a"), vec![7; 12], good("/b")]), &["/a", "/b"], &["no address and no bundle"]);
        check(&b(1, &[good("/a"), b"#bundle\0\0\0".to_vec(), good("/b")]), &["/a", "/b"], &["10 bytes is cut short"]);
        check(&b(1, &[m("/cut", ",ff", &[0; 6]), good("/b")]), &["/b"], &["cut short at type tag 'f'"]);
        check(&b(1, &[m("/blob", ",b", &900_u32.to_be_bytes()), good("/b")]), &["/b"], &["type tag 'b'"]);
        check(&b(1, &[b"/caf\xe9\0\0\0".to_vec(), good("/b")]), &["/b"], &["not UTF-8"]);
        check(&b(1, &[good(&format!("/{}", "x".repeat(60_000))), good("/b")]), &["/b"], &["60001 bytes"]);
        check(&b(1, &[good("/a\x1b[2J"), good("/b")]), &["/b"], &["control characters"]);
        // A bundle inside of one.
        check(&b(1, &[b(1, &[m("/odd", ",Q", &[]), good("/a")]), good("/b")]), &["/a", "/b"], &["'Q'"]);
        // Nothing in it is a heartbeat.
        check(&b(1, &[]), &[], &[]);
    }

    #[test]
    fn wrong_sizes_lose_only_what_follows() {
        let good = m("/a", ",", &[]);
        let mut long = b(1, &[good.clone(), good.clone()]);
        let at = 16 + 4 + good.len();
        long[at..at + 4].copy_from_slice(&900_u32.to_be_bytes());
        check(&long, &["/a"], &["its size is 900 bytes, and 8 are left (element 2 of a bundle)"]);
        long[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        check(&long, &["/a"], &["4294967295"]);
        let tail = [b(1, std::slice::from_ref(&good)), vec![0, 0]].concat();
        check(&tail, &["/a"], &["2 bytes too many"]);
        // Sizes that are no multiple of four are taken as they stand.
        check(&b(1, &[b"/a".to_vec(), b"/bcdef\0".to_vec()]), &["/a", "/bcdef"], &[]);
    }

    #[test]
    fn depth_counts_and_number_does_not() {
        let wide: Vec<Vec<u8>> = (0..1500).map(|i| b(1, &[m(&format!("/{i}"), ",", &[])])).collect();
        let bytes = b(1, &wide);
        assert!(bytes.len() > 8 << 10 && bytes.len() < 65_507);
        assert_eq!(Datagram::read(&bytes).messages.len(), 1500);
        let nested = |depth: usize| (1..depth).fold(b(1, &[m("/a", ",", &[])]), |inside, _| b(1, &[inside]));
        check(&nested(DEEPEST), &["/a"], &[]);
        check(&nested(DEEPEST + 1), &[], &["deeper than 16"]);
        check(&nested(3000), &[], &["deeper than 16"]);
        let beside = b(1, &[nested(40), m("/b", ",", &[])]);
        check(&beside, &["/b"], &["deeper than 16"]);
    }

    #[test]
    fn messages_without_type_tags_are_messages() {
        check(&s("/clock/tap"), &["/clock/tap"], &[]);
        check(b"/clock/tap", &["/clock/tap"], &[]);
        check(&b(1, &[s("/clock/tap"), m("/b", ",", &[])]), &["/clock/tap", "/b"], &[]);
        let values = |bytes: &[u8]| Datagram::read(bytes).messages.remove(0).values;
        assert_eq!(values(&s("/a")), []);
        assert_eq!(values(&[s("/a"), vec![0, 0, 0, 1]].concat()), [Value::Other(())]);
    }

    #[test]
    fn every_type_is_taken_as_what_it_is() {
        let data = [
            &1_i32.to_be_bytes()[..],
            &0.5_f32.to_be_bytes(),
            &s("x\n"),
            &[0, 0, 0, 1, 9, 0, 0, 0],
            &7_i64.to_be_bytes(),
            &0.25_f64.to_be_bytes(),
            &[0; 8],
            &u32::from('c').to_be_bytes(),
            &[0; 8],
            b"caf\xe9\0\0\0\0",
        ]
        .concat();
        let read = Datagram::read(&m("/a", ",ifsbhdtcrm[TFNI]S", &data));
        let (n, text, other) = (Value::Number, |text: &str| Value::Text(text.into()), Value::Other(()));
        let expected = [
            n(1.0),
            n(0.5),
            text("x\u{fffd}"),
            other.clone(),
            n(7.0),
            n(0.25),
            other.clone(),
            text("c"),
            other.clone(),
            other.clone(),
            n(1.0),
            n(0.0),
            other.clone(),
            other,
            text("caf\u{fffd}"),
        ];
        assert_eq!(read.messages[0].values, expected);
        let many = ",".to_owned() + &"T".repeat(MOST_VALUES + 1);
        check(&m("/a", &many, &[]), &[], &["4097 arguments"]);
        check(&m("/a", ",s", &[]), &[], &["cut short"]);
    }

    #[test]
    fn rubbish_is_named_and_bounded() {
        check(&[], &[], &["an empty datagram"]);
        check(&[b'#'; 60_000], &[], &["60000 bytes that are not OSC"]);
        check(b"#bundle\0", &[], &["cut short"]);
        let read = Datagram::read(&b(1, &vec![vec![]; 16_000]));
        assert_eq!((read.messages.len(), read.wrong.len(), read.more_wrong), (0, MOST_WRONG, 16_000 - 8));
        let mut random = crate::random::RandomState::new(3);
        for i in 0..20_000_usize {
            let mut bytes: Vec<u8> = (0..i % 90).map(|_| random.below(256) as u8).collect();
            if i % 3 == 0 {
                bytes.splice(0..0, *b"#bundle\0\0\0\0\0\0\0\0\x01\0\0\0\x10/a\0\0,");
            } else if i % 3 == 1 {
                bytes.insert(0, b'/');
            }
            Datagram::read(&bytes);
        }
    }
}
