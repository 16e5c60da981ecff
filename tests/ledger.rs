//! Holds `ledger.toml` against the tests: each rule of the RFC, each known vulnerability and each
//! attack has tests, or a reason why it has none.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

/// The rows there are: a prefix, the number of digits, and the last number.
const ROWS: [(&str, usize, u32); 15] = [
    ("R-", 3, 173), // rules of RFC 6455
    ("L-", 2, 12),  // limits
    ("V", 2, 88),   // vulnerabilities of other implementations
    ("HS-", 2, 44), // attacks on the handshake
    ("FR-", 2, 28), // on framing
    ("CL-", 2, 26), // on control frames and closing
    ("IO-", 2, 16), // faults of sockets
    ("RE-", 2, 15), // of resources, time and use
    ("TA-", 2, 13), // promises to tasks
    ("ML-", 2, 23), // promises to many connections on one thread
    ("E-", 2, 20),  // rules of RFC 8441
    ("D-", 2, 52),  // rules of RFC 7692
    ("CO-", 2, 17), // attacks on compressed messages
    ("TL-", 2, 16), // promises about tls
    ("DI-", 2, 11), // promises about clients that dial
];

/// The shortest reason that can be one.
const REASON: usize = 20;

fn rows() -> Vec<String> {
    let ids = |(prefix, digits, last): (&str, usize, u32)| {
        (1..=last).map(move |n| format!("{prefix}{n:0digits$}")).collect::<Vec<_>>()
    };
    ROWS.into_iter().flat_map(ids).collect()
}

/// One line of the ledger.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row {
    id: String,
    rule: String,
    tests: Vec<String>,
    why_not: Option<String>,
}

impl Row {
    /// `ID = { rule = "..", tests = ["..", ".."], why_not = ".." }`, of which one of the last two
    /// may be missing. There are no escapes.
    fn parse(line: &str) -> Option<Self> {
        let (id, rest) = line.split_once(" = { rule = ")?;
        let (rule, mut rest) = string(rest)?;
        let mut row = Self { id: id.to_owned(), rule: rule.to_owned(), ..Self::default() };
        if let Some(list) = rest.strip_prefix(", tests = [") {
            rest = list;
            loop {
                let (test, after) = string(rest)?;
                row.tests.push(test.to_owned());
                match after.strip_prefix(", ") {
                    Some(next) => rest = next,
                    None => break rest = after.strip_prefix(']')?,
                }
            }
        }
        if let Some(reason) = rest.strip_prefix(", why_not = ") {
            let (reason, after) = string(reason)?;
            row.why_not = Some(reason.to_owned());
            rest = after;
        }
        (rest == " }").then_some(row)
    }
}

/// A quoted string that is not empty, and what follows it.
fn string(text: &str) -> Option<(&str, &str)> {
    let (string, rest) = text.strip_prefix('"')?.split_once('"')?;
    let plain = !string.contains('\\') && !string.contains(char::is_control);
    (plain && string.trim() == string && !string.is_empty()).then_some((string, rest))
}

/// What stands above a test.
#[derive(Debug, Default)]
struct Test {
    ids: HashSet<String>,
    ignored: bool,
}

/// The tests of a file, by name. Their ids stand in the comment above them.
fn tests(source: &str) -> Vec<(String, Test)> {
    let mut found = vec![];
    let (mut comment, mut attributes) = (String::new(), vec![]);
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("//").filter(|_| attributes.is_empty()) {
            comment = comment + text + " ";
        } else if line.starts_with("#[") {
            attributes.push(line);
        } else {
            let line = line.strip_prefix("async ").unwrap_or(line);
            if let Some((name, _)) = line.strip_prefix("fn ").and_then(|line| line.split_once('('))
            {
                let is_test = |line: &&str| *line == "#[test]" || line.starts_with("#[tokio::test");
                if attributes.iter().any(is_test) {
                    let ignored = attributes.iter().any(|line| line.starts_with("#[ignore"));
                    found.push((name.to_owned(), Test { ids: ids(&comment), ignored }));
                }
            }
            comment.clear();
            attributes.clear();
        }
    }
    found
}

