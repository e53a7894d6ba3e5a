"""Monit files and bpm files become the processes an operator would expect."""

from pathlib import Path

import pytest

from agent import monitfile, programs
from agent.failure import Failed
from agent.layout import Layout
from agent.program import Owned, Watched

USUAL = """\
# the web server
check process web
  with pidfile /var/vcap/sys/run/web/web.pid
  start program "/var/vcap/jobs/web/bin/ctl start" as uid vcap and gid vcap with timeout 60 seconds
  stop program "/var/vcap/jobs/web/bin/ctl stop"
  if totalmem > 500 Mb for 2 cycles then alert
  if failed host 127.0.0.1 port 80 with timeout 5 seconds for 3 cycles then restart
  if 3 restarts within 5 cycles then exec "/bin/start program x"
  depends on other
  group vcap

check file log with path /var/log/x
  if size > 1 MB then alert

check process other with pidfile "/run/other.pid"
  start program = "/bin/other 'a b'"
  group vcap
"""


def test_process_checks_are_read_and_tests_are_read_over() -> None:
    web, other = monitfile.read(USUAL, "web")
    assert web == monitfile.Check(
        name="web",
        pidfile="/var/vcap/sys/run/web/web.pid",
        start=("/var/vcap/jobs/web/bin/ctl", "start"),
        stop=("/var/vcap/jobs/web/bin/ctl", "stop"),
        start_timeout_s=60.0,
        user="vcap",
    )
    assert other == monitfile.Check(name="other", pidfile="/run/other.pid", start=("/bin/other", "a b"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "check file x with path /y\n", "set daemon 10\n"])
def test_files_without_process_checks_give_none(text: str) -> None:
    assert monitfile.read(text, "web") == ()


def test_a_check_without_start_program_is_refused_by_name() -> None:
    with pytest.raises(Failed, match=r'job "web": .* process "x" no pidfile or no start program'):
        monitfile.read("check process x with pidfile /x", "web")


def _bpm(layout: Layout, job: str, text: str) -> None:
    directory = layout.job(job) / "config"
    directory.mkdir(parents=True)
    (directory / "bpm.yml").write_text(text)


WEB = """\
processes:
- name: web
  executable: /var/vcap/packages/web/bin/web
  args: [--port, 80]
  env: {COLOUR: red}
  limits: {open_files: 1024, memory: 1G}
  hooks: {pre_start: /var/vcap/jobs/web/bin/pre}
  persistent_disk: true
- {name: worker, executable: /bin/worker, workdir: /var/vcap/data/web, unsafe: {privileged: true}}
"""


def test_a_job_with_only_a_bpm_file_runs_all_its_processes(layout: Layout) -> None:
    _bpm(layout, "web", WEB)
    web, worker = programs.of_job("web", "", layout)
    assert isinstance(web, Owned)
    assert web.argv == (f"{layout.base}/packages/web/bin/web", "--port", "80")
    assert web.env["COLOUR"] == "red"
    assert web.env["PATH"] == "/usr/sbin:/usr/bin:/sbin:/bin"
    assert web.pre_start == f"{layout.base}/jobs/web/bin/pre"
    assert web.open_files == 1024
    assert web.cwd == layout.job("web")
    assert web.pidfile == layout.run("web") / "web.pid"
    assert layout.store / "web" in web.directories
    assert isinstance(worker, Owned)
    assert (worker.name, worker.is_privileged, worker.cwd) == ("worker", True, layout.data / "web")


@pytest.mark.parametrize("words, wanted", [("web", "web"), ("web -p worker", "worker")])
def test_a_monit_file_that_starts_bpm_stands_for_that_process(layout: Layout, words: str, wanted: str) -> None:
    _bpm(layout, "web", WEB)
    monit = f"""check process mine with pidfile /var/vcap/sys/run/bpm/web/{wanted}.pid
      start program "/var/vcap/jobs/bpm/bin/bpm start {words}"
      stop program "/var/vcap/jobs/bpm/bin/bpm stop {words}"
      group vcap"""
    (found,) = programs.of_job("web", monit, layout)
    assert isinstance(found, Owned)
    assert found.name == "mine"
    assert found.argv[0].endswith(f"/{wanted}")
    assert found.pidfile == layout.base / f"sys/run/bpm/web/{wanted}.pid"


def test_paths_of_monit_files_are_below_the_base(layout: Layout) -> None:
    found = programs.of_job("web", USUAL, layout)[0]
    assert isinstance(found, Watched)
    assert found.start == (f"{layout.base}/jobs/web/bin/ctl", "start")
    assert found.pidfile == Path(f"{layout.base}/sys/run/web/web.pid")


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("processes:\n- name: x\n", "without name or executable"),
        ("process: []\n", 'no list "processes"'),
        ("processes:\n- {name: x, executable: y, limits: {open_files: many}}\n", 'open_files to "many"'),
        ("processes: !x\n", "bpm.yml: line 1"),
    ],
)
def test_a_bad_bpm_file_is_refused_with_its_job(layout: Layout, text: str, complaint: str) -> None:
    _bpm(layout, "web", text)
    with pytest.raises(Failed, match=f'job "web": .*{complaint}'):
        programs.of_job("web", "", layout)


def test_a_monit_file_that_starts_a_process_bpm_does_not_have_is_refused(layout: Layout) -> None:
    _bpm(layout, "web", WEB)
    monit = 'check process x with pidfile /x start program "/var/vcap/jobs/bpm/bin/bpm start web -p nope"'
    with pytest.raises(Failed, match=r'process "nope", which config/bpm\.yml does not have'):
        programs.of_job("web", monit, layout)
