#include "squall/control/squallctl/completion.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "squall/base/string_view.h"
#include "squall/control/squallctl/flag.h"
#include "squall/control/squallctl/verb.h"

namespace squall::internal {
namespace {

std::string VerbNames(std::string_view separator) {
  std::vector<absl::string_view> names;
  for (const VerbSpec& spec : Verbs()) names.push_back(ToAbsl(spec.name));
  return absl::StrJoin(names, ToAbsl(separator));
}

// What may stand behind a command, with blanks between; "" when it cannot be listed here.
std::string ArgumentChoices(Argument argument) {
  switch (argument) {
    case Argument::kShell:
      return "bash zsh fish";
    case Argument::kOptionalVerb:
      return VerbNames(" ");
    case Argument::kNone:
    case Argument::kTarget:
    case Argument::kSlot:
    case Argument::kOptionalSlot:
    case Argument::kOperation:
      break;
  }
  return "";
}

// Inside of single quotes.
std::string Quoted(std::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(ToAbsl(text), {{"'", "'\\''"}}), "'");
}

// "--watch --interval= ": with the sign where a value follows.
std::string BashFlags(const VerbSpec* spec) {
  std::string words;
  for (const Flag& flag : Flags()) {
    if (spec == nullptr ? !flag.IsCommon() : !flag.TakenBy(spec->verb)) continue;
    absl::StrAppend(&words, ToAbsl(flag.name), flag.value.empty() ? " " : "= ");
  }
  return words + (spec == nullptr ? "--help --version" : "--help");
}

// Bash breaks words at '=', so that "--output=js" arrives as three of them.
std::string Bash() {
  std::string out =
      "# bash completion of squallctl, made by `squallctl completion bash`.\n"
      "_squallctl() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local flag='' verb='' word choices='' flags\n"
      "  COMPREPLY=()\n"
      "  if [[ $cur == = ]]; then\n"
      "    flag=$prev cur=''\n"
      "  elif [[ $prev == = ]]; then\n"
      "    flag=${COMP_WORDS[COMP_CWORD-2]}\n"
      "  else\n"
      "    flag=$prev\n"
      "  fi\n"
      "  case $flag in\n";
  for (const Flag& flag : Flags()) {
    if (flag.value.empty()) continue;
    absl::StrAppend(&out, "    ", ToAbsl(flag.name), ") ");
    if (!flag.choices.empty()) {
      absl::StrAppend(&out, "COMPREPLY=($(compgen -W ", Quoted(flag.choices), " -- \"$cur\")); ");
    }
    out += "return ;;\n";
  }
  absl::StrAppend(&out,
                  "  esac\n"
                  "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                  "    case $word in\n"
                  "      ",
                  VerbNames("|"),
                  ") verb=$word; break ;;\n"
                  "    esac\n"
                  "  done\n"
                  "  case $verb in\n");
  for (const VerbSpec& spec : Verbs()) {
    absl::StrAppend(&out, "    ", ToAbsl(spec.name), ") flags=", Quoted(BashFlags(&spec)),
                    " choices=", Quoted(ArgumentChoices(spec.argument)), " ;;\n");
  }
  absl::StrAppend(&out, "    *) flags=", Quoted(BashFlags(nullptr)),
                  " choices=", Quoted(VerbNames(" ")),
                  " ;;\n"
                  "  esac\n"
                  "  if [[ $cur == -* ]]; then\n"
                  "    COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\"))\n"
                  "    if [[ ${COMPREPLY[0]-} == *= ]]; then compopt -o nospace; fi\n"
                  "  else\n"
                  "    COMPREPLY=($(compgen -W \"$choices\" -- \"$cur\"))\n"
                  "  fi\n"
                  "}\n"
                  "complete -F _squallctl squallctl\n");
  return out;
}

// A text in a specification of _arguments or _describe.
std::string ZshText(std::string_view text) {
  return absl::StrReplaceAll(ToAbsl(text),
                             {{"\\", "\\\\"}, {":", "\\:"}, {"[", "\\["}, {"]", "\\]"}});
}

std::string ZshFlag(const Flag& flag) {
  std::string spec = absl::StrCat(ToAbsl(flag.name), flag.value.empty() ? "" : "=", "[",
                                  ZshText(flag.brief()), "]");
  if (!flag.value.empty()) {
    absl::StrAppend(&spec, ":", ToAbsl(flag.value), ":");
    if (!flag.choices.empty()) absl::StrAppend(&spec, "(", ToAbsl(flag.choices), ")");
  }
  return Quoted(spec);
}

std::string Zsh() {
  std::string out =
      "#compdef squallctl\n"
      "# zsh completion of squallctl, made by `squallctl completion zsh`.\n"
      "_squallctl() {\n"
      "  local context state state_descr line curcontext=$curcontext\n"
      "  typeset -A opt_args\n"
      "  local -a commands\n"
      "  commands=(\n";
  for (const VerbSpec& spec : Verbs()) {
    absl::StrAppend(&out, "    ", Quoted(absl::StrCat(ToAbsl(spec.name), ":", ZshText(spec.brief))),
                    "\n");
  }
  out +=
      "  )\n"
      "  _arguments -C \\\n"
      "    '--help[all commands, or one with its flags]' \\\n"
      "    '--version[releases of squallctl and of the server]' \\\n";
  for (const Flag& flag : Flags()) {
    if (flag.IsCommon()) absl::StrAppend(&out, "    ", ZshFlag(flag), " \\\n");
  }
  out +=
      "    '1:command:->command' '*::argument:->argument'\n"
      "  case $state in\n"
      "    command) _describe command commands ;;\n"
      "    argument)\n"
      "      case $line[1] in\n";
  for (const VerbSpec& spec : Verbs()) {
    absl::StrAppend(&out, "        ", ToAbsl(spec.name), ") _arguments '--help[its flags]'");
    for (const Flag& flag : Flags()) {
      if (flag.TakenBy(spec.verb)) absl::StrAppend(&out, " \\\n          ", ZshFlag(flag));
    }
    const std::string choices = ArgumentChoices(spec.argument);
    if (!choices.empty()) {
      absl::StrAppend(&out, " \\\n          ", Quoted(absl::StrCat("1:argument:(", choices, ")")));
    }
    out += " ;;\n";
  }
  out +=
      "      esac ;;\n"
      "  esac\n"
      "}\n"
      // Sourced by hand, or read by compinit from $fpath, where it is the body of _squallctl.
      "if [ \"$funcstack[1]\" = \"_squallctl\" ]; then _squallctl; else compdef _squallctl "
      "squallctl; fi\n";
  return out;
}

std::string Fish() {
  std::string out =
      "# fish completion of squallctl, made by `squallctl completion fish`.\n"
      "complete -c squallctl -f\n"
      "complete -c squallctl -l help -d 'all commands, or one with its flags'\n";
  const std::string any_verb = "__fish_seen_subcommand_from " + VerbNames(" ");
  absl::StrAppend(&out, "complete -c squallctl -n ", Quoted("not " + any_verb),
                  " -l version -d 'releases of squallctl and of the server'\n");
  for (const VerbSpec& spec : Verbs()) {
    absl::StrAppend(&out, "complete -c squallctl -n ", Quoted("not " + any_verb), " -a ",
                    ToAbsl(spec.name), " -d ", Quoted(spec.brief), "\n");
    const std::string choices = ArgumentChoices(spec.argument);
    if (choices.empty()) continue;
    absl::StrAppend(&out, "complete -c squallctl -n '__fish_seen_subcommand_from ",
                    ToAbsl(spec.name), "' -a ", Quoted(choices), "\n");
  }
  for (const Flag& flag : Flags()) {
    std::string takers, others;
    for (const VerbSpec& spec : Verbs()) {
      absl::StrAppend(flag.TakenBy(spec.verb) ? &takers : &others, " ", ToAbsl(spec.name));
    }
    // What almost every command takes may stand before it, too.
    const std::string condition = flag.IsCommon()
                                      ? absl::StrCat("not __fish_seen_subcommand_from", others)
                                      : absl::StrCat("__fish_seen_subcommand_from", takers);
    out += "complete -c squallctl";
    if (!flag.IsCommon() || !others.empty()) absl::StrAppend(&out, " -n ", Quoted(condition));
    absl::StrAppend(&out, " -l ", ToAbsl(flag.name.substr(2)));
    if (!flag.value.empty()) absl::StrAppend(&out, " -x");
    if (!flag.choices.empty()) absl::StrAppend(&out, " -a ", Quoted(flag.choices));
    absl::StrAppend(&out, " -d ", Quoted(flag.brief()), "\n");
  }
  return out;
}

}  // namespace

std::string CompletionScript(Shell shell) {
  switch (shell) {
    case Shell::kBash:
      return Bash();
    case Shell::kZsh:
      return Zsh();
    case Shell::kFish:
      return Fish();
  }
  return "";
}

}  // namespace squall::internal