/// The ids in a comment, those between the ends of `A to B` among them.
fn ids(comment: &str) -> HashSet<String> {
    let words = comment.split(|char: char| !char.is_ascii_alphanumeric() && char != '-');
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let mut ids = HashSet::new();
    for (i, word) in words.iter().enumerate() {
        let Some((prefix, first)) = split(word) else { continue };
        ids.insert((*word).to_owned());
        if let (Some(&"to"), Some(Some((same, last)))) =
            (words.get(i + 1), words.get(i + 2).map(|word| split(word)))
        {
            let digits = word.len() - prefix.len();
            assert!(same == prefix && first < last, "{comment}");
            ids.extend((first..last).map(|n| format!("{prefix}{n:0digits$}")));
        }
    }
    ids
}

/// What looks like an id, whether there is such a row or not.
fn split(word: &str) -> Option<(&'static str, u32)> {
    ROWS.iter().find_map(|(prefix, ..)| {
        let number = word.strip_prefix(prefix)?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse().ok().filter(|_| digits).map(|number| (*prefix, number))
    })
}

/// All tests, as the ledger names them: `frames.rs::name` or `src/frame.rs::name`.
fn all_tests() -> HashMap<String, Test> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = HashMap::new();
    for (folder, prefix) in [("tests", ""), ("src", "src/")] {
        let mut folders = vec![(root.join(folder), prefix.to_owned())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let name = entry.file_name().into_string().unwrap();
                if entry.path().is_dir() {
                    folders.push((entry.path(), format!("{prefix}{name}/")));
                } else if name.ends_with(".rs") {
                    for (test, above) in tests(&fs::read_to_string(entry.path()).unwrap()) {
                        let twice = all.insert(format!("{prefix}{name}::{test}"), above);
                        assert!(twice.is_none(), "{prefix}{name} has two tests {test}");
                    }
                }
            }
        }
    }
    all
}

/// Everything that is wrong with the ledger.
fn faults(ledger: &[Row], rows: &[String], tests: &HashMap<String, Test>) -> Vec<String> {
    let mut faults = vec![];
    let ids: Vec<_> = ledger.iter().map(|row| row.id.clone()).collect();
    faults.extend(rows.iter().filter(|id| !ids.contains(id)).map(|id| format!("{id} is missing")));
    faults.extend(ids.iter().filter(|id| !rows.contains(id)).map(|id| format!("{id} is no row")));
    if faults.is_empty() && ids != rows {
        faults.push("the rows are not in their order, or one is there twice".to_owned());
    }
    for Row { id, tests: named, why_not, .. } in ledger {
        let reason = why_not.as_ref().map(|reason| reason.chars().count());
        if reason.is_some_and(|len| len < REASON) || reason.is_none() && named.is_empty() {
            faults.push(format!("{id} has neither a test nor a reason"));
        }
        for (i, name) in named.iter().enumerate() {
            match tests.get(name) {
                None => faults.push(format!("{id} names {name}, which does not exist")),
                Some(test) if test.ignored => faults.push(format!("{name} of {id} is ignored")),
                Some(test) if !test.ids.contains(id) => {
                    faults.push(format!("{id} names {name}, whose comment does not name {id}"));
                }
                Some(_) if named[..i].contains(name) => {
                    faults.push(format!("{id} names {name} twice"));
                }
                Some(_) => {}
            }
        }
    }
    for (name, test) in tests {
        let unknown = test.ids.iter().filter(|id| !rows.contains(id));
        faults.extend(unknown.map(|id| format!("{name} names {id}, which is no row")));
    }
    faults.sort();
    faults
}

