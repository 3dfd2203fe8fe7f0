//! Large tables, where the processor finds them fast.
//!
//! A lookup touches a few lines of memory far apart. In pages of 4 KiB each of them costs a walk through the page tables, twice over
//! in a virtual machine; in pages of 2 MiB, which Linux gives to who asks, most do not. Not here: what is in the tables.

use std::{marker::PhantomData, ops::Deref};

use bytemuck::Pod;
use memmap2::MmapMut;

/// A slice that does not change any more, in large pages if the system has them.
pub(super) struct Pages<T> {
    memory: MmapMut,
    /// Of the slice, bytes.
    length: usize,
    of: PhantomData<T>,
}

impl<T: Pod> Pages<T> {
    /// A copy of `items`.
    pub(super) fn of(items: &[T]) -> Self {
        let bytes: &[u8] = bytemuck::cast_slice(items);
        // The system has no maps without a length.
        let mut memory = MmapMut::map_anon(bytes.len().max(1)).expect("the system has memory for the index");
        #[cfg(target_os = "linux")]
        if let Err(error) = memory.advise(memmap2::Advice::HugePage) {
            tracing::debug!(%error, "lookups do with small pages");
        }
        memory[..bytes.len()].copy_from_slice(bytes);
        Self { memory, length: bytes.len(), of: PhantomData }
    }
}

impl<T: Pod> Deref for Pages<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.memory[..self.length])
    }
}

impl<T> std::fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").field("bytes", &self.length).finish()
    }
}
