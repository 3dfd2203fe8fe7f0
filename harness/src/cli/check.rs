//! `georush check`.
//!
//! Not here: the rules, which are the scenario's.

use super::{CheckArgs, Stop, print};
use georush::scenario;

/// Prints every resolved scenario; all errors of all files otherwise.
pub(super) fn check(args: &CheckArgs) -> Result<u8, Stop> {
    let mut errors = Vec::new();
    for (index, file) in args.files.iter().enumerate() {
        match scenario::load(file, &args.changes.set, args.changes.seed) {
            Err(wrong) => errors.push(wrong.to_string()),
            Ok(_) if args.quiet => {}
            Ok(scenario) => {
                let gap = if index > 0 { "\n" } else { "" };
                print(&format!("{gap}{}", scenario::print(&scenario)))?;
            }
        }
    }
    if errors.is_empty() { Ok(0) } else { Err(Stop::could_not_run(errors.join("\n"))) }
}
