"""Rows of the table: load balancers."""

from typing import Final

from tests.nsxsim import formats
from tests.nsxsim.kinds import Kind, add

_MONITOR: Final = {"interval": 5, "timeout": 5, "rise_count": 3, "fall_count": 3}
_HTTP_MONITOR: Final = {
    **_MONITOR,
    "request_method": "GET",
    "request_url": "/",
    "request_version": "HTTP_VERSION_1_1",
    "response_status_codes": [200],
}
_FAST: Final = {"idle_timeout": 1800, "close_timeout": 8, "ha_flow_mirroring_enabled": False}

add(
    Kind(
        name="LBService",
        at=("lb-services",),
        defaults={"size": "SMALL", "enabled": True, "error_log_level": "INFO"},
        entities=("RealizedLBService",),
    ),
    Kind(
        name="LBVirtualServer",
        at=("lb-virtual-servers",),
        required=("ip_address", "ports", "application_profile_path"),
        defaults={"enabled": True, "access_log_enabled": False, "log_significant_event_only": False},
        limits={
            "ports": (1, 14),
            "default_pool_member_ports": (0, 14),
            "max_concurrent_connections": (1, 2_147_483_647),
            "max_new_connection_rate": (1, 2_147_483_647),
        },
        formats={"ip_address": formats.ip, "ports[]": formats.port, "default_pool_member_ports[]": formats.port},
        entities=("RealizedLBVirtualServer",),
    ),
    Kind(
        name="LBPool",
        at=("lb-pools",),
        required=("members[].ip_address", "member_group.group_path"),
        defaults={
            "algorithm": "ROUND_ROBIN",
            "min_active_members": 1,
            "tcp_multiplexing_enabled": False,
            "tcp_multiplexing_number": 6,
            "snat_translation": {"type": "LBSnatAutoMap"},
            "members[].weight": 1,
            "members[].admin_state": "ENABLED",
            "members[].backup_member": False,
            "member_group.ip_revision_filter": "IPV4",
        },
        limits={
            "members[].weight": (1, 256),
            "members[].max_concurrent_connections": (1, 2_147_483_647),
            "min_active_members": (1, 2_147_483_647),
            "tcp_multiplexing_number": (1, 2_147_483_647),
            "active_monitor_paths": (0, 10),
            "snat_translation.ip_addresses": (0, 64),
        },
        formats={"members[].ip_address": formats.ip, "members[].port": formats.port},
        entities=("RealizedLBPool",),
    ),
    Kind(
        name="LBMonitorProfile",
        at=("lb-monitor-profiles",),
        types=(
            "LBTcpMonitorProfile",
            "LBUdpMonitorProfile",
            "LBIcmpMonitorProfile",
            "LBHttpMonitorProfile",
            "LBHttpsMonitorProfile",
            "LBPassiveMonitorProfile",
        ),
        type_defaults={
            "LBTcpMonitorProfile": _MONITOR,
            "LBUdpMonitorProfile": _MONITOR,
            "LBIcmpMonitorProfile": {**_MONITOR, "data_length": 56},
            "LBHttpMonitorProfile": _HTTP_MONITOR,
            "LBHttpsMonitorProfile": _HTTP_MONITOR,
            "LBPassiveMonitorProfile": {"max_fails": 5, "timeout": 5},
        },
        limits={
            "interval": (1, 2_147_483_647),
            "timeout": (1, 2_147_483_647),
            "rise_count": (1, 2_147_483_647),
            "fall_count": (1, 2_147_483_647),
            "monitor_port": (0, 65535),
            "response_status_codes": (0, 64),
        },
        entities=("RealizedLBMonitorProfile",),
    ),
    Kind(
        name="LBAppProfile",
        at=("lb-app-profiles",),
        types=("LBFastTcpProfile", "LBFastUdpProfile", "LBHttpProfile"),
        type_defaults={
            "LBFastTcpProfile": _FAST,
            "LBFastUdpProfile": {"idle_timeout": 300, "flow_mirroring_enabled": False},
            "LBHttpProfile": {"idle_timeout": 15, "request_header_size": 1024, "response_timeout": 60, "ntlm": False},
        },
        limits={"idle_timeout": (1, 2_147_483_647), "close_timeout": (1, 60)},
        entities=("RealizedLBAppProfile",),
    ),
    Kind(
        name="LBPersistenceProfile",
        at=("lb-persistence-profiles",),
        types=("LBCookiePersistenceProfile", "LBGenericPersistenceProfile", "LBSourceIpPersistenceProfile"),
        type_defaults={
            "LBSourceIpPersistenceProfile": {"timeout": 300, "persistence_shared": False, "purge": "FULL"},
            "LBCookiePersistenceProfile": {
                "cookie_name": "NSXLB",
                "cookie_mode": "INSERT",
                "cookie_fallback": True,
                "cookie_garble": True,
                "persistence_shared": False,
            },
        },
        limits={"timeout": (1, 2_147_483_647)},
        entities=("RealizedLBPersistenceProfile",),
    ),
    Kind(name="LBClientSslProfile", at=("lb-client-ssl-profiles",), entities=("RealizedLBClientSslProfile",)),
    Kind(name="LBServerSslProfile", at=("lb-server-ssl-profiles",), entities=("RealizedLBServerSslProfile",)),
)
