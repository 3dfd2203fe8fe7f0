# What a result must equal, and how to accept a new one.
{
  lib,
  pkgs,
  georush,
}:
let
  lines = lib.splitString "\n" (builtins.readFile ../results/fingerprints.txt);
  fingerprint = name: lib.filter (lib.hasPrefix "${name} ") lines;
  digest = result: ''$(sed -n 's/^  "digest": "\([0-9a-f]*\)".*/\1/p' ${result}/result.json)'';
in
{
  check =
    name: result:
    if fingerprint name == [ ] then
      throw "results/fingerprints.txt has no line for ${name}: nix run .#bless writes it, git commit keeps it"
    else
      pkgs.runCommand "georush-${name}-gate" { } ''
        wanted='${lib.concatStrings (fingerprint name)}' found="${name} ${digest result}"
        if [ "$found" != "$wanted" ]; then
          echo "${name}: the digest is ''${found##* }, expected ''${wanted##* } from results/fingerprints.txt; if that is intended: nix run .#bless"
          exit 1
        fi
        grep -q '^  "verdict": "passed"' ${result}/result.json || { echo "${name}: a threshold or an invariant failed"; exit 1; }
        echo "$found" >$out
      '';

  # In the order of the files.
  bless =
    results:
    pkgs.writeShellScriptBin "bless" ''
      cat >results/fingerprints.txt <<END
      ${lib.concatMapStringsSep "\n" (named: "${named.name} ${digest named.value}") results}
      END
    '';
}
