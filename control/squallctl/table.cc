#include "squall/control/squallctl/table.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace squall::internal {
namespace {

constexpr std::string_view kGap = "  ";

std::string_view EscapeSequence(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kHeading:
      return "\x1b[1m";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kWarning:
      return "\x1b[33m";
    case Style::kBad:
      return "\x1b[31m";
    case Style::kFaint:
      return "\x1b[2m";
  }
  return "";
}

std::string Line(const std::vector<Cell>& cells, const std::vector<Column>& columns,
                 const std::vector<size_t>& widths, const TableStyle& style) {
  std::string line;
  size_t printed = 0;
  size_t pending_blanks = 0;  // Written only when something follows them.
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) pending_blanks += kGap.size();
    const size_t padding = widths[i] - cells[i].text.size();
    if (columns[i].align == Align::kRight) pending_blanks += padding;
    if (!cells[i].text.empty()) {
      std::string text = cells[i].text;
      const size_t begin = printed + pending_blanks;
      const bool cut = style.width > 0 && begin + text.size() > style.width;
      if (cut && begin >= style.width) return line;
      if (cut) text = text.substr(0, style.width - begin - 1) + "~";
      line.append(pending_blanks, ' ');
      const std::string_view escape = style.color ? EscapeSequence(cells[i].style) : "";
      line.append(escape);
      line.append(text);
      if (!escape.empty()) line.append("\x1b[0m");
      if (cut) return line;
      printed = begin + text.size();
      pending_blanks = 0;
    }
    if (columns[i].align == Align::kLeft) pending_blanks += padding;
  }
  return line;
}

}  // namespace

std::vector<std::string> Table::Lines(const TableStyle& style) const {
  std::vector<Cell> headings;
  std::vector<size_t> widths;
  for (const Column& column : columns_) {
    headings.push_back({column.heading, Style::kHeading});
    widths.push_back(column.heading.size());
  }
  for (const std::vector<Cell>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].text.size());
  }
  std::vector<std::string> lines = {Line(headings, columns_, widths, style)};
  for (const std::vector<Cell>& row : rows_) lines.push_back(Line(row, columns_, widths, style));
  return lines;
}

}  // namespace squall::internal
