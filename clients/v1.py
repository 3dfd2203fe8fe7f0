"""The clients of 2017: requests as they sent them, because the clients themselves need Python 2 or no longer install.

Sources: ipdata 1.5 and 2.6 on PyPI (2017-10 and 2017-12), ipdata/go before 0.5.
"""

import json
import os
import urllib.error
import urllib.request

from check import Checks

checks = Checks("clients of 2017")
url, key = os.environ["GEORUSH_URL"], os.environ["GEORUSH_KEY"]

# Without any type given, these were texts.
TYPES = {"is_eu": bool, "latitude": float, "longitude": float}
FIELDS = """ip city region region_code country_name country_code continent_name continent_code latitude longitude asn
organisation postal calling_code flag currency currency_symbol time_zone""".split()


def ask(path, agent, key="", address=""):
    """Status, type and body of an answer."""
    headers = {"user-agent": agent, "api-key": key, "x-forwarded-for": address}
    request = urllib.request.Request(f"{url}{path}", headers={name: value for name, value in headers.items() if value})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["content-type"], error.read().decode()


def mistyped(record):
    """Fields that are missing or of a wrong type."""
    return [field for field in FIELDS if not isinstance(record.get(field), TYPES.get(field, str))]


for agent in ["ipdata-pypi/0.0.1", "ipdata-pypi/2.4"]:
    answer = ask("/8.8.8.8/en", agent, key)
    record = json.loads(answer[2])
    checks.equal(f"{agent}: a flat record", lambda: (answer[0], mistyped(record)), (200, []))
    checks.equal(
        f"{agent}: its values",
        lambda: [record[field] for field in ["ip", "country_code", "asn", "currency", "currency_symbol"]],
        ["8.8.8.8", "US", "AS15169", "USD", "$"],
    )
    checks.equal(f"{agent}: what is unknown is empty", lambda: record["city"], "")
checks.equal("a time zone by its name", lambda: json.loads(ask("/5.9.0.1/en", agent, key)[2])["time_zone"], "Europe/Berlin")
go = json.loads(ask("/41.128.21.123", "go-ipdata/0.4.1 (https://ipdata.co)", key)[2])
checks.equal("Go 0.4", lambda: (go["country_code"], mistyped(go)), ("EG", []))
later = json.loads(ask("/8.8.8.8", "go-ipdata/0.5.0 (https://ipdata.co)", key)[2])
checks.equal("Go 0.5 is a later one", lambda: later["asn"]["asn"], "AS15169")

statuses = [ask("/8.8.8.8/en", agent, address="203.0.115.7")[0] for _ in range(3)]
checks.equal("the quota without a key, by address", lambda: statuses, [200, 200, 429])
checks.equal("another address has its own", lambda: ask("/8.8.8.8/en", agent, address="203.0.116.7")[0], 200)
refused = ask("/8.8.8.8/en", agent, address="203.0.115.7")
checks.equal("beyond it, plain text", lambda: refused[1].startswith("text/plain"), True)
checks.equal("beyond it, a sentence", lambda: refused[2].startswith("You have exceeded your free quota."), True)
statuses = [ask("/8.8.8.8/en", agent, "tiny-2017")[0] for _ in range(3)]
checks.equal("the quota of a key in the header", lambda: statuses, [200, 200, 429])
bad = ask("/10.0.0.1/en", agent, key)
checks.equal("a private address", lambda: (bad[0], bad[2]), (400, "10.0.0.1 is a private IP address"))
script = ask("/?callback=geoip&api-key=" + key, "Mozilla/5.0", address="8.8.8.8")
checks.equal("a script for pages", lambda: (script[1], script[2][:10]), ("application/javascript", "/**/geoip("))
checks.end()
