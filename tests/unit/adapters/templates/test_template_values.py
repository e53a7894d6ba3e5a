"""Small rules of rendering: which engine, what is hidden, what is kept, what Jinja2 may do."""

import hashlib
import io
import tarfile

import pytest

from director.adapters.templates import TemplateRenderer
from director.adapters.templates.cache import SizedCache
from director.adapters.templates.fault import Fault, FaultAt, Veil, problems_of
from director.adapters.templates.jinja import fill_jinja
from director.adapters.templates.source import Engine, TemplateFile, engine_of
from director.model.problem import Refused
from director.model.release import Job
from director.model.wanted import WantedJob
from director.ports.renderer import RenderRequest


@pytest.mark.parametrize(
    ("name", "content", "engine"),
    [
        ("a.j2", b"<% x %>", Engine.JINJA),
        ("a.j2", b"", Engine.JINJA),
        ("a.erb", b"<%= x %>", Engine.ERB),
        ("a.erb", b"plain", Engine.LITERAL),
        ("a.conf", b"{{ x }}", Engine.LITERAL),
        ("a.conf", b"<%= x %>", Engine.ERB),
        ("monit", b"check process x", Engine.LITERAL),
        ("monit", b"check <%= x %>", Engine.ERB),
        ("monit.j2", b"check", Engine.JINJA),
    ],
)
def test_the_engine_follows_from_name_and_content(name, content, engine):
    assert engine_of(name, content) is engine


def jinja(text: str, **tree: object) -> str:
    content = text.encode()
    file = TemplateFile(name="a.j2", path="a", mode=0o640, engine=Engine.JINJA, content=content, key="k")
    result = fill_jinja(file, tree, "app")
    return result.reason if isinstance(result, Fault) else result.decode()


def test_jinja_keeps_the_last_newline_and_drops_the_one_after_a_block():
    assert jinja("{% if true %}\nx\n{% endif %}\ny\n") == "x\ny\n"


def test_a_template_says_by_fail_that_it_cannot_be_filled_with_these_values():
    text = "{% if p('n') < 1 %}{{ fail('one instance at least') }}{% endif %}ok"
    assert jinja(text, properties={"n": 1}) == "ok"
    assert "one instance at least" in jinja(text, properties={"n": 0})


def test_toyaml_of_equal_trees_is_equal_and_readable():
    one, two = {"b": [1, "é"], "a": {"x": None}}, {"a": {"x": None}, "b": [1, "é"]}
    assert jinja("{{ p('t') | toyaml }}", properties={"t": one}) == "a:\n  x: null\nb:\n- 1\n- é\n"
    assert jinja("{{ p('t') | toyaml }}", properties={"t": two}) == jinja(
        "{{ p('t') | toyaml }}", properties={"t": one}
    )


def test_tojson_writes_for_programs_not_for_web_pages():
    assert jinja("{{ p('t') | tojson }}", properties={"t": "<a href='x'>"}) == "\"<a href='x'>\""


def test_quote_makes_one_word_of_a_shell():
    assert jinja("{{ p('t') | quote }}", properties={"t": "a b'$(rm)"}) == "'a b'\"'\"'$(rm)'"


def test_toyaml_of_something_missing_names_it():
    assert "nope" in jinja("{{ properties.nope | toyaml }}", properties={"t": 1})


@pytest.mark.parametrize(
    "text",
    [
        "{{ p.__self__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ link.__globals__ }}",
        "{{ spec.__class__ }}",
        "{% include '/etc/passwd' %}",
        "{{ range(10000000) | list }}",
        "{{ properties.update({'a': 1}) }}",
    ],
)
def test_the_sandbox_gives_nothing_but_the_values(text):
    result = jinja(text, properties={"a": 0}, name="web")
    assert "root:" not in result
    assert any(word in result for word in ("unsafe", "no loader", "too big", "Range", "undefined", "not safely"))


def test_equal_faults_of_two_groups_stay_two_problems():
    fault = Fault(reason="why", fix="do")
    labels = ("a/0", "a/1", "b/0")
    found = problems_of((FaultAt(label=label, job="j", file="f"), fault) for label in labels)
    assert [problem.detail.partition(":")[0] for problem in found] == ["a/0 and 1 more of its group", "b/0"]
    assert {problem.number for problem in found} == {80006}


def test_a_veil_hides_the_whole_of_a_longer_value_and_names_each():
    veil = Veil({"short": "abcd", "long": "abcdefgh", "tree": {"key": "private"}, "tiny": "a"})
    assert veil.over("x abcdefgh abcd private a") == "x ((long)) ((short)) ((tree)) a"


def test_a_veil_hides_values_that_were_quoted_or_joined_into_one_line():
    veil = Veil({"pem": "BEGIN\nbody\nEND"})
    assert "body" not in veil.over('x "BEGIN\\nbody\\nEND" BEGIN body END')


def test_a_cache_forgets_what_was_unused_for_longest():
    cache = SizedCache[str](10)
    cache.put("a", "A", 4)
    cache.put("b", "B", 4)
    assert cache.get("a") == "A"
    cache.put("c", "C", 4)
    assert [cache.get(key) for key in "abc"] == ["A", None, "C"]
    cache.put("c", "C", 11)
    assert [cache.get(key) for key in "abc"] == [None, None, None]
    assert len(cache) == 0


class Blobs:
    def __init__(self, directory):
        self.directory = directory

    async def path_of(self, blob):
        return self.directory / blob


def job(directory, files: dict[str, str]) -> Job:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    blob = hashlib.sha256(buffer.getvalue()).hexdigest()
    (directory / blob).write_bytes(buffer.getvalue())
    templates = {name.removeprefix("templates/"): name for name in files if name.startswith("templates/")}
    return Job(name="app", fingerprint=blob, blob=blob, digest=blob, templates=templates)


def request(*jobs: Job) -> RenderRequest:
    wanted = tuple(WantedJob(job=job, release="r", release_version="1", properties={}) for job in jobs)
    return RenderRequest(label="web/0", spec={"name": "web", "index": 0}, jobs=wanted, values={})


async def test_without_ruby_erb_is_refused_by_name_with_the_package_to_install(tmp_path):
    renderer = TemplateRenderer(Blobs(tmp_path), tmp_path, None)
    bad = job(tmp_path, {"monit": "<%= name %>", "templates/a.erb": "<%= 1 %>", "templates/b.j2": "x"})
    with pytest.raises(Refused) as refused:
        await renderer.render([request(bad)])
    (problem,) = refused.value.problems
    assert problem.code == "render.no-ruby"
    assert "monit, a.erb of job app" in problem.detail
    assert "ruby" in problem.fix


async def test_without_ruby_everything_else_renders(tmp_path):
    renderer = TemplateRenderer(Blobs(tmp_path), tmp_path, None)
    good = job(tmp_path, {"monit.j2": "check {{ name }}", "templates/a.erb": "plain", "templates/b.j2": "{{ index }}"})
    (content,) = await renderer.render([request(good)])
    assert content.jobs[0].monit == "check web"
    assert [file.content for file in content.jobs[0].files] == [b"plain", b"0"]
