# The part of NixOS that shows what a module makes: its options, checked and with their defaults, and units as text.
# Not here: options of NixOS itself, several definitions of one option.
{ lib, pkgsOf }:
let
  inherit (builtins)
    attrNames
    attrValues
    filter
    foldl'
    isBool
    isFunction
    isList
    isString
    mapAttrs
    ;

  is =
    wanted: test: where: value:
    if test value then value else throw "The option `${where}' is not of type `${wanted}'.";

  # What options are worth after what was written for them.
  evaluate =
    where: options: given:
    let
      unknown = filter (name: !(options ? ${name})) (attrNames given);
      value =
        name: option:
        let
          here = "${where}.${name}";
        in
        if option._type or "" != "option" then
          evaluate here option (given.${name} or { })
        else if given ? ${name} then
          option.type here given.${name}
        else
          option.default or (throw "The option `${here}' was accessed but has no value defined.");
    in
    if unknown == [ ] then
      mapAttrs value options
    else
      throw "The option `${where}.${builtins.head unknown}' does not exist.";

  # A section of a unit: a list is a line for each.
  section =
    name: values:
    let
      shown = value: if isBool value then lib.boolToString value else toString value;
      lines = key: value: map (one: "${key}=${shown one}\n") (if isList value then value else [ value ]);
    in
    "[${name}]\n" + lib.concatStrings (lib.concatMap (key: lines key values.${key}) (attrNames values));

  unit =
    service:
    section "Unit" {
      Description = service.description;
      After = service.after;
      Wants = service.wants;
    }
    + section "Service" (
      service.serviceConfig
      // {
        Environment = map (name: "${name}=${service.environment.${name}}") (attrNames service.environment);
      }
    );
in
{
  mkOption = attrs: attrs // { _type = "option"; };
  mkEnableOption =
    what:
    {
      _type = "option";
      type = is "boolean" isBool;
      default = false;
      description = "Whether to enable ${what}.";
    };

  types = {
    str = is "string" isString;
    bool = is "boolean" isBool;
    package = is "package" (value: value.type or "" == "derivation");
    listOf = type: where: value: map (type "${where}.*") (is "list" isList where value);
    attrsOf = type: where: mapAttrs (name: type "${where}.${name}");
    submodule = { options }: where: evaluate where options;
  };

  nixosSystem =
    { system, modules }:
    let
      read =
        module:
        if isFunction module then
          module {
            inherit config lib;
            pkgs = pkgsOf system;
          }
        else
          { config = module; };
      all = kind: foldl' lib.recursiveUpdate { } (map (module: (read module).${kind} or { }) modules);
      given = all "config";
      failed = filter (one: !one.assertion) (given.assertions or [ ]);
      config = {
        services = evaluate "services" (all "options").services given.services;
        systemd.units =
          if failed == [ ] then
            lib.mapAttrs' (name: service: lib.nameValuePair "${name}.service" { text = unit service; }) given.systemd.services
          else
            throw "Failed assertions: ${lib.concatMapStringsSep "; " (one: one.message) failed}";
      };
    in
    {
      inherit config;
    };
}
