//! Numbers and texts as the lines of protocols 0 and 1 write them.
//!
//! Read by the machine. Absent: anything that protocol 2 writes in bytes.

use super::value::Value;

/// An integer of two's complement, little-endian, of any length.
pub fn long(bytes: Vec<u8>) -> Value {
    if bytes.len() > 8 {
        return Value::Big(bytes.into());
    }
    let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
    let mut all = [fill; 8];
    for (to, from) in all.iter_mut().zip(&bytes) {
        *to = *from;
    }
    Value::Int(i64::from_le_bytes(all))
}

/// A line of `F`, `I` or `L`.
pub fn number(code: u8, line: &[u8]) -> Option<Value> {
    let line = std::str::from_utf8(line).ok()?.trim();
    match (code, line) {
        (b'F', _) => line.parse().ok().map(Value::Float),
        (b'I', "01") => Some(Value::Bool(true)),
        (b'I', "00") => Some(Value::Bool(false)),
        _ => {
            let line = line.strip_suffix('L').unwrap_or(line);
            match (line.parse::<i64>(), line.parse::<i128>()) {
                (Ok(int), _) => Some(Value::Int(int)),
                (_, Ok(big)) => {
                    let mut bytes = big.to_le_bytes().to_vec();
                    let fill = if big < 0 { 0xff } else { 0 };
                    while bytes.len() > 9 && bytes.last() == Some(&fill) {
                        bytes.pop();
                    }
                    Some(Value::Big(bytes.into()))
                }
                _ => line.parse().ok().map(Value::Float),
            }
        }
    }
}

/// A number of the memo.
pub fn decimal(line: &[u8]) -> Option<u64> {
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// Python's `repr` of bytes: in quotes, with escapes.
pub fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii();
    let quote = *line.first().filter(|quote| matches!(quote, b'"' | b'\''))?;
    let inner = line.strip_prefix(&[quote])?.strip_suffix(&[quote])?;
    let (mut out, mut bytes) = (Vec::with_capacity(inner.len()), inner.iter().copied());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next()? {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'x' => {
                let digits = [bytes.next()?, bytes.next()?];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            other => out.push(other),
        }
    }
    Some(out)
}

/// Python's raw-unicode-escape: bytes are Latin-1, `\uXXXX` and `\UXXXXXXXX` other letters.
pub fn raw_unicode(line: &[u8]) -> String {
    let (mut out, mut rest) = (String::with_capacity(line.len()), line);
    while let Some((byte, behind)) = rest.split_first() {
        let digits = match (byte, behind.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => 0,
        };
        let code = behind.get(1..=digits).filter(|_| digits > 0).and_then(|digits| std::str::from_utf8(digits).ok());
        let letter = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        match letter {
            Some(letter) => {
                out.push(letter);
                rest = behind.get(digits + 1..).unwrap_or_default();
            }
            None => {
                out.push(char::from(*byte));
                rest = behind;
            }
        }
    }
    out
}
