"""Tests of the whole: real processes, driven by Python."""

PROGRAMS = {
    "SQUALL_ADMIN": "//:admin",
    "SQUALL_FAULTY_SERVER": "//tests/integration:faulty_server",
    "SQUALL_LOAD_CLIENT": "//tests/load:load_client",
    "SQUALL_SERVER": "//:server",
}

def integration_test(name, programs = {}, data = [], size = "medium", **kwargs):
    """A test in Python (<name>.py) that starts programs of ours.

    Args:
      name: name of the test and, with .py, of its program.
      programs: environment variable -> label of a program, beside those of PROGRAMS.
      data: files beside harness.py and pool_checks.py.
      size: as for sh_test.
      **kwargs: as for sh_test.
    """
    all_programs = dict(PROGRAMS, **programs)
    native.sh_test(
        name = name,
        size = size,
        srcs = [name + ".py"],
        data = [
            "//tests/integration:harness.py",
            "//tests/integration:pool_checks.py",
        ] + data + all_programs.values(),
        env = dict(
            {
                variable: "$(rootpath {})".format(label)
                for variable, label in all_programs.items()
            },
            PYTHONDONTWRITEBYTECODE = "1",
        ),
        **kwargs
    )
