//! Bodies of answers, in memory that is used again.
//!
//! An answer is written into memory, copied into what is sent, and done with, all on one thread: the next one finds that memory in
//! the cache, and asks no allocator. Not here: what is written.

use std::{cell::Cell, io::Cursor, mem, ops::Deref};

use bytes::Buf;

/// What a new body has room for: twice a typical answer.
const ROOM: usize = 2_048;
/// More room than this is given back to the system.
const ROOM_MAX: usize = 16 * ROOM;

thread_local! {
    /// The memory of the answer that was done with last.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The body of an answer, and how much of it was sent.
#[derive(Debug, Default)]
pub struct Body(Cursor<Vec<u8>>);

impl Body {
    /// An empty text to be made a body of.
    #[inline]
    #[must_use]
    pub fn blank() -> Vec<u8> {
        let mut text = SPARE.take();
        text.reserve(ROOM);
        text
    }
}

impl From<Vec<u8>> for Body {
    #[inline]
    fn from(text: Vec<u8>) -> Self {
        Self(Cursor::new(text))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl Deref for Body {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.0.chunk()
    }
}

impl Buf for Body {
    #[inline]
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.0.chunk()
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }
}

impl Drop for Body {
    #[inline]
    fn drop(&mut self) {
        let mut text = mem::take(self.0.get_mut());
        if (ROOM..=ROOM_MAX).contains(&text.capacity()) {
            text.clear();
            // A thread that is ending keeps nothing.
            let _ = SPARE.try_with(|spare| spare.set(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_sent_in_parts() {
        let mut body = Body::from(b"abcdef".to_vec());
        body.advance(2);
        assert_eq!((body.chunk(), body.remaining()), (&b"cdef"[..], 4));
        body.advance(4);
        assert!(!body.has_remaining());
    }

    #[test]
    fn memory_is_used_again_and_nothing_of_what_stood_there_is_left() {
        let mut text = Body::blank();
        text.extend_from_slice(b"secret");
        let at = text.as_ptr();
        drop(Body::from(text));
        let next = Body::blank();
        assert_eq!((next.as_ptr(), next.len()), (at, 0));
    }

    #[test]
    fn what_is_small_or_huge_is_not_kept() {
        drop(Body::blank());
        for text in [b"small".to_vec(), vec![b'x'; ROOM_MAX + 1]] {
            let at = text.as_ptr();
            drop(Body::from(text));
            let next = Body::blank();
            assert_ne!(next.as_ptr(), at);
        }
    }
}
