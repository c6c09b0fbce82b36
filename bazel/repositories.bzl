"""squall_deps(): every external repository that squall needs, from Debian's packages."""

load(
    "//bazel:debian.bzl",
    "absl_repository",
    "debian_directory",
    "grpc_repository",
    "header_library",
    "overlay_repository",
    "protobuf_repository",
    "system_library",
)

def _maybe(repository_rule, name, **kwargs):
    """Declares a repository unless the workspace has one of that name already."""
    if not native.existing_rule(name):
        repository_rule(name = name, **kwargs)

def squall_deps():
    """Declares squall's external repositories.

    For the WORKSPACE of squall and of its users. A repository that was declared before the call
    wins, so a user may bring an own Abseil or gRPC.
    """
    _maybe(overlay_repository, "rules_cc", files = {
        "@squall//bazel/third_party:rules_cc/cc/BUILD.shim": "cc/BUILD",
        "@squall//bazel/third_party:rules_cc/cc/defs.bzl": "cc/defs.bzl",
    })
    _maybe(overlay_repository, "remote_coverage_tools", files = {
        "@squall//bazel/third_party:coverage/BUILD.shim": "BUILD",
        "@squall//bazel/third_party:coverage/lcov_merger.py": "lcov_merger.py",
    })
    _maybe(debian_directory, "rules_java", path = "/usr/share/bazel/rules/java", package = "bazel-rules-java")
    _maybe(debian_directory, "rules_proto", path = "/usr/share/bazel/rules/proto", package = "bazel-rules-proto")
    _maybe(debian_directory, "bazel_skylib", path = "/usr/share/bazel/tools/skylib", package = "bazel-skylib")
    _maybe(absl_repository, "com_google_absl")
    _maybe(protobuf_repository, "com_google_protobuf")
    _maybe(grpc_repository, "com_github_grpc_grpc")
    _maybe(
        system_library,
        "com_google_googletest",
        package = "libgtest-dev libgmock-dev",
        minimum = "1.12",
        targets = {
            "gtest": "gtest gmock",
            "gtest_main": "gtest_main gmock",
        },
    )
    _maybe(
        system_library,
        "com_github_google_benchmark",
        package = "libbenchmark-dev",
        extra = {"benchmark_main": "-lbenchmark_main"},
        targets = {"benchmark": "benchmark"},
    )
    _maybe(system_library, "com_github_google_glog", package = "libgoogle-glog-dev", targets = {"glog": "libglog"})
    _maybe(system_library, "com_github_nlohmann_json", package = "nlohmann-json3-dev", targets = {"json": "nlohmann_json"})
    _maybe(system_library, "com_googlesource_code_re2", package = "libre2-dev", targets = {"re2": "re2"})
    _maybe(system_library, "com_github_facebook_zstd", package = "libzstd-dev", targets = {"zstd": "libzstd"})
    _maybe(
        system_library,
        "org_brotli",
        package = "libbrotli-dev",
        targets = {"brotlienc": "libbrotlienc", "brotlidec": "libbrotlidec"},
    )
    _maybe(system_library, "net_zlib", package = "zlib1g-dev", targets = {"zlib": "zlib"})
    _maybe(
        header_library,
        "asio",
        package = "libasio-dev",
        defines = ["ASIO_STANDALONE"],
        path = "/usr/include/asio.hpp",
        target = "asio",
    )
    _maybe(
        header_library,
        "http_parser",
        package = "libhttp-parser-dev",
        linkopts = ["-lhttp_parser"],
        path = "/usr/include/http_parser.h",
        target = "http_parser",
    )
    _maybe(
        system_library,
        "org_libevent",
        package = "libevent-dev",
        targets = {"event": "libevent", "event_pthreads": "libevent_pthreads"},
    )
    _maybe(system_library, "org_libuv", package = "libuv1-dev", targets = {"uv": "libuv"})
    _maybe(
        system_library,
        "openssl",
        package = "libssl-dev",
        minimum = "3.0",
        targets = {
            "crypto": "libcrypto",
            "ssl": "libssl libcrypto",
        },
    )
