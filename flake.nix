{
  description = "A metered multi-region API driven through its worst day, in simulated time or live";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];

      # What one system offers, by the kind of output.
      perSystem = lib.genAttrs systems (
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
          georush = pkgs.callPackage ./nix/package.nix { };
          scenarios = import ./nix/scenarios.nix { inherit lib pkgs georush; };
        in
        {
          packages = {
            inherit georush;
            default = georush;
          };
          legacyPackages = { inherit (scenarios) results sweeps; };
          apps = scenarios.apps;
          checks =
            import ./nix/checks.nix {
              inherit lib pkgs georush;
              module = self.nixosModules.default;
            }
            // scenarios.gates;
          devShells.default = pkgs.mkShell {
            inputsFrom = [ georush ];
            packages = [
              pkgs.clippy
              pkgs.rustfmt
            ];
          };
          formatter = pkgs.writeShellScriptBin "fmt" "exec ${pkgs.cargo}/bin/cargo fmt --all";
        }
      );
      every = kind: lib.mapAttrs (_: outputs: outputs.${kind}) perSystem;
    in
    lib.genAttrs [
      "packages"
      "legacyPackages"
      "apps"
      "checks"
      "devShells"
      "formatter"
    ] every
    // {
      overlays.default = final: _: { georush = final.callPackage ./nix/package.nix { }; };

      nixosModules.default = import ./nix/module.nix self;

      # What a Hydra builds and its cache serves: the checks, and the results themselves.
      hydraJobs = {
        inherit (self) checks;
        results = lib.mapAttrs (_: outputs: outputs.results) self.legacyPackages;
      };
    };
}
