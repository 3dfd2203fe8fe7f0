//! The floor of a load generator: epoll, one canned request on each connection, and no look at an answer but for its length.
//!
//! Not here: open loads, fates and times, which are what a generator is for.

use std::{
    io::{Read, Result, Write},
    net::{SocketAddr, TcpStream},
};

use rustix::event::epoll;

use crate::REQUEST;

/// Has one request on its way on each connection until so many are answered; says how many were.
pub(crate) fn saturate(address: SocketAddr, connections: usize, requests: u64) -> Result<u64> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut streams = Vec::with_capacity(connections);
    for index in 0..connections {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(&epoll, &stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        stream.write_all(REQUEST)?;
        streams.push(stream);
    }
    let (mut sent, mut answered, mut length) = (connections as u64, 0, None);
    let (mut answer, mut events) = ([0; 16 * 1024], Vec::with_capacity(256));
    while answered < sent {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let stream = &mut streams[event.data.u64() as usize];
            let read = stream.read(&mut answer)?;
            assert_eq!(
                read,
                *length.get_or_insert(read),
                "every answer comes in one piece and is as long as the first"
            );
            answered += 1;
            if sent < requests {
                stream.write_all(REQUEST)?;
                sent += 1;
            }
        }
    }
    Ok(answered)
}
