//! The labels that sort requests: when they came, relative to the faults, and why they failed.
//!
//! Not here: who gives a request its label; that is the simulation.

/// When a request came, relative to the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before the first fault began.
    Before,
    /// While a fault was active.
    During,
    /// After a fault, while none was active.
    After,
}

impl Phase {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Before, Self::During, Self::After];

    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
        }
    }
}

/// Why a request was not answered with 2xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The visible count had reached the quota.
    OverQuota,
    /// The subject is revoked.
    Revoked,
    /// API Gateway's bucket was empty.
    GatewayThrottled,
    /// Lambda's concurrency limit.
    ConcurrencyLimit,
    /// Lambda could not add environments fast enough.
    ScalingLimit,
    /// The row could not be read and the policy refuses then.
    TableThrottled,
    /// The region was down.
    RegionOutage,
    /// The region's edge was dead.
    EdgeDown,
    /// No answer within the gateway's integration timeout.
    Timeout,
}

impl Cause {
    /// All, in order.
    pub const ALL: [Self; 9] = [
        Self::OverQuota,
        Self::Revoked,
        Self::GatewayThrottled,
        Self::ConcurrencyLimit,
        Self::ScalingLimit,
        Self::TableThrottled,
        Self::RegionOutage,
        Self::EdgeDown,
        Self::Timeout,
    ];

    /// Its name in files and results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OverQuota => "over-quota",
            Self::Revoked => "revoked",
            Self::GatewayThrottled => "gateway-throttled",
            Self::ConcurrencyLimit => "concurrency-limit",
            Self::ScalingLimit => "scaling-limit",
            Self::TableThrottled => "table-throttled",
            Self::RegionOutage => "region-outage",
            Self::EdgeDown => "edge-down",
            Self::Timeout => "timeout",
        }
    }

    /// The status that the client sees; 0 if it sees none.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::OverQuota | Self::Revoked => 403,
            Self::GatewayThrottled => 429,
            Self::ConcurrencyLimit | Self::ScalingLimit => 500,
            Self::TableThrottled | Self::EdgeDown => 502,
            Self::Timeout => 504,
            Self::RegionOutage => 0,
        }
    }

    /// Whether the system failed, as opposed to refusing what it should refuse.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::OverQuota | Self::Revoked)
    }
}
