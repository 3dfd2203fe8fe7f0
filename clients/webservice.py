"""MaxMind's client for its web service, over TLS."""

import os

import geoip2.errors
import geoip2.webservice
from check import Checks

checks = Checks("PyPI geoip2 5.3.0")
host, key = os.environ["GEORUSH_TLS_HOST"], os.environ["GEORUSH_KEY"]
paid = geoip2.webservice.Client(42, key, host=host)
stranger = geoip2.webservice.Client(42, "nobodys", host=host)
tiny = geoip2.webservice.Client(42, "tiny-geoip2", host=host)
proxied = geoip2.webservice.Client(42, key, host="geolite.info", proxy=os.environ["GEORUSH_PROXY"])

country = paid.country("8.8.8.8")
checks.equal("country", lambda: (country.country.iso_code, country.country.name), ("US", "United States"))
checks.equal("its continent", lambda: (country.continent.code, country.continent.name), ("NA", "North America"))
checks.equal("its traits", lambda: str(country.traits.ip_address), "8.8.8.8")
checks.equal("its network holds it", lambda: country.traits.ip_address in country.traits.network, True)
checks.equal("whether it is in the EU", lambda: paid.country("5.9.0.1").country.is_in_european_union, True)
checks.equal("41.128.21.123", lambda: paid.country("41.128.21.123").country.iso_code, "EG")
city = paid.city("8.8.8.8")
checks.equal("city", lambda: (city.country.iso_code, isinstance(city.location.latitude, float)), ("US", True))
checks.equal("its system", lambda: city.traits.autonomous_system_number, 15169)
checks.equal("an IPv6 address", lambda: paid.city("2001:4860:4860::8888").traits.autonomous_system_number, 15169)
checks.equal("what is left", lambda: paid.country("8.8.8.8").maxmind.queries_remaining > 1000, True)
checks.equal("me", lambda: proxied.country().country.iso_code, "US")
checks.raises("me, from a private address", paid.country, geoip2.errors.AddressNotFoundError)
checks.raises("a private address", lambda: paid.country("10.0.0.1"), geoip2.errors.AddressNotFoundError)
checks.raises("no address is refused by the client", lambda: paid.country("bleh"), ValueError)
checks.raises("a wrong key", lambda: stranger.country("8.8.8.8"), geoip2.errors.AuthenticationError)
checks.equal("the quota", lambda: [tiny.country("8.8.8.8").country.iso_code for _ in range(2)], ["US", "US"])
checks.raises("beyond it", lambda: tiny.country("8.8.8.8"), geoip2.errors.OutOfQueriesError)
checks.end()
