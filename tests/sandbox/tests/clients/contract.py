"""Holds answers of the sandbox against the response schemas of the vendor's contract."""

import json
import sys

import httpx
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

url, token, contract_path = sys.argv[1:4]
contract = json.load(open(contract_path, encoding="utf-8"))
registry = Registry().with_resource("urn:contract", Resource(contents=contract, specification=DRAFT4))
client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"})
OBJECTS, PROPERTIES = "/crm/objects/2026-03/{object_type}", "/crm/properties/2026-03/{object_type}"
checked = 0


def absolute(schema):
    """Points references at the contract, wherever they stand."""
    if isinstance(schema, dict):
        return {k: "urn:contract" + v if k == "$ref" else absolute(v) for k, v in schema.items()}
    return [absolute(item) for item in schema] if isinstance(schema, list) else schema


def resolve(node):
    while "$ref" in node:
        found = contract
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def check(method, template, status, body=None, query=None, **names):
    """Calls and checks the status, the documented statuses and the schema of the body."""
    global checked
    path = template.format(object_type="contacts", **names)
    answer = client.request(method, path, json=body, params=query)
    where = f"{method} {path} {answer.status_code}: {answer.text[:300]}"
    assert answer.status_code == status, where
    responses = contract["paths"][template][method.lower()]["responses"]
    response = resolve(responses.get(str(status)) or responses["default"])
    content = response.get("content", {}).get("application/json")
    checked += 1
    if content is None:
        assert not answer.content, where
        return None
    problems = list(OAS30Validator(absolute(content["schema"]), registry=registry).iter_errors(answer.json()))
    assert not problems, where + "".join(f"\n  {list(problem.path)}: {problem.message}" for problem in problems)
    return answer.json()


page = check("GET", OBJECTS, 200, query={"limit": 20, "properties": "email,phone,message"})
first = page["results"][0]["id"]
check("GET", OBJECTS, 200, query={"limit": 20, "propertiesWithHistory": "email,firstname"})
check("GET", OBJECTS, 400, query={"limit": 1000})
check("GET", OBJECTS + "/{object_id}", 200, object_id=first, query={"propertiesWithHistory": "email"})
check("GET", OBJECTS + "/{object_id}", 404, object_id="1")
created = check("POST", OBJECTS, 201, {"properties": {"email": "ada@example.com"}, "associations": []})
check("POST", OBJECTS, 409, {"properties": {"email": "ada@example.com"}})
check("POST", OBJECTS, 400, {"properties": {"email": "bad", "nope": "1"}})
check("PATCH", OBJECTS + "/{object_id}", 200, {"properties": {"city": "London"}}, object_id=created["id"])

traced = [{"properties": {"email": mail}, "objectWriteTraceId": mail} for mail in ("b@example.com", "bad")]
check("POST", OBJECTS + "/batch/create", 207, {"inputs": traced})
check("POST", OBJECTS + "/batch/create", 201, {"inputs": [{"properties": {"email": "c@example.com"}}]})
check("POST", OBJECTS + "/batch/update", 200, {"inputs": [{"id": first, "properties": {"city": "Paris"}}]})
check("POST", OBJECTS + "/batch/upsert", 200,
      {"inputs": [{"id": "c@example.com", "idProperty": "email", "properties": {"city": "Rome"}}]})
check("POST", OBJECTS + "/batch/read", 200, {"inputs": [{"id": first}], "properties": ["email"]})
check("POST", OBJECTS + "/batch/read", 207, {"inputs": [{"id": first}, {"id": "1"}], "properties": ["email"]})
check("POST", OBJECTS + "/search", 200, {"limit": 5, "properties": ["email"]})
check("POST", OBJECTS + "/search", 400, {"after": 10000})

merged = check("POST", OBJECTS + "/merge", 200, {"primaryObjectId": first, "objectIdToMerge": created["id"]})
check("DELETE", OBJECTS + "/{object_id}", 204, object_id=merged["id"])
check("GET", OBJECTS, 200, query={"archived": "true", "properties": "hs_merged_object_ids"})
check("POST", OBJECTS + "/batch/archive", 204, {"inputs": [{"id": merged["id"]}]})
check("POST", "/crm/objects/2026-03/contacts/gdpr-delete", 204, {"objectId": merged["id"]})

check("GET", PROPERTIES, 200)
check("GET", PROPERTIES + "/{property_name}", 200, property_name="lifecyclestage")
check("GET", PROPERTIES + "/{property_name}", 404, property_name="nope")
tier = {"name": "tier", "label": "Tier", "type": "enumeration", "fieldType": "select", "groupName": "contactinformation",
        "options": [{"label": "A", "value": "a", "displayOrder": 0, "hidden": False}]}
check("POST", PROPERTIES, 201, tier)
check("POST", PROPERTIES, 409, tier)
check("PATCH", PROPERTIES + "/{property_name}", 200, {"label": "Level"}, property_name="tier")
check("POST", PROPERTIES + "/batch/read", 200, {"inputs": [{"name": "tier"}], "archived": False, "dataSensitivity": "non_sensitive"})
check("DELETE", PROPERTIES + "/{property_name}", 204, property_name="tier")
check("GET", PROPERTIES, 200, query={"archived": "true"})
check("GET", PROPERTIES + "/groups", 200)

client.post("/_sandbox/faults", json={"kind": "rate_limited", "policy": "DAILY"})
check("GET", OBJECTS, 429)
client.post("/_sandbox/faults", json={"kind": "status_before", "status": 403})
check("GET", OBJECTS, 403)

print(f"{checked} answers conform to the contract")
