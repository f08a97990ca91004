"""The floor in Python: one connection, page after page, each parsed to values: floor.py HOST:PORT TOKEN PATH."""

import http.client
import json
import sys

address, token, path = sys.argv[1:]
connection = http.client.HTTPConnection(address)
records, after = 0, ""
while after is not None:
    connection.request("GET", path + after, headers={"Authorization": "Bearer " + token})
    page = json.loads(connection.getresponse().read())
    records += len(page["results"])
    following = page.get("paging", {}).get("next")
    after = following and "&after=" + following["after"]
print(records)
