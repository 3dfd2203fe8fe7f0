//! Lists made here: nested, overlapping, adjacent, of both families.

use std::fs;

use super::*;

fn threats(files: &[(&str, &str)]) -> Threats {
    let parse = |(stem, content): &(&str, &str)| List::parse(Path::new(stem), stem, content).expect("good");
    Threats::of_lists(files.iter().map(parse).collect())
}

fn flags(threats: &Threats, ip: &str) -> Flags {
    threats.on(ip.parse().expect("an address")).flags
}

#[test]
fn no_lists_say_nothing() {
    let none = Threats::default();
    assert!(none.is_empty());
    assert_eq!(none.on("192.0.2.1".parse().expect("an address")), Threat::default());
    assert!(threats(&[("tor", "# nothing today\n\n")]).is_empty());
}

#[test]
fn nested_blocks_add_up_and_the_outer_one_goes_on_behind_the_inner() {
    let threats = threats(&[("datacenter.cloud", "10.0.0.0/8"), ("tor", "10.1.0.0/16"), ("vpn", "10.1.2.3")]);
    assert_eq!(flags(&threats, "9.255.255.255"), Flags::default());
    assert_eq!(flags(&threats, "10.0.0.0"), Flags::DATACENTER);
    assert_eq!(flags(&threats, "10.1.0.0"), Flags::DATACENTER.union(Flags::TOR));
    assert_eq!(flags(&threats, "10.1.2.3"), Flags::DATACENTER.union(Flags::TOR).union(Flags::VPN));
    assert_eq!(flags(&threats, "10.1.2.4"), Flags::DATACENTER.union(Flags::TOR));
    assert_eq!(flags(&threats, "10.2.0.0"), Flags::DATACENTER);
    assert_eq!(flags(&threats, "11.0.0.0"), Flags::default());
}

#[test]
fn a_list_that_repeats_and_overlaps_itself_holds_from_its_first_to_its_last_address() {
    let threats = threats(&[("proxy", "10.0.0.0/24\n10.0.0.0/25\n10.0.0.0/24\n10.0.1.0/24\n10.0.0.7\n")]);
    assert_eq!(threats.ranges(), 1);
    assert_eq!(flags(&threats, "10.0.0.200"), Flags::PROXY);
    assert_eq!(flags(&threats, "10.0.1.255"), Flags::PROXY);
    assert_eq!(flags(&threats, "10.0.2.0"), Flags::default());
}

