"""A server as many would write it: aiohttp and maxminddb. usage: peer.py PORT FILE"""

import json
import sys

import maxminddb
from aiohttp import web

reader = maxminddb.open_database(sys.argv[2], maxminddb.MODE_MMAP_EXT)


async def answer(request):
    """The record of the file, with the address."""
    ip = request.match_info["ip"]
    return web.Response(text=json.dumps({"ip": ip} | (reader.get(ip) or {})), content_type="application/json")


app = web.Application()
app.add_routes([web.get("/{ip}", answer)])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
