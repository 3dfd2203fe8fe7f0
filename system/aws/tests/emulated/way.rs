//! A way to the emulator that can be made bad: dead, slow, throttling, or answering what nobody asked.
//!
//! Not here: what the pipeline makes of it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

/// What the way to the endpoint is like.
pub(crate) const WELL: u8 = 0;
pub(crate) const DEAD: u8 = 1;
pub(crate) const GARBAGE: u8 = 2;
pub(crate) const SLOW: u8 = 3;
pub(crate) const THROTTLED: u8 = 4;
/// Transactions, and so checkpoints, don't get through.
pub(crate) const WITHOUT_CHECKPOINTS: u8 = 5;
/// Writes arrive, their answers don't.
pub(crate) const WITHOUT_ANSWERS: u8 = 6;

/// A way to the emulator that can be made bad.
pub(crate) struct Way {
    pub(crate) url: String,
    pub(crate) is: Arc<AtomicU8>,
}

impl Way {
    pub(crate) fn new() -> Self {
        let to = std::env::var("AWS_ENDPOINT_URL").expect("it names the emulator");
        let to = to.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let is = Arc::new(AtomicU8::new(WELL));
        let shared = Arc::clone(&is);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (is, to) = (Arc::clone(&shared), to.clone());
                thread::spawn(move || carry(client, &to, &is));
            }
        });
        Self { url, is }
    }
}

/// Carries one connection, a request at a time.
fn carry(mut client: TcpStream, to: &str, is: &AtomicU8) {
    let mut read = [0; 65_536];
    while let Ok(number @ 1..) = client.read(&mut read) {
        match is.load(Ordering::Relaxed) {
            DEAD => return,
            GARBAGE => {
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nnot you");
                return;
            }
            THROTTLED => {
                let body = r#"{"__type":"x#ProvisionedThroughputExceededException","message":"slow down"}"#;
                let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length:";
                let _ =
                    client.write_all(format!("{head} {}\r\nconnection: close\r\n\r\n{body}", body.len()).as_bytes());
                return;
            }
            WITHOUT_CHECKPOINTS if asks(&read[..number], "TransactWriteItems") => return,
            SLOW => thread::sleep(Duration::from_secs(3)),
            _ => {}
        }
        let lost = is.load(Ordering::Relaxed) == WITHOUT_ANSWERS && asks(&read[..number], "UpdateItem");
        let Ok(mut server) = TcpStream::connect(to) else { return };
        if server.write_all(&read[..number]).is_err() {
            return;
        }
        // The rest of a long request, then the answer.
        let _ = client.set_read_timeout(Some(Duration::from_millis(5)));
        while let Ok(number @ 1..) = client.read(&mut read) {
            if server.write_all(&read[..number]).is_err() {
                return;
            }
        }
        let _ = client.set_read_timeout(None);
        let _ = server.set_read_timeout(Some(Duration::from_secs(10)));
        let mut answer = BufReader::new(server);
        let (mut head, mut length) = (Vec::new(), 0);
        while let Ok(1..) = answer.read_until(b'\n', &mut head) {
            let line = head.rsplit(|byte| *byte == b'\n').nth(1).unwrap_or_default();
            let line = String::from_utf8_lossy(line).to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        if answer.read_exact(&mut body).is_err()
            || lost
            || client.write_all(&head).and_then(|()| client.write_all(&body)).is_err()
        {
            return;
        }
    }
}

/// Whether a request is of this operation.
fn asks(request: &[u8], operation: &str) -> bool {
    String::from_utf8_lossy(request).contains(&format!(".{operation}\r\n"))
}
