"""Prints one line for each thing that a client must be able to do. Not here: any of those things."""

import sys

NONE = type(None)

# Types of a record's fields. `carrier` may be left out; `status` is added by the clients.
TYPES = {
    "ip": str,
    "is_eu": (bool, NONE),
    "city": (str, NONE),
    "region": (str, NONE),
    "region_code": (str, NONE),
    "country_name": (str, NONE),
    "country_code": (str, NONE),
    "continent_name": (str, NONE),
    "continent_code": (str, NONE),
    "latitude": (float, int, NONE),
    "longitude": (float, int, NONE),
    "postal": (str, NONE),
    "calling_code": (str, NONE),
    "flag": (str, NONE),
    "emoji_flag": (str, NONE),
    "emoji_unicode": (str, NONE),
    "asn": (dict, NONE),
    "company": (dict, NONE),
    "organisation": (str, NONE),
    "languages": (list, NONE),
    "currency": dict,
    "time_zone": dict,
    "threat": dict,
    "count": str,
}


def mistyped(record):
    """The fields of a record that are missing or of a wrong type, with what was found."""
    missing = object()
    found = {field: record.get(field, missing) for field in TYPES}
    return {
        field: "missing" if value is missing else type(value).__name__
        for field, value in found.items()
        if value is missing or not isinstance(value, TYPES[field])
    }


def place(record):
    """What an address's place and network are told by."""
    return record["ip"].lower(), record["country_code"], record["asn"]["asn"]


class Checks:
    """The checks of one client."""

    def __init__(self, client):
        self.client = client
        self.failed = 0

    def equal(self, what, call, wanted):
        """That a call returns what is wanted. Whatever it raises fails this check and no other."""
        try:
            found = call()
        except Exception as error:  # pylint: disable=broad-exception-caught
            found = error
        self.tell(what, found == wanted and not isinstance(found, Exception), found, wanted)

    def raises(self, what, call, kind, text=""):
        """That a call raises an exception of a kind, with a text in it."""
        try:
            found = call()
        except Exception as error:  # pylint: disable=broad-exception-caught
            found = error
        self.tell(what, isinstance(found, kind) and text in str(found), found, f"{kind.__name__}: {text}")

    def tell(self, what, good, found, wanted):
        """Prints the line of a check."""
        if good:
            print(f"ok   {self.client}: {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {self.client}: {what}: found {found!r}, wanted {wanted!r}", flush=True)

    def end(self):
        """Ends the script: 0 if nothing failed."""
        sys.exit(1 if self.failed else 0)
