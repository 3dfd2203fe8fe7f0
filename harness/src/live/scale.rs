//! A scenario at the scale of its `[live]` table: the world's times shortened, its rates raised and scaled.
//!
//! Not here: the overrides of `[live]`, which are applied when the file is read. What belongs to the system under test (polls,
//! timeouts, distances, quotas, windows) keeps its size.

use crate::scenario::{Dns, Load, Scenario, Segment, TraceArrival};

/// The scenario whose second is a real second. Its arrivals are those of `scenario` with their times divided by the
/// compression; a rate scale below 1 makes the same sequence end earlier in its random streams.
#[must_use]
pub fn at_live_scale(scenario: &Scenario) -> Scenario {
    let (compression, rates) = (scenario.live.time_compression, scenario.live.rate_scale);
    let shorter = |us: u64| if compression == 1.0 { us } else { (us as f64 / compression).round() as u64 };
    let segment = |segment: &Segment| Segment {
        duration_us: shorter(segment.duration_us).max(1),
        from: segment.from * compression * rates,
        to: segment.to * compression * rates,
        unit_us: segment.unit_us,
    };
    let mut scaled = scenario.clone();
    scaled.duration_us = shorter(scenario.duration_us).max(1);
    for clients in &mut scaled.clients {
        clients.start_us = shorter(clients.start_us);
        clients.load = match &clients.load {
            Load::Segments(segments) => Load::Segments(segments.iter().map(segment).collect()),
            Load::Trace(lines) => {
                Load::Trace(lines.iter().map(|line| TraceArrival { at_us: shorter(line.at_us), ..*line }).collect())
            }
        };
    }
    for fault in &mut scaled.faults {
        (fault.at_us, fault.until_us) = (shorter(fault.at_us), shorter(fault.until_us));
    }
    let dns = &scenario.system.dns;
    scaled.system.dns = Dns {
        ttl_us: shorter(dns.ttl_us).max(1),
        stale_ttl_us: shorter(dns.stale_ttl_us).max(1),
        health_interval_us: shorter(dns.health_interval_us).max(1),
        ..dns.clone()
    };
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::fixture, workload::Merged};

    fn scenario(compression: f64, rate_scale: f64) -> Scenario {
        let mut scenario = fixture::scenario();
        let load = Load::Segments(vec![Segment { duration_us: 600_000_000, from: 10.0, to: 30.0, unit_us: 1_000_000 }]);
        scenario.clients.iter_mut().for_each(|clients| clients.load = load.clone());
        scenario.live.time_compression = compression;
        scenario.live.rate_scale = rate_scale;
        scenario
    }

    #[test]
    fn compressed_arrivals_are_the_same_callers_in_the_same_order() {
        let plain: Vec<_> = Merged::new(&scenario(1.0, 1.0)).collect();
        let compressed: Vec<_> = Merged::new(&at_live_scale(&scenario(10.0, 1.0))).collect();
        assert_eq!(plain.len(), compressed.len());
        for clients in 0..2 {
            let of = |all: &[(usize, crate::workload::Arrival)]| -> Vec<_> {
                all.iter().filter(|(c, _)| *c == clients).map(|(_, a)| *a).collect()
            };
            for (plain, compressed) in of(&plain).iter().zip(of(&compressed)) {
                assert_eq!(
                    (plain.subject, plain.country, plain.bits),
                    (compressed.subject, compressed.country, compressed.bits)
                );
                assert!((plain.at_us / 10).abs_diff(compressed.at_us) <= 1, "{plain:?} {compressed:?}");
            }
        }
    }

    #[test]
    fn faults_and_resolvers_live_as_much_shorter_as_the_run() {
        let scaled = at_live_scale(&scenario(60.0, 0.5));
        assert_eq!(
            (scaled.duration_us, scaled.faults[0].at_us, scaled.faults[0].until_us),
            (10_000_000, 3_000_000, 5_500_000)
        );
        let count = Merged::new(&scaled).count() as f64;
        let whole = Merged::new(&scenario(1.0, 1.0)).count() as f64;
        assert!((count / whole - 0.5).abs() < 0.03, "{count} of {whole}");
    }
}
