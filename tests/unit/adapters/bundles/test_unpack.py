"""On a guest, the wheel is taken that runs there; a guest for which there is none is told so."""

import pytest

from director.adapters.bundles.unpack import choose, rank

GLIBC = (2, 31)
GRPC = [f"grpcio-1.85.1-cp3{minor}-cp3{minor}-manylinux2014_x86_64.manylinux_2_17_x86_64.whl" for minor in (11, 12, 13)]
REST = [
    "cryptography-50.0.2-cp311-abi3-manylinux_2_28_x86_64.whl",
    "pycparser-3.12-py3-none-any.whl",
]


def test_each_distribution_comes_once_in_the_build_of_this_python() -> None:
    assert choose([*GRPC, *REST], (3, 12), "x86_64", GLIBC) == [REST[0], GRPC[1], REST[1]]


def test_a_stable_abi_serves_newer_pythons_and_no_older_ones() -> None:
    assert rank(REST[0], (3, 14), "x86_64", GLIBC)
    assert not rank(REST[0], (3, 10), "x86_64", GLIBC)


@pytest.mark.parametrize(
    ("python", "machine", "glibc"),
    [
        ((3, 15), "x86_64", GLIBC),
        ((3, 12), "aarch64", GLIBC),
        ((3, 12), "x86_64", (2, 26)),
        ((3, 12), "x86_64", (0, 0)),
    ],
)
def test_a_guest_without_a_wheel_is_told_which(python: tuple[int, int], machine: str, glibc: tuple[int, int]) -> None:
    with pytest.raises(SystemExit, match=rf"the bundle has no \w+ for Python 3.{python[1]} on {machine}"):
        choose([*GRPC, *REST], python, machine, glibc)


def test_the_build_for_this_very_python_is_better_than_one_for_many() -> None:
    both = [
        "x-1-cp311-abi3-manylinux2014_x86_64.whl",
        "x-1-cp312-cp312-manylinux2014_x86_64.whl",
        "x-1-py3-none-any.whl",
    ]
    assert choose(both, (3, 12), "x86_64", GLIBC) == [both[1]]
    assert choose(both, (3, 13), "x86_64", GLIBC) == [both[0]]
