//! The data files keep what they promise.

use std::collections::BTreeSet;

use super::{model::Growth, *};
use toml::{Table, Value};

const ERAS: [Era; 2] = [Era::Y2018, Era::Now];
const FILES: [(&str, &str); 6] = [
    ("regions.toml", REGIONS_TOML),
    ("countries.toml", COUNTRIES_TOML),
    ("models-2018.toml", MODELS_2018_TOML),
    ("models-now.toml", MODELS_NOW_TOML),
    ("prices-2018.toml", PRICES_2018_TOML),
    ("prices-now.toml", PRICES_NOW_TOML),
];

fn parsed(text: &str) -> Table {
    text.parse().expect("a data file is TOML")
}

/// Calls `check` on each table that holds a value or describes a column, and returns paths of values outside of one.
fn walk(path: &str, table: &Table, check: &mut dyn FnMut(&str, &Table), stray: &mut Vec<String>) {
    if table.contains_key("value") || path.contains(".columns.") {
        return check(path, table);
    }
    for (key, value) in table {
        let path = format!("{path}.{key}");
        match value {
            Value::Table(inner) => walk(&path, inner, check, stray),
            _ => stray.push(path),
        }
    }
}

#[test]
fn every_value_has_a_known_source_and_a_confidence() {
    for (name, text) in FILES {
        let mut file = parsed(text);
        let sources = file.remove("sources").expect("each file lists its sources");
        let sources = sources.as_table().expect("sources is a table").clone();
        file.remove("countries");
        let (mut used, mut stray) = (BTreeSet::new(), Vec::new());
        let mut check = |path: &str, table: &Table| {
            let text = |key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default();
            let assumed = table.get("assumption").and_then(Value::as_bool).unwrap_or(false);
            assert!(sources.contains_key(text("source")), "{path} has no known source");
            assert!(["high", "medium", "low"].contains(&text("confidence")), "{path} has no confidence");
            assert!(assumed || text("source") != "assumption", "{path} does not mark its assumption");
            let known = ["value", "source", "confidence", "assumption", "note", "cells"];
            assert!(table.keys().all(|key| known.contains(&key.as_str())), "{path} has an unknown key");
            used.insert(text("source").to_owned());
            for row in table.get("cells").and_then(Value::as_array).into_iter().flatten() {
                used.extend(row.as_str().expect("cells are strings").chars().map(String::from));
            }
        };
        walk(name, &file, &mut check, &mut stray);
        assert_eq!(stray, Vec::<String>::new(), "values without provenance");
        assert_eq!(used, sources.keys().cloned().collect(), "{name}: sources used and sources listed");
        for (key, source) in &sources {
            for part in ["title", "date", "address"] {
                assert!(source.get(part).is_some_and(Value::is_str), "{name}: source {key} has no {part}");
            }
        }
    }
}

#[test]
fn every_column_of_the_countries_is_described() {
    let file = parsed(COUNTRIES_TOML);
    let columns = file["columns"].as_table().expect("columns is a table");
    for (code, country) in file["countries"].as_table().expect("countries is a table") {
        for key in country.as_table().expect("a country is a table").keys() {
            assert!(columns.contains_key(key), "{code}.{key} is not described");
        }
    }
}

#[test]
fn round_trips_are_symmetric_and_shortest_at_home() {
    let n = regions().len();
    assert_eq!(n, 16);
    for era in ERAS {
        for a in 0..n {
            assert_eq!(rtt_us(era, a, a), 300);
            for b in 0..a {
                assert_eq!(rtt_us(era, a, b), rtt_us(era, b, a));
                assert!(rtt_us(era, a, b) > 300);
            }
        }
    }
    let [sydney, singapore] = ["ap-southeast-2", "ap-southeast-1"].map(|name| region(name).expect("it is known"));
    assert_eq!(rtt_us(Era::Y2018, sydney, singapore), 185_000);
    assert_eq!(rtt_us(Era::Now, sydney, singapore), 90_000);
}

#[test]
fn names_resolve_to_their_places() {
    for (index, known) in regions().iter().enumerate() {
        assert_eq!(region(&known.name), Some(index));
    }
    for (index, known) in countries().iter().enumerate() {
        assert_eq!(country(&known.code), Some(index));
        assert!(known.weight > 0.0 && known.nearest < regions().len());
    }
    assert_eq!(countries().len(), 36);
    assert_eq!((region("mars-north-1"), country("XX"), region_set("none")), (None, None, None));
}

