"""URLs of address blocks: what is used, what is free, who has it. Reference 5.2."""

from collections.abc import Iterable

from tests.nsxsim import reads, spans
from tests.nsxsim.ipam import Ipam, spaces
from tests.nsxsim.problems import Json, absent, invalid
from tests.nsxsim.routes import Call, computed, whole
from tests.nsxsim.spans import Span


def _ipam(call: Call) -> Ipam:
    found: Ipam = call.sim.rooms["ipam"]
    return found


def _block(call: Call, block: str) -> Json:
    path = f"/infra/ip-blocks/{block}"
    body = call.sim.tree.get(path)
    if body is None:
        raise absent(path)
    return body


def _all(call: Call) -> list[Json]:
    wanted = call.query.get("ip_address_block_path")
    return [node.body for node in call.sim.tree.children("/infra", "ip-blocks") if wanted in (None, "", node.path)]


@computed("/infra/ip-blocks/usage")
def usages(call: Call) -> Json:
    return reads.page(call, _all(call), lambda body: _usage(call, body))


@computed("/infra/ip-blocks/*/usage")
def usage(call: Call, block: str) -> Json:
    return _usage(call, _block(call, block))


def _usage(call: Call, body: Json) -> Json:
    """An IpAddressBlockUsage: counts are text, as they may be large."""
    used = spans.merged(_ipam(call).of_block(body["path"]).values())
    free = _ipam(call).free_of_block(body["path"])
    everything = spaces(body)
    said: Json = {
        "intent_path": body["path"],
        "display_name": body["display_name"],
        "used_ip_ranges": [str(each) for each in used],
        "available_ip_ranges": [str(each) for each in free],
        "used_ips_count": str(spans.count(used)),
        "available_ips_count": str(spans.count(free)),
        "overall_ips_count": str(spans.count(everything)),
        "address_type": f"IPV{everything[0].version}",
        "cidr_usage": [
            {"cidr": cidr, **_part(spans.of_cidr(cidr), used, free)}
            for cidr in (body.get("cidr"), *(body.get("cidrs") or ()))
            if cidr
        ],
        "range_usage": [
            {"range": str(each), **_part(each, used, free)} for each in spans.of_ranges(body.get("ranges"))
        ],
    }
    return said | ({"visibility": body["visibility"]} if body.get("visibility") else {})


def _part(whole_: Span, used: Iterable[Span], free: Iterable[Span]) -> Json:
    mine = [each for each in used if whole_.meets(each)]
    left = spans.without([whole_], spans.without([whole_], free))
    ranges, count = [str(each) for each in mine], str(spans.count(mine))
    return {
        "used_ip_ranges": ranges,
        "overall_used_ip_ranges": ranges,
        "available_ip_ranges": [str(each) for each in left],
        "used_ips_count": count,
        "overall_used_ips_count": count,
        "available_ips_count": str(spans.count(left)),
    }


@computed("/infra/ip-blocks/*/available-subnets")
def available_subnets(call: Call, block: str) -> Json:
    """How many networks of prefix length `mask` are free."""
    body = _block(call, block)
    call.needed("mask")
    bits = 32 if spaces(body)[0].version == 4 else 128
    mask = whole(call, "mask", bits)
    if not 0 <= mask <= bits:
        raise invalid(f"{mask} is outside 0..{bits}", code=255, field="mask")
    free = _ipam(call).free_of_block(body["path"])
    return {"free_subnets": str(sum(count for _, count in spans.fits(free, 1 << (bits - mask))))}


@computed("/infra/ip-blocks/allocation-state")
def allocation_states(call: Call) -> Json:
    return reads.page(call, _all(call), lambda body: _state(call, body))


@computed("/infra/ip-blocks/*/allocation-state")
def allocation_state(call: Call, block: str) -> Json:
    return _state(call, _block(call, block))


def _state(call: Call, body: Json) -> Json:
    """An IpAddressBlockAllocationState: each carved network with the subnet that has it."""
    wanted = call.query.get("cidr")
    held = sorted(_ipam(call).of_block(body["path"]).items(), key=lambda each: (each[1], each[0]))
    listed = [{"cidr": spans.cidr_of(network), "allocation_path": path} for path, network in held]
    said: Json = {
        "ip_block_path": body["path"],
        "ip_address_type": f"IPV{spaces(body)[0].version}",
        "allocation_states": [each for each in listed if wanted in (None, "", each["cidr"])],
    }
    return said | ({"visibility": body["visibility"]} if body.get("visibility") else {})
