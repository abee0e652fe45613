use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

const TIMES: ClientTimes = ClientTimes {
    head_ms: 10_000,
    body_gap_ms: 1,
    body_ms: 1,
    write_gap_ms: 30_000,
    keep_alive_ms: 75_000,
    exchange_ms: 3_600_000,
};

fn connection(is_http1: bool) -> (DuplexStream, Watched<DuplexStream>, Rc<Watch>) {
    let (client, server) = tokio::io::duplex(1024);
    let watch = Watch::new(TIMES, is_http1);
    (client, Watched::new(server, Rc::clone(&watch)), watch)
}

/// Reads until the transport fails; how long that took.
async fn read_to_the_end(server: &mut Watched<DuplexStream>) -> Duration {
    let started = Instant::now();
    let mut buffer = [0; 64];
    loop {
        match server.read(&mut buffer).await {
            Ok(0) => panic!("the client closed"),
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                return started.elapsed();
            }
        }
    }
}

fn about(taken: Duration, ms: u64) -> bool {
    (Duration::from_millis(ms)..Duration::from_millis(ms + 100)).contains(&taken)
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_however_many_pieces_it_comes_in() {
    let (mut client, mut server, _) = connection(true);
    let dripping = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if client.write_all(b"x").await.is_err() {
                break;
            }
        }
    };
    let taken = tokio::select! {
        taken = read_to_the_end(&mut server) => taken,
        () = dripping => panic!("the client ended first"),
    };
    // The first byte came after a second, and from there on the head has its time.
    assert!(about(taken, 11_000), "{taken:?}");
    drop(server);
    let mut said = String::new();
    client.read_to_string(&mut said).await.expect("readable");
    let (head, body) = said.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 408 ") && head.ends_with(&format!("content-length: {}", body.len())), "{said}");
    assert!(body.starts_with('{') && body.contains("\"request_timeout\""));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_sooner_or_later_by_what_it_follows() {
    let (_client, mut server, _) = connection(true);
    assert!(about(read_to_the_end(&mut server).await, 10_000));
    let (_client, mut server, watch) = connection(true);
    drop(watch.begin(false));
    assert!(about(read_to_the_end(&mut server).await, 75_000));
    let (_client, mut server, watch) = connection(true);
    let _busy = watch.begin(false);
    assert!(about(read_to_the_end(&mut server).await, 3_600_000));
}

#[tokio::test(start_paused = true)]
async fn frames_between_requests_keep_no_http2_connection() {
    let (mut client, mut server, watch) = connection(false);
    let first = watch.begin(false);
    let second = watch.begin(false);
    drop((first, second));
    let pinging = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if client.write_all(b"ping").await.is_err() {
                break;
            }
        }
    };
    let taken = tokio::select! {
        taken = read_to_the_end(&mut server) => taken,
        () = pinging => panic!("the client ended first"),
    };
    assert!(about(taken, 75_000), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up() {
    let (_client, mut server, watch) = connection(true);
    let _busy = watch.begin(false);
    let started = Instant::now();
    let error = server.write_all(&[0; 4096]).await.expect_err("full");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(about(started.elapsed(), 30_000));
}

#[tokio::test(start_paused = true)]
async fn lingers_after_a_refusal_only() {
    let (_client, mut server, _) = connection(true);
    let started = Instant::now();
    server.shutdown().await.expect("closed");
    assert_eq!(started.elapsed(), Duration::ZERO);
    let (mut client, mut server, watch) = connection(true);
    drop(watch.begin(true));
    client.write_all(&[0; 512]).await.expect("room");
    server.shutdown().await.expect("closed");
    assert!(about(started.elapsed(), 2_000));
}
