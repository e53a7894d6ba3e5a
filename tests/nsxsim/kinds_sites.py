"""Rows of the table: the inventory below sites (read-only for tenants), and profiles others refer to."""

from tests.nsxsim.kinds import Kind, add

_EP = "sites/*/enforcement-points"

add(
    Kind(name="Site", at=("sites",), read_only=True),
    Kind(name="EnforcementPoint", at=(_EP,), read_only=True),
    Kind(name="PolicyTransportZone", at=(f"{_EP}/*/transport-zones",), immutable=("tz_type",), required=("tz_type",)),
    Kind(name="PolicyEdgeCluster", at=(f"{_EP}/*/edge-clusters",), read_only=True),
    Kind(name="PolicyEdgeNode", at=(f"{_EP}/*/edge-clusters/*/edge-nodes",), read_only=True),
    Kind(name="HostTransportNode", at=(f"{_EP}/*/host-transport-nodes",), read_only=True),
    Kind(name="TlsCertificate", at=("certificates",)),
    Kind(name="SegmentSecurityProfile", at=("segment-security-profiles",)),
    Kind(name="IPDiscoveryProfile", at=("ip-discovery-profiles",)),
    Kind(name="MacDiscoveryProfile", at=("mac-discovery-profiles",)),
    Kind(name="QosProfile", at=("qos-profiles",)),
    Kind(name="SpoofGuardProfile", at=("spoofguard-profiles",)),
    Kind(name="GatewayQosProfile", at=("gateway-qos-profiles",)),
    Kind(name="Ipv6NdraProfile", at=("ipv6-ndra-profiles",)),
    Kind(name="Ipv6DadProfile", at=("ipv6-dad-profiles",)),
)
