//! What a simulated run used up, beside what its measure knows.
//!
//! Not here: requests and their causes, which [`crate::measure`] has, and whatever is charged by time alone.

/// What a run used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumed {
    /// By region index.
    pub regions: Vec<OfRegion>,
    /// Look-ups that resolvers sent to Route 53 for clients that opened a connection.
    pub queries: u64,
    /// What the stream used; `None` if a constant stood in the pipeline's place.
    pub stream: Option<OfStream>,
}

/// What one region used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfRegion {
    /// Billed time of the function, in steps of [`crate::facts::prices::Billing::duration_step_us`].
    pub function_steps: u64,
    /// Eventually consistent reads of the table; each is half a read unit.
    pub reads: u64,
    /// Rows written by the replicator; each is a write unit.
    pub rows: u64,
    /// Lines that left for the stream.
    pub lines: u64,
}

/// What the stream used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfStream {
    /// Shards of the stream.
    pub shards: u64,
    /// PUT payload units.
    pub put_units: u64,
}
