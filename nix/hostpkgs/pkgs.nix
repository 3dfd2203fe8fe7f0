# A stand-in for nixpkgs' package set: builds run the tools that host.nix names and take crates from this machine's
# cargo cache.
{ lib, system }:
let
  host = import ./host.nix;

  list = value: if value == null then [ ] else value;

  mkDerivation =
    attrs:
    let
      env = attrs.env or { };
      hidden = [
        "env"
        "meta"
        "passthru"
      ];
      drv = derivation (
        {
          inherit system;
          name = attrs.name or "${attrs.pname}-${attrs.version}";
          builder = "/bin/bash";
          args = [
            "-euo"
            "pipefail"
            "${./stdenv}/build"
          ];
          outputs = [ "out" ];
          stdenv = "${./stdenv}";
          hostPath = host.path;
          hostCache = host.cache;
          hostTools = host.version;
        }
        // builtins.removeAttrs attrs hidden
        // env
      );
    in
    drv
    // (attrs.passthru or { })
    // {
      meta = attrs.meta or { };
      overrideAttrs = change: mkDerivation (attrs // change attrs);
    };

  # A package of links to tools that are already on this machine.
  hostPackage =
    mainProgram: names:
    mkDerivation {
      name = "host-${mainProgram}";
      meta = { inherit mainProgram; };
      buildCommand = ''
        mkdir -p $out/bin
        for name in ${toString names}; do
          tool=$(type -P "$name")
          ln -s "$tool" $out/bin/
        done
      '';
    };

  pkgs = rec {
    inherit lib;
    stdenv = {
      inherit mkDerivation;
      hostPlatform = {
        inherit system;
        isLinux = lib.hasSuffix "-linux" system;
      };
    };

    callPackage =
      file: overrides:
      let
        f = if builtins.isFunction file then file else import file;
      in
      f (builtins.intersectAttrs (builtins.functionArgs f) pkgs // overrides);

    runCommand =
      name: env: buildCommand:
      mkDerivation (env // { inherit name buildCommand; });

    writeShellScriptBin =
      name: text:
      mkDerivation {
        inherit name;
        text = "#!/bin/bash\n${text}\n";
        meta.mainProgram = name;
        buildCommand = ''
          mkdir -p $out/bin
          printf %s "$text" > $out/bin/$name
          chmod +x $out/bin/$name
        '';
      };

    linkFarm =
      name: entries:
      runCommand name { } ''
        mkdir -p $out
        ${builtins.concatStringsSep "\n" (map (e: "ln -s ${e.path} $out/${e.name}") entries)}
      '';

    cargo = hostPackage "cargo" [ "cargo" ];
    rustc = hostPackage "rustc" [
      "rustc"
      "rustdoc"
    ];
    clippy = hostPackage "cargo-clippy" [
      "cargo-clippy"
      "clippy-driver"
    ];
    rustfmt = hostPackage "rustfmt" [
      "cargo-fmt"
      "rustfmt"
    ];
    bashInteractive = hostPackage "bash" [ "bash" ];
    coreutils = hostPackage "coreutils" [ "kill" ];
    systemd = hostPackage "systemd" [ "systemd-analyze" ];

    mkShell =
      {
        packages ? [ ],
        inputsFrom ? [ ],
        ...
      }@attrs:
      mkDerivation (
        builtins.removeAttrs attrs [ "inputsFrom" ]
        // {
          name = "shell";
          nativeBuildInputs = packages ++ builtins.concatMap (p: list (p.nativeBuildInputs or null)) inputsFrom;
          buildCommand = "export > $out";
        }
      );

    rustPlatform = {
      # Every registry crate of a lock file, checked against the sum it states.
      importCargoLock =
        { lockFile }:
        let
          foreign = builtins.filter (package: package ? source) (lib.importTOML lockFile).package;
        in
        mkDerivation {
          name = "cargo-vendor-dir";
          inherit (host) crates;
          locked = map (
            package: assert package ? checksum; "${package.name}-${package.version}:${package.checksum}"
          ) foreign;
          buildCommand = ''
            mkdir $out
            for entry in $locked; do
              crate=''${entry%:*} sum=''${entry##*:}
              file=$(ls $crates/*/$crate.crate 2>/dev/null | head -n 1)
              [ -n "$file" ] || { echo "$crate is not in the cargo cache: run cargo fetch --locked"; exit 1; }
              echo "$sum  $file" | sha256sum --check --quiet
              tar -xzf "$file" -C $out
              printf '{"files":{},"package":"%s"}' $sum > $out/$crate/.cargo-checksum.json
            done
          '';
        };

      buildRustPackage =
        {
          cargoLock,
          nativeBuildInputs ? [ ],
          ...
        }@attrs:
        mkDerivation (
          {
            buildPhase = "cargo build --release --frozen";
            checkPhase = "cargo test --release --workspace --frozen";
            installPhase = ''
              mkdir -p $out/bin
              find $CARGO_TARGET_DIR/release -maxdepth 1 -type f -executable -exec cp {} $out/bin/ \;
            '';
            doCheck = true;
          }
          // builtins.removeAttrs attrs [ "cargoLock" ]
          // {
            cargoDeps = rustPlatform.importCargoLock cargoLock;
            nativeBuildInputs = nativeBuildInputs ++ [
              cargo
              rustc
            ];
          }
        );
    };
  };
in
pkgs
