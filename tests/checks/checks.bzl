"""Checks of the source tree as tests."""

def source_check(name, genqueries = []):
    """A test that reads the source tree itself, so that it sees a file as soon as it is there.

    It runs outside the sandbox, every time (`external`), and its result is never kept. Targets are
    no input to it, with the exception of genqueries.

    Args:
      name: name of the test and, with .py, of its program.
      genqueries: genquery targets whose outputs are its arguments.
    """
    native.sh_test(
        name = name,
        size = "small",
        srcs = [name + ".py"],
        args = ["$(location {})".format(query) for query in genqueries],
        data = ["//:WORKSPACE"] + genqueries,
        tags = [
            "check",
            "external",
            "local",
            "no-cache",
            "no_asan",
        ],
    )

def package_deps(targets):
    """One genquery deps_of_<package> for each package, over the package's façade.

    Args:
      targets: package -> label of the façade target.

    Returns:
      The labels of the genqueries.
    """
    for package, target in targets.items():
        native.genquery(
            name = "deps_of_" + package,
            testonly = True,
            expression = "deps({})".format(target),
            opts = ["--noimplicit_deps"],
            scope = [target],
        )
    return [":deps_of_" + package for package in targets]