#[test]
#[cfg_attr(miri, ignore = "it reads files")]
fn every_row_has_a_test_or_a_reason() {
    let lines = include_str!("ledger.toml").lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let parse = |(i, line)| Row::parse(line).unwrap_or_else(|| panic!("line {}: {line}", i + 1));
    let ledger: Vec<Row> = lines.map(parse).collect();
    let tests = all_tests();
    let faults = faults(&ledger, &rows(), &tests);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    println!(
        "{} rows: {} with tests, {} with a reason, {} with both; {} of {} tests are named",
        ledger.len(),
        ledger.iter().filter(|row| !row.tests.is_empty()).count(),
        ledger.iter().filter(|row| row.why_not.is_some()).count(),
        ledger.iter().filter(|row| !row.tests.is_empty() && row.why_not.is_some()).count(),
        ledger.iter().flat_map(|row| &row.tests).collect::<HashSet<_>>().len(),
        tests.len(),
    );
}

#[test]
fn a_line_is_read_or_refused() {
    let row = |tests: &[&str], why_not: Option<&str>| Row {
        id: "A".into(),
        rule: "b".into(),
        tests: tests.iter().map(|test| (*test).to_owned()).collect(),
        why_not: why_not.map(str::to_owned),
    };
    let rows = [
        (r#"A = { rule = "b" }"#, row(&[], None)),
        (r#"A = { rule = "b", tests = ["c"] }"#, row(&["c"], None)),
        (r#"A = { rule = "b", tests = ["c", "d"], why_not = "e" }"#, row(&["c", "d"], Some("e"))),
        (r#"A = { rule = "b", why_not = "e, f" }"#, row(&[], Some("e, f"))),
    ];
    for (line, row) in rows {
        assert_eq!(Row::parse(line), Some(row));
    }
    for line in [
        r#"A"#,
        r#"A = {}"#,
        r#"A = { tests = ["c"] }"#,
        r#"A = { rule = "" }"#,
        r#"A = { rule = " b" }"#,
        r#"A = { rule = "b\"" }"#,
        r#"A = { rule = "b }"#,
        r#"A = { rule = "b" } "#,
        r#"A = { rule = "b", }"#,
        r#"A = { rule = "b", tests = [] }"#,
        r#"A = { rule = "b", tests = ["c",] }"#,
        r#"A = { rule = "b", tests = ["c" "d"] }"#,
        r#"A = { rule = "b", tests = "c" }"#,
        r#"A = { rule = "b", why_not = "e", tests = ["c"] }"#,
        r#"A = { rule = "b", other = "e" }"#,
    ] {
        assert_eq!(Row::parse(line), None, "{line}");
    }
}

#[test]
fn mistakes_in_the_ledger_are_noticed() {
    let rows = ["V01", "V02"].map(String::from);
    let source = "// V01, UTF-8, T4\n#[test]\nfn good() {}\n\n// V01 to V03\n#[test]\n#[ignore]\n\
        fn bad() {}\n// V02\nfn none() {}\n// V02\n\n#[test]\nfn apart() {}";
    let tests: HashMap<_, _> =
        tests(source).into_iter().map(|(name, test)| (format!("a.rs::{name}"), test)).collect();
    let ledger: Vec<_> = [
        r#"V01 = { rule = "b", tests = ["a.rs::good", "a.rs::good", "a.rs::bad", "a.rs::none"] }"#,
        r#"V04 = { rule = "b", tests = ["a.rs::apart"], why_not = "too short" }"#,
    ]
    .map(|line| Row::parse(line).unwrap())
    .into();
    let wanted = [
        "V01 names a.rs::good twice",
        "V01 names a.rs::none, which does not exist",
        "V02 is missing",
        "V04 has neither a test nor a reason",
        "V04 is no row",
        "V04 names a.rs::apart, whose comment does not name V04",
        "a.rs::bad names V03, which is no row",
        "a.rs::bad of V01 is ignored",
    ];
    assert_eq!(faults(&ledger, &rows, &tests), wanted);
    let twice = [r#"V01 = { rule = "b", tests = ["a.rs::good"] }"#; 2];
    let ledger: Vec<_> = twice.map(|line| Row::parse(line).unwrap()).into();
    let fault = "the rows are not in their order, or one is there twice";
    assert!(faults(&ledger, &rows[..1], &HashMap::new()).contains(&fault.to_owned()));
}
