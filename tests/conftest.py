"""Which targets a test runs on: all that this build has, or the one that TWOPASS_TARGET names.

A target that this CPU cannot run is skipped, and the report says so; TWOPASS_REQUIRE_TARGET=name
makes that a failure, so that a machine chosen for a target cannot pass without it.
"""

import os

import pytest

NAME = os.environ.get("TWOPASS_TARGET", "")
REQUIRED = os.environ.get("TWOPASS_REQUIRE_TARGET", "")


def pytest_sessionstart() -> None:
    """End a session for a target that cannot run here before its tests fail to import twopass."""
    try:
        import twopass
    except ImportError as error:
        os.environ.pop("TWOPASS_TARGET", None)
        import twopass

        target = twopass.targets().get(NAME)
        skip = target is not None and not target.supported and NAME != REQUIRED
        pytest.exit(f"{'all tests skipped: ' * skip}{error}", returncode=0 if skip else 1)


def pytest_report_header() -> str:
    import twopass

    supported = [name for name, target in twopass.targets().items() if target.supported]
    return f"twopass: {twopass.active_target().name} is active of {', '.join(supported)}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a `target` on each of them."""
    if "target" in metafunc.fixturenames:
        import twopass

        compiled = [name for name, target in twopass.targets().items() if target.compiled]
        metafunc.parametrize("target", [NAME] if NAME else compiled, indirect=True, scope="session")


@pytest.fixture
def target(request: pytest.FixtureRequest):
    """A target that this CPU runs."""
    import twopass

    target = twopass.targets()[request.param]
    if not target.supported:
        reason = f"this CPU cannot run {target.name}"
        pytest.fail(reason) if target.name == REQUIRED else pytest.skip(reason)
    assert target.module.__name__ == f"twopass._{target.name}"
    return target
