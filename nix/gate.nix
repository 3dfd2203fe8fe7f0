# What a result is compared with, and how to accept a new one.
{
  lib,
  pkgs,
  georush,
}:
let
  run = lib.getExe georush;
  baseline = name: ../results + "/${name}.json";
in
{
  check =
    name: result:
    if builtins.pathExists (baseline name) then
      pkgs.runCommand "georush-${name}-gate" { } ''
        ${run} gate ${result}/result.json --baseline ${baseline name} >$out || { cat $out; exit 1; }
      ''
    else
      throw "results/${name}.json is missing: nix run .#bless -- 'a new scenario' writes it, git add makes it known";

  # The reason is the argument.
  bless =
    results:
    pkgs.writeShellScriptBin "bless" ''
      exec ${run} gate ${lib.concatMapStringsSep " " (named: "${named.value}/result.json") results} \
        --baseline results --update --reason "''${1:-}"
    '';
}
