"""Drives the sandbox with HubSpot's `hubspot-sdk`, which speaks the dated paths."""

import sys

import hubspot_sdk
from hubspot_sdk import HubSpot

url, token = sys.argv[1:3]
# Not strict: the client types every value as text, while the guides (and the contract) show null for empty ones.
client = HubSpot(access_token=token, base_url=url, max_retries=0)
contacts = client.crm.objects.contacts
properties = client.crm.properties


def refuses(kind, call, **arguments):
    try:
        call(**arguments)
    except kind as error:
        return error
    raise AssertionError(f"{call} did not refuse {arguments}")


# Paging: every record once, in the order of ids.
ids = [int(contact.id) for contact in contacts.list(limit=100, properties=["email", "phone"])]
assert len(ids) == 250 and ids == sorted(set(ids)), len(ids)

# Create, read, update, by id and by e-mail.
ada = contacts.create(associations=[], properties={"email": " Ada@Example.com ", "firstname": "Ada"})
assert ada.properties["email"] == "ada@example.com" and ada.archived is False
same = contacts.get(contact_id="ada@example.com", id_property="email", properties=["firstname", "lastmodifieddate"])
assert same.id == ada.id and same.properties["firstname"] == "Ada"
changed = contacts.update(contact_id=ada.id, properties={"lastname": "Lovelace"})
assert changed.updated_at >= ada.updated_at
history = contacts.get(contact_id=ada.id, properties_with_history=["lastname"])
assert history.properties_with_history["lastname"][0].value == "Lovelace"

# Refusals come as the client's own errors.
conflict = refuses(hubspot_sdk.ConflictError, contacts.create, associations=[], properties={"email": "ada@example.com"})
assert f"Existing ID: {ada.id}" in conflict.body["message"]
bad = refuses(hubspot_sdk.BadRequestError, contacts.update, contact_id=ada.id, properties={"nope": "1"})
assert bad.body["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"
refuses(hubspot_sdk.NotFoundError, contacts.get, contact_id="1")
stranger = HubSpot(access_token="wrong", base_url=url, max_retries=0)
refuses(hubspot_sdk.AuthenticationError, stranger.crm.objects.contacts.get, contact_id=ada.id)

# Properties: list, create, read, change, archive, restore by creating again.
names = {definition.name: definition for definition in properties.list(object_type="contacts").results}
assert names["createdate"].modification_metadata.read_only_value and names["hs_full_name_or_email"].calculated
definition = dict(
    object_type="contacts", name="link_id", label="Link", type="string", field_type="text",
    group_name="contactinformation", has_unique_value=True,
)
assert properties.create(**definition).has_unique_value
refuses(hubspot_sdk.ConflictError, properties.create, **definition)
assert properties.update(property_name="link_id", object_type="contacts", label="Link id").label == "Link id"
assert properties.get(property_name="link_id", object_type="contacts").label == "Link id"
properties.delete(property_name="link_id", object_type="contacts")
refuses(hubspot_sdk.NotFoundError, properties.get, property_name="link_id", object_type="contacts")
properties.create(**definition)
read = properties.batch.get(object_type="contacts", archived=False, data_sensitivity="non_sensitive", inputs=[{"name": "email"}])
assert [definition.name for definition in read.results] == ["email"]

# Batches: create, read, update, upsert, archive.
made = contacts.batch.create(inputs=[
    {"associations": [], "properties": {"email": f"batch{number}@example.com"}, "object_write_trace_id": str(number)}
    for number in range(100)
])
assert made.status == "COMPLETE" and len(made.results) == 100
emails = {contact.id: contact.properties["email"] for contact in made.results}
read = contacts.batch.get(
    inputs=[{"id": email} for email in emails.values()], id_property="email", properties=["email"], properties_with_history=[],
)
assert {contact.id: contact.properties["email"] for contact in read.results} == emails
updated = contacts.batch.update(inputs=[{"id": id, "properties": {"city": "London"}} for id in emails])
assert len(updated.results) == 100
upsert = [{"id": f"l{number}", "id_property": "link_id", "properties": {"firstname": str(number)}} for number in range(5)]
assert all(contact.new for contact in contacts.batch.upsert(inputs=upsert).results)
assert not any(contact.new for contact in contacts.batch.upsert(inputs=upsert).results)
# The client has no type for a 207, so the raw body is looked at.
raw = contacts.batch.with_raw_response.create(inputs=[
    {"associations": [], "properties": {"email": "good@example.com"}, "object_write_trace_id": "good"},
    {"associations": [], "properties": {"email": "bad"}, "object_write_trace_id": "bad"},
])
assert raw.status_code == 207 and raw.http_response.json()["errors"][0]["context"]["objectWriteTraceId"] == ["bad"]

# Search: filters, sort, pages.
found, after = [], "0"
while True:
    page = contacts.search(
        filter_groups=[{"filters": [{"property_name": "city", "operator": "EQ", "value": "london"},
                                    {"property_name": "lastmodifieddate", "operator": "GTE", "value": "0"}]}],
        sorts=["hs_object_id"], limit=30, after=after, properties=["email", "city"],
    )
    found += [int(contact.id) for contact in page.results]
    if page.paging is None or page.paging.next is None:
        break
    after = page.paging.next.after
assert set(map(int, emails)) <= set(found) and found == sorted(found) and page.total == len(found)

# Archive and merge.
contacts.batch.delete(inputs=[{"id": id} for id in emails])
archived = [contact for contact in contacts.list(limit=100, archived=True)]
assert {contact.id for contact in archived} == set(emails) and all(contact.archived_at for contact in archived)
bob = contacts.create(associations=[], properties={"email": "bob@example.com", "city": "Paris"})
merged = contacts.merge(primary_object_id=ada.id, object_id_to_merge=bob.id)
assert merged.id not in (ada.id, bob.id)
again = contacts.get(contact_id=bob.id, properties=["city", "hs_merged_object_ids"])
assert again.id == merged.id and set(again.properties["hs_merged_object_ids"].split(";")) == {ada.id, bob.id}
contacts.delete(contact_id=merged.id)
refuses(hubspot_sdk.NotFoundError, contacts.get, contact_id=merged.id)
contacts.gdpr_delete(object_id=merged.id)
refuses(hubspot_sdk.NotFoundError, contacts.get, contact_id=merged.id, archived=True)

print("hubspot-sdk agrees")
