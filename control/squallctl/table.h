// Columns of text, aligned.
//
//   Table table({{"SLOT", Align::kRight}, {"STATE"}});
//   table.AddRow({{"0"}, {"READY", Style::kGood}});
//   for (const std::string& line : table.Lines({.color = true, .width = 80})) Print(line);
#ifndef SQUALL_CONTROL_SQUALLCTL_TABLE_H_
#define SQUALL_CONTROL_SQUALLCTL_TABLE_H_

#include <cstddef>
#include <string>
#include <vector>

namespace squall::internal {

enum class Align { kLeft, kRight };
enum class Style { kPlain, kHeading, kGood, kWarning, kBad, kFaint };

struct Cell {
  std::string text;  // printable ASCII
  Style style = Style::kPlain;
};

struct Column {
  std::string heading;
  Align align = Align::kLeft;
};

struct TableStyle {
  // Escape sequences for colours; for terminals only.
  bool color = false;
  // Longer lines are cut, with "~" as their last character; 0: no limit.
  size_t width = 0;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as columns.
  void AddRow(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }

  // The heading and the rows, without trailing blanks and newlines.
  std::vector<std::string> Lines(const TableStyle& style) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_TABLE_H_
