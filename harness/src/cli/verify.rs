//! `georush verify-determinism`.
//!
//! Not here: the comparison itself.

use georush::{
    determinism::{Comparison, compare},
    report::{
        format,
        judge::Verdict,
        progress::{Audience, Progress},
    },
    scenario::{self, Scenario},
    simulate::{self, Observer},
};

use super::{Stop, VerifyArgs, interrupt, print};

const DIFFERENT: u8 = 1;

/// Runs twice; 0 if every decision is the same, 1 if not, 3 if there was none.
pub(super) fn verify(args: &VerifyArgs) -> Result<u8, Stop> {
    let scenario = scenario::load(&args.file, &args.changes.set, args.changes.seed).map_err(Stop::could_not_run)?;
    interrupt::listen()?;
    let audience = args.progress.audience(false);
    let run = |block, what| replay(&scenario, block, what, audience);
    let found = compare(&mut |block| run(block, "first run"), &mut |block| run(block, "second run"));
    if interrupt::requested() {
        return Err(interrupt::stop());
    }
    let (name, seed) = (&scenario.name, scenario.seed);
    match found {
        Comparison::Same { blocks: 0 } => {
            print(&format!("NOT VALID  {name}, seed {seed}: no request was made, so nothing could be compared\n"))?;
            Ok(Verdict::Invalid.exit_code())
        }
        Comparison::Same { blocks } => {
            let blocks = format::plural(blocks as u64, "block");
            print(&format!("SAME  {name}, seed {seed}: two runs, {blocks} of decisions, no difference\n"))?;
            Ok(0)
        }
        Comparison::Different { block, decision } => {
            print(&format!("DIFFERENT  {name}, seed {seed}: the runs part in block {block}\n"))?;
            print(&match decision {
                None => "  the block was the same when it was run again: the difference comes and goes\n".to_owned(),
                Some(difference) => {
                    let told = |decision: Option<String>| decision.unwrap_or_else(|| "(the run had ended)".to_owned());
                    let (first, second) = (told(difference.first), told(difference.second));
                    format!("  decision {} of the block\n  first   {first}\n  second  {second}\n", difference.index)
                }
            })?;
            Ok(DIFFERENT)
        }
    }
}

fn replay(
    scenario: &Scenario,
    wanted: Option<usize>,
    what: &'static str,
    audience: Audience,
) -> (Vec<u64>, Vec<String>) {
    if interrupt::requested() {
        return Default::default();
    }
    let progress = Progress::new(audience, what, scenario.duration_us);
    let mut recorder = Recorder { progress, wanted, digests: Vec::new(), decisions: Vec::new() };
    match simulate::run(scenario, &mut recorder) {
        Some(outcome) => {
            // The last block may not be full.
            if outcome.requests > 0 && recorder.digests.last() != Some(&outcome.digest) {
                recorder.digests.push(outcome.digest);
            }
            recorder.progress.finish(Some(outcome.requests));
        }
        None => recorder.progress.clear(),
    }
    (recorder.digests, recorder.decisions)
}

struct Recorder {
    progress: Progress,
    wanted: Option<usize>,
    digests: Vec<u64>,
    decisions: Vec<String>,
}

impl Observer for Recorder {
    fn progress(&mut self, simulated_us: u64, requests: u64) -> bool {
        self.progress.at(simulated_us, Some(requests));
        !interrupt::requested()
    }

    fn block(&mut self, digest: u64) {
        self.digests.push(digest);
    }

    fn wanted(&self) -> Option<usize> {
        self.wanted
    }

    fn decision(&mut self, line: String) {
        self.decisions.push(line);
    }
}
