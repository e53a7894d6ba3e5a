"""Lists come in pages. Reference 5.3."""


async def _several(world, count=7):
    for number in range(count):
        await world.patch(f"/infra/ip-pools/p{number}")


async def test_a_cursor_leads_through_all_pages(world):
    await _several(world)
    seen, cursor, pages = [], None, 0
    while True:
        query = {"page_size": 3} | ({"cursor": cursor} if cursor else {})
        page = await world.get("/infra/ip-pools", **query)
        assert page["result_count"] == 8
        seen += [each["id"] for each in page["results"]]
        pages += 1
        cursor = page.get("cursor")
        if not cursor:
            break
    assert pages == 3
    assert sorted(seen) == ["floating-pool", *(f"p{n}" for n in range(7))]


async def test_a_page_size_outside_its_bounds_is_refused(world):
    for size in (0, 1001, "many"):
        assert (await world.refused("GET", "/infra/ip-pools", page_size=size))[0] == 400
    assert (await world.refused("GET", "/infra/ip-pools", cursor="nonsense"))[0] == 400


async def test_only_the_included_fields_are_shown(world):
    await _several(world, 1)
    page = await world.get("/infra/ip-pools", included_fields="display_name")
    assert all(set(each) == {"display_name", "id", "resource_type"} for each in page["results"])


async def test_lists_are_sorted_by_name_either_way(world):
    await _several(world, 3)
    up = [each["display_name"] for each in (await world.get("/infra/ip-pools"))["results"]]
    down = [each["display_name"] for each in (await world.get("/infra/ip-pools", sort_ascending="false"))["results"]]
    assert up == sorted(up)
    assert down == up[::-1]
