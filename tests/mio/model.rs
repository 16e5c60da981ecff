//! Random schedules: what the application is called for, and what the peers receive, goes as a simple model says.
//!
//! The application's calls are the order in which things have happened; the model is replayed along them.

use std::collections::{HashMap, HashSet};

use sansocket::mio::Id;

use crate::client::Client;
use crate::common::rng::Rng;
use crate::common::wire::{self, CLOSE, TEXT};
use crate::running::{Call, Running};

const SCHEDULES: usize = 2000;
const STEPS: usize = 25;
const CLIENTS: usize = 5;
const TOPICS: [&str; 3] = ["a", "b", "c"];

/// A client of a schedule.
struct Participant {
    client: Client,
    id: Id,
    received: Vec<String>,
    /// It was told of its end, or has gone.
    over: bool,
}

impl Participant {
    /// Two round trips: what was published before the first has arrived before the second.
    fn sync(&mut self) {
        for _ in 0..2 {
            if !self.over {
                self.say(&["echo sync".to_owned()]);
                while !self.over && self.receive() != Some("sync") {}
            }
        }
    }

    fn receive(&mut self) -> Option<&str> {
        match self.client.try_frame() {
            Ok((TEXT, payload)) => self.received.push(String::from_utf8(payload).unwrap()),
            Ok((CLOSE, payload)) => {
                // It may have gone already.
                let _ =
                    std::io::Write::write_all(&mut self.client.0, &wire::client(CLOSE, &payload));
                self.over = true;
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => self.over = true,
        }
        self.received.last().map(String::as_str)
    }

    fn say(&mut self, commands: &[String]) {
        let frames: Vec<u8> =
            commands.iter().flat_map(|command| wire::client(TEXT, command.as_bytes())).collect();
        // It may have been cut off.
        let _ = std::io::Write::write_all(&mut self.client.0, &frames);
    }
}

/// What the model expects one connection to receive.
#[derive(Default)]
struct Expected {
    direct: Vec<String>,
    /// Publications by topic, where in the log they are, and whether they have to arrive.
    published: Vec<(String, usize, String, bool)>,
    topics: HashSet<String>,
    state: String,
    /// Where the last two round trips began.
    syncs: Vec<usize>,
    opened: bool,
    /// Nothing can be sent to it any more.
    mute: bool,
    closed: bool,
}

impl Expected {
    /// What was published in the same round may be missed from now on.
    fn part(&mut self, topic: Option<&str>) {
        let known = self.syncs.len().checked_sub(2).map_or(0, |index| self.syncs[index]);
        for (name, at, _, required) in &mut self.published {
            if *at >= known && topic.is_none_or(|topic| topic == name) {
                *required = false;
            }
        }
    }
}

/// Replays the model along the log.
fn replay(log: &[Call]) -> HashMap<Id, Expected> {
    let mut all: HashMap<Id, Expected> = HashMap::new();
    for (at, call) in log.iter().enumerate() {
        match call {
            Call::Request(id, _) => {
                assert!(all.insert(*id, Expected::default()).is_none(), "{id:?} was there before");
            }
            Call::Open(id, _) => {
                let one = all.get_mut(id).unwrap();
                assert!(!std::mem::replace(&mut one.opened, true), "{id:?} was opened twice");
            }
            Call::Message(id, command) => {
                let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
                let one = all.get_mut(id).unwrap();
                assert!(one.opened && !one.closed, "a message of {id:?} after its end");
                let mut answers = |answer: String| one.direct.extend((!one.mute).then_some(answer));
                match verb {
                    "echo" => {
                        answers(rest.to_owned());
                        if rest == "sync" {
                            one.syncs.push(at);
                        }
                    }
                    "set" => one.state = rest.to_owned(),
                    "join" => answers(format!("Ok({})", one.topics.insert(rest.to_owned()))),
                    "leave" => {
                        answers(one.topics.remove(rest).to_string());
                        one.part(Some(rest));
                    }
                    "tell" => {
                        let (topic, text) = rest.split_once(' ').unwrap();
                        for other in all.values_mut() {
                            if other.topics.contains(topic) && !other.mute {
                                let note = (topic.to_owned(), at, text.to_owned(), true);
                                other.published.push(note);
                            }
                        }
                    }
                    "close" | "abort" | "panic" => {
                        one.part(None);
                        one.mute = true;
                        if verb == "abort" {
                            // What was not written is lost.
                            one.direct.clear();
                        }
                    }
                    _ => panic!("{command}"),
                }
            }
            Call::Closed(id, state, _) => {
                let one = all.get_mut(id).unwrap();
                assert!(one.opened, "{id:?} was not open");
                assert!(!std::mem::replace(&mut one.closed, true), "{id:?} has ended twice");
                assert_eq!(*state, one.state);
                one.part(None);
                one.topics.clear();
                one.mute = true;
            }
            Call::Mail(_) => {}
            other => panic!("{other:?}"),
        }
    }
    for (id, one) in &all {
        assert!(one.closed, "nobody was told of the end of {id:?}");
    }
    all
}

fn check(one: &Expected, received: &[String]) {
    let is_published = |text: &&String| text.starts_with('p');
    let direct: Vec<&String> = received.iter().filter(|text| !is_published(text)).collect();
    let sent_by_name = direct.iter().filter(|text| text.starts_with("for ")).count();
    assert_eq!(direct.len() - sent_by_name, one.direct.len());
    let answers = direct.iter().filter(|text| !text.starts_with("for "));
    assert!(answers.zip(&one.direct).all(|(got, expected)| *got == expected));
    let mut published = received.iter().filter(is_published).peekable();
    for (_, _, text, required) in &one.published {
        match published.next_if(|got| *got == text) {
            Some(_) => {}
            None => assert!(!required, "{text} is missing"),
        }
    }
    assert_eq!(published.next(), None, "nobody has published that, or not to this one");
}

fn schedule(server: &Running, rng: &mut Rng, held: &mut Vec<Id>) {
    let mut log = vec![];
    let mut all: Vec<Participant> = vec![];
    // Whose every byte counts.
    let mut checked: Vec<(Id, Vec<String>)> = vec![];
    let mut count = 0;
    let command = |rng: &mut Rng, count: &mut usize| {
        *count += 1;
        let topic = rng.pick(&TOPICS);
        match rng.below(10) {
            0..3 => format!("join {topic}"),
            3 => format!("leave {topic}"),
            4..8 => format!("tell {topic} p{count}"),
            8 => format!("set {count}"),
            _ => format!("echo {count}"),
        }
    };
    for _ in 0..STEPS {
        let step = rng.below(12);
        if all.len() < CLIENTS && (step < 3 || all.is_empty()) {
            let client = Client::open(server.address);
            let id = loop {
                let call = server.call();
                log.push(call.clone());
                if let Call::Open(id, _) = call {
                    break id;
                }
            };
            held.push(id);
            all.push(Participant { client, id, received: vec![], over: false });
            continue;
        }
        let index = rng.below(all.len());
        let one = &mut all[index];
        match step {
            0..8 => {
                let n = 1 + rng.below(4);
                let commands: Vec<String> = (0..n).map(|_| command(rng, &mut count)).collect();
                one.say(&commands);
            }
            8 => one.sync(),
            9 => {
                let mut commands = vec![command(rng, &mut count)];
                commands.push(rng.pick(&["close 4000", "abort", "panic"]).to_string());
                commands.push(command(rng, &mut count));
                one.say(&commands);
            }
            10 => {
                let id = *rng.pick(held);
                server.handle.send(id, &format!("for {id:?}")).unwrap();
            }
            _ => drop(all.swap_remove(index)),
        }
    }
    for mut one in all {
        one.sync();
        if !one.over {
            one.say(&[]);
            let _ = std::io::Write::write_all(&mut one.client.0, &wire::client(CLOSE, &[]));
        }
        while !one.over {
            one.receive();
        }
        let own = format!("for {:?}", one.id);
        let mut foreign = one.received.iter().filter(|text| text.starts_with("for "));
        assert!(foreign.all(|text| *text == own), "sent to another connection");
        checked.push((one.id, one.received));
    }
    while server.handle.connections() > 0 {
        std::thread::yield_now();
    }
    log.extend(server.calls());
    let expected = replay(&log);
    let aborted: HashSet<Id> = log
        .iter()
        .filter_map(|call| match call {
            Call::Message(id, command) if command == "abort" => Some(*id),
            _ => None,
        })
        .collect();
    for (id, received) in checked.iter().filter(|(id, _)| !aborted.contains(id)) {
        check(&expected[id], received);
    }
}

// ML-06, ML-05, ML-10: each open has one end, nothing comes after it, names are not used again, and topics reach
// their subscribers and nobody else
#[test]
fn random_schedules_go_as_the_model_says() {
    let server = Running::start();
    let mut held = vec![];
    for seed in 0..SCHEDULES as u64 {
        let mut rng = Rng::new(seed);
        schedule(&server, &mut rng, &mut held);
        if held.len() > 1000 {
            held.drain(..500);
        }
    }
}
