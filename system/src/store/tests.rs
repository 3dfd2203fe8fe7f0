use std::collections::HashMap;

use georush_core::{
    Identifier, Origin, Status, SubjectId, Timestamp, Version, WindowId,
    aggregator::{Effect, Update},
    count::Change,
};

use super::*;
use crate::{
    item::{Account, Item, Usage},
    key,
    whitelist::Whitelist,
};

/// A directory of the test's own, gone when the test ends.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> (Self, Directory) {
        let path = std::env::temp_dir().join(format!("georush-store-{}-{name}", process::id()));
        let _ = fs::remove_dir_all(&path);
        let directory = Directory::open(&path).expect("the system's directory for such files is writable");
        (Self(path), directory)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const LASTS: u64 = 1_000;

fn account(label: &str) -> Account {
    Account {
        plan: "free".into(),
        created: Timestamp(5),
        status: Status::Active,
        whitelist: Whitelist::new(vec!["*.shop.example".parse().expect("an entry")]),
        label: label.into(),
        version: Version::default(),
    }
}

fn number(number: u64) -> Version {
    Version { generation: 0, number }
}

/// Counts up to `cumulative` for one subject in one window, the newest event at `at`.
fn count(central: &mut Central, lease: Lease, window: u32, cumulative: u64, at: u64) -> Result<Applied, Error> {
    let update = Update {
        subject: SubjectId(0),
        window: WindowId(window),
        origin: Origin { region: 0, epoch: 1 },
        change: Change::Raise(cumulative),
    };
    let batch = Batch {
        stream: "s",
        effects: &[Effect::Update(update), Effect::Checkpoint { shard: 1, sequence: at }],
        subjects: &[key::identifier("k")],
        counted_at: &HashMap::from([((SubjectId(0), WindowId(window)), Timestamp(at))]),
        lanes: &[],
        dead_letters: &[],
    };
    central.apply(lease, Timestamp(0), &batch)
}

#[test]
fn an_account_is_signed_up_once_and_each_change_is_a_version() {
    let (_scratch, directory) = Scratch::new("accounts");
    let mut central = directory.central().expect("opens");
    let subject = key::identifier("k");
    assert_eq!(central.sign_up(&subject, &account("a")).expect("new"), number(1));
    assert!(matches!(central.sign_up(&subject, &account("b")), Err(Error::Exists(_))));
    let revoke = |account: &mut Account| account.status = Status::Revoked;
    for _ in 0..2 {
        let revoked = central.change_account(&subject, revoke).expect("written").expect("there");
        assert_eq!((revoked.version, revoked.status), (number(2), Status::Revoked));
    }
    assert_eq!(central.change_account(&key::identifier("other"), revoke).expect("read"), None);
    let stored = central.item(&subject).expect("read").account.expect("there");
    assert_eq!(stored, Account { version: number(2), status: Status::Revoked, ..account("a") });
    assert_eq!(central.signed_up("key:").expect("read").len(), 1);
    assert_eq!(central.signed_up("key:zz").expect("read").len(), 0);
}

#[test]
fn counts_and_checkpoints_share_a_transaction_that_only_the_holder_of_the_lease_can_make() {
    let (_scratch, directory) = Scratch::new("lease");
    let (mut a, mut b) = (directory.central().expect("opens"), directory.central().expect("opens"));
    let first = a.acquire(Timestamp(0), LASTS).expect("free").expect("free");
    assert_eq!(b.acquire(Timestamp(500), LASTS).expect("read"), None);
    assert_eq!(count(&mut a, first, 1, 4, 10).expect("held").grown, 4);
    let second = b.acquire(Timestamp(2_000), LASTS).expect("expired").expect("expired");
    assert!(matches!(count(&mut a, first, 1, 9, 20), Err(Error::Fenced)));
    assert_eq!(b.position("s").expect("read").checkpoints, [0, 10]);
    assert!(b.position("another stream").expect("read").checkpoints.is_empty());
    assert_eq!(count(&mut b, second, 1, 9, 20).expect("held").grown, 5);
    a.release(first).expect("not held, which is no error");
    assert_eq!(a.acquire(Timestamp(600), LASTS).expect("read"), None);
}

#[test]
fn a_repeated_batch_writes_no_version() {
    let (_scratch, directory) = Scratch::new("repeat");
    let mut central = directory.central().expect("opens");
    let lease = central.acquire(Timestamp(0), LASTS).expect("free").expect("free");
    assert_eq!(count(&mut central, lease, 1, 4, 10).expect("held"), Applied { rows: 1, grown: 4, late: 0 });
    assert_eq!(count(&mut central, lease, 1, 3, 10).expect("held"), Applied::default());
    assert_eq!(central.newest().expect("read"), number(1));
}

