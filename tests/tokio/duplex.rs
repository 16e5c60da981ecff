//! Both directions at once.

use sansocket::handshake::client::Request;
use sansocket::tokio::{Receiver, Sender, Transport, accept, connect};
use sansocket::{CloseCode, Config};

const MIB: usize = 1024 * 1024;

type Halves<S> = (Sender<S>, Receiver<S>);

/// A server and a client over this much memory.
async fn pair(memory: usize) -> (Halves<impl Transport + Send>, Halves<impl Transport + Send>) {
    let (ours, theirs) = tokio::io::duplex(memory);
    let request = Request::new("ws://example.com/").unwrap();
    let (server, client) =
        tokio::join!(accept(ours, Config::default()), connect(theirs, &request, Config::default()));
    let (sender, receiver, _) = client.unwrap();
    (server.unwrap(), (sender, receiver))
}

async fn flood<S: Transport>(sender: Sender<S>, byte: u8) {
    let message = vec![byte; MIB];
    for _ in 0..64 {
        sender.send(&message).await.unwrap();
    }
}

async fn drink<S: Transport>(receiver: &mut Receiver<S>, byte: u8) {
    for _ in 0..64 {
        let message = receiver.recv().await.unwrap().unwrap();
        assert!(message.len() == MIB && message.as_bytes()[0] == byte);
    }
}

// TA-04: two peers that both write do not wait for each other
#[tokio::test]
async fn both_sides_write_64_mib_at_once() {
    let ((server, mut server_receiver), (client, mut client_receiver)) = pair(64 * 1024).await;
    tokio::join!(
        flood(server, 1),
        flood(client.clone(), 2),
        drink(&mut server_receiver, 2),
        drink(&mut client_receiver, 1),
    );
    let (closed, closing) =
        tokio::join!(server_receiver.drain(), client_receiver.close(CloseCode::NORMAL, "done"));
    closed.unwrap();
    closing.unwrap();
    assert_eq!(server_receiver.close_frame().unwrap().reason, "done");
}

// TA-04: in tasks on several threads, over a real socket
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_write_64_mib_at_once_over_tcp() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let request = Request::new("ws://localhost/").unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (accepted, connected) = tokio::join!(
        async { accept(listener.accept().await.unwrap().0, Config::default()).await },
        connect(stream, &request, Config::default())
    );
    let ((server, mut server_receiver), (client, mut client_receiver, _)) =
        (accepted.unwrap(), connected.unwrap());
    assert!(server_receiver.with_stream(|stream| stream.nodelay().unwrap()).unwrap());
    let floods = [tokio::spawn(flood(server, 1)), tokio::spawn(flood(client, 2))];
    let serving = tokio::spawn(async move {
        drink(&mut server_receiver, 2).await;
        server_receiver.drain().await.unwrap();
    });
    drink(&mut client_receiver, 1).await;
    for flood in floods {
        flood.await.unwrap();
    }
    client_receiver.close(CloseCode::NORMAL, "").await.unwrap();
    serving.await.unwrap();
}

// IO-16: many senders, one order for each of them
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_several_tasks_are_not_mixed() {
    let ((server, server_receiver), (client, mut client_receiver)) = pair(1000).await;
    drop(client);
    let senders: Vec<_> = (0..8u8)
        .map(|id| {
            let sender = server.clone();
            tokio::spawn(async move {
                for n in 0..100u8 {
                    let len = if n % 10 == 0 { 20_000 } else { 20 };
                    let message = [vec![id, n], vec![id; len]].concat();
                    match n % 3 {
                        0 => sender.send(&message).await.unwrap(),
                        1 => sender.feed(&message).await.unwrap(),
                        _ => {
                            while sender.try_send(&message).is_err() {
                                sender.ready().await.unwrap();
                            }
                        }
                    }
                }
            })
        })
        .collect();
    let mut server_receiver = server_receiver;
    let serving = tokio::spawn(async move { server_receiver.drain().await });
    let mut next = [0u8; 8];
    for _ in 0..800 {
        let message = client_receiver.recv().await.unwrap().unwrap();
        let [id, n, rest @ ..] = message.as_bytes() else { panic!() };
        assert_eq!(next[usize::from(*id)], *n);
        assert!(rest.iter().all(|byte| byte == id));
        next[usize::from(*id)] += 1;
    }
    for sender in senders {
        sender.await.unwrap();
    }
    client_receiver.close(CloseCode::NORMAL, "").await.unwrap();
    serving.await.unwrap().unwrap();
}
