"""A cloud config with managed networks and a network config, both without any fault."""

CLOUD = """\
azs:
- {name: z1}
vm_types:
- name: small
vm_extensions:
- name: behind-lb
  cloud_properties:
    nsxt:
      ns_groups: [existing group]
      groups: [web]
      tags: [{scope: env, tag: prod}]
      lb: {server_pools: [{name: web, port: 8080}]}
      security_policy: {rules: [{name: allow-web, from: [any], services: [tcp/8080], action: allow}]}
      vif_type: PARENT
networks:
- name: web
  managed: true
  subnets:
  - az: z1
    range: 10.20.0.0/24
    gateway: 10.20.0.254
    static: [10.20.0.10-10.20.0.20]
    cloud_properties:
      t0_router_id: tier0
      transport_zone_id: overlay
      edge_cluster: edges
      t1_name: router-of-web
      switch_name: web-segment
      folder: kept
      topology: nat
      snat: {pool: floating}
      no_snat: [10.0.0.0/8]
      dnat: [{name: ssh, ip: 1.2.3.4, to: 10.20.0.5, port: 22, to_port: 2222}]
      routes: [{network: 10.9.1.0/16, next_hops: [10.20.0.7]}]
      load_balancer:
        size: medium
        server_pools:
        - {name: web, port: 8080, algorithm: least_connection, monitor: {type: http, path: /healthz}}
        - {name: raw, monitor: default-tcp-lb-monitor}
        virtual_servers:
        - {name: web, pool: floating, ports: [80, 8000-8010], server_pool: web, persistence: source_ip}
- name: nodes
  managed: true
  subnets:
  - az: z1
    netmask_bits: 26
    cloud_properties: {tier0: tier0, ip_block_id: nodes}
- name: plain
  managed: true
  subnets:
  - {az: z1, range: 10.30.0.0/24, cloud_properties: {transport_zone: vlans, vlan_ids: [100, 200-210]}}
compilation: {workers: 1, network: web, az: z1, vm_type: small}
"""

NETWORKS = """\
networks:
  ip_blocks:
  - {name: nodes, cidr: 10.30.0.0/16}
  ip_pools:
  - {name: floating, cidr: 192.168.1.0/24, ranges: [192.168.1.10-192.168.1.20], gateway: 192.168.1.1}
  routers:
  - {name: shared, tier0: t0, edge_cluster: edges, advertise: [nat, connected]}
  segments:
  - {name: ops, router: shared, gateway: 10.40.0.1/24}
  nat_rules:
  - {name: out, router: shared, action: snat, source: 10.40.0.0/24, translated: {pool: floating}}
  - {name: in, router: {existing: t0}, action: dnat, destination: 1.2.3.4, translated: 10.40.0.9, port: 443}
  static_routes:
  - {name: far, router: shared, network: 10.9.0.0/16, next_hops: [10.40.0.2]}
  load_balancers:
  - name: front
    router: shared
    server_pools: [{name: api, port: 8443}]
    virtual_servers: [{name: api, pool: floating, ports: [443], server_pool: api}]
  groups:
  - {name: admins, addresses: [10.1.0.0/16]}
  - {name: tagged, port_tag: {scope: a, tag: b}}
  security_policies:
  - name: base
    scope: [tagged]
    rules: [{name: ssh, from: admins, to: [tagged, {existing: theirs}], services: [tcp/22]}]
"""