#[test]
fn the_newest_two_windows_are_kept_and_the_one_with_the_newest_event_is_shown() {
    let (_scratch, directory) = Scratch::new("windows");
    let mut central = directory.central().expect("opens");
    let lease = central.acquire(Timestamp(0), LASTS).expect("free").expect("free");
    // After a change of plan windows have other numbers: 24000 is a month, 3 a day since sign-up.
    for (window, at) in [(24_000, 10), (3, 20), (4, 30)] {
        assert_eq!(count(&mut central, lease, window, 7, at).expect("held").rows, 1);
    }
    assert_eq!(count(&mut central, lease, 3, 8, 21).expect("held").rows, 1, "the last window but one is kept");
    assert_eq!(count(&mut central, lease, 24_000, 9, 11).expect("held").late, 1, "older ones are not");
    let usage = central.item(&key::identifier("k")).expect("read").usage.expect("counted");
    assert_eq!((usage.window, usage.version), (WindowId(4), number(3)));
}

#[test]
fn a_region_takes_what_is_newer_group_by_group() {
    let (_scratch, directory) = Scratch::new("regional");
    let mut region = directory.regional("eu-west-1").expect("opens");
    let usage = |value, version| Usage {
        window: WindowId(1),
        components: vec![(Origin::default(), value)],
        version: number(version),
        counted_at: Timestamp(1),
    };
    let item = |label, plan, value, count| Item {
        subject: key::identifier("k"),
        account: Some(Account { version: number(plan), ..account(label) }),
        usage: Some(usage(value, count)),
    };
    assert_eq!(region.put(&[item("first", 1, 10, 5)], number(5)).expect("written"), 2);
    assert_eq!(region.put(&[item("newer", 6, 3, 4)], number(4)).expect("written"), 1);
    assert_eq!(region.item(&key::identifier("k")).expect("read"), item("newer", 6, 10, 5));
    assert_eq!(region.cursor().expect("read"), number(5), "a cursor never moves back");
    let (items, newest) = region.changed_since(2, 10).expect("read");
    assert_eq!((items.len(), newest), (1, 3));
    assert_eq!(region.changed_since(newest, 10).expect("read"), (vec![], 3));
}

#[test]
fn a_restored_central_table_begins_a_generation_that_wins() {
    let (_scratch, directory) = Scratch::new("restored");
    let mut central = directory.central().expect("opens");
    let (a, b): (Identifier, Identifier) = (key::identifier("a"), key::identifier("b"));
    central.sign_up(&a, &account("a")).expect("new");
    central.sign_up(&b, &account("b")).expect("new");
    assert!(!central.supersede(number(2), || None).expect("read"));
    assert!(central.supersede(number(9), || None).expect("written"));
    assert_eq!(central.newest().expect("read"), Version { generation: 1, number: 4 });
    let versions: Vec<_> =
        central.changed(0, 9).expect("read").into_iter().map(|i| i.account.map(|a| a.version)).collect();
    assert_eq!(versions, [3, 4].map(|number| Some(Version { generation: 1, number })));
}

#[test]
fn no_epoch_is_given_twice_even_if_a_file_is_lost() {
    let (scratch, directory) = Scratch::new("epochs");
    let claim = || {
        let mut region = directory.regional("eu-west-1").expect("opens");
        region.claim_epoch("eu-west-1", &mut directory.central().expect("opens")).expect("claimed").epoch
    };
    let lose = |name: &str| {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(scratch.0.join(format!("{name}{suffix}")));
        }
    };
    assert_eq!((claim(), claim()), (1, 2));
    lose("eu-west-1.db");
    assert_eq!(claim(), 3);
    lose("central.db");
    assert_eq!(claim(), 4);
}

#[test]
fn regions_have_numbers_of_their_own_for_ever() {
    let (scratch, directory) = Scratch::new("numbers");
    let mut numbers = ["b", "a", "b"].map(|name| directory.regional(name).expect("opens").number());
    assert_eq!(numbers, [0, 1, 0]);
    drop(directory.central().expect("opens"));
    fs::remove_file(scratch.0.join("central.db")).expect("ours");
    numbers = ["a", "c", "a"].map(|name| directory.regional(name).expect("opens").number());
    assert_eq!(numbers, [1, 2, 1], "a region keeps the number that its own file has");
    directory.central().expect("opens").register("other", Some(0)).expect("written");
    let error = directory.regional("b").expect_err("its number is taken").to_string();
    assert!(error.contains("region b has number 0, but 3 in central.db"), "{error}");
    for name in ["", "EU", "a/b", "central", "stream", "a.b"] {
        assert!(matches!(directory.regional(name), Err(Error::RegionName(_))), "{name}");
    }
}

