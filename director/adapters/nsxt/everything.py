"""All that this director has in NSX, by its tags, in bulk. By search: what was made or removed seconds ago may be
missing or still be told.
"""

from director.adapters.nsxt.client import escaped
from director.adapters.nsxt.marks import ID, owner_of
from director.adapters.nsxt.paths import id_of, parent_of
from director.adapters.nsxt.site import Site
from director.model.fabric import Monitor, SeenObject
from director.model.names import ObjectId
from director.model.tree import Tree


async def find_all(site: Site) -> tuple[SeenObject, ...]:
    query = f"tags.scope:{escaped(ID)} AND tags.tag:{escaped(site.director)}"
    listed = await site.client.search(query)
    return tuple(sorted((_seen(site, body) for body in listed if _stands_for_one(site, body)), key=lambda o: o.id))


def _stands_for_one(site: Site, body: Tree) -> bool:
    """Only one piece of an object has its kind; ports have none."""
    return site.is_ours(body) and bool(owner_of(body).kind)


def _seen(site: Site, body: Tree) -> SeenObject:
    owner, name = owner_of(body), id_of(str(body.get("path")))
    return SeenObject(
        # A monitor's type is part of its id (bodies.py).
        id=ObjectId(name.rpartition("-")[0] if owner.kind == Monitor.kind else name),
        kind=owner.kind,
        name=str(body.get("display_name") or name),
        owner=owner.deployment,
        stack=owner.stack,
        revision=str(body.get("_revision", 0)),
        cpi=site.name,
        parent=parent_of(str(body.get("path"))),
    )
