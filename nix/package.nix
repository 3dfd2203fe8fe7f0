# The program. Needs cargo and a C compiler, and no library of the system.
{ lib, rustPlatform }:
rustPlatform.buildRustPackage {
  pname = "georush";
  inherit ((lib.importTOML ../Cargo.toml).workspace.package) version;

  # What cargo reads and no more: a change to a document, a scenario or a result builds nothing.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.toml
      ../Cargo.lock
      ../harness
      ../system
    ];
  };

  # Checksums of crates are in Cargo.lock: there is no second hash to keep.
  cargoLock.lockFile = ../Cargo.lock;

  # Tests are a check of their own: they read scenarios and documents, too.
  doCheck = false;

  meta = {
    description = "Drives a metered multi-region API through its worst day and says what happened and why";
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "georush";
  };
}
