//! Archives made here, good and bad. No network.

use std::{io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};

use super::*;

/// A gzipped tar with the given entries; paths are written as they are.
fn archive(entries: &[(&str, &[u8])]) -> Archive {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in entries {
        let mut header = tar::Header::new_gnu();
        // `set_path` refuses what is to be tested.
        header.as_gnu_mut().expect("GNU").name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).expect("memory");
    }
    let bytes = builder.into_inner().and_then(GzEncoder::finish).expect("memory");
    Archive { file: "test.tgz".to_owned(), bytes }
}

#[test]
fn wanted_files_are_unpacked_and_others_are_not() {
    let archive = archive(&[("package/a.csv", b"one"), ("package/b.csv", b"two"), ("package/deep/a.csv", b"three")]);
    assert_eq!(archive.read("b.csv").expect("there"), b"two");
    let (mut a, mut deep) = (Vec::new(), Vec::new());
    archive.unpack(&mut [("deep/a.csv", &mut deep), ("a.csv", &mut a)]).expect("there");
    assert_eq!((a.as_slice(), deep.as_slice()), (b"one".as_slice(), b"three".as_slice()));
}

#[test]
fn a_file_that_is_not_inside_is_named() {
    let error = archive(&[("package/a.csv", b"")]).read("b.csv").expect_err("missing");
    assert_eq!(error.to_string(), "test.tgz: no file package/b.csv, expected one; is it the right package?");
}

#[test]
fn an_entry_that_leads_out_of_the_package_is_refused_even_if_nobody_wants_it() {
    for path in ["package/../../etc/passwd", "../a.csv", "/package/a.csv", "other/a.csv"] {
        let error = archive(&[("package/a.csv", b""), (path, b"bad")]).read("a.csv").expect_err("unsafe");
        let wanted = format!("test.tgz: entry {path:?}, expected paths below package/; do not use this archive");
        assert_eq!(error.to_string(), wanted);
    }
}

#[test]
fn another_digest_is_told_with_both() {
    let error = Archive::verified("test.tgz".to_owned(), b"abc".to_vec(), "AAAA").expect_err("differs");
    // Source of the digest: FIPS 180-4, SHA-512 of "abc", in base64.
    let abc = "3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==";
    let wanted = format!("test.tgz: sha512-{abc}, expected sha512-AAAA; remove it and download it again");
    assert_eq!(error.to_string(), wanted);
    assert!(Archive::verified("test.tgz".to_owned(), b"abc".to_vec(), abc).is_ok());
}

#[test]
fn what_is_not_an_archive_is_told() {
    let broken = Archive { file: "test.tgz".to_owned(), bytes: b"<html>".to_vec() };
    let error = broken.read("a.csv").expect_err("broken").to_string();
    assert!(error.starts_with("test.tgz: ") && error.ends_with(", expected a gzipped tar archive"), "{error}");
}

#[test]
fn a_directory_without_the_archive_says_how_to_get_it() {
    let error = ASN.obtain(Origin::Directory(Path::new("no-such-folder"))).expect_err("missing").to_string();
    assert!(error.starts_with("no-such-folder/ip-location-db-asn-2.3.2026061719.tgz: "), "{error}");
    assert!(
        error.ends_with("expected the archive that `npm pack @ip-location-db/asn@2.3.2026061719` makes"),
        "{error}"
    );
}

#[test]
fn a_missing_npm_is_told_with_what_to_do() {
    let error = ASN.download(Path::new("."), "no-such-npm").expect_err("missing").to_string();
    assert!(error.starts_with("npm: not found, needed to download @ip-location-db/asn@2.3.2026061719; "), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn what_npm_says_becomes_one_line() {
    let gone = ASN.refusal("npm error code E404\nnpm error 404 Not Found - GET somewhere\n").to_string();
    assert!(gone.starts_with("npm pack @ip-location-db/asn@2.3.2026061719: npm has no such package"), "{gone}");
    let offline =
        ASN.refusal("npm error code ENOTFOUND\nnpm error network request failed\nnpm error more\n").to_string();
    assert!(offline.contains(": network request failed; "), "{offline}");
    assert!(ASN.refusal("").to_string().contains("it failed and did not say why"));
}

#[test]
fn a_full_disk_is_not_called_a_broken_archive() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = archive(&[("package/a.csv", b"one")]).unpack(&mut [("a.csv", &mut Full)]).expect_err("full");
    assert!(matches!(error, Error::Unwritable { .. }), "{error}");
}
