//! The list of what vendors added to a trace: `tracestate` (W3C Trace Context, level 2, section 3.3).

use http::HeaderValue;
use opentelemetry::trace::TraceState;

/// How many members a list may have. A longer one is dropped whole: half of it would be another list.
const MAX_MEMBERS: usize = 32;
/// How long it may be, in bytes: the specification asks for at least 512 to be passed on, and a head of an HTTP/2 request holds 16 KiB.
const MAX_BYTES: usize = 4096;

/// Reads the lines of a list as one, and writes it without spaces and empty members; none if any of it breaks the grammar, or
/// if there is nothing in it.
pub(crate) fn combine<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<HeaderValue> {
    let mut known: Vec<&[u8]> = Vec::new();
    let mut text = Vec::new();
    for line in lines {
        for member in line.split(|it| *it == b',') {
            let member = trim(member);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_at(member.iter().position(|it| *it == b'=')?);
            let valid = is_key(key) && is_value(&value[1..]) && !known.contains(&key);
            if !valid || known.len() == MAX_MEMBERS {
                return None;
            }
            if !known.is_empty() {
                text.push(b',');
            }
            text.extend_from_slice(member);
            known.push(key);
            if text.len() > MAX_BYTES {
                return None;
            }
        }
    }
    let some = !known.is_empty();
    some.then(|| HeaderValue::from_bytes(&text).expect("printable ASCII"))
}

/// The list in the SDK's type, for exported spans; empty for a vendor's name of 14 characters behind a tenant's of 241, of
/// which the SDK takes 13.
pub(crate) fn for_export(list: Option<&HeaderValue>) -> TraceState {
    let text = list.and_then(|it| it.to_str().ok()).unwrap_or_default();
    text.parse().unwrap_or_default()
}

/// Without the spaces and tabs around it: the only white space that lists in headers have.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// A name of up to 256 characters, or a tenant's of up to 241 at a vendor's of up to 14.
fn is_key(key: &[u8]) -> bool {
    let named = |name: &[u8], most: usize| {
        let plain = |it: &u8| it.is_ascii_lowercase() || it.is_ascii_digit();
        let known = |it: &u8| plain(it) || b"_-*/".contains(it);
        name.len() <= most && name.first().is_some_and(plain) && name.iter().all(known)
    };
    match key.iter().position(|it| *it == b'@') {
        None => named(key, 256),
        Some(at) => named(&key[..at], 241) && named(&key[at + 1..], 14),
    }
}

/// 1 to 256 printable characters without comma and equals sign, of which the last is no space.
fn is_value(value: &[u8]) -> bool {
    let printable = |it: &u8| matches!(it, b' '..=b'~') && !b",=".contains(it);
    (1..=256).contains(&value.len()) && value.iter().all(printable) && !value.ends_with(b" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<String> {
        let list = combine(lines.iter().map(|it| it.as_bytes()))?;
        Some(list.to_str().unwrap().to_owned())
    }

    #[test]
    fn several_lines_are_one_list_without_spaces_and_empty_members() {
        let lines = ["foo=1 \t , \t bar=a b", "", " ,, ", "\tbaz= 3"];
        assert_eq!(read(&lines).unwrap(), "foo=1,bar=a b,baz= 3");
        assert_eq!(read(&["", " , "]), None);
    }

    #[test]
    fn of_33_members_none_is_kept_and_of_32_all() {
        let members: Vec<_> = (1..=33).map(|it| format!("bar{it:02}={it:02}")).collect();
        let whole = members[..32].join(",");
        assert_eq!(read(&[&whole]).as_ref(), Some(&whole));
        let halves = [members[..16].join(","), members[16..32].join(",")];
        assert_eq!(read(&[&halves[0], &halves[1]]), Some(whole));
        assert_eq!(read(&[&members.join(",")]), None);
        assert_eq!(read(&[&halves[0], &halves[1], &members[32]]), None);
    }

    #[test]
    fn a_list_that_would_fill_the_head_of_a_request_is_dropped() {
        let members = |count: usize| {
            let member = |it| format!("bar{it:02}={}", "x".repeat(250));
            (0..count).map(member).collect::<Vec<_>>().join(",")
        };
        assert!(read(&[&members(15)]).is_some());
        assert_eq!(read(&[&members(17)]), None);
    }

    #[test]
    fn a_key_is_a_name_or_a_tenants_at_a_vendors() {
        let long =
            |tenant: usize, vendor: usize| format!("{}@{}", "t".repeat(tenant), "v".repeat(vendor));
        let every = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
        for good in [
            "a",
            "0a",
            every,
            &format!("{every}@a-z0-9_-*/"),
            &"z".repeat(256),
            &long(241, 14),
            &long(1, 1),
        ] {
            let list = format!("foo=1,{good}=1");
            assert_eq!(read(&[&list]).as_ref(), Some(&list), "{good}");
        }
        for bad in [
            "",
            "foo ",
            "FOO",
            "foo.bar",
            "_foo",
            "foo@",
            "@foo",
            "foo@@bar",
            "foo@bar@baz",
            &"z".repeat(257),
            &long(242, 1),
            &long(1, 15),
        ] {
            assert_eq!(read(&[&format!("{bad}=1,bar=2")]), None, "{bad}");
        }
    }

    #[test]
    fn a_value_is_printable_and_neither_empty_nor_too_long() {
        let every: String = (b' '..=b'~').map(char::from).collect();
        let every = every.replace([',', '='], "");
        for good in [&*every, &"x".repeat(256)] {
            assert!(read(&[&format!("foo={good}")]).is_some(), "{good}");
        }
        for bad in ["", "bar=baz", "ä", "a\u{7f}", "a\tb", &"x".repeat(257)] {
            assert_eq!(read(&[&format!("foo={bad},bar=3")]), None, "{bad}");
        }
        assert_eq!(read(&["foo,bar=3"]), None);
    }

    #[test]
    fn a_key_comes_once() {
        for twice in [&["foo=1,foo=1"][..], &["foo=1,foo=2"], &["foo=1", "foo=2"]] {
            assert_eq!(read(twice), None, "{twice:?}");
        }
    }
}
