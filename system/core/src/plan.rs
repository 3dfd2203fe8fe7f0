//! Plans: what a subject has bought.

use crate::window::WindowKind;

/// A quota per window. Requests beyond it are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Cost units admitted per window; one request costs one unless it says otherwise.
    pub quota: u64,
    /// How time is cut into windows.
    pub window: WindowKind,
}
