//! The grammar of header values (RFC 9110 §5.6), each function one pass over its bytes.

/// Whether `byte` may stand in a token.
pub(super) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_tchar(*byte))
}

/// `bytes` without white space around it.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The members of a comma-separated list; empty ones do not count.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = value.split(|byte| *byte == b',').map(trim);
    members.filter(|member| !member.is_empty())
}

/// Whether one of the lists has this member, in whatever case.
pub(super) fn lists<'v>(values: impl IntoIterator<Item = &'v [u8]>, token: &str) -> bool {
    let mut all = values.into_iter().flat_map(members);
    all.any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
}

/// Whether all is as in [`extensions`].
pub(super) fn are_extensions(value: &[u8]) -> bool {
    extensions(value, &mut |_, _| {}).is_some()
}

/// `extension *(";" parameter ["=" value])`, in a list (§9.1). Each part is shown to `see`: `(None, Some(extension))`,
/// `(Some(parameter), value)`. Quoted values are shown as they stand there.
pub(super) fn extensions<'v>(
    mut value: &'v [u8],
    see: &mut impl FnMut(Option<&'v [u8]>, Option<&'v [u8]>),
) -> Option<()> {
    loop {
        value = trim(value);
        match value {
            [] => return Some(()),
            [b',', rest @ ..] => value = rest,
            _ => match extension(value, see)? {
                rest @ ([] | [b',', ..]) => value = rest,
                _ => return None,
            },
        }
    }
}

/// Takes one extension with its parameters from the front, and returns the rest.
fn extension<'v>(
    value: &'v [u8],
    see: &mut impl FnMut(Option<&'v [u8]>, Option<&'v [u8]>),
) -> Option<&'v [u8]> {
    let (name, rest) = token(value)?;
    see(None, Some(name));
    let mut rest = trim(rest);
    while let [b';', parameter @ ..] = rest {
        let (name, after) = token(trim(parameter))?;
        rest = trim(after);
        let mut value = None;
        if let [b'=', after @ ..] = rest {
            let (found, after) = parameter_value(trim(after))?;
            value = Some(found);
            rest = trim(after);
        }
        see(Some(name), value);
    }
    Some(rest)
}

/// A token, and what follows it.
fn token(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = value.iter().position(|byte| !is_tchar(*byte)).unwrap_or(value.len());
    value.split_at_checked(end).filter(|_| end > 0)
}

/// A token, or a quoted string that would be one without its quotes and backslashes; and what follows it.
fn parameter_value(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let [b'"', rest @ ..] = value else {
        return token(value);
    };
    let (mut rest, mut empty) = (rest, true);
    loop {
        rest = match rest {
            [b'"', rest @ ..] => {
                return value.split_at_checked(value.len() - rest.len()).filter(|_| !empty);
            }
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] if is_tchar(*byte) => rest,
            _ => return None,
        };
        empty = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_commas_and_trimmed() {
        let value = b"keep-alive\t,,\tUpgrade ,";
        assert_eq!(members(value).collect::<Vec<_>>(), [&b"keep-alive"[..], b"Upgrade"]);
        assert!(lists([&value[..]], "upgrade"));
        assert!(!lists([&b"notupgrade"[..], b"upgrade-x"], "upgrade"));
    }

    // HS-25, V56, V57
    #[test]
    fn extensions_follow_their_grammar() {
        let long = format!("a;b=\"{}", "\\c".repeat(4000));
        for (value, wanted) in [
            ("", true),
            ("foo", true),
            ("permessage-deflate; client_max_window_bits", true),
            ("foo, bar; baz=2", true),
            (",foo,,bar,", true),
            ("foo ; a = 1 ;b=\"2\"", true),
            ("a; p=\"1\\0\"", true),
            ("constructor, __proto__", true),
            ("foo; =1", false),
            ("foo;;", false),
            ("foo;", false),
            ("\"foo\"", false),
            ("foo; a=\"b c\"", false),
            ("foo; a=\"\"", false),
            ("foo; a=\"b", false),
            ("foo; a=\"b\"c", false),
            ("foo; a=", false),
            ("foo bar", false),
            ("foo\u{e9}", false),
            (&long, false),
        ] {
            assert_eq!(are_extensions(value.as_bytes()), wanted, "{value}");
        }
    }
}
