// The routes of the wire cases' fixture, as wire_fixture.json describes them.
#ifndef SQUALL_TESTS_CONFORMANCE_FIXTURE_HANDLERS_H_
#define SQUALL_TESTS_CONFORMANCE_FIXTURE_HANDLERS_H_

#include <vector>

#include "squall/web/application.h"

namespace squall::conformance {

std::vector<Rule> FixtureRules();

}  // namespace squall::conformance

#endif  // SQUALL_TESTS_CONFORMANCE_FIXTURE_HANDLERS_H_
