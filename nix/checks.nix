# What cargo checks: tests, lints, format. Not here: the gates of scenarios.
{
  lib,
  pkgs,
  georush,
}:
let
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.toml
      ../Cargo.lock
      ../rustfmt.toml
      ../docs
      ../harness
      ../scenarios
      ../system
    ];
  };

  # The package's own build, with another command in the place of `cargo build`.
  cargoCheck =
    name: tools: command:
    georush.overrideAttrs (old: {
      pname = "georush-${name}";
      inherit src;
      nativeBuildInputs = (old.nativeBuildInputs or [ ]) ++ tools;
      buildPhase = command;
      doCheck = false;
      installPhase = "touch $out";
    });
in
{
  inherit georush;
  tests = cargoCheck "tests" [ ] "cargo test --workspace --frozen";
  clippy = cargoCheck "clippy" [
    pkgs.clippy
  ] "cargo clippy --workspace --all-targets --frozen -- --deny warnings";
  fmt = cargoCheck "fmt" [ pkgs.rustfmt ] "cargo fmt --all --check";
}
