use std::net::Ipv4Addr;

use georush_core::Version;

use super::*;
use crate::{item::Usage, key};

const NOW: Timestamp = Timestamp(1_511_481_600_000_000);
const HERE: Origin = Origin { region: 1, epoch: 3 };
const THERE: Origin = Origin { region: 0, epoch: 1 };

fn edge() -> Edge {
    let plans = "[plans.free]\nquota = 3\nbulk = false\nasn = false\n[plans.paid]\nquota = 10\npadding = \"10%\"\npaid = true\n[anonymous]\nplan = \"free\"";
    let settings = Settings { strangers_max: 64, events_max: 32, ..Settings::new(HERE) };
    Edge::new(settings, &Plans::parse(plans, "plans.toml").expect("good plans"))
}

fn account(key: &str, number: u64, change: impl FnOnce(&mut Account)) -> Item {
    let mut account = Account {
        plan: "paid".into(),
        created: Timestamp(NOW.0 - 5 * SECOND_US),
        status: Status::Active,
        whitelist: None,
        label: "".into(),
        version: Version { generation: 0, number },
    };
    change(&mut account);
    Item { subject: key::identifier(key), account: Some(account), usage: None }
}

fn ask<'a>(subject: &'a Identifier, cost: u16) -> Ask<'a> {
    Ask { subject, cost, want: Want::Record, address: Ipv4Addr::LOCALHOST.into(), host: None }
}

fn stranger(number: u16) -> Identifier {
    let [high, low] = number.to_be_bytes();
    Identifier::Ipv4(Ipv4Addr::new(198, 18, high, low))
}

#[test]
fn a_stranger_is_served_up_to_the_free_quota_and_told_what_is_left() {
    let (edge, who) = (edge(), stranger(1));
    let left: Vec<_> =
        (0..4).map(|_| edge.admit(NOW, &ask(&who, 1)).map(|a| (a.admitted(), a.count, a.left()))).collect();
    assert_eq!(left, [Ok((true, 1, 2)), Ok((true, 2, 1)), Ok((true, 3, 0)), Ok((false, 3, 0))]);
    let midnight = edge.admit(NOW.after(DAY), &ask(&who, 1)).expect("a decision");
    assert_eq!((midnight.admitted(), midnight.count, midnight.resets_s), (true, 1, 86_400));
}

const DAY: u64 = georush_core::time::DAY_US;

#[test]
fn a_key_is_known_once_its_item_has_arrived_and_unknown_once_it_is_revoked() {
    let (edge, who) = (edge(), key::identifier("secret"));
    assert_eq!(edge.admit(NOW, &ask(&who, 1)), Err(Refusal::UnknownKey));
    edge.apply(NOW, &account("secret", 1, |_| ()));
    let first = edge.admit(NOW, &ask(&who, 1)).expect("a decision");
    assert_eq!((first.admitted(), first.left(), first.resets_s), (true, 10, 86_395));
    edge.apply(NOW, &account("secret", 2, |account| account.status = Status::Revoked));
    assert_eq!(edge.admit(NOW, &ask(&who, 1)), Err(Refusal::UnknownKey));
    edge.apply(NOW, &account("secret", 1, |_| ()));
    assert_eq!(edge.admit(NOW, &ask(&who, 1)), Err(Refusal::UnknownKey));
}

#[test]
fn a_request_that_does_not_fit_whole_is_refused_and_costs_nothing() {
    let (edge, who) = (edge(), key::identifier("secret"));
    edge.apply(NOW, &account("secret", 1, |_| ()));
    assert!(edge.admit(NOW, &ask(&who, 8)).is_ok_and(|a| a.admitted()));
    assert!(edge.admit(NOW, &ask(&who, 4)).is_ok_and(|a| !a.admitted() && a.count == 8));
    assert!(edge.admit(NOW, &ask(&who, 3)).is_ok_and(|a| a.admitted() && a.left() == 0));
}

