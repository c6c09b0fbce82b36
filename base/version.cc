#include "squall/base/version.h"

#include <elf.h>
#include <link.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace squall {
namespace {

constexpr size_t Padded(size_t size) { return (size + 3) & ~size_t{3}; }

// The build id among the notes; empty when there is none.
std::string_view FindBuildId(std::string_view notes) {
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    memcpy(&note, notes.data(), sizeof(note));
    const size_t name_at = sizeof(note);
    const size_t value_at = name_at + Padded(note.n_namesz);
    const size_t end = value_at + Padded(note.n_descsz);
    if (end > notes.size()) break;
    if (note.n_type == NT_GNU_BUILD_ID &&
        notes.substr(name_at, note.n_namesz) == std::string_view("GNU", 4)) {
      return notes.substr(value_at, note.n_descsz);
    }
    notes.remove_prefix(end);
  }
  return {};
}

// The program itself comes first; a value other than 0 ends the search.
int OnObject(dl_phdr_info* object, size_t, void* result) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* const notes = reinterpret_cast<const char*>(object->dlpi_addr + segment.p_vaddr);
    const std::string_view id = FindBuildId({notes, segment.p_memsz});
    if (id.empty()) continue;
    *static_cast<std::string*>(result) = absl::BytesToHexString({id.data(), id.size()});
    break;
  }
  return 1;
}

}  // namespace

std::string BuildId() {
  std::string id;
  dl_iterate_phdr(&OnObject, &id);
  return id;
}

std::string VersionText() {
  const std::string id = BuildId();
  return absl::StrCat(kVersion, id.empty() ? " (without a build id)" : " (build " + id + ")");
}

}  // namespace squall
