# Every scenarios/<name>.toml as an app, a result for each seed, a sweep and a gate. Only sources are read to list them:
# nothing is built for that, and a new file needs no change here.
{
  lib,
  pkgs,
  georush,
}:
let
  run = lib.getExe georush;

  names = map (lib.removeSuffix ".toml") (
    lib.filter (lib.hasSuffix ".toml") (lib.attrNames (builtins.readDir ../scenarios))
  );
  each = lib.genAttrs names;

  # The scenario's file alone, under its own name: what a result depends on besides the program.
  file =
    name:
    "${
      lib.fileset.toSource {
        root = ../scenarios;
        fileset = ../scenarios + "/${name}.toml";
      }
    }/${name}.toml";

  # A run that failed its thresholds is a result, too; gates judge.
  result =
    name: label: arguments:
    pkgs.runCommand "georush-${name}-${label}" { } ''
      ${run} run ${file name} ${arguments} --out $out || [ $? -eq 1 ]
    '';
  seed = name: n: result name n "--seed ${n}";
  numbers = from: to: map toString (lib.range from to);

  results = each (name: result name "result" "" // { seeds = lib.genAttrs (numbers 0 999) (seed name); });

  gate = import ./gate.nix { inherit lib pkgs georush; };

  app = program: description: {
    type = "app";
    inherit program;
    meta = { inherit description; };
  };
in
{
  inherit results;

  sweeps = each (
    name:
    pkgs.linkFarm "georush-${name}-sweep" (
      map (n: {
        name = n;
        path = seed name n;
      }) (numbers 1 64)
    )
  );

  gates = lib.mapAttrs' (name: result: lib.nameValuePair "gate-${name}" (gate.check name result)) results;

  apps =
    each (
      name:
      app (lib.getExe (pkgs.writeShellScriptBin name ''exec ${run} run ${file name} "$@"''))
        (lib.importTOML (../scenarios + "/${name}.toml")).question
    )
    // {
      default = app run georush.meta.description;
      bless = app (lib.getExe (gate.bless (map (name: lib.nameValuePair name results.${name}) names))) "Accept what every scenario gives now as its baseline";
    };
}