#[test]
fn who_is_too_fast_is_refused_before_the_count_each_subject_for_itself() {
    let plans =
        Plans::parse("[plans.slow]\nquota = 9\nrate = 2\n[anonymous]\nplan = \"slow\"", "x").expect("good plans");
    let (edge, one, other) = (Edge::new(Settings::new(HERE), &plans), stranger(1), stranger(2));
    let rate = plans.get("slow").and_then(|spec| spec.rate).expect("a rate");
    let too_fast = Err(Refusal::TooFast { rate, after_us: SECOND_US / 2 });
    let counts = |who| [0; 3].map(|_| edge.admit(NOW, &ask(who, 1)).map(|admission| admission.count));
    assert_eq!(counts(&one), [Ok(1), Ok(2), too_fast]);
    assert_eq!(counts(&other), [Ok(1), Ok(2), too_fast]);
    assert_eq!(edge.admit(NOW.after(SECOND_US / 2), &ask(&one, 1)).map(|admission| admission.count), Ok(3));
    let mut lines = Vec::new();
    edge.drain(NOW, &mut lines);
    assert_eq!(lines.iter().map(|line| line.cost).sum::<u16>(), 5, "what was refused left no usage");
}

#[test]
fn another_plan_begins_with_its_own_burst_and_another_label_does_not() {
    let plans = "[plans.slow]\nquota = 9\nrate = 1\nburst = 2\n[plans.paid]\nquota = 9\nrate = 9\nburst = 1";
    let (edge, who) =
        (Edge::new(Settings::new(HERE), &Plans::parse(plans, "x").expect("good plans")), key::identifier("secret"));
    let admitted = || edge.admit(NOW, &ask(&who, 1)).is_ok();
    edge.apply(NOW, &account("secret", 1, |account| account.plan = "slow".into()));
    assert_eq!([admitted(), admitted(), admitted()], [true, true, false]);
    edge.apply(NOW, &account("secret", 2, |account| (account.plan, account.label) = ("slow".into(), "shop".into())));
    assert!(!admitted());
    edge.apply(NOW, &account("secret", 3, |account| account.plan = "paid".into()));
    assert_eq!([admitted(), admitted()], [true, false]);
}

#[test]
fn whitelist_and_plan_are_looked_at_before_the_count() {
    let (edge, who) = (edge(), key::identifier("secret"));
    let whitelist = Whitelist::new(vec!["shop.example".parse().expect("a host")]);
    edge.apply(NOW, &account("secret", 1, |account| (account.whitelist, account.plan) = (whitelist, "free".into())));
    assert_eq!(edge.admit(NOW, &ask(&who, 1)), Err(Refusal::NotInWhitelist));
    let from_shop = Ask { host: Some("shop.example"), ..ask(&who, 1) };
    assert!(edge.admit(NOW, &from_shop).is_ok());
    assert_eq!(edge.admit(NOW, &Ask { want: Want::Bulk, ..from_shop }), Err(Refusal::PlanLacksBulk));
    assert_eq!(edge.admit(NOW, &Ask { want: Want::System, ..from_shop }), Err(Refusal::PlanLacksSystems));
}

#[test]
fn usage_of_other_regions_counts_and_ones_own_never_twice() {
    let (edge, who) = (edge(), stranger(1));
    assert!(edge.admit(NOW, &ask(&who, 1)).is_ok());
    let window = georush_core::WindowKind::DayUtc.id(NOW, Timestamp(0));
    let components = vec![(HERE, 1), (THERE, 1)];
    let usage = Usage { window, components, version: Version { generation: 0, number: 1 }, counted_at: NOW };
    edge.apply(NOW, &Item { subject: who.clone(), account: None, usage: Some(usage) });
    assert_eq!(edge.admit(NOW, &ask(&who, 1)).map(|a| (a.count, a.left())), Ok((3, 0)));
}

