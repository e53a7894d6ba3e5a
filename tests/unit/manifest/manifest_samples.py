"""A manifest, a cloud config and a catalog without any fault, for tests to break one thing at a time."""

from director.manifest.load import load_deployment
from director.model.release import (
    Catalog,
    Job,
    LinkConsumed,
    LinkProvided,
    Package,
    PropertySpec,
    Release,
    Stemcell,
)

MANIFEST = """\
name: demo
releases:
- {name: web, version: "3.1"}
stemcells:
- {alias: default, os: ubuntu-jammy, version: "1.200"}
update:
  canaries: 1
  max_in_flight: 50%
  canary_watch_time: 1000-60000
  update_watch_time: 2000
instance_groups:
- name: store
  instances: 3
  azs: [z1, z2]
  stemcell: default
  vm_type: small
  persistent_disk_type: ten
  networks:
  - name: private
    static_ips: [10.0.1.10-10.0.1.11, 10.0.2.10]
  jobs:
  - name: db
    release: web
    provides:
      db: {as: main-db, shared: true}
    properties:
      admin: {password: ((admin_pw))}
- name: front
  instances: 4
  azs: [z1, z2]
  stemcell: default
  vm_type: small
  networks:
  - name: private
  update: {serial: false, max_in_flight: 2}
  jobs:
  - name: app
    release: web
    consumes:
      db: {from: main-db}
variables:
- {name: admin_pw, type: password}
"""

CLOUD = """\
azs:
- {name: z1, cloud_properties: {zone: a}}
- {name: z2, cloud_properties: {zone: b}}
vm_types:
- {name: small, cloud_properties: {cpu: 1}}
disk_types:
- {name: ten, disk_size: 10240}
networks:
- name: private
  subnets:
  - range: 10.0.1.0/24
    gateway: 10.0.1.1
    az: z1
    dns: [8.8.8.8]
    reserved: [10.0.1.2-10.0.1.9]
    static: [10.0.1.10-10.0.1.30]
  - range: 10.0.2.0/24
    gateway: 10.0.2.1
    az: z2
    static: [10.0.2.10-10.0.2.30]
- name: dyn
  type: dynamic
compilation:
  workers: 2
  az: z1
  network: private
  vm_type: small
"""


def job(name, **parts):
    return Job(name=name, fingerprint=f"{name}-1", blob=f"{name}-blob", digest="sha256:0", **parts)


def release(name, version, *jobs, packages=()):
    return Release(
        name=name,
        version=version,
        jobs=jobs,
        packages=tuple(Package(name=package, fingerprint=print_) for package, print_ in packages),
    )


APP = job(
    "app",
    properties={"port": PropertySpec(), "tls.cert": PropertySpec(), "tls.key": PropertySpec()},
    provides=(LinkProvided(name="http", type="http"),),
    consumes=(LinkConsumed(name="db", type="db"),),
    packages=("lib",),
)
DB = job(
    "db",
    properties={"admin.password": PropertySpec()},
    provides=(LinkProvided(name="db", type="db"),),
    packages=("lib",),
)
CATALOG = Catalog(
    releases=(
        release("web", "3.1", APP, DB, packages=[("lib", "lib-1")]),
        release("web", "3.0", APP, DB),
        release("os-conf", "22", job("user_add", packages=("lib",)), packages=[("lib", "lib-2")]),
        release("os-conf", "22.1", job("user_add")),
    ),
    stemcells=(
        Stemcell(name="jammy-go", os="ubuntu-jammy", version="1.200", cid="sc-1", digest="sha256:0"),
        Stemcell(name="jammy-go", os="ubuntu-jammy", version="1.30", cid="sc-0", digest="sha256:0"),
    ),
)


def load(manifest=MANIFEST, *, cloud=(("default", CLOUD),), runtime=(), strict=False, teams=()):
    return load_deployment(manifest, "m.yml", cloud=cloud, runtime=runtime, catalog=CATALOG, strict=strict, teams=teams)
