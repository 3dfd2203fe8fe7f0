//! The command that repeats a run.
//!
//! Not here: parsing it.

use crate::scenario::Scenario;

/// `georush run FILE --seed N --set ...`, with `file` as the scenario file, quoted for a POSIX shell. `live` are the arguments that
/// only a live run has, `None` of a simulation; overrides that the file's own `[live]` table makes are not told again.
#[must_use]
pub fn repeat(scenario: &Scenario, file: &str, live: Option<&[String]>) -> String {
    // Else it would be taken for an option.
    let here = if file.starts_with('-') { "./" } else { "" };
    let mut command = format!("georush run {}", quoted(&format!("{here}{file}")));
    if let Some(arguments) = live {
        command.push_str(" --mode live");
        arguments.iter().for_each(|argument| command.extend([" ", &quoted(argument)]));
    }
    command.push_str(&format!(" --seed {}", scenario.seed));
    let own = if live.is_some() { scenario.live.set.len() } else { 0 };
    for change in scenario.overrides.iter().skip(own) {
        command.push_str(" --set ");
        command.push_str(&quoted(change));
    }
    command
}

/// The scenario file's name without its folder, as results name it.
#[must_use]
pub fn file_name(scenario: &Scenario) -> String {
    format!("{}.toml", scenario.name)
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn words_that_a_shell_would_change_are_quoted() {
        let mut scenario = fixture::scenario();
        scenario.overrides =
            vec!["duration=5m".into(), "system.regions=[\"us-east-1\"]".into(), "question=it's".into()];
        let expected = r#"georush run 'black friday.toml' --seed 2018 --set duration=5m --set 'system.regions=["us-east-1"]' --set 'question=it'\''s'"#;
        assert_eq!(repeat(&scenario, "black friday.toml", None), expected);
    }

    #[test]
    fn a_file_that_looks_like_an_option_is_told_from_one() {
        assert!(repeat(&fixture::scenario(), "-x.toml", None).starts_with("georush run ./-x.toml --seed 2018"));
    }

    #[test]
    fn a_live_run_is_repeated_with_all_that_it_was_told_but_what_its_file_says_anyway() {
        let mut scenario = fixture::scenario();
        scenario.live.set = vec!["plans.paid.quota=15".into()];
        scenario.overrides = vec!["plans.paid.quota=15".into(), "duration=5m".into()];
        let arguments = ["--target".to_owned(), "us-east-1=http://127.0.0.1:80".to_owned(), "--record".to_owned()];
        let expected = "georush run a.toml --mode live --target us-east-1=http://127.0.0.1:80 --record --seed 2018 --set duration=5m";
        assert_eq!(repeat(&scenario, "a.toml", Some(&arguments)), expected);
    }
}
