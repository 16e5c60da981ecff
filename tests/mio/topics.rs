//! Topics: who gets what is published, and in which order.

use crate::common::wire::{self, TEXT};
use crate::running::{Mail, Running};

// ML-05
#[test]
fn subscribers_get_what_is_published_and_nobody_else() {
    let server = Running::start();
    let (mut one, _) = server.client();
    let (mut two, _) = server.client();
    let (mut three, _) = server.client();
    assert_eq!(one.ask("join a"), "Ok(true)");
    assert_eq!(one.ask("join a"), "Ok(false)");
    assert_eq!(two.ask("join a"), "Ok(true)");
    assert_eq!(two.ask("join b"), "Ok(true)");
    assert_eq!(two.ask("topics"), "a,b");
    three.say("tell a from three");
    assert_eq!((one.text(), two.text()), ("from three".to_owned(), "from three".to_owned()));
    one.say("others a from one");
    assert_eq!(two.text(), "from one");
    assert_eq!(one.ask("echo next"), "next");
    one.say("tell a to all");
    assert_eq!((one.text(), two.text()), ("to all".to_owned(), "to all".to_owned()));
    assert_eq!(two.ask("leave a"), "true");
    assert_eq!(two.ask("leave a"), "false");
    three.say("tell a for one");
    three.say("tell b for two");
    three.say("tell c for nobody");
    assert_eq!((one.text(), two.text()), ("for one".to_owned(), "for two".to_owned()));
    assert_eq!(three.ask("echo nothing"), "nothing");
}

// ML-05: each message once, in order, also when several topics meet in one round
#[test]
fn publications_of_a_batch_arrive_in_order() {
    let server = Running::start();
    let (mut listener, _) = server.client();
    let (mut one, _) = server.client();
    for topic in ["a", "b"] {
        listener.ask(&format!("join {topic}"));
    }
    one.ask("join b");
    let batch = |topics: &[&str]| -> Vec<u8> {
        let command =
            |(n, topic): (usize, &&str)| wire::client(TEXT, format!("tell {topic} {n}").as_bytes());
        topics.iter().enumerate().flat_map(command).collect()
    };
    one.write(&batch(&["a", "b", "b", "a", "c", "b"]));
    for n in ["0", "1", "2", "3", "5"] {
        assert_eq!(listener.text(), n);
    }
    for n in ["1", "2", "5"] {
        assert_eq!(one.text(), n);
    }
    one.write(&batch(&["a", "a", "a"]));
    for n in ["0", "1", "2"] {
        assert_eq!(listener.text(), n);
    }
}

// ML-05: a subscription counts from now on, its end at once
#[test]
fn a_subscription_gets_what_is_published_behind_it() {
    let server = Running::start();
    let (mut client, _) = server.client();
    let (mut other, _) = server.client();
    other.ask("join a");
    let batch = ["tell a early", "join a", "tell a late"].map(|c| wire::client(TEXT, c.as_bytes()));
    client.write(&batch.concat());
    assert_eq!(client.text(), "Ok(true)");
    assert_eq!(client.text(), "late");
    assert_eq!(other.text(), "early");
    assert_eq!(other.text(), "late");
    let batch = ["tell a last", "leave a", "echo end"].map(|c| wire::client(TEXT, c.as_bytes()));
    client.write(&batch.concat());
    assert_eq!(client.text(), "true");
    assert_eq!(client.text(), "end");
    assert_eq!(other.text(), "last");
}

// ML-05
#[test]
fn subscriptions_are_bounded() {
    let server = Running::start_with(sansocket::Config::default(), |server| server.max_topics(2));
    let (mut client, _) = server.client();
    assert_eq!(client.ask("join a"), "Ok(true)");
    assert_eq!(client.ask("join b"), "Ok(true)");
    assert_eq!(client.ask("join c"), "Err(TooMany { max: 2 })");
    assert_eq!(client.ask("leave a"), "true");
    assert_eq!(client.ask("join c"), "Ok(true)");
    assert_eq!(client.ask("leave b"), "true");
    assert_eq!(client.ask(&format!("join {}", "x".repeat(256))), "Err(NameTooLong)");
}

// ML-05: of all lengths
#[test]
fn large_messages_are_published() {
    let server = Running::start();
    let (mut client, id) = server.client();
    client.ask("join a");
    for len in [1, 1000, 100_000, 1 << 20] {
        let message = "x".repeat(len);
        server.handle.publish("a", &message).unwrap();
        server.handle.publish("a", &message).unwrap();
        server.handle.mail(0, Mail::Do(id, format!("tell a {message}"))).unwrap();
        for _ in 0..3 {
            assert_eq!(client.text().len(), len);
        }
    }
}