#[test]
fn the_ten_regions_of_the_article_hold_every_nearest_region() {
    let ten: Vec<_> = region_set("article-10").expect("it is known").iter().map(|name| region(name)).collect();
    assert_eq!((region_sets(), ten.len()), (vec!["article-10"], 10));
    assert!(ten.iter().all(Option::is_some));
    assert!(countries().iter().all(|country| ten.contains(&Some(country.nearest))));
}

fn assert_well_formed(points: &Points) {
    assert!(points.len() >= 2, "{points:?}");
    assert!(points.iter().all(|&(q, us)| 0.0 < q && q < 1.0 && us > 0.0), "{points:?}");
    assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{points:?}");
}

#[test]
fn every_distribution_rises() {
    for era in ERAS {
        let Model { dns, gateway, function, table, dax, logs, stream, central, replicator, .. } = model(era);
        let mut all = vec![&dns.lookup_cached, &dns.lookup_uncached, &gateway.overhead, &function.warm_overhead];
        all.extend([&table.get, &table.put, &dax.get, &logs.ingest, &logs.subscription, &stream.put_to_get]);
        all.extend([&central.put, &replicator.visibility]);
        all.extend(function.runtimes.values().map(|runtime| &runtime.cold));
        all.into_iter().for_each(assert_well_formed);
    }
    for country in countries() {
        let shares: f64 = country.last_mile.iter().map(|(share, _)| share).sum();
        assert_eq!(shares, 1.0, "{}", country.code);
        for (_, points) in &country.last_mile {
            assert_well_formed(points);
            assert!(points[0].1 >= 1_000.0 && points[points.len() - 1].1 <= 2_000_000.0, "{}", country.code);
        }
    }
}

/// The fraction of a distribution that is at most `us`.
fn fraction_at_most(points: &Points, us: f64) -> f64 {
    let (mut low, mut high) = (1e-5, 1.0 - 1e-5);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if points::at(points, middle) <= us { low = middle } else { high = middle }
    }
    low
}

#[test]
fn last_miles_meet_their_published_points() {
    let file = parsed(COUNTRIES_TOML);
    for country in countries() {
        let raw = &file["countries"][country.code.as_str()];
        let fits: Vec<_> = ["atlas", "speedchecker"].into_iter().filter_map(|name| raw.get(name)).collect();
        assert_eq!(fits.len(), country.last_mile.len());
        for (fit, (_, points)) in fits.into_iter().zip(&country.last_mile) {
            let pct = fit["pct"].as_array().expect("pct is an array");
            for (pct, us) in pct.iter().zip([20_000.0, 100_000.0, 250_000.0]) {
                let published = pct.as_float().expect("pct are floats") / 100.0;
                let miss = (fraction_at_most(points, us) - published).abs();
                assert!(miss < 0.105, "{} misses {published} at {us} us by {miss}", country.code);
            }
        }
    }
}

#[test]
fn medians_are_those_of_the_sources() {
    let median = |code: &str| {
        let country = &countries()[country(code).expect("it is known")];
        libm::round(points::at(&country.last_mile[0].1, 0.5) / 100.0) / 10.0
    };
    assert_eq!([median("US"), median("DE"), median("AU")], [20.7, 9.4, 8.3]);
    assert_eq!(median("HK"), 1.0);
    let model = model(Era::Y2018);
    assert_eq!(libm::round(points::at(&model.replicator.visibility, 0.5)), 213_000.0);
    assert_eq!(libm::round(points::at(&model.gateway.overhead, 0.5)), 6_000.0);
}

#[test]
fn prices_are_read_exactly_and_every_region_has_one() {
    use super::prices::Item;
    for era in ERAS {
        let book = prices(era);
        for item in Item::ALL {
            for region in regions() {
                assert!(book.price(item, Some(&region.name)).0.nano_usd > 0, "{}", item.name());
            }
        }
    }
    let price = |item, region| prices(Era::Y2018).price(item, Some(region)).0.nano_usd;
    assert_eq!(price(Item::GatewayRequests, "us-east-1"), 3_500_000_000);
    assert_eq!(price(Item::FunctionCompute, "eu-west-1"), 16_666_700_000);
    assert_eq!(price(Item::TableReadCapacity, "eu-central-1"), 158_600);
    assert_eq!(prices(Era::Now).price(Item::TableWrites, Some("us-east-1")).0.nano_usd, 625_000_000);
    assert_eq!(prices(Era::Y2018).free(Item::FunctionCompute), 400_000);
}

