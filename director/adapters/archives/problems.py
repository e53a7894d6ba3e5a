"""Words of what is wrong with an archive, with BOSH's numbers (appendix A). Decides nothing."""

from director.model.problem import Problem

INVALID_ARCHIVE = 30002
NO_MANIFEST = 30003
INVALID_PACKAGE = 30012
WRONG_DIGEST = 30015
WRONG_DEPENDENCIES = 30016
JOB_ARCHIVE = 80000
JOB_MANIFEST = 80001
JOB_TEMPLATE = 80002
JOB_PACKAGE = 80003
JOB_MONIT = 80004
JOB_LOGS = 80005
JOB_PROPERTIES = 80008
JOB_PACKAGES = 80012
JOB_LINK = 80013
JOB_LINK_TWICE = 80014
JOB_NAME = 80016
STEMCELL_ARCHIVE = 50000
STEMCELL_IMAGE = 50001
STEMCELL_DIGEST = 50007
PACKAGE_ARCHIVE = 60000
PACKAGE_SOURCE = 60001

REBUILD = "make the release anew (bosh create-release --force) and upload that."
TAKE_ANOTHER = "download the archive again from a source you trust, and upload that."


def release_problem(number: int, detail: str, fix: str = REBUILD) -> Problem:
    """Something wrong with the release as a whole or with one of its packages."""
    return Problem(code="release.archive", summary="A bad release archive", detail=detail, fix=fix, number=number)


def job_problem(number: int, job: str, detail: str, fix: str) -> Problem:
    """Something wrong inside one job; ``detail`` names the file."""
    return Problem(
        code="release.job", summary="A bad job in a release", detail=f'Job "{job}": {detail}', fix=fix, number=number
    )


def stemcell_problem(number: int, detail: str, fix: str = TAKE_ANOTHER) -> Problem:
    return Problem(code="stemcell.archive", summary="A bad stemcell archive", detail=detail, fix=fix, number=number)
