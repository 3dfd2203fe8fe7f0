//! Scenario files from outside: every wrong one has its exact errors beside it, every committed one loads. Not here:
//! running them.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p georush --test scenarios` writes the expected texts anew.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use georush::{
    facts,
    scenario::{FaultAction, Load, load, print, schema},
};

const GOOD: &str = include_str!("scenarios/good/everything.toml");

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the entry is readable").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// Compares a text with a committed file, or writes the file if asked to.
fn check_snapshot(path: &Path, text: &str) -> Result<(), String> {
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(path, text).expect("the snapshot is writable");
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == text {
        return Ok(());
    }
    let name = path.display();
    Err(format!("{name} is stale; UPDATE_SNAPSHOTS=1 rewrites it\n--- expected\n{expected}\n--- found\n{text}"))
}

/// Overrides that a wrong scenario asks for in comments of the form `#--set path=value`.
fn overrides(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).expect("the file is readable");
    let text = String::from_utf8_lossy(&bytes);
    text.lines().filter_map(|line| line.strip_prefix("#--set ")).map(ToOwned::to_owned).collect()
}

#[test]
fn every_wrong_scenario_gives_exactly_the_errors_beside_it() {
    let mut stale = Vec::new();
    let files = files("tests/scenarios/bad", "toml");
    assert!(files.len() >= 35, "{} wrong scenarios", files.len());
    for path in files {
        let errors = load(&path, &overrides(&path), None).err();
        let text = errors.map_or_else(|| "no error\n".to_owned(), |errors| format!("{errors}\n"));
        if text.contains("no error") {
            stale.push(format!("{} loads", path.display()));
        }
        stale.extend(check_snapshot(&path.with_extension("err"), &text).err());
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}

#[test]
fn every_committed_scenario_loads_and_prints() {
    let good = files("../scenarios", "toml").into_iter().chain(files("tests/scenarios/good", "toml"));
    for path in good {
        let scenario = load(&path, &[], None).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(print(&scenario).contains(&scenario.question), "{}", path.display());
    }
}

#[test]
fn the_printed_form_shows_every_default() {
    let path = Path::new("tests/scenarios/good/everything.toml");
    let scenario = load(path, &[], None).unwrap_or_else(|errors| panic!("{errors}"));
    // The weights of countries are the model data's and change with it.
    let text: String = print(&scenario)
        .lines()
        .filter(|line| !line.starts_with("# from"))
        .fold(String::new(), |text, line| text + line + "\n");
    check_snapshot(&path.with_extension("printed"), &text).unwrap_or_else(|stale| panic!("{stale}"));
}

#[test]
fn the_committed_schema_is_the_one_that_the_types_give() {
    check_snapshot(Path::new("../scenarios/schema.json"), &schema()).unwrap_or_else(|stale| panic!("{stale}"));
}

#[test]
fn the_example_in_the_format_reference_loads() {
    let reference = fs::read_to_string("../docs/scenario-format.md").expect("the reference is there");
    let (_, after) = reference.split_once("```toml\n").expect("the reference has an example");
    let (example, _) = after.split_once("```").expect("the example ends");
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("example.toml");
    fs::write(&path, example).expect("the temporary file is writable");
    load(&path, &[], None).unwrap_or_else(|errors| panic!("{errors}"));
}

#[test]
fn no_override_panics() {
    let path = Path::new("tests/scenarios/good/everything.toml");
    let pieces = [
        "clients",
        "[0]",
        "[99]",
        ".",
        "=",
        "\"",
        "rate",
        "one-busy-site",
        "-1",
        "[[",
        "]",
        "é",
        " ",
        "{}",
        "at",
        "faults",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d;
    for _ in 0..500 {
        let length = 1 + next(&mut state) as usize % 8;
        let text: String = (0..length).map(|_| pieces[next(&mut state) as usize % pieces.len()]).collect();
        if let Err(errors) = load(path, std::slice::from_ref(&text), None) {
            assert!(errors.0.iter().all(|error| !error.to_string().contains('\n')), "{text}");
        }
    }
}

#[test]
fn sixty_thousand_means_what_its_question_says() {
    let scenario = load(Path::new("../scenarios/sixty-thousand.toml"), &[], None).expect("it loads");
    let Load::Segments(segments) = &scenario.clients[0].load else { panic!("a constant rate is one segment") };
    assert_eq!(segments.len(), 1);
    let rate = segments[0].from * 1_000_000.0 / segments[0].unit_us as f64;
    assert_eq!(rate * (segments[0].duration_us / 1_000_000) as f64, 60_000.0);
    assert_eq!((segments[0].from, scenario.clients[0].start_us), (segments[0].to, 0));
    let australia = facts::country("AU").expect("the model data knows Australia");
    assert_eq!(scenario.clients[0].from, [(australia, 1_000_000)]);
    let FaultAction::Reroute { from, to } = scenario.faults[0].action else { panic!("a reroute") };
    assert_eq!(
        (scenario.system.regions[from].as_str(), scenario.system.regions[to].as_str()),
        ("ap-southeast-2", "ap-northeast-2")
    );
    assert_eq!((scenario.faults[0].at_us, scenario.faults[0].until_us), (100_000_000, 600_000_000));
    assert!(scenario.plans[0].plan.quota > 60_000);
}

#[test]
fn overrides_and_the_seed_change_the_scenario_and_its_hash() {
    let path = Path::new("../scenarios/sixty-thousand.toml");
    let plain = load(path, &[], None).expect("it loads");
    let seeded = load(path, &[], Some(7)).expect("it loads");
    let overrides = ["clients.one-busy-customer.rate=50".to_owned(), "duration=20m".to_owned()];
    let changed = load(path, &overrides, None).expect("it loads");
    assert_eq!((plain.seed, seeded.seed), (2018, 7));
    assert_eq!((changed.duration_us, changed.overrides.as_slice()), (1_200_000_000, overrides.as_slice()));
    assert_eq!(plain.hash.len(), 64);
    assert!(plain.hash != seeded.hash && plain.hash != changed.hash && seeded.hash != changed.hash);
    assert_eq!(plain, load(path, &[], None).expect("it loads"));
}

#[test]
fn what_cannot_be_read_is_one_clear_line() {
    let error = |path: &str| load(Path::new(path), &[], None).expect_err(path).to_string();
    assert_eq!(error("tests/none.toml"), "tests/none.toml: there is no such file");
    assert_eq!(error("tests/scenarios"), "tests/scenarios: this is a directory, expected a file");
}

/// A small generator of its own, so that every run tries the same texts.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Whatever happens to a file, loading it ends, without a panic, in a scenario or in errors of one line each.
#[test]
fn no_mutation_of_a_good_file_panics() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mutated.toml");
    let good = GOOD.as_bytes();
    let words: [&[u8]; 14] = [
        b"-1",
        b"nan",
        b"1e400",
        b"99999999999999999999",
        b"\"\"",
        b"[]",
        b"{}",
        b"\"9999999d\"",
        b"2018-11-23",
        b"=",
        b"\n[",
        b"\xff",
        b"'''",
        b"0",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for round in 0..1_500usize {
        let at = next(&mut state) as usize % good.len();
        let mut text = good.to_vec();
        match round % 3 {
            0 => text.truncate(at),
            1 => {
                let end = (at + next(&mut state) as usize % 12).min(text.len());
                let word = words[next(&mut state) as usize % words.len()];
                text.splice(at..end, word.iter().copied());
            }
            _ => {
                let values: Vec<usize> = (0..good.len()).filter(|i| good[*i..].starts_with(b" = ")).collect();
                let start = values[next(&mut state) as usize % values.len()] + 3;
                let end = start + text[start..].iter().position(|byte| *byte == b'\n').unwrap_or(0);
                let word = words[next(&mut state) as usize % words.len()];
                text.splice(start..end, word.iter().copied());
            }
        }
        fs::write(&path, &text).expect("the temporary file is writable");
        if let Err(errors) = load(&path, &[], None) {
            assert!(!errors.0.is_empty());
            for error in &errors.0 {
                let line = error.to_string();
                assert!(!line.contains('\n') && !line.contains("Raw") && !line.contains("Compound"), "{line}");
            }
        }
    }
}
