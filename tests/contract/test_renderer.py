"""What every Renderer does, whatever fills the templates. Runs on TemplateRenderer with Jinja2, and with ERB."""

import hashlib
import io
import json
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from director.adapters.templates import TemplateRenderer
from director.model.names import BlobId, Digest, JobName, ReleaseName
from director.model.problem import Refused
from director.model.release import Job, PropertySpec
from director.model.wanted import Content, WantedJob
from director.ports.failure import Failure
from director.ports.renderer import RenderRequest

SPEC = {
    "deployment": "d",
    "name": "web",
    "job": {"name": "web"},
    "az": "z1",
    "ip": "10.0.0.1",
    "networks": {"n": {"ip": "1"}},
}
LINK = {
    "deployment_name": "d",
    "instance_group": "db",
    "default_network": "net",
    "domain": "bosh",
    "properties": {"port": 5432, "password": "((pw))"},
    "instances": [{"name": "db", "id": "u-1", "index": 0, "az": "z1", "address": "10.0.0.7", "bootstrap": True}],
}


class Blobs:
    """Job archives by their hash: all that rendering needs of the port."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.asked = 0

    async def path_of(self, blob: BlobId) -> Path:
        self.asked += 1
        return self.directory / blob


@dataclass
class World:
    directory: Path
    suffix: str
    blobs: Blobs
    renderer: TemplateRenderer
    links: dict = field(default_factory=lambda: {"db": LINK})

    def job(
        self, templates: dict[str, str | bytes], *, monit: str = "", name: str = "app", schema=None, targets=None
    ) -> Job:
        """``templates`` by target; their source has the suffix of the engine under test."""
        sources = {f"{Path(target).name}{self.suffix}": text for target, text in templates.items()}
        archive = packed({"monit": monit} | {f"templates/{source}": text for source, text in sources.items()})
        blob = hashlib.sha256(archive).hexdigest()
        (self.directory / blob).write_bytes(archive)
        placed = dict(zip(sources, templates, strict=True)) if targets is None else targets
        return Job(
            name=JobName(name),
            fingerprint=blob,
            blob=BlobId(blob),
            digest=Digest(f"sha256:{blob}"),
            templates=placed,
            properties={"a": PropertySpec()},
            properties_schema=schema,
        )

    def request(self, *jobs: Job, index=0, properties=None, values=None, label=None) -> RenderRequest:
        return RenderRequest(
            label=label or f"web/{index}",
            spec=SPEC | {"index": index, "id": f"id-{index}", "bootstrap": index == 0},
            jobs=tuple(
                WantedJob(
                    job=job,
                    release=ReleaseName("rel"),
                    release_version="7",
                    properties=properties or {},
                    links=self.links,
                )
                for job in jobs
            ),
            values={"pw": "s3cret-value"} if values is None else values,
        )

    async def fill(self, erb: str, jinja: str, **request) -> str:
        """The one file that this template makes, written for either engine."""
        job = self.job({"config/out": jinja if self.suffix == ".j2" else erb})
        (content,) = await self.renderer.render([self.request(job, **request)])
        return content.jobs[0].files[0].content.decode()

    async def refused(self, *requests: RenderRequest) -> list[str]:
        with pytest.raises(Refused) as refused:
            await self.renderer.render(requests)
        return [str(problem) for problem in refused.value.problems]


def packed(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(params=[".j2", pytest.param(".erb", marks=pytest.mark.ruby)])
async def world(request, tmp_path):
    if request.param == ".erb" and shutil.which("ruby") is None:
        pytest.skip("no Ruby on this machine: ERB is not tested")
    blobs = Blobs(tmp_path)
    renderer = TemplateRenderer(blobs, tmp_path / "cache", reply_timeout_s=5.0)
    yield World(tmp_path, request.param, blobs, renderer)
    await renderer.close()


def bodies(content: Content) -> dict[str, bytes]:
    return {file.path: file.content for job in content.jobs for file in job.files}


WORDS = [
    ("<%= p('a.b') %>", "{{ p('a.b') }}", "deep"),
    ("<%= p(['x', 'a.b']) %>", "{{ p(['x', 'a.b']) }}", "deep"),
    ("<%= p('x', 'fallback') %>", "{{ p('x', 'fallback') }}", "fallback"),
    ("<%= p('nothing', 'fallback') %>", "{{ p('nothing', 'fallback') }}", "fallback"),
    ("<%= p('off', true).to_s %>", "{{ p('off', true) | tojson }}", "false"),
    ("<%= p('empty', 'x') %>.", "{{ p('empty', 'x') }}.", "."),
    ("<% if_p('a.b') do |b| %>[<%= b %>]<% end %>", "{% if has_p('a.b') %}[{{ if_p('a.b') }}]{% endif %}", "[deep]"),
    (
        "<% if_p('a.b', 'x') do %>yes<% end.else do %>no<% end %>",
        "{% if has_p('a.b', 'x') %}yes{% else %}no{% endif %}",
        "no",
    ),
    ("<%= link('db').p('port') %>", "{{ link('db').p('port') }}", "5432"),
    ("<%= link('db').instances[0].address %>", "{{ link('db').instances[0].address }}", "10.0.0.7"),
    ("<%= link('db').instances[0].p('port') %>", "{{ link('db').instances[0].p('port') }}", "5432"),
    ("<%= link('db').address %>", "{{ link('db').address() }}", "q-s0.db.net.d.bosh"),
    ("<%= link('db').p('password') %>", "{{ link('db').p('password') }}", "s3cret-value"),
    ("<%= link('db').properties['port'] %>", "{{ link('db').properties.port }}", "5432"),
    ("<% if_link('no') do %>a<% end.else do %>b<% end %>", "{% if if_link('no') %}a{% else %}b{% endif %}", "b"),
    ("<% if_link('db') do |l| %><%= l.p('port') %><% end %>", "{% set l = if_link('db') %}{{ l.p('port') }}", "5432"),
    ("<%= spec.networks.n.ip %>", "{{ spec.networks.n.ip }}", "1"),
    (
        "<%= spec.release.name %>/<%= spec.release.version %>",
        "{{ spec.release.name }}/{{ spec.release.version }}",
        "rel/7",
    ),
    (
        "<%= name %>/<%= index %> <%= spec.bootstrap %>",
        "{{ name }}/{{ index }} {{ spec.bootstrap | tojson }}",
        "web/0 true",
    ),
    ("<%= properties.a.b %>", "{{ properties.a.b }}", "deep"),
    ("<%= spec.properties.a.b %>", "{{ spec.properties.a.b }}", "deep"),
    ("<%= p('secret') %>", "{{ p('secret') }}", "s3cret-value"),
    ("<%= p('list').length %>é", "{{ p('list') | length }}é", "2é"),
]


@pytest.mark.parametrize(("erb", "jinja", "expected"), WORDS)
async def test_every_word_of_the_vocabulary(world, erb, jinja, expected):
    properties = {
        "a": {"b": "deep"},
        "nothing": None,
        "off": False,
        "empty": "",
        "secret": "((pw))",
        "list": [1, "((pw))"],
    }
    assert await world.fill(erb, jinja, properties=properties) == expected


async def test_programs_are_executable_and_the_rest_is_not_for_others(world):
    job = world.job({"bin/run": "x", "config/a": "y"})
    (content,) = await world.renderer.render([world.request(job)])
    assert {file.path: file.mode for file in content.jobs[0].files} == {"bin/run": 0o750, "config/a": 0o640}


async def test_content_comes_in_the_order_of_the_requests_and_of_their_jobs(world):
    text = "<%= index %>" if world.suffix == ".erb" else "{{ index }}"
    one, two = world.job({"config/a": text}, name="one"), world.job({"config/b": text}, name="two")
    contents = await world.renderer.render([world.request(two, one, index=i) for i in (2, 0, 1)])
    assert [[job.name for job in content.jobs] for content in contents] == [["two", "one"]] * 3
    assert [bodies(content)["config/a"] for content in contents] == [b"2", b"0", b"1"]


async def test_equal_inputs_give_equal_digests_and_a_changed_byte_another(world):
    text = "<%= p('a') %>" if world.suffix == ".erb" else "{{ p('a') }}"
    job = world.job({"config/a": text})
    same, again, other = [
        (await world.renderer.render([world.request(job, properties={"a": a})]))[0] for a in ("1", "1", "2")
    ]
    assert same.configuration_hash == again.configuration_hash != other.configuration_hash


async def test_a_job_archive_is_read_once(world):
    job = world.job({"config/a": "x"})
    for index in range(3):
        await world.renderer.render([world.request(job, index=index)])
    assert world.blobs.asked == 1


async def test_the_monit_file_is_filled_when_it_has_tags_of_erb(world):
    if world.suffix != ".erb":
        pytest.skip("a monit file without suffix is ERB")
    job = world.job({}, monit="check <%= name %>")
    (content,) = await world.renderer.render([world.request(job)])
    assert content.jobs[0].monit == "check web"


async def test_a_file_without_tags_stays_as_it_is_to_the_byte(world):
    job = (
        world.job({"config/bin": b"\x00\xff plain"}) if world.suffix == ".erb" else world.job({"config/bin": "plain\n"})
    )
    (content,) = await world.renderer.render([world.request(job)])
    assert bodies(content)["config/bin"] in (b"\x00\xff plain", b"plain\n")


async def test_a_missing_property_names_instance_job_file_line_and_property(world):
    text = "one\n<%= p('a.b') %>\n" if world.suffix == ".erb" else "one\n{{ p('a.b') }}\n"
    (problem,) = await world.refused(world.request(world.job({"config/x": text})))
    for part in ("web/0", 'job "app"', f'"x{world.suffix}"', "line 2", '"a.b"', "no value"):
        assert part in problem


async def test_a_missing_link_says_so(world):
    text = "<%= link('queue').p('x') %>" if world.suffix == ".erb" else "{{ link('queue').p('x') }}"
    (problem,) = await world.refused(world.request(world.job({"config/x": text})))
    assert 'no link "queue"' in problem
    assert "line 1" in problem


async def test_every_failing_template_of_every_job_is_told_at_once(world):
    tag = "<%= p('{}') %>" if world.suffix == ".erb" else "{{{{ p('{}') }}}}"
    one = world.job({"config/a": tag.format("x"), "config/b": tag.format("y"), "config/ok": "fine"}, name="one")
    two = world.job({"config/c": tag.format("z")}, name="two")
    problems = await world.refused(world.request(one, two))
    assert [any(f'"{name}"' in problem for problem in problems) for name in "xyz"] == [True] * 3
    assert len(problems) == 3


async def test_the_same_error_of_a_whole_group_is_one_problem_that_counts(world):
    text = "<%= index %><%= p('a') %>" if world.suffix == ".erb" else "{{ index }}{{ p('a') }}"
    job = world.job({"config/a": text})
    problems = await world.refused(*(world.request(job, index=i) for i in range(50)), world.request(job, label="db/0"))
    assert len(problems) == 2
    assert any("web/0 and 49 more" in problem for problem in problems)
    assert any(problem.startswith("db/0:") for problem in problems)


async def test_a_syntax_error_has_its_line(world):
    text = "a\n\n<% if true %>\n<%= ) %>\n<% end %>" if world.suffix == ".erb" else "a\n\n\n{% iff x %}"
    (problem,) = await world.refused(world.request(world.job({"config/a": text})))
    assert "line 4" in problem


async def test_an_error_of_the_language_is_a_problem_with_its_line(world):
    text = "\n<%= 1 + 'x' %>" if world.suffix == ".erb" else "\n{{ 1 + 'x' }}"
    (problem,) = await world.refused(world.request(world.job({"config/a": text})))
    assert "TypeError" in problem
    assert "line 2" in problem


LEAKS = [
    ("<%= Integer(p('secret')) %>", "{{ {}[p('secret')] }}"),
    ("<%= p('secret').nope %>", "{{ p('secret').nope }}"),
    ("<%= properties.nope.nope %>", "{{ properties.nope.nope }}"),
    ("<%= raise p('secret') * 2 %>", "{{ {}[p('secret') ~ p('secret')] }}"),
    ("<%= p('tree').fetch(p('secret')) %>", "{{ p('tree')[p('secret')] }}"),
    ("<%= raise p('tree').inspect %>", "{{ 1 + p('tree') }}"),
    ("<%= p('secret').freeze << 'x' %>", "{{ p('secret') + 1 }}"),
]


@pytest.mark.parametrize(("erb", "jinja"), LEAKS)
async def test_no_error_shows_the_value_of_a_variable(world, erb, jinja):
    job = world.job({"config/a": jinja if world.suffix == ".j2" else erb})
    properties = {"secret": "((pw))", "tree": {"key": "((multi))"}}
    values = {"pw": "s3cret-value", "multi": "line one\nline two"}
    problems = await world.refused(world.request(job, properties=properties, values=values))
    assert "s3cret" not in "".join(problems)
    assert "line two" not in "".join(problems)


async def test_variables_without_value_are_all_told_and_nothing_is_filled(world):
    job = world.job({"config/a": "x"})
    problems = await world.refused(
        world.request(job, properties={"a": "((one))", "b": ["((two))"], "c": "((pw))"}),
        world.request(job, index=1, properties={"a": "((one))", "b": ["((two))"], "c": "((pw))"}),
    )
    assert len(problems) == 2
    assert [f"(({name})) has no value" in "".join(problems) for name in ("one", "two", "pw")] == [True, True, False]


async def test_properties_are_checked_against_the_schema_of_the_job(world):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"enum": ["a", "b"]}}}
    job = world.job({"config/a": "x"}, schema=schema)
    problems = await world.refused(world.request(job, properties={"n": "((pw))", "s": "c"}))
    assert len(problems) == 2
    assert all("properties_schema.json" in problem for problem in problems)
    assert "s3cret" not in "".join(problems)


async def test_a_broken_archive_is_a_failure_that_names_the_job(world):
    job = world.job({"config/a": "x"})
    (world.directory / job.blob).write_bytes(b"not a tar")
    with pytest.raises(Failure, match="app"):
        await world.renderer.render([world.request(job)])


async def test_a_template_missing_from_the_archive_is_a_failure_that_names_it(world):
    job = world.job({"config/a": "x"}, targets={"other.j2": "config/other"})
    with pytest.raises(Failure, match=r"templates/other\.j2"):
        await world.renderer.render([world.request(job)])


async def test_json_of_properties_can_be_read_back(world):
    tree = {"b": [1, 2.5, None, True, "é<&'\""], "a": {"x": "((pw))"}}
    text = await world.fill("<%= JSON.dump(p('t')) %>", "{{ p('t') | tojson }}", properties={"t": tree})
    assert json.loads(text) == {"b": tree["b"], "a": {"x": "s3cret-value"}}


async def test_one_template_cannot_change_what_another_sees(world):
    if world.suffix == ".j2":
        pytest.skip("the sandbox gives immutable values")
    job = world.job({"config/a": "<% p('t')['x'] = 'changed' %>", "config/b": "<%= p('t')['x'] %>"})
    (content,) = await world.renderer.render([world.request(job, properties={"t": {"x": "first"}})])
    assert bodies(content)["config/b"] == b"first"
