"""The Ruby worker against Ruby's own ERB, and against templates that misbehave."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from director.adapters.templates.fault import Fault
from director.adapters.templates.ruby import BATCH_MAX, Order, RubyUnusable, RubyWorker
from director.adapters.templates.source import Engine, TemplateFile

RUBY = shutil.which("ruby")


def order(text: str | bytes, spec: dict | None = None, name: str = "x.erb") -> Order:
    content = text if isinstance(text, bytes) else text.encode()
    template = TemplateFile(
        name=name, path=name, mode=0o640, engine=Engine.ERB, content=content, key=f"{name}{content!r}"
    )
    return Order(template=template, job="app", spec=json.dumps(spec or {}))


@pytest.fixture
async def worker(tmp_path):
    worker = RubyWorker(RUBY or "ruby", tmp_path / "ruby", reply_timeout_s=5.0)
    yield worker
    await worker.close()


def plain_erb(text: str) -> bytes:
    program = "require 'erb'; require 'json'; print ERB.new($stdin.read.force_encoding('UTF-8'), trim_mode: '-').result"
    run = subprocess.run([RUBY, "-e", program], input=text.encode(), capture_output=True, check=True, timeout=20)
    return run.stdout


SAME_AS_RUBY = [
    "plain",
    "",
    "a\n<% 3.times do |i| %>\n  line <%= i %>\n<% end %>\nz\n",
    "a\n<%- 3.times do |i| -%>\n  line <%= i %>\n<%- end -%>\nz\n",
    "<%# a comment %>\n<%# another -%>\nb",
    "<%% literal %>\n<%= '%' + '>' %>",
    "  <%- if true -%>  \nx\n  <%- end -%>\n",
    "<%= [1, {'a' => nil}].to_json %>\n",
    "<%= nil %>|<%= false %>|<%= :sym %>|<%= 1.0 / 3 %>",
    "<% def helper(x) = x * 2 %><%= helper(21) %>",
    "<%=\n 1 +\n 2\n-%>\nsame line",
    "% not a line of code\n",
    "üñï <%= 'çödé'.upcase %>\r\nwindows\r\n",
    "<% x = [3, 1, 2].sort.map { |n| n.to_s }\n   y = x.join(',') %><%= y %>",
]


@pytest.mark.ruby
@pytest.mark.skipif(RUBY is None, reason="no Ruby on this machine: ERB is not tested")
async def test_templates_without_words_of_bosh_come_out_as_from_rubys_own_erb(worker):
    results = await worker.fill([order(text, name=f"{n}.erb") for n, text in enumerate(SAME_AS_RUBY)])
    assert results == [plain_erb(text) for text in SAME_AS_RUBY]


@pytest.mark.ruby
@pytest.mark.skipif(RUBY is None, reason="no Ruby on this machine: ERB is not tested")
class TestMisbehaviour:
    @pytest.mark.parametrize("deed", ["exit!", "Process.kill(:KILL, Process.pid)", "exit!(0)"])
    async def test_a_template_that_ends_the_worker_is_named_and_the_others_are_filled(self, worker, deed):
        results = await worker.fill([order("one"), order(f"<% {deed} %>"), order("<%= 1 + 1 %>")])
        assert results[0] == b"one"
        assert isinstance(results[1], Fault)
        assert "ended the Ruby process" in results[1].reason
        assert results[2] == b"2"

    async def test_a_template_that_hangs_is_named_once_its_time_is_over(self, tmp_path):
        worker = RubyWorker(RUBY, tmp_path, reply_timeout_s=0.5)
        hangs = order("<% loop {} %>")
        try:
            results = await worker.fill([order("one"), hangs, hangs, order("two")])
        finally:
            await worker.close()
        assert [results[0], results[3]] == [b"one", b"two"]
        assert results[1] == results[2]
        assert "not done after 0.5 s" in results[1].reason

    @pytest.mark.parametrize("deed", ["exit", "abort", "raise Exception, 'x'", "throw :up", "def m = m()\nm()"])
    async def test_whatever_a_template_raises_is_its_own_fault(self, worker, deed):
        bad, good = await worker.fill([order(f"<% {deed} %>"), order("good")])
        assert isinstance(bad, Fault)
        assert good == b"good"

    async def test_what_a_template_prints_goes_nowhere(self, worker):
        text = "<% puts 'x'; STDOUT.puts 'y'; $stderr.puts 'z'; system('echo w') %>ok"
        assert await worker.fill([order(text), order("b")]) == [b"ok", b"b"]

    async def test_a_template_reads_nothing_from_the_directors_stdin(self, worker):
        assert await worker.fill([order("<%= $stdin.read.inspect %>"), order("b")]) == [b'""', b"b"]

    async def test_a_template_sees_nothing_of_the_directors_environment(self, worker, monkeypatch):
        monkeypatch.setenv("DIRECTOR_SECRET", "hidden")
        assert await worker.fill([order("<%= ENV['DIRECTOR_SECRET'].inspect %>")]) == [b"nil"]

    async def test_a_result_beyond_the_limit_is_refused(self, worker):
        huge, good = await worker.fill([order("<%= 'x' * 30_000_000 %>"), order("good")])
        assert "grew beyond" in huge.reason
        assert good == b"good"

    async def test_a_worker_killed_between_two_batches_is_replaced(self, worker):
        assert await worker.fill([order("<%= Process.pid %>")]) != [b""]
        (pid,) = await worker.fill([order("<%= Process.pid %>")])
        os.kill(int(pid), signal.SIGKILL)
        await worker._process.wait()
        assert await worker.fill([order("again")]) == [b"again"]

    async def test_a_cancelled_batch_leaves_no_reply_for_the_next(self, worker):
        slow = asyncio.ensure_future(worker.fill([order("<% sleep 3 %>slow"), order("b")]))
        await asyncio.wait([slow], timeout=0.5)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert await worker.fill([order("next")]) == [b"next"]

    async def test_more_orders_than_one_batch_come_back_in_order(self, worker):
        orders = [order("<%= index %>", {"index": n}) for n in range(BATCH_MAX + 5)]
        assert await worker.fill(orders) == [str(n).encode() for n in range(BATCH_MAX + 5)]

    async def test_no_more_workers_are_spent_on_one_batch_than_the_limit(self, worker):
        results = await worker.fill([order(f"<% exit! # {n} %>") for n in range(8)])
        assert all(isinstance(result, Fault) for result in results)
        assert "not tried" in results[-1].reason

    async def test_bytes_that_are_no_utf8_are_kept(self, worker):
        assert await worker.fill([order(b"\xff<%= 1 %>\xfe")]) == [b"\xff1\xfe"]

    async def test_the_worker_ends_when_its_director_is_killed_even_in_an_endless_template(self, tmp_path):
        program = (
            "import asyncio, sys\n"
            "sys.path[:0] = sys.argv[3:]\n"
            "from test_ruby_worker import RubyWorker, order\n"
            "from pathlib import Path\n"
            "async def main():\n"
            "    worker = RubyWorker(sys.argv[1], Path(sys.argv[2]))\n"
            "    (pid,) = await worker.fill([order('<%= Process.pid %>')])\n"
            "    print(int(pid), flush=True)\n"
            "    await worker.fill([order('<% loop {} %>')])\n"
            "asyncio.run(main())\n"
        )
        here = str(Path(__file__).parent)
        with subprocess.Popen(
            [sys.executable, "-c", program, RUBY, str(tmp_path), here], stdout=subprocess.PIPE, text=True
        ) as director:
            pid = int(director.stdout.readline())
            director.kill()
        async with asyncio.timeout(10):
            while is_running(pid):
                await asyncio.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_ruby_that_is_not_there_says_so(tmp_path):
    worker = RubyWorker(str(tmp_path / "ruby"), tmp_path / "scratch")
    with pytest.raises(RubyUnusable, match="cannot be run"):
        await worker.fill([order("x")])
    await worker.close()


async def test_a_ruby_that_does_not_start_gives_its_own_words(tmp_path):
    ruby = tmp_path / "ruby"
    ruby.write_text("#!/bin/sh\necho 'cannot load such file -- json' >&2\nexit 1\n")
    ruby.chmod(0o755)
    worker = RubyWorker(str(ruby), tmp_path / "scratch")
    with pytest.raises(RubyUnusable, match="cannot load such file -- json"):
        await worker.fill([order("x")])
    await worker.close()
