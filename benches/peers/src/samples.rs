//! Messages that compress as those of applications do: nobody compresses random bytes.

use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// JSON as a market sends it, 180 bytes.
    Tick,
    /// JSON of some messages of a chat, 1.9 KB.
    Chat,
    /// English, 64 KiB.
    Prose,
}

/// What has been written about sansocket: English as it is.
const DOCUMENTS: [&str; 4] = [
    include_str!("../../../DESIGN.md"),
    include_str!("../../../SECURITY.md"),
    include_str!("../../../README.md"),
    include_str!("../../../PERFORMANCE.md"),
];

impl Sample {
    pub const ALL: [Self; 3] = [Self::Tick, Self::Chat, Self::Prose];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tick => "180 B JSON",
            Self::Chat => "1.9 KB JSON",
            Self::Prose => "64 KiB text",
        }
    }

    /// How many there are before the first comes again: more than a window of 32 KiB holds, so that no
    /// message is found in it as a whole.
    pub fn count(self) -> usize {
        match self {
            Self::Tick => 512,
            Self::Chat => 64,
            Self::Prose => 8,
        }
    }

    /// All of them.
    pub fn messages(self) -> Vec<String> {
        let text: String = DOCUMENTS.concat().chars().filter(|&c| is_plain(c)).collect();
        (0..self.count()).map(|number| self.message(&text, number)).collect()
    }

    fn message(self, text: &str, number: usize) -> String {
        let mut random = Random(number as u64 * 2 + 1);
        match self {
            Self::Tick => tick(&mut random, number),
            Self::Chat => {
                let entries: Vec<String> =
                    (0..10).map(|n| entry(&mut random, text, number * 10 + n)).collect();
                format!("{{\"room\":\"lobby\",\"messages\":[{}]}}", entries.join(","))
            }
            Self::Prose => passage(text, random.below(text.len()), 64 * 1024),
        }
    }
}

/// Neither to be escaped in JSON nor more than a byte long.
fn is_plain(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' '
}

fn tick(random: &mut Random, number: usize) -> String {
    const SYMBOLS: [&str; 8] =
        ["BTC-USD", "ETH-USD", "SOL-USD", "ADA-USD", "XRP-USD", "DOT-USD", "LTC-USD", "BCH-USD"];
    let symbol = SYMBOLS[random.below(SYMBOLS.len())];
    let side = ["buy", "sell"][random.below(2)];
    let mut tick = String::with_capacity(192);
    let _ = write!(
        tick,
        "{{\"type\":\"match\",\"product\":\"{symbol}\",\"side\":\"{side}\",\"price\":\"{}.{:02}\",\
         \"size\":\"0.{:08}\",\"sequence\":{},\"trade\":{},\"time\":\"2026-03-14T09:{:02}:{:02}.{:06}Z\"",
        64_000 + random.below(900),
        random.below(100),
        random.below(100_000_000),
        73_904_811_520 + number * 3 + random.below(3),
        518_204_377 + number,
        number / 60 % 60,
        number % 60,
        random.below(1_000_000),
    );
    tick + "}"
}

fn entry(random: &mut Random, text: &str, number: usize) -> String {
    const NAMES: [&str; 8] = ["ada", "brian", "chen", "dora", "emil", "fatima", "george", "hanna"];
    let len = 60 + random.below(60);
    format!(
        "{{\"id\":\"{:016x}\",\"user\":\"{}\",\"sent\":{},\"edited\":false,\"text\":\"{}\"}}",
        random.next(),
        NAMES[random.below(NAMES.len())],
        1_773_480_413_000 + number * 4_127,
        passage(text, random.below(text.len()), len),
    )
}

/// So many bytes of a text, which starts over at its end.
fn passage(text: &str, from: usize, len: usize) -> String {
    text.chars().cycle().skip(from).take(len).collect()
}

/// The same numbers on each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mixed = (self.0 ^ (self.0 >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 32)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
