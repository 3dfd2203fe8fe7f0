"""The client that ipdata published for Python, version 3."""

import os

from check import Checks, mistyped, place
from ipdata import ipdata

checks = Checks("PyPI ipdata 3.4.6")
url = os.environ["GEORUSH_URL"]
ipdata.IPData.base_url = f"{url}/"
ipdata.IPData.bulk_url = f"{url}/bulk"
paid = ipdata.IPData(os.environ["GEORUSH_KEY"])
tiny = ipdata.IPData("tiny-ipdata3")
stranger = ipdata.IPData("nobodys")

V6 = "2001:4860:4860::8888"


def told(answer):
    """The status of an answer and the message in it."""
    return answer["status"], answer.get("message")


checks.equal("8.8.8.8", lambda: place(paid.lookup("8.8.8.8")), ("8.8.8.8", "US", "AS15169"))
checks.equal("41.128.21.123", lambda: paid.lookup("41.128.21.123")["country_code"], "EG")
checks.equal("5.9.0.1", lambda: paid.lookup("5.9.0.1")["country_code"], "DE")
checks.equal("an IPv6 address", lambda: (paid.lookup(V6)["ip"], paid.lookup(V6)["asn"]["asn"]), (V6, "AS15169"))
checks.equal("types", lambda: mistyped(paid.lookup("8.8.8.8")), {})
checks.equal("own address, a private one", lambda: told(paid.lookup()), (400, "127.0.0.1 is a private IP address"))
checks.equal(
    "chosen fields",
    lambda: paid.lookup("8.8.8.8", fields=["ip", "country_code"]),
    {"ip": "8.8.8.8", "country_code": "US", "status": 200},
)
for field, wanted in [("country_name", "United States"), ("is_eu", False), ("city", None), ("ip", "8.8.8.8")]:
    checks.equal(
        f"the field {field}",
        lambda field=field: paid.lookup("8.8.8.8", select_field=field),
        {field: wanted, "status": 200},
    )
checks.equal("the field asn", lambda: paid.lookup("8.8.8.8", select_field="asn")["asn"]["asn"], "AS15169")
checks.equal(
    "a field of the own address",
    lambda: told(paid.lookup(select_field="country_name")),
    (400, "127.0.0.1 is a private IP address"),
)
checks.raises("a bad field is refused by the client", lambda: paid.lookup("8.8.8.8", "bleh"), ValueError, "bleh")
checks.equal("a reserved address", lambda: told(paid.lookup("224.0.0.5")), (400, "224.0.0.5 is a reserved IP address."))
three = paid.bulk_lookup(["8.8.8.8", "41.128.21.123", V6])
checks.equal("bulk of 3, in order", lambda: [one["ip"] for one in three["responses"]], ["8.8.8.8", "41.128.21.123", V6])
checks.equal(
    "bulk with chosen fields",
    lambda: paid.bulk_lookup(["8.8.8.8", "5.9.0.1"], fields=["country_code"])["responses"],
    [{"country_code": "US"}, {"country_code": "DE"}],
)
checks.equal(
    "bulk of 101",
    lambda: told(paid.bulk_lookup(["8.8.8.8"] * 101)),
    (400, "Bulk requests should not contain more than 100 IP addresses."),
)
checks.equal("a wrong key", lambda: told(stranger.lookup("8.8.8.8")), (401, "You have not provided a valid API Key."))
checks.equal("a paid quota", lambda: [tiny.lookup("8.8.8.8")["status"] for _ in range(3)], [200, 200, 403])
checks.end()
