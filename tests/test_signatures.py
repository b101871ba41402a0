"""The compiled modules against the protocols in _targets.py, which alone state their signatures."""

import inspect

import pytest

from twopass import _targets


def parameters(function):
    """Names, kinds and whether they can be left out."""
    return [
        (p.name, p.kind, p.default is not p.empty)
        for p in inspect.signature(function).parameters.values()
        if p.name != "self"
    ]


def members(protocol):
    annotated = {
        name: getattr(_targets, str(kind), None)
        for name, kind in inspect.get_annotations(protocol).items()
    }
    methods = {
        name: value
        for name, value in vars(protocol).items()
        if inspect.isfunction(value) and name[0] != "_"
    }
    return annotated | methods


@pytest.mark.parametrize(
    "protocol, part", ((_targets.Kernels, "module"), (_targets.Probe, "probe"))
)
def test_modules_keep_to_their_protocol(target, protocol, part):
    module = getattr(target, part)
    for name, wanted in members(protocol).items():
        found = getattr(module, name)
        if wanted is None:  # data
            assert not callable(found)
        else:
            call = wanted.__call__ if inspect.isclass(wanted) else wanted
            assert parameters(found) == parameters(call), name


@pytest.mark.parametrize(
    "protocol, part", ((_targets.Kernels, "module"), (_targets.Probe, "probe"))
)
def test_protocols_leave_nothing_out(target, protocol, part):
    module = getattr(target, part)
    public = {
        name for name, value in vars(module).items() if inspect.isroutine(value) and name[0] != "_"
    }
    assert public == {name for name, wanted in members(protocol).items() if wanted is not None}