#[test]
fn a_trimmed_stream_goes_on_numbering_and_keeps_what_is_not_counted() {
    let (_scratch, directory) = Scratch::new("stream");
    let mut stream = directory.stream().expect("opens");
    for at in 1..=3 {
        stream.append(Timestamp(at), &[(0, b"x\n".to_vec()), (1, b"y\n".to_vec())]).expect("written");
    }
    assert_eq!(stream.trim(Timestamp(3), &[3, 0, 1, 0], 10).expect("written"), 3);
    let sequences = |stream: &mut Stream, shard| -> Vec<u64> {
        stream.read(shard, 0, 10).expect("read").iter().map(|record| record.sequence).collect()
    };
    assert_eq!((sequences(&mut stream, 0), sequences(&mut stream, 2)), (vec![3], vec![2, 3]));
    stream.trim(Timestamp(9), &[3, 0, 3, 0], 10).expect("written");
    stream.append(Timestamp(9), &[(0, b"z\n".to_vec())]).expect("written");
    assert_eq!(sequences(&mut stream, 0), [4]);
    assert_eq!(stream.newest().expect("read"), [4, 0, 3, 0]);
}

#[test]
fn a_file_that_is_not_ours_is_one_clear_error() {
    let (scratch, directory) = Scratch::new("damaged");
    fs::write(scratch.0.join("central.db"), "this was a table once, and it was a good one, but it is no more")
        .expect("ours");
    let error = directory.central().expect_err("damaged").to_string();
    assert!(error.contains("central.db: damaged, or not a file of georush (file is not a database"), "{error}");

    let other = rusqlite::Connection::open(scratch.0.join("stream.db")).expect("opens");
    other.execute_batch("CREATE TABLE t (x); PRAGMA user_version = 7").expect("written");
    let error = directory.stream().expect_err("another layout").to_string();
    assert!(error.contains("stream.db: its layout is 7, expected 2"), "{error}");

    let error = Directory::open(&scratch.0.join("central.db")).expect_err("a file").to_string();
    assert!(error.contains("central.db: can't hold state: "), "{error}");
    let error = Directory::existing(&scratch.0.join("none")).expect_err("nothing there").to_string();
    assert!(error.contains("there is no state in it"), "{error}");
}

/// All records of a stream as a reader finds them that goes on after what it has read, shard by shard, until nothing is left.
fn read_all(stream: &mut Stream) -> Vec<String> {
    let (mut read, mut lines) = (Vec::new(), Vec::new());
    loop {
        let before = lines.len();
        for shard in 0..stream.shards().expect("read").len() {
            read.resize(read.len().max(shard + 1), 0);
            for record in stream.read(shard as u16, read[shard], 1).expect("read") {
                read[shard] = record.sequence;
                lines.push(String::from_utf8(record.lines).expect("text"));
            }
        }
        if lines.len() == before {
            return lines;
        }
    }
}

fn append(stream: &mut Stream, text: &str) {
    let parts: Vec<_> = (0..16).map(|part| (part, format!("{part}:{text} ").into_bytes())).collect();
    stream.append(Timestamp(1), &parts).expect("written");
}

#[test]
fn lines_of_one_part_stay_in_order_through_splits_and_merges() {
    let (_scratch, directory) = Scratch::new("reshard");
    let (mut writer, mut reader) = (directory.stream().expect("opens"), directory.stream().expect("opens"));
    for round in 0..4 {
        append(&mut writer, &format!("{round}"));
        if round == 1 {
            let [low, high] = directory.stream().expect("opens").split(Timestamp(2), 1, None).expect("open");
            assert_eq!((low.number, low.hashes), (4, (1 << 30, (3 << 29) - 1)));
            assert_eq!((high.number, high.hashes, high.parents), (5, (3 << 29, (2 << 30) - 1), vec![1]));
        }
        if round == 2 {
            let merged = directory.stream().expect("opens").merge(Timestamp(2), [5, 4]).expect("neighbours");
            assert_eq!((merged.number, merged.hashes), (6, (1 << 30, (2 << 30) - 1)));
        }
    }
    let lines = read_all(&mut reader).concat();
    for part in 0..16 {
        let of_part = lines.split(' ').filter_map(|text| text.strip_prefix(&format!("{part}:"))).collect::<String>();
        assert_eq!(of_part, "0123", "part {part}");
    }
    let open = reader.shards().expect("read").iter().filter(|shard| !shard.closed).map(|shard| shard.number);
    assert_eq!(open.collect::<Vec<_>>(), [0, 2, 3, 6]);
}

