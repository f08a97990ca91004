"""Drives the sandbox with HubSpot's `hubspot-api-client`, which speaks the older paths."""

import sys

from hubspot import Client
from hubspot.crm import contacts as crm
from hubspot.crm import properties as schema

url, token = sys.argv[1:3]
client = Client.create(access_token=token, host=url)
contacts = client.crm.contacts
properties = client.crm.properties.core_api


def refuses(status, kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind as error:
        assert error.status == status, error
        return error
    raise AssertionError(f"{call} did not refuse {arguments}")


everyone = contacts.get_all(properties=["email"])
ids = [int(contact.id) for contact in everyone]
assert len(ids) == 250 and ids == sorted(set(ids)), len(ids)

ada = contacts.basic_api.create(crm.SimplePublicObjectInputForCreate(properties={"email": "ada@example.com", "firstname": "Ada"}))
same = contacts.basic_api.get_by_id("ada@example.com", id_property="email", properties=["firstname"])
assert same.id == ada.id and same.properties["firstname"] == "Ada"
changed = contacts.basic_api.update(ada.id, crm.SimplePublicObjectInput(properties={"lastname": "Lovelace"}))
assert changed.properties["lastname"] == "Lovelace" and changed.updated_at >= ada.updated_at
again = crm.SimplePublicObjectInputForCreate(properties={"email": "ADA@example.com"})
refuses(409, crm.ApiException, contacts.basic_api.create, again)
refuses(404, crm.ApiException, contacts.basic_api.get_by_id, "1")
stranger = Client.create(access_token="wrong", host=url)
refuses(401, crm.ApiException, stranger.crm.contacts.basic_api.get_by_id, ada.id)

link = schema.PropertyCreate(
    name="link_id", label="Link", type="string", field_type="text", group_name="contactinformation", has_unique_value=True,
)
assert properties.create("contacts", link).has_unique_value
refuses(409, schema.ApiException, properties.create, "contacts", link)
assert properties.update("contacts", "link_id", schema.PropertyUpdate(label="Link id")).label == "Link id"
assert "link_id" in {definition.name for definition in properties.get_all("contacts").results}
properties.archive("contacts", "link_id")
assert [definition.name for definition in properties.get_all("contacts", archived=True).results] == ["link_id"]
properties.create("contacts", link)

made = contacts.batch_api.create(crm.BatchInputSimplePublicObjectBatchInputForCreate(inputs=[
    crm.SimplePublicObjectBatchInputForCreate(properties={"email": f"batch{number}@example.com"}) for number in range(100)
]))
assert made.status == "COMPLETE" and len(made.results) == 100
batch = [contact.id for contact in made.results]
read = contacts.batch_api.read(crm.BatchReadInputSimplePublicObjectId(
    inputs=[crm.SimplePublicObjectId(id=id) for id in batch], properties=["email"], properties_with_history=["email"],
))
assert {contact.id for contact in read.results} == set(batch)
assert all(contact.properties_with_history["email"][0].value == contact.properties["email"] for contact in read.results)
updated = contacts.batch_api.update(crm.BatchInputSimplePublicObjectBatchInput(inputs=[
    crm.SimplePublicObjectBatchInput(id=id, properties={"city": "London"}) for id in batch
]))
assert len(updated.results) == 100
upsert = crm.BatchInputSimplePublicObjectBatchInputUpsert(inputs=[
    crm.SimplePublicObjectBatchInputUpsert(id=f"l{number}", id_property="link_id", properties={"firstname": str(number)})
    for number in range(5)
])
assert [contact.new for contact in contacts.batch_api.upsert(upsert).results] == [True] * 5
assert [contact.new for contact in contacts.batch_api.upsert(upsert).results] == [False] * 5
partial = contacts.batch_api.create(crm.BatchInputSimplePublicObjectBatchInputForCreate(inputs=[
    crm.SimplePublicObjectBatchInputForCreate(properties={"email": email}, object_write_trace_id=email)
    for email in ("good@example.com", "bad")
]))
assert partial.num_errors == 1 and partial.errors[0].context["objectWriteTraceId"] == ["bad"]

found, after = [], None
while True:
    page = contacts.search_api.do_search(crm.PublicObjectSearchRequest(
        filter_groups=[crm.FilterGroup(filters=[crm.Filter(property_name="email", operator="CONTAINS_TOKEN", value="batch*@example.com")])],
        sorts=["-hs_object_id"], limit=30, after=after, properties=["email"],
    ))
    found += [int(contact.id) for contact in page.results]
    if page.paging is None:
        break
    after = page.paging.next.after
assert sorted(map(int, batch), reverse=True) == found and page.total == 100

contacts.batch_api.archive(crm.BatchInputSimplePublicObjectId(inputs=[crm.SimplePublicObjectId(id=id) for id in batch]))
archived = contacts.get_all(archived=True)
assert {contact.id for contact in archived} == set(batch) and all(contact.archived_at for contact in archived)
bob = contacts.basic_api.create(crm.SimplePublicObjectInputForCreate(properties={"email": "bob@example.com"}))
merged = contacts.basic_api.merge(crm.PublicMergeInput(primary_object_id=ada.id, object_id_to_merge=bob.id))
assert merged.id not in (ada.id, bob.id) and contacts.basic_api.get_by_id(bob.id).id == merged.id
contacts.basic_api.archive(merged.id)
refuses(404, crm.ApiException, contacts.basic_api.get_by_id, merged.id)
contacts.basic_api.purge(crm.PublicGdprDeleteInput(object_id=merged.id))
refuses(404, crm.ApiException, contacts.basic_api.get_by_id, merged.id, archived=True)

print("hubspot-api-client agrees")
