"""Rows of the table: address blocks, pools, subnets, allocations, DHCP."""

from tests.nsxsim import formats
from tests.nsxsim.kinds import Kind, add

add(
    Kind(
        name="IpAddressBlock",
        at=("ip-blocks",),
        formats={"cidr": formats.cidr, "cidrs[]": formats.cidr},
        computed={
            "IpAddressBlock": ("available_allocation_size", "total_size", "usage_percentage", "used_size"),
        },
        entities=("RealizedIpBlock",),
    ),
    Kind(
        name="IpAddressPool",
        at=("ip-pools",),
        defaults={"check_overlap_with_existing_pools": False, "ip_release_delay": 120000},
        limits={"ip_release_delay": (0, 7_200_000)},
        computed={"IpAddressPool": ("pool_usage",)},
        entities=("RealizedIpPool",),
    ),
    Kind(
        name="IpAddressPoolSubnet",
        at=("ip-pools/*/ip-subnets",),
        types=("IpAddressPoolStaticSubnet", "IpAddressPoolBlockSubnet"),
        immutable=("ip_block_path", "size", "subnet_size"),
        type_defaults={"IpAddressPoolBlockSubnet": {"auto_assign_gateway": True}},
        limits={"dns_nameservers": (0, 3)},
        computed={
            "IpAddressPoolBlockSubnet": (
                "allocated_cidr",
                "broadcast_address",
                "cidr",
                "gateway_address",
                "network_address",
            ),
        },
        formats={
            "gateway_ip": formats.ip,
            "start_ip": formats.ip,
            "allocation_ranges[].start": formats.ip,
            "allocation_ranges[].end": formats.ip,
            "dns_nameservers[]": formats.ip,
            "size": formats.power_of_two,
        },
        entities=("RealizedIpSubnet",),
    ),
    Kind(
        name="IpAddressAllocation",
        at=("ip-pools/*/ip-allocations",),
        immutable=("allocation_ip",),
        computed={"IpAddressAllocation": ("allocated_ip",)},
        formats={"allocation_ip": formats.ip},
        entities=("RealizedIpAllocation",),
    ),
    Kind(
        name="DhcpServerConfig",
        at=("dhcp-server-configs",),
        limits={"lease_time": (60, 4_294_967_295), "server_addresses": (0, 2)},
        formats={"server_addresses[]": formats.cidr},
        defaults={"lease_time": 86400},
        entities=("RealizedDhcpServer",),
    ),
    Kind(
        name="DhcpRelayConfig",
        at=("dhcp-relay-configs",),
        required=("server_addresses",),
        limits={"server_addresses": (1, 8)},
        formats={"server_addresses[]": formats.ip},
        entities=("RealizedDhcpRelay",),
    ),
)
