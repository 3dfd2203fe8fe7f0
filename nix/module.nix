# NixOS: an edge for each region, the aggregator and the replicator, as units that share one state directory.
self:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkEnableOption mkOption types;
  cfg = config.services.georush;

  arguments = mkOption {
    type = types.listOf types.str;
    default = [ ];
    description = "Further arguments of the command.";
  };

  unit = description: command: {
    inherit description;
    after = [ "network-online.target" ];
    wants = [ "network-online.target" ];
    wantedBy = [ "multi-user.target" ];
    environment.GEORUSH_STATE = "/var/lib/georush";
    serviceConfig = hardening // {
      ExecStart = lib.escapeShellArgs ([ (lib.getExe cfg.package) ] ++ command);
      Restart = "on-failure";
      # Answers on their way have 30 seconds, the usage they leave some more.
      TimeoutStopSec = 45;
      LimitNOFILE = 65536;
    };
  };

  # One dynamic user for all, because they share tables and stream.
  hardening = {
    DynamicUser = true;
    User = "georush";
    StateDirectory = "georush";
    StateDirectoryMode = "0700";
    UMask = "0077";
    CapabilityBoundingSet = "";
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    PrivateTmp = true;
    PrivateUsers = true;
    ProcSubset = "pid";
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
      "AF_UNIX"
    ];
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallFilter = [
      "@system-service"
      "~@privileged"
    ];
  };

  # A port below 1024 needs one capability, which a user namespace of its own would take away again.
  mayBindLow = {
    AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
    CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" ];
    PrivateUsers = false;
  };

  edge =
    region: edge:
    lib.recursiveUpdate
      (unit "georush edge ${region}" (
        [
          "edge"
          "--region"
          region
          "--listen"
          edge.listen
        ]
        ++ lib.optional cfg.replicator.enable "--no-replicator"
        ++ edge.arguments
      ))
      {
        serviceConfig = {
          ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        }
        // lib.optionalAttrs edge.lowPort mayBindLow;
      };
in
{
  options.services.georush = {
    package = mkOption {
      type = types.package;
      default = self.packages.${pkgs.stdenv.hostPlatform.system}.georush;
      defaultText = "the flake's georush";
      description = "Package with the command georush.";
    };

    edges = mkOption {
      default = { };
      example.us-east-1.listen = "127.0.0.1:8080";
      description = "Edges on this machine, by region.";
      type = types.attrsOf (
        types.submodule {
          options = {
            listen = mkOption {
              type = types.str;
              example = "127.0.0.1:8080";
              description = "Address and port to listen on.";
            };
            lowPort = mkOption {
              type = types.bool;
              default = false;
              description = "Whether the port is below 1024.";
            };
            inherit arguments;
          };
        }
      );
    };

    aggregator = {
      enable = mkEnableOption "counting of usage, from the stream to the central table";
      inherit arguments;
    };

    replicator = {
      enable = mkEnableOption "copying of counts from the central table to regions, in the place of the edges";
      regions = mkOption {
        type = types.listOf types.str;
        default = lib.attrNames cfg.edges;
        defaultText = "those of the edges";
        description = "Regions to copy counts to.";
      };
      inherit arguments;
    };
  };

  config = {
    assertions = [
      {
        assertion = cfg.replicator.enable -> cfg.replicator.regions != [ ];
        message = "services.georush.replicator: no region to copy to; set regions, or edges";
      }
    ];

    systemd.services =
      lib.mapAttrs' (region: settings: lib.nameValuePair "georush-edge-${region}" (edge region settings)) cfg.edges
      // lib.optionalAttrs cfg.aggregator.enable {
        georush-aggregator = unit "georush aggregator" ([ "aggregator" ] ++ cfg.aggregator.arguments);
      }
      // lib.optionalAttrs cfg.replicator.enable {
        georush-replicator = unit "georush replicator" (
          [ "replicator" ]
          ++ lib.concatMap (region: [
            "--region"
            region
          ]) cfg.replicator.regions
          ++ cfg.replicator.arguments
        );
      };
  };
}
