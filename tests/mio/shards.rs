//! More than one event loop.

use std::net::TcpListener;

use sansocket::Config;
use sansocket::mio::{Id, PostError, Server};

use crate::client::{Client, PATIENCE};
use crate::running::{Mail, Running};

fn clients(server: &Running, n: usize) -> Vec<(Client, Id)> {
    (0..n).map(|_| server.client()).collect()
}

// ML-15: each connection goes to the shard with the fewest
#[test]
fn connections_are_spread_evenly() {
    let server = Running::start_with(Config::default(), |server| server.shards(3));
    let mut clients = clients(&server, 9);
    let of = |clients: &[(Client, Id)], shard| {
        clients.iter().filter(|(_, id)| id.shard() == shard).count()
    };
    assert!((0..3).all(|shard| of(&clients, shard) == 3));
    // Those of one shard leave, those who come next go there.
    let (left, stayed): (Vec<_>, Vec<_>) = clients.drain(..).partition(|(_, id)| id.shard() == 1);
    for (client, _) in left {
        client.close();
    }
    while server.handle.connections() > 6 {
        std::thread::yield_now();
    }
    let new = self::clients(&server, 3);
    assert_eq!(of(&new, 1), 3);
    drop(stayed);
}

// ML-15: topics are those of all shards
#[test]
fn publications_reach_all_shards() {
    let server = Running::start_with(Config::default(), |server| server.shards(2));
    let mut clients = clients(&server, 4);
    for (client, _) in &mut clients {
        client.ask("join a");
    }
    clients[0].0.say("tell a from a peer");
    server.wait_for(|call| {
        matches!(call, crate::running::Call::Message(_, text) if text.starts_with("tell"))
            .then_some(())
    });
    for (client, _) in &mut clients {
        assert_eq!(client.text(), "from a peer");
    }
    server.handle.publish("a", "from a thread").unwrap();
    for (client, _) in &mut clients {
        assert_eq!(client.text(), "from a thread");
    }
    clients[3].0.say("others a but one");
    for (client, _) in &mut clients[..3] {
        assert_eq!(client.text(), "but one");
    }
    assert_eq!(clients[3].0.ask("echo next"), "next");
}

// ML-15: a shard that has ended has no subscribers
#[test]
fn publications_go_on_while_the_server_stops() {
    let server = Running::start_with(Config::default(), |server| server.shards(2));
    let [mut first, gone, mut second] = [(); 3].map(|()| server.client());
    assert_eq!([&first, &gone, &second].map(|(_, id)| id.shard()), [0, 1, 0]);
    second.0.ask("join a");
    gone.0.close();
    let handle = server.handle.clone();
    let stop = std::thread::spawn(move || handle.stop(PATIENCE, 2 * PATIENCE));
    first.0.assert_closed_with(1001);
    while server.handle.mail(1, Mail::Say(String::new())).is_ok() {
        std::thread::yield_now();
    }
    second.0.say("tell a from a peer");
    assert_eq!(second.0.text(), "from a peer");
    server.handle.publish("a", "from a thread").unwrap();
    assert_eq!(second.0.text(), "from a thread");
    let handle = server.handle.clone();
    drop(server);
    assert_eq!(handle.publish("a", "too late"), Err(PostError::Stopped));
    stop.join().unwrap();
}

// ML-15: everywhere in the same order
#[test]
fn publications_of_threads_have_one_order() {
    const MESSAGES: usize = 500;
    let server = Running::start_with(Config::default(), |server| server.shards(2));
    let mut clients = clients(&server, 4);
    for (client, _) in &mut clients {
        client.ask("join a");
    }
    let received: Vec<Vec<String>> = std::thread::scope(|scope| {
        for sender in 0..2 {
            let handle = server.handle.clone();
            scope.spawn(move || {
                for n in 0..MESSAGES {
                    handle.publish("a", &format!("{sender} {n}")).unwrap();
                }
            });
        }
        let read = |mut client: Client| (0..2 * MESSAGES).map(|_| client.text()).collect();
        let threads: Vec<_> =
            clients.into_iter().map(|(client, _)| scope.spawn(move || read(client))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(received.windows(2).all(|pair| pair[0] == pair[1]));
}

// ML-15: a socket for each shard, which accepts for itself
#[test]
fn each_shard_may_have_a_listener() {
    let listeners: Vec<TcpListener> =
        (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let addresses: Vec<_> = listeners.iter().map(|one| one.local_addr().unwrap()).collect();
    let server = Running::run(Server::from_listeners(listeners, Config::default()));
    for (shard, address) in addresses.into_iter().enumerate() {
        let mut client = Client::open(address);
        let id = server.wait_for(|call| match call {
            crate::running::Call::Open(id, on) => Some((*id, *on)),
            _ => None,
        });
        assert_eq!((id.0.shard(), id.1), (shard, shard));
        assert_eq!(client.ask("echo here"), "here");
    }
    assert_eq!(server.handle.shards(), 2);
}

// ML-03, ML-15: one limit for all
#[test]
fn the_limit_is_that_of_all_shards() {
    let server =
        Running::start_with(Config::default(), |server| server.max_connections(3).shards(2));
    let _clients = clients(&server, 3);
    assert_eq!(Client::connect(server.address).status(), 503);
    assert_eq!(server.handle.connections(), 3);
}

// ML-10, ML-15: a shard that cannot begin ends the others
#[test]
fn a_shard_whose_application_cannot_be_made_ends_the_server() {
    let server = Server::<()>::bind("127.0.0.1:0", Config::default()).unwrap().shards(2);
    let handle = server.handle();
    let ended =
        std::thread::spawn(move || server.run(|shard| Made { _is: shard.checked_sub(1).unwrap() }));
    assert!(ended.join().is_err(), "the panic goes on in the thread that runs the server");
    assert!(handle.is_stopping());
    assert_eq!(handle.stop(std::time::Duration::ZERO, crate::client::PATIENCE), 0);
}

struct Made {
    _is: usize,
}

impl sansocket::mio::App for Made {
    type State = ();
    type Mail = ();

    fn request(
        &mut self,
        _: Id,
        _: std::net::SocketAddr,
        request: &sansocket::handshake::Request,
    ) -> sansocket::mio::Verdict<()> {
        sansocket::mio::Verdict::Accept(request.accept(), ())
    }

    fn message(&mut self, _: &mut sansocket::mio::Peer<'_, ()>, _: sansocket::Message<'_>) {}
}