#[test]
fn usage_leaves_with_names_one_line_for_all_admissions_of_a_subject() {
    // Which shard a subject is in is chance, so one has room for all of them.
    let edge = Edge { settings: Settings { events_max: 3 * SHARDS, ..edge().settings }, ..edge() };
    let (who, other) = (stranger(1), stranger(2));
    let mut lines = Vec::new();
    let mut seen = |edge: &Edge, now| {
        edge.drain(now, &mut lines);
        let seen: Vec<_> =
            lines.drain(..).map(|line| (line.subject, line.cost, line.cumulative, line.sequence)).collect();
        seen
    };
    for cost in [1, 5, 1] {
        assert_eq!(edge.check(&ask(&who, cost)), Ok(()));
        assert!(edge.admit(NOW, &ask(&who, cost)).is_ok());
    }
    assert_eq!(seen(&edge, NOW), [(who.clone(), 2, 2, 1)]);
    assert!(edge.admit(NOW, &ask(&who, 1)).is_ok());
    assert!(edge.admit(NOW, &ask(&other, 3)).is_ok());
    assert!(edge.admit(NOW.after(DAY), &ask(&who, 2)).is_ok());
    let mut left = seen(&edge, NOW.after(DAY));
    left.sort_by_key(|(subject, _, cumulative, _)| (subject.clone(), *cumulative));
    let costs: Vec<_> = left.iter().map(|(subject, cost, cumulative, _)| (subject, *cost, *cumulative)).collect();
    assert_eq!(costs, [(&who, 2, 2), (&who, 1, 3), (&other, 3, 3)]);
    assert_eq!(seen(&edge, NOW.after(DAY)), []);
}

#[test]
fn the_sum_of_costs_never_overflows() {
    let (edge, who) = (edge(), key::identifier("secret"));
    let plans = Plans::parse("[plans.paid]\nquota = 1_000_000", "plans.toml").expect("good plans");
    let edge = Edge { plans: plans.iter().cloned().collect(), ..edge };
    edge.apply(NOW, &account("secret", 1, |_| ()));
    for _ in 0..3 {
        assert!(edge.admit(NOW, &ask(&who, 30_000)).is_ok_and(|a| a.admitted()));
    }
    let mut lines = Vec::new();
    edge.drain(NOW, &mut lines);
    let costs: Vec<_> = lines.iter().map(|line| (line.cost, line.cumulative, line.sequence)).collect();
    assert_eq!(costs, [(60_000, 60_000, 1), (30_000, 90_000, 2)]);
}

#[test]
fn usage_without_room_is_dropped_and_counted_but_not_forgotten() {
    let edge = edge();
    let strangers = || (0..32).map(stranger);
    let mut lines = Vec::new();
    for who in strangers() {
        // A shard has room for four.
        let _ = edge.admit(NOW, &ask(&who, 1));
    }
    let remembered = edge.subjects().1 as u64;
    edge.drain(NOW, &mut lines);
    let dropped = edge.tally.dropped.load(Ordering::Relaxed);
    assert_eq!(lines.len() as u64 + dropped, remembered);
    lines.clear();
    for who in strangers() {
        let _ = edge.admit(NOW, &ask(&who, 1));
        edge.drain(NOW, &mut lines);
    }
    assert!(lines.len() as u64 == remembered && lines.iter().all(|line| line.cumulative == 2));
}

#[test]
fn strangers_are_forgotten_when_their_day_is_over_and_not_before() {
    let edge = edge();
    // So many that no shard stays short of its share by chance.
    let served = |now| (0..2_000).filter(|&number| edge.admit(now, &ask(&stranger(number), 1)).is_ok()).count();
    let first = served(NOW);
    assert!((32..=64).contains(&first), "{first}");
    let mut lines = Vec::new();
    edge.drain(NOW, &mut lines);
    assert_eq!(edge.subjects(), (0, first));
    edge.drain(NOW.after(DAY), &mut lines);
    assert_eq!(edge.subjects(), (0, 0));
    assert_eq!(served(NOW.after(DAY)), first);
    lines.clear();
    edge.drain(NOW.after(DAY), &mut lines);
    assert!(lines.iter().all(|line| line.cumulative == 1));
}

#[test]
fn rows_that_cannot_be_believed_are_answered_by_policy() {
    let (edge, who) = (edge(), stranger(1));
    edge.set_readable(false);
    let admitted = (0..5).filter(|_| edge.admit(NOW, &ask(&who, 1)).is_ok_and(|a| a.admitted())).count();
    assert_eq!((admitted, edge.tally.admitted_blind.load(Ordering::Relaxed)), (5, 5));
}
