"""Sessions, and what a manager says of itself: version, node, cluster. Reference 5.5."""

from urllib.parse import parse_qsl

from tests.nsxsim.auth import Auth
from tests.nsxsim.problems import Json
from tests.nsxsim.routes import Answer, Call, computed, route
from tests.nsxsim.settings import Settings

Settings.declare("version", "4.2.1.0.0.24304122", "what /api/v1/node/version says")

CLUSTER_ID = "5f1d2a4e-0000-4000-8000-0000000000c1"
NODE_ID = "5f1d2a4e-0000-4000-8000-0000000000a1"


def _auth(call: Call) -> Auth:
    held: Auth = call.sim.rooms["auth"]
    return held


@route("POST", "/api/session/create")
def create_session(call: Call) -> Answer:
    form = dict(parse_qsl(call.text.decode(errors="replace")))
    held, xsrf = _auth(call).open_session(form.get("j_username", ""), form.get("j_password", ""))
    flags = "Path=/; Secure; HttpOnly" if call.secure else "Path=/; HttpOnly"
    return Answer(headers={"Set-Cookie": f"JSESSIONID={held}; {flags}", "X-XSRF-TOKEN": xsrf})


def destroy_session(call: Call) -> Answer:
    _auth(call).close_session(call.headers)
    return Answer()


for _method in ("GET", "POST", "DELETE"):
    route(_method, "/api/session/destroy")(destroy_session)


@computed("/api/v1/node/version")
def version(call: Call) -> Json:
    said = call.sim.settings.version
    return {"node_version": said, "product_version": said}


@computed("/api/v1/node")
def node(call: Call) -> Json:
    said = call.sim.settings.version
    return {
        "node_version": said,
        "product_version": said,
        "kernel_version": said,
        "hostname": "nsxsim",
        "fully_qualified_domain_name": "nsxsim",
        "external_id": NODE_ID,
        "node_uuid": NODE_ID,
        "node_type": "NSX Manager",
        "system_time": int(call.sim.clock.now() * 1000),
        "timezone": "Etc/UTC",
        "export_type": "UNRESTRICTED",
    }


@computed("/api/v1/cluster")
def cluster(_call: Call) -> Json:
    return {"cluster_id": CLUSTER_ID, "nodes": [{"node_uuid": NODE_ID, "fqdn": "nsxsim", "status": "JOINED"}]}


@computed("/api/v1/cluster/status")
def cluster_status(_call: Call) -> Json:
    return {
        "cluster_id": CLUSTER_ID,
        "mgmt_cluster_status": {
            "status": "STABLE",
            "online_nodes": [{"mgmt_cluster_listen_ip_address": "127.0.0.1", "uuid": NODE_ID}],
            "offline_nodes": [],
            "required_members_for_initialization": [],
        },
        "control_cluster_status": {"status": "STABLE"},
        "detailed_cluster_status": {"cluster_id": CLUSTER_ID, "overall_status": "STABLE", "groups": []},
    }


@computed("/api/v1/reverse-proxy/node/health")
def health(_call: Call) -> Json:
    return {"healthy": True, "components_health": "MANAGER:UP, POLICY:UP, SEARCH:UP, UI:UP, NODE_MGMT:UP"}


@computed("/api/v1/aaa/user-info")
@computed("/aaa/user-info")
def user_info(call: Call) -> Json:
    return {"user_name": call.who.name, "roles": [{"role": call.who.role}]}


@computed("/api/v1/licenses")
def licenses(_call: Call) -> Json:
    return {"results": [{"description": "NSX simulator", "is_expired": False}], "result_count": 1}
