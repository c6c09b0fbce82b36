"""squall_deps(): every external repository squall needs, Debian-backed."""

load("//bazel:debian.bzl", "absl_repository", "grpc_repository", "overlay_repository", "protobuf_repository", "system_library")

def _maybe(rule, name, **kwargs):
    if not native.existing_rule(name):
        rule(name = name, **kwargs)

def squall_deps():
    _maybe(overlay_repository, "rules_cc", files = {
        "@squall//bazel/third_party:rules_cc/cc/defs.bzl": "cc/defs.bzl",
        "@squall//bazel/third_party:rules_cc/cc/BUILD.shim": "cc/BUILD",
    })
    _maybe(overlay_repository, "remote_coverage_tools", files = {
        "@squall//bazel/third_party:coverage/BUILD.shim": "BUILD",
        "@squall//bazel/third_party:coverage/lcov_merger.py": "lcov_merger.py",
    })
    _maybe(native.local_repository, "rules_java", path = "/usr/share/bazel/rules/java")
    _maybe(native.local_repository, "rules_proto", path = "/usr/share/bazel/rules/proto")
    _maybe(native.local_repository, "bazel_skylib", path = "/usr/share/bazel/tools/skylib")
    _maybe(absl_repository, "com_google_absl")
    _maybe(protobuf_repository, "com_google_protobuf")
    _maybe(grpc_repository, "com_github_grpc_grpc")
    _maybe(system_library, "com_google_googletest", targets = {
        "gtest": "gtest",
        "gtest_main": "gtest_main gmock",
    }, minimum = {"gtest": "1.12"})
    _maybe(system_library, "com_github_google_benchmark", targets = {
        "benchmark": "benchmark",
    }, extra = {"benchmark_main": "-lbenchmark_main"})
    _maybe(system_library, "com_github_google_glog", targets = {"glog": "libglog"})
    _maybe(system_library, "com_googlesource_code_re2", targets = {"re2": "re2"})
    _maybe(system_library, "net_zlib", targets = {"zlib": "zlib"})
    _maybe(system_library, "com_github_nlohmann_json", targets = {"json": "nlohmann_json"})
    _maybe(system_library, "openssl", targets = {"crypto": "libcrypto"})
