"""The client that ipdata publishes for Python, version 4: its command line, through a proxy that is api.ipdata.co for it."""

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from check import Checks, place

checks = Checks("PyPI ipdata 4.0.9, command line")
home = Path(tempfile.mkdtemp(dir=os.environ["GEORUSH_SCRATCH"]))
program = Path(sys.executable).with_name("ipdata")


def run(*arguments):
    """Standard output of the command, and what it ended with."""
    environment = os.environ | {"HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        [program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout if done.returncode == 0 else f"ended with {done.returncode}: {done.stdout}{done.stderr}"


checks.equal("init", lambda: "Successfully initialized" in run("init", os.environ["GEORUSH_KEY"]), True)
checks.equal("init keeps the key", lambda: (home / ".ipdata").read_text(), os.environ["GEORUSH_KEY"])
checks.equal("lookup", lambda: place(json.loads(run("8.8.8.8"))), ("8.8.8.8", "US", "AS15169"))
checks.equal("lookup of the own address", lambda: json.loads(run())["ip"], "8.8.8.8")
checks.equal(
    "lookup of fields",
    lambda: json.loads(run("8.8.8.8", "-f", "ip", "-f", "country_code")),
    {"ip": "8.8.8.8", "country_code": "US", "status": 200},
)
checks.equal("lookup without fields", lambda: "asn" in json.loads(run("8.8.8.8", "-e", "asn", "-e", "threat")), False)
checks.equal("lookup, pretty", lambda: "United States" in run("8.8.8.8", "-p"), True)
checks.equal("lookup of a system", lambda: json.loads(run("AS15169"))["asn"], "AS15169")

addresses = [f"8.{number // 200}.{number % 200}.8" for number in range(250)]
(home / "in").write_text("\n".join(addresses))
checks.equal("batch of 250", lambda: run("batch", str(home / "in"), "-o", str(home / "out")).startswith("ended"), False)
checks.equal(
    "all of them answered",
    lambda: sorted(json.loads(line)["ip"] for line in (home / "out").read_text().splitlines()),
    sorted(addresses),
)
run("batch", str(home / "in"), "-o", str(home / "csv"), "--format", "CSV", "-f", "ip", "-f", "asn")
with open(home / "csv", encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file))
checks.equal("batch as CSV", lambda: (len(rows), rows[0]["asn_asn"][:2]), (250, "AS"))


def usage():
    """The number that the command prints."""
    return int(run("usage").strip().replace(",", ""))


before = usage()
checks.equal("usage counts both batches", lambda: before > 500, True)
checks.equal("usage grows by its own request", lambda: usage() - before, 1)
checks.end()