#[test]
fn a_shard_is_read_only_after_those_that_it_came_from() {
    let (_scratch, directory) = Scratch::new("parents");
    let mut stream = directory.create_stream(Timestamp(0), 1).expect("new");
    append(&mut stream, "a");
    append(&mut stream, "b");
    stream.split(Timestamp(1), 0, None).expect("open");
    append(&mut stream, "c");
    let mut reader = directory.stream().expect("opens");
    assert_eq!(reader.read(0, 0, 1).expect("read").len(), 1);
    assert_eq!(reader.read(1, 0, 10).expect("read"), []);
    assert_eq!(reader.read(0, 1, 1).expect("read").len(), 1);
    assert_eq!(reader.read(2, 0, 10).expect("read"), [], "the last record of the parent may not be counted yet");
    assert_eq!(reader.read(0, 2, 1).expect("read"), []);
    assert_eq!((reader.read(1, 0, 10).expect("read").len(), reader.read(2, 0, 10).expect("read").len()), (1, 1));
    assert_eq!(stream.trim(Timestamp(9), &[2], 100).expect("written"), 2);
    assert_eq!(directory.stream().expect("opens").oldest().expect("read"), [3, 1, 1]);
}

#[test]
fn what_can_not_be_resharded_is_refused_in_one_line() {
    let (_scratch, directory) = Scratch::new("refused");
    let mut stream = directory.create_stream(Timestamp(0), 3).expect("new");
    assert!(matches!(directory.create_stream(Timestamp(0), 3), Err(Error::StreamExists(_))));
    let told = |done: Result<Vec<Shard>, Error>| done.expect_err("refused").to_string();
    assert!(told(stream.split(Timestamp(1), 7, None).map(Vec::from)).starts_with("shard 7 is not there"));
    assert!(told(stream.merge(Timestamp(1), [0, 2]).map(|one| vec![one])).contains("not adjacent"));
    assert!(told(stream.split(Timestamp(1), 0, Some(0)).map(Vec::from)).contains("can't be split at 0"));
    stream.merge(Timestamp(1), [0, 1]).expect("neighbours");
    assert!(told(stream.split(Timestamp(1), 0, None).map(Vec::from)).starts_with("shard 0 is closed already"));
    assert!(told(stream.merge(Timestamp(1), [3, 3]).map(|one| vec![one])).contains("not adjacent"));
    let ranges = stream.shards().expect("read").iter().filter(|shard| !shard.closed).map(|shard| shard.hashes);
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    assert_eq!((ranges[0].0, ranges[1].1, ranges[0].1 + 1), (0, u32::MAX, ranges[1].0));
}

/// The files of the layouts before, as they were written then.
#[test]
fn files_of_earlier_layouts_are_read_and_those_of_later_ones_are_refused_in_one_line() {
    let (_scratch, directory) = Scratch::new("layouts");
    let write = |file: &str, sql: &str| {
        let connection = rusqlite::Connection::open(directory.file(file)).expect("opens");
        connection.execute_batch(sql).expect("written");
    };
    write(
        "stream",
        "CREATE TABLE stream (id TEXT NOT NULL) STRICT; INSERT INTO stream VALUES ('an id');
         CREATE TABLE shards (shard INTEGER PRIMARY KEY, newest INTEGER NOT NULL) STRICT;
         CREATE TABLE records (shard INTEGER NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, lines BLOB NOT NULL,
             PRIMARY KEY (shard, sequence)) STRICT;
         INSERT INTO shards VALUES (0, 1), (3, 2);
         INSERT INTO records VALUES (0, 1, 5, x'61'), (3, 1, 5, x'62'), (3, 2, 5, x'63');
         PRAGMA user_version = 1;",
    );
    let mut stream = directory.stream().expect("read as it was");
    assert_eq!(stream.id(), "an id");
    assert_eq!(stream.newest().expect("read"), [1, 0, 0, 2]);
    append(&mut stream, "d");
    assert_eq!(read_all(&mut stream).concat().chars().filter(|letter| "abcd".contains(*letter)).count(), 3 + 16);
    for file in ["stream", "central", "eu-west-1"] {
        drop((directory.stream(), directory.regional("eu-west-1")));
        let connection = rusqlite::Connection::open(directory.file(file)).expect("opens");
        connection.pragma_update(None, "user_version", 99).expect("written");
        let error = match file {
            "stream" => directory.stream().map(|_| ()),
            "central" => directory.central().map(|_| ()),
            region => directory.regional(region).map(|_| ()),
        };
        let error = error.expect_err("of a later version").to_string();
        assert!(error.contains("its layout is 99, expected") && !error.contains('\n'), "{error}");
        connection.pragma_update(None, "user_version", if file == "eu-west-1" { 1 } else { 2 }).expect("written");
    }
}