/// Quantiles of a distribution plus a wait that is uniform between 0 and `poll_us`.
fn with_poll(points: &Points, poll_us: u64, quantiles: [f64; 4]) -> [f64; 4] {
    let steps = (0..200).map(|step| (f64::from(step) + 0.5) / 200.0);
    let delays: Vec<f64> = steps.clone().map(|q| points::at(points, q)).collect();
    let mut sums: Vec<f64> =
        steps.flat_map(|wait| delays.iter().map(move |delay| delay + wait * poll_us as f64)).collect();
    sums.sort_by(f64::total_cmp);
    quantiles.map(|q| sums[(q * sums.len() as f64) as usize])
}

#[test]
fn stream_and_poll_together_take_what_was_measured_at_a_consumer() {
    for era in ERAS {
        let stream = &model(era).stream;
        let modelled = with_poll(&stream.put_to_get, stream.poll_us, [0.1, 0.5, 0.9, 0.99]);
        for (modelled, measured_us) in modelled.into_iter().zip([267e3, 627e3, 965e3, 1_580e3]) {
            assert!((modelled / measured_us - 1.0).abs() < 0.15, "{modelled} against {measured_us}");
        }
    }
}

#[test]
fn the_document_names_every_parameter() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/models.md");
    let document = std::fs::read_to_string(path).expect("docs/models.md is there");
    for (name, text) in [FILES[2], FILES[3]] {
        let mut file = parsed(text);
        file.remove("sources");
        let mut check = |path: &str, _: &Table| {
            let parameter = &path[name.len() + 1..];
            let in_its_table = parameter.split_once('.').map_or(parameter, |(_, rest)| rest);
            let named = [parameter, in_its_table].iter().any(|name| document.contains(&format!("| `{name}` |")));
            assert!(named, "docs/models.md does not name {parameter}");
        };
        walk(name, &file, &mut check, &mut Vec::new());
    }
}

#[test]
fn a_flat_end_is_a_bound() {
    let subscription = &model(Era::Y2018).logs.subscription;
    assert_eq!(libm::round(points::at(subscription, 0.999_999)), 180_000_000.0);
}

#[test]
fn the_articles_frankfurt_request_takes_17_ms() {
    let Model { gateway, function, table, .. } = model(Era::Y2018);
    let handler_us = function.handler_cpu_us * function.full_vcpu_mb / function.memory_mb;
    let medians: f64 =
        [&gateway.overhead, &function.warm_overhead, &table.get].map(|points| points::at(points, 0.5)).iter().sum();
    let tester_rtt_us = 5_000.0;
    let total_us = tester_rtt_us + medians + f64::from(handler_us);
    assert!((16_500.0..18_000.0).contains(&total_us), "{total_us}");
}

#[test]
fn eras_differ_where_aws_changed() {
    let [then, now] = ERAS.map(model);
    assert_eq!((then.new_connection_rtts, now.new_connection_rtts), (3, 2));
    assert_eq!((then.function.memory_mb_max, now.function.memory_mb_max), (3_008, 10_240));
    let Growth::Regional { burst_default, burst_by_region, .. } = &then.function.growth else { panic!("regional") };
    assert_eq!((*burst_default, burst_by_region[&region("eu-central-1").expect("it is known")]), (500, 1_000));
    assert_eq!(now.function.growth, Growth::PerFunction { step: 1_000, period_us: 10_000_000 });
    assert_eq!((then.table.adaptive, now.table.adaptive), (false, true));
}

#[test]
fn normal_quantiles_invert_the_distribution() {
    for (p, z) in [(0.5, 0.0), (0.9, 1.281_551_565_5), (0.99, 2.326_347_874), (0.001, -3.090_232_306)] {
        assert!((normal::quantile(p) - z).abs() < 1e-9, "{p}");
        assert!((normal::cdf(z) - p).abs() < 1e-9, "{z}");
    }
}
