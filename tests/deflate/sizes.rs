//! The figures of the chart in the documentation of `Compression`.

use sansocket::Compression;

use crate::common::rng::Rng;
use crate::peer::{accept, configured};

/// A quote of about 180 bytes, of one of 20 instruments.
fn tick(rng: &mut Rng) -> String {
    let symbols = ["EURUSD", "USDJPY", "GBPUSD", "AUDUSD", "USDCAD", "USDCHF", "NZDUSD", "EURJPY"];
    let (symbol, price, size) = (rng.pick(&symbols), 10_000 + rng.below(90_000), rng.below(500));
    let time = 1_790_000_000_000 + rng.next() % 10_000_000;
    format!(
        "{{\"type\":\"quote\",\"symbol\":\"{symbol}\",\"time\":{time},\"bid\":{}.{price},\"ask\":{}.{},\
         \"bidSize\":{size},\"askSize\":{},\"venue\":\"{}\",\"condition\":\"regular\",\"sequence\":{}}}",
        price % 3,
        price % 3,
        price + size,
        rng.below(500),
        rng.pick(&["LD4", "NY5", "TY3"]),
        rng.below(10_000_000),
    )
}

/// Words, of which those in front come more often.
fn prose(rng: &mut Rng, len: usize) -> String {
    const WORDS: &str = "the of and to a in is it you that he was for on are with as his they be at one have this from \
        or had by hot but some what there we can out other were all your when up use word how said an each she which do \
        their time if will way about many then them would write like so these her long make thing see him two has look \
        more day could go come did my sound no most number who over know water than call first people may down side been \
        now find any new work part take get place made live where after back little only round man year came show every \
        good me give our under name very through just form much great think say help low line before turn cause same mean \
        differ move right boy old too does tell sentence set three want air well also play small end put home read hand \
        port large spell add even land here must big high such follow act why ask men change went light kind off need \
        house picture try us again animal point mother world near build self earth father head stand own page should \
        country found answer school grow study still learn plant cover food sun four thought let keep eye never last";
    let words: Vec<_> = WORDS.split_whitespace().collect();
    let mut text = String::new();
    while text.len() < len {
        let most = 1 + rng.below(words.len());
        text += words[rng.below(most)];
        text += if rng.one_in(9) { ", " } else { " " };
    }
    text.truncate(len);
    text
}

/// Messages of a chat, as JSON.
fn chat(rng: &mut Rng) -> String {
    let messages: Vec<_> = (0..8)
        .map(|_| {
            let (id, len) = (rng.next(), 60 + rng.below(120));
            let text = prose(rng, len);
            let name = *rng.pick(&["ada", "grace", "linus", "barbara", "edsger"]);
            format!("{{\"id\":\"{id:016x}\",\"from\":\"{name}\",\"room\":\"lobby\",\"text\":\"{text}\"}}")
        })
        .collect();
    format!("[{}]", messages.join(","))
}

/// The size on the wire of such messages, in percent.
fn percent(offer: &str, message: impl Fn(&mut Rng) -> String) -> usize {
    let (mut session, _) = accept(offer, &configured(Compression::new()));
    let (mut rng, mut sent, mut raw) = (Rng::new(1), 0, 0);
    for _ in 0..100 {
        let text = message(&mut rng);
        session.connection.send(text.as_str()).unwrap();
        raw += text.len();
        sent += session.output().len();
    }
    sent * 100 / raw
}

#[test]
fn messages_shrink_as_the_documents_say() {
    let alone = "permessage-deflate; server_no_context_takeover";
    let behind = "permessage-deflate";
    let sizes = [alone, behind].map(|offer| {
        [percent(offer, tick), percent(offer, chat), percent(offer, |rng| prose(rng, 65_536))]
    });
    let wanted = [[92, 46, 37], [33, 37, 36]];
    let mut pairs = sizes.iter().flatten().zip(wanted.iter().flatten());
    let good = pairs.all(|(size, wanted): (&usize, &usize)| size.abs_diff(*wanted) <= 3);
    assert!(good, "{sizes:?}, not {wanted:?}");
}
