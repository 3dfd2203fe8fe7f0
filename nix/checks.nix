# What cargo checks: tests, lints, format; and what systemd says of the NixOS module's units. Not here: the gates of scenarios.
{
  lib,
  pkgs,
  georush,
  module,
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

  # The units of a machine with everything on, as NixOS writes them.
  units = lib.filterAttrs (name: _: lib.hasPrefix "georush-" name) (lib.nixosSystem {
    inherit (pkgs.stdenv.hostPlatform) system;
    modules = [
      module
      {
        services.georush = {
          edges.us-east-1.listen = "127.0.0.1:8080";
          edges.eu-west-1 = {
            listen = "0.0.0.0:443";
            lowPort = true;
            arguments = [
              "--tls-cert"
              "/etc/georush/chain.pem"
              "--tls-key"
              "/etc/georush/key.pem"
            ];
          };
          aggregator.enable = true;
          replicator.enable = true;
        };
      }
    ];
  }).config.systemd.units;
in
{
  inherit georush;
  tests = cargoCheck "tests" [ ] "cargo test --workspace --frozen";
  clippy = cargoCheck "clippy" [
    pkgs.clippy
  ] "cargo clippy --workspace --all-targets --frozen -- --deny warnings";
  fmt = cargoCheck "fmt" [ pkgs.rustfmt ] "cargo fmt --all --check";
}
// lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
  # The threshold is in tenths: an exposure of 2 of 10 at most.
  module = pkgs.runCommand "georush-module" { nativeBuildInputs = [ pkgs.systemd ]; } ''
    mkdir units
    ${lib.concatStrings (
      map (name: "cat >units/${name} <<'UNIT'\n${units.${name}.text}UNIT\n") (lib.attrNames units)
    )}
    # As a user's units: for the system's own, systemd wants to write in /run, which Nix's sandbox has not.
    export XDG_RUNTIME_DIR=$PWD
    systemd-analyze verify --user --man=no --recursive-errors=no units/*
    systemd-analyze security --user --no-pager --offline=true --threshold=20 units/*
    touch $out
  '';
}