#[test]
fn the_last_address_of_each_family_is_covered() {
    let threats = threats(&[("tor", "255.255.255.255\nffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n"), ("vpn", "::/0")]);
    assert_eq!(flags(&threats, "255.255.255.255"), Flags::TOR);
    assert_eq!(flags(&threats, "255.255.255.254"), Flags::default());
    assert_eq!(flags(&threats, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Flags::TOR.union(Flags::VPN));
    assert_eq!(flags(&threats, "::"), Flags::VPN);
}

#[test]
fn the_families_are_apart_but_ipv4_in_ipv6_is_ipv4() {
    let threats = threats(&[("tor", "192.0.2.0/24"), ("vpn", "2001:db8::/32")]);
    assert_eq!(flags(&threats, "::ffff:192.0.2.9"), Flags::TOR);
    assert_eq!(flags(&threats, "2001:db8:ffff::1"), Flags::VPN);
    assert_eq!(flags(&threats, "2001:db9::"), Flags::default());
}

#[test]
fn named_lists_of_attackers_and_abusers_are_blocklists_and_no_others() {
    let threats = threats(&[
        ("known_abuser.mail.example", "192.0.2.0/24"),
        ("known_attacker", "192.0.2.0/25"),
        ("known_attacker.firehol", "192.0.2.0/26"),
        ("datacenter.cloud", "192.0.2.0/24"),
    ]);
    let found = threats.on("192.0.2.1".parse().expect("an address"));
    assert_eq!(found.blocklists, ["firehol", "mail.example"]);
    assert!(found.flags.is_threat() && found.flags.is_datacenter() && !found.flags.is_anonymous());
    assert_eq!(threats.on("192.0.2.200".parse().expect("an address")).blocklists, ["mail.example"]);
}

#[test]
fn anonymous_is_whatever_hides_somebody() {
    for (kind, flag) in KINDS {
        let hides = ["tor", "vpn", "icloud_relay", "proxy"].contains(&kind);
        assert_eq!(flag.is_anonymous(), hides, "{kind}");
        assert_eq!(flag.is_threat(), kind.starts_with("known_"), "{kind}");
    }
}

#[test]
fn lines_may_have_more_fields_comments_quotes_and_host_bits() {
    let lines = "\u{feff}# heading\n; another\n192.0.2.9/24 ; SBL1\r\n\"198.51.100.0/24\",DE,,\n203.0.113.7\tx # y\n";
    let threats = threats(&[("known_attacker", lines)]);
    for ip in ["192.0.2.0", "198.51.100.255", "203.0.113.7"] {
        assert!(flags(&threats, ip).is_known_attacker(), "{ip}");
    }
    assert_eq!(threats.ranges(), 3);
}

#[test]
fn every_address_agrees_with_asking_each_block_in_turn() {
    // Blocks from a small space, so that they nest, touch and repeat; the generator is any that scatters.
    let mut state = 1_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let blocks: Vec<_> =
        (0..200).map(|_| (next(7), format!("10.0.{}.{}/{}", next(2), next(256), 22 + next(11)))).collect();
    let of_kind = |kind: usize| {
        let lines = blocks.iter().filter(|(of, _)| *of as usize == kind).map(|(_, block)| format!("{block}\n"));
        (KINDS[kind].0, lines.collect::<String>())
    };
    let files: Vec<_> = (0..KINDS.len()).map(of_kind).collect();
    let borrowed: Vec<_> = files.iter().map(|(stem, content)| (*stem, content.as_str())).collect();
    let threats = threats(&borrowed);
    for address in 0x0a00_0000_u32..0x0a00_0500 {
        let ip = std::net::Ipv4Addr::from_bits(address);
        let covers = |block: &str| block.parse::<ipnet::Ipv4Net>().expect("a network").contains(&ip);
        let mut wanted = Flags::default();
        for (kind, block) in &blocks {
            wanted = if covers(block) { wanted.union(KINDS[*kind as usize].1) } else { wanted };
        }
        assert_eq!(threats.on(ip.into()).flags, wanted, "{ip}");
    }
}

#[test]
fn a_directory_is_loaded_by_its_files_names_and_errors_name_file_and_line() {
    let directory = std::env::temp_dir().join(format!("georush-threat-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("writable");
    let write = |name: &str, content: &str| fs::write(directory.join(name), content).expect("writable");
    let error = || {
        Threats::load(&directory).expect_err("bad").to_string().replace(&directory.display().to_string(), "threat.d")
    };
    write("tor.txt", "192.0.2.1\n");
    write("known_attacker.firehol.csv", "192.0.2.0/24,x\n");
    write("README.md", "not a list");
    let threats = Threats::load(&directory).expect("good");
    let found = threats.on("192.0.2.1".parse().expect("an address"));
    assert!(found.flags.is_tor() && found.flags.is_known_attacker());
    assert_eq!(found.blocklists, ["firehol"]);

    write("vpn.txt", "192.0.2.1\n\n10.0.0.1-10.0.0.9\n");
    assert_eq!(
        error(),
        "threat.d/vpn.txt:3: \"10.0.0.1-10.0.0.9\", expected an address or a network, like 192.0.2.0/24, first on the line; headings and comments begin with #"
    );
    fs::remove_file(directory.join("vpn.txt")).expect("ours");
    write("firehol.txt", "");
    assert_eq!(
        error(),
        "threat.d/firehol.txt: \"firehol\" is no kind of list, expected tor, vpn, icloud_relay, proxy, datacenter, known_attacker or known_abuser; rename the file, for example known_attacker.firehol.txt"
    );
    fs::remove_dir_all(&directory).expect("ours");
    assert!(error().starts_with("threat.d: ") && error().ends_with(", expected a directory of lists of addresses"));
}
