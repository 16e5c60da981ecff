//! A reading of RFC 7692 §7.1 of its own: which offers are right, and which answers to them.

/// The parameters of an element as name and value, if its name is permessage-deflate.
pub(crate) type Parameters = Vec<(String, Option<String>)>;

pub(crate) fn parse(element: &str) -> Option<Parameters> {
    let mut parts = element.split(';').map(str::trim);
    assert_eq!(parts.next(), Some("permessage-deflate"));
    let unquoted = |value: &str| value.trim_matches('"').to_owned();
    Some(
        parts
            .map(|part| match part.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(unquoted(value))),
                None => (part.to_owned(), None),
            })
            .collect(),
    )
}

fn bits(value: &str) -> Option<u8> {
    (8..=15).find(|bits| bits.to_string() == value)
}

/// Whether an offer is one that RFC 7692 §7.1 allows.
pub(crate) fn is_valid(offer: &Parameters) -> bool {
    let once = |name: &str| offer.iter().filter(|(other, _)| other == name).count() == 1;
    offer.iter().all(|(name, value)| {
        once(name)
            && match (name.as_str(), value) {
                ("server_no_context_takeover" | "client_no_context_takeover", value) => {
                    value.is_none()
                }
                ("server_max_window_bits", Some(value)) => bits(value).is_some(),
                ("client_max_window_bits", None) => true,
                ("client_max_window_bits", Some(value)) => bits(value).is_some(),
                _ => false,
            }
    })
}

/// Asserts that this answer is one that a server may give to this offer, and keeps to what it is set to remember.
pub(crate) fn check(offer: &Parameters, answer: &Parameters, sent: usize, received: usize) {
    let context = format!("{offer:?} -> {answer:?}, {sent}, {received}");
    let of = |list: &Parameters, name: &str| {
        list.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
    };
    assert!(is_valid(answer), "{context}");
    // D-17
    if of(offer, "server_no_context_takeover").is_some() {
        assert_eq!(of(answer, "server_no_context_takeover"), Some(None), "{context}");
    }
    // D-24
    if let Some(Some(wanted)) = of(offer, "server_max_window_bits") {
        let given = of(answer, "server_max_window_bits").flatten();
        assert!(given.is_some_and(|given| bits(&given) <= bits(&wanted)), "{context}");
    }
    // D-30, D-31, D-32
    let hint = of(offer, "client_max_window_bits");
    let told = of(answer, "client_max_window_bits");
    if let Some(told) = &told {
        let told = bits(told.as_ref().unwrap()).unwrap();
        let hint = hint.as_ref().unwrap();
        assert!(hint.as_ref().is_none_or(|hint| told <= bits(hint).unwrap()), "{context}");
    }
    // The client knows of no promise that it may break, and the server keeps no more than it is set to.
    let forgets = of(answer, "client_no_context_takeover").is_some();
    if !forgets {
        let told = told.flatten().map_or(15, |told| bits(&told).unwrap());
        assert!(1 << told <= received, "{context}: it would have to keep more");
    }
    assert!(forgets || received > 0, "{context}");
}
