// The main() of a fuzz target that is not fuzzing: runs it once over each file named on the command
// line, so that what a fuzzer once found stays found. libFuzzer brings its own main() under
// --config=fuzz. Without files it fails, because a test over nothing proves nothing.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read the corpus file %s\n", argv[i]);
      return 1;
    }
    const std::string data{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    // Named before the run, so that a crash tells which input did it.
    std::fprintf(stderr, "%s (%zu bytes)\n", argv[i], data.size());
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(data.data()), data.size());
  }
  if (argc < 2) {
    std::fprintf(stderr, "no corpus files given\n");
    return 1;
  }
  return 0;
}
