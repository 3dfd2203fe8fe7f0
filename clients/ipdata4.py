"""The client that ipdata publishes for Python, version 4: its library."""

import os

import ipdata
from check import Checks, mistyped, place
from ipdata import IPData

checks = Checks("PyPI ipdata 4.0.9")
url, key = os.environ["GEORUSH_URL"], os.environ["GEORUSH_KEY"]
paid = IPData(key, endpoint=url)
free = IPData("free-ipdata4", endpoint=url)
tiny = IPData("tiny-ipdata4", endpoint=url)
stranger = IPData("nobodys", endpoint=url)

V6 = "2001:4860:4860::8888"


def told(answer):
    """The status of an answer and the message in it."""
    return answer["status"], answer.get("message")


def counted():
    """By how much the count grows from one request to the next."""
    first, second = paid.lookup("8.8.8.8").count, paid.lookup("8.8.8.8").count
    return int(second) - int(first)


checks.equal("8.8.8.8", lambda: place(paid.lookup("8.8.8.8")), ("8.8.8.8", "US", "AS15169"))
checks.equal("41.128.21.123", lambda: paid.lookup("41.128.21.123").country_code, "EG")
checks.equal("5.9.0.1", lambda: (paid.lookup("5.9.0.1").country_code, paid.lookup("5.9.0.1").is_eu), ("DE", True))
checks.equal("an IPv6 address", lambda: (paid.lookup(V6).ip.lower(), paid.lookup(V6).asn.asn), (V6, "AS15169"))
for ip in ["8.8.8.8", "41.128.21.123", V6]:
    checks.equal(f"types of {ip}", lambda ip=ip: mistyped(paid.lookup(ip)), {})
checks.equal("the count is digits and grows", counted, 1)
checks.equal("status is 200", lambda: paid.lookup("8.8.8.8").status, 200)
checks.equal("nested members", lambda: paid.lookup("8.8.8.8").currency.code, "USD")
checks.equal("threat is there", lambda: paid.lookup("8.8.8.8").threat.is_tor in (True, False), True)
checks.equal("own address, a private one", lambda: told(paid.lookup()), (400, "127.0.0.1 is a private IP address"))
checks.raises("private addresses are refused by the client", lambda: paid.lookup("10.0.0.1"), ValueError, "reserved")
checks.raises("what is no address is refused by the client", lambda: paid.lookup("bleh"), ValueError)

system = paid.lookup("as15169")
checks.equal("AS15169", lambda: (system.status, system.asn), (200, "AS15169"))
checks.equal("its blocks", lambda: ("8.8.8.0/24" in system["ipv4_prefixes"], len(system["ipv6_prefixes"]) > 0), (True, True))
checks.equal("an absent system", lambda: told(paid.lookup("AS4294967294")), (404, "AS4294967294 was not found."))

checks.equal(
    "chosen fields",
    lambda: set(paid.lookup("8.8.8.8", fields=["ip", "asn"])),
    {"ip", "asn", "status"},
)
checks.equal(
    "one field",
    lambda: dict(paid.lookup("8.8.8.8", select_field="country_name")),
    {"country_name": "United States", "status": 200},
)
checks.equal("status as a field", lambda: set(paid.lookup("8.8.8.8", fields=["status", "ip"])), {"ip", "status"})
checks.equal(
    "every field the client knows",
    lambda: paid.valid_fields - set(paid.lookup("8.8.8.8", fields=list(paid.valid_fields))),
    set(),
)
checks.raises("a bad field is refused by the client", lambda: paid.lookup("8.8.8.8", fields=["bleh"]), ValueError)

three = paid.bulk(["8.8.8.8", "41.128.21.123", V6])
checks.equal("bulk of 3, in order", lambda: [one.ip for one in three.responses], ["8.8.8.8", "41.128.21.123", V6])
checks.equal("its places", lambda: [one.country_code for one in three.responses[:2]], ["US", "EG"])
checks.equal("its types", lambda: [mistyped(one) for one in three.responses], [{}, {}, {}])
checks.equal("its count is one for all", lambda: len({one.count for one in three.responses}), 1)
many = [f"8.8.{number}.8" for number in range(101)]
checks.equal("bulk of 100, in order", lambda: [one.ip for one in paid.bulk(many[:100]).responses], many[:100])
checks.equal(
    "bulk of 101",
    lambda: told(paid.bulk(many)),
    (400, "Bulk requests should not contain more than 100 IP addresses."),
)
checks.equal(
    "bulk with errors in their places",
    lambda: [one.message for one in paid.bulk(["bleh", "8.8.8.8", "10.0.0.1"]).responses],
    ["bleh does not appear to be an IPv4 or IPv6 address", None, "10.0.0.1 is a private IP address"],
)
checks.equal("bulk with a system", lambda: [one.asn for one in paid.bulk(["AS15169"]).responses], ["AS15169"])
checks.equal(
    "bulk with chosen fields",
    lambda: [set(one) for one in paid.bulk(["8.8.8.8", "5.9.0.1"], fields=["ip", "country_code"]).responses],
    [{"ip", "country_code"}] * 2,
)

checks.equal("a wrong key", lambda: told(stranger.lookup("8.8.8.8")), (401, "You have not provided a valid API Key."))
checks.equal("a wrong key in bulk", lambda: told(stranger.bulk(["8.8.8.8"]))[0], 401)
checks.equal(
    "bulk on a plan without it",
    lambda: told(free.bulk(["8.8.8.8"])),
    (403, "Upgrade to a paid plan to make bulk requests."),
)
checks.equal(
    "a system on a plan without them",
    lambda: told(free.lookup("AS15169")),
    (403, "Upgrade to a paid plan to access ASN data."),
)
checks.equal("the free quota", lambda: [free.lookup("8.8.8.8").status for _ in range(3)], [200, 200, 403])
checks.equal(
    "beyond the free quota",
    lambda: told(free.lookup("8.8.8.8")),
    (403, "You have exceeded your free quota. Upgrade to a paid plan to re-activate your account."),
)
checks.equal("bulk that does not fit", lambda: tiny.bulk(["8.8.8.8"] * 3)["status"], 403)
checks.equal("a paid quota", lambda: [tiny.lookup("8.8.8.8").status for _ in range(3)], [200, 200, 403])
checks.equal(
    "beyond a paid quota",
    lambda: told(tiny.lookup("8.8.8.8"))[1].startswith("You have made 2 requests and have exceeded your daily quota."),
    True,
)

ipdata.api_key, ipdata.endpoint = key, url
checks.equal("the module's own functions", lambda: ipdata.lookup("5.9.0.1").country_code, "DE")
checks.equal("the same in bulk", lambda: ipdata.bulk(["5.9.0.1"]).responses[0].country_code, "DE")
checks.end()
