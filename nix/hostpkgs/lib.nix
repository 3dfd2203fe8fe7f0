# The part of nixpkgs' lib that our flake uses, with the same names and meanings.
let
  inherit (builtins)
    any
    concatStringsSep
    attrNames
    filter
    foldl'
    genList
    listToAttrs
    mapAttrs
    stringLength
    substring
    ;
in
rec {
  inherit
    attrNames
    concatStringsSep
    filter
    mapAttrs
    ;
  inherit (builtins) concatMap;

  optional = condition: value: if condition then [ value ] else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  boolToString = value: if value then "true" else "false";
  filterAttrs = keep: set: removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
  recursiveUpdate =
    old: new:
    old
    // mapAttrs (
      name: value:
      if builtins.isAttrs value && builtins.isAttrs (old.${name} or null) then
        recursiveUpdate old.${name} value
      else
        value
    ) new;
  escapeShellArg =
    text:
    if builtins.match "[[:alnum:],._+:@%/-]+" text != null then
      text
    else
      "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
  escapeShellArgs = list: concatStringsSep " " (map escapeShellArg list);

  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
  mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
  concatStrings = concatStringsSep "";
  concatMapStringsSep = separator: f: list: concatStringsSep separator (map f list);
  splitString = separator: text: filter builtins.isString (builtins.split separator text);
  range = first: last: if first > last then [ ] else genList (n: first + n) (last - first + 1);

  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      rest = stringLength text - stringLength suffix;
    in
    rest >= 0 && substring rest (stringLength suffix) text == suffix;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then
      substring 0 (stringLength text - stringLength suffix) text
    else
      text;

  importTOML = path: builtins.fromTOML (builtins.readFile path);
  getExe = package: "${package}/bin/${package.meta.mainProgram}";

  licenses = {
    mit.spdxId = "MIT";
    asl20.spdxId = "Apache-2.0";
  };

  # A file set is a list of paths here; a folder stands for all it holds.
  fileset = {
    unions = foldl' (paths: more: paths ++ (if builtins.isList more then more else [ more ])) [ ];
    toSource =
      { root, fileset }:
      let
        wanted = map toString (if builtins.isList fileset then fileset else [ fileset ]);
        isIn =
          path:
          any (
            want: path == want || hasPrefix "${want}/" path || hasPrefix "${path}/" want
          ) wanted;
      in
      {
        outPath = builtins.path {
          name = "source";
          path = root;
          filter = path: _: isIn path;
        };
      };
  };
}
