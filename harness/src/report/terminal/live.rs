//! What only a live run has to say: measured times without any model in them, and whether they may be believed.
//!
//! Not here: the verdict.

use hdrhistogram::Histogram;

use super::{Paint, heading};
use crate::{
    live::{Live, outcome::Times},
    report::{Report, format},
};

const NAME_WIDTH: usize = 17;

pub(super) fn block(report: &Report, paint: Paint) -> String {
    let Some(live) = report.live else { return String::new() };
    let mut out = heading("MEASURED", paint) + "\n";
    let mut row =
        |name: &str, text: String| out += &format!("  {} {text}\n", paint.dim(&format!("{name:<NAME_WIDTH$}")));
    let Times { response, service } = &live.times;
    row("response time", spread(response, "from the instant at which a request was due"));
    row("service time", spread(service, "from its sending"));
    row("send lag", spread(&live.lag, "of the generator itself"));
    row("generator", generator(live));
    row("machine", machine(live));
    row("history", history(live));
    for done in &live.faults {
        let late = format::duration(done.done_us.saturating_sub(done.at_us));
        row("fault", format!("{} at {}, {late} later than due", done.what, format::elapsed(done.at_us)));
    }
    for casualty in &live.casualties {
        row("casualty", paint.bad(casualty));
    }
    out
}

fn spread(histogram: &Histogram<u64>, of: &str) -> String {
    if histogram.is_empty() {
        return "no data".to_owned();
    }
    let at = |q| format::duration(histogram.value_at_quantile(q));
    format!("p50 {}, p99 {}, p99.9 {}, max {} {of}", at(0.5), at(0.99), at(0.999), format::duration(histogram.max()))
}

fn generator(live: &Live) -> String {
    let effort = &live.effort;
    let busy = format::percent(effort.busy_us as f64 / effort.elapsed_us.max(1) as f64);
    format!(
        "busy {busy} of its time, {} dropped, {} at once, {}",
        format::count(live.dropped),
        format::count(effort.in_flight_max as u64),
        format::plural(effort.connections, "connection")
    )
}

fn machine(live: &Live) -> String {
    let usage = &live.usage;
    let shares = [("ours", usage.ours), ("others'", usage.others), ("stolen", usage.stolen)];
    let told = shares.map(|(whose, share)| format!("{} {whose}", format::percent(share)));
    format!(
        "{} of {}; threads waited {} of the time",
        told.join(", "),
        format::plural(usage.cpus as u64, "CPU"),
        format::percent(usage.waited)
    )
}

fn history(live: &Live) -> String {
    let answers = &live.answers;
    match answers.unknown {
        0 => "every request has its answer: counts are exact".to_owned(),
        n => format!(
            "{} without an answer: {} to {} admitted",
            format::count(n),
            format::count(answers.admitted.lower),
            format::count(answers.admitted.upper)
        ),
    }
}
