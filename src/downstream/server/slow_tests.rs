//! Clients that move their bytes slowly, with a paused clock.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep};

use super::tests::{FORM, answers, closing, connect, ok, paused, rest};

#[test]
fn a_body_below_the_minimum_rate_is_refused_and_one_above_it_is_not() {
    paused(async {
        let head = "POST / HTTP/1.1\r\nContent-Length: 10000\r\n\r\n";
        for (step, refused_after) in [(50, Some(40)), (101, None)] {
            let mut client = connect(1 << 16);
            let started = Instant::now();
            client.write_all(head.as_bytes()).await.unwrap();
            let mut body = vec![b'x'; 10_000];
            while !body.is_empty() {
                // once a second
                sleep(Duration::from_secs(1)).await;
                let piece: Vec<u8> = body.drain(..step.min(body.len())).collect();
                if client.write_all(&piece).await.is_err() {
                    break;
                }
            }
            match refused_after {
                Some(seconds) => {
                    assert!(started.elapsed().as_secs().abs_diff(seconds) <= 1, "{:?}", started.elapsed());
                    let refusal = rest(&mut client).await;
                    assert_eq!(refusal, closing("400 Bad Request", "the body comes slower than 100 B/s"));
                }
                None => {
                    client.shutdown().await.unwrap();
                    assert_eq!(rest(&mut client).await, ok(&"x".repeat(10_000)));
                }
            }
        }
    });
}

#[test]
fn the_bytes_that_frame_chunks_are_no_progress_of_a_body() {
    paused(async {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (data, refused) in [(50, true), (101, false)] {
            let mut client = connect(1 << 16);
            client.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..60 {
                sleep(Duration::from_secs(1)).await;
                // six bytes for each byte of data
                if client.write_all("1\r\nx\r\n".repeat(data).as_bytes()).await.is_err() {
                    break;
                }
            }
            let _late = client.write_all(b"0\r\n\r\n").await;
            let _gone = client.shutdown().await;
            let expected = if refused {
                closing("400 Bad Request", "the body comes slower than 100 B/s")
            } else {
                ok(&"x".repeat(60 * data))
            };
            assert_eq!(rest(&mut client).await, expected);
        }
    });
}

/// Asks for a form of 10,000 bytes back, and takes so many bytes of the response a second, until it ends. How many
/// came, and after how many seconds.
async fn read_slowly(step: usize) -> (usize, u64) {
    let mut client = connect(200);
    let body = "x".repeat(10_000);
    let sent = format!("POST / HTTP/1.1\r\nContent-Length: 10000\r\nConnection: close\r\n\r\n{body}");
    client.write_all(sent.as_bytes()).await.unwrap();
    let (started, mut taken) = (Instant::now(), 0_usize);
    let mut piece = vec![0; step];
    loop {
        sleep(Duration::from_secs(1)).await;
        match client.read(&mut piece).await.unwrap() {
            0 => return (taken, started.elapsed().as_secs()),
            read => taken = taken.saturating_add(read),
        }
    }
}

#[test]
fn a_response_that_is_taken_below_the_minimum_rate_is_cut_and_one_above_it_is_whole() {
    paused(async {
        let (taken, seconds) = read_slowly(50).await;
        assert!(taken < 3_000 && (38..50).contains(&seconds), "{taken} bytes, {seconds} seconds");
        let (taken, seconds) = read_slowly(1).await;
        assert!(taken <= 250 && seconds <= 250, "what the pipe held: {taken} bytes, {seconds} seconds");
        let (taken, _) = read_slowly(101).await;
        assert!(taken > 10_000, "{taken}");
    });
}

#[test]
fn the_time_in_which_the_endpoint_is_waited_for_is_not_the_clients() {
    paused(async {
        let started = Instant::now();
        // forty bytes in eighty seconds: far below the rate, and longer than the grace
        let whole = answers("POST /long HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 1000).await;
        assert!(whole.ends_with("1\r\na\r\n0\r\n\r\n"), "{whole}");
        assert_eq!(started.elapsed().as_secs(), 82);
    });
}

#[test]
fn a_client_that_does_not_read_is_cut_after_the_idle_timeout() {
    paused(async {
        let mut client = connect(16);
        client.write_all(FORM.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(61)).await;
        let error = client.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(rest(&mut client).await.len() <= 16);
    });
}
